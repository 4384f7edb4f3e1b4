#include "http/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/tls_io.h"

enum {
    PARTS_MOST = 64, /* of one call */
};

static ssize_t failure(void)
{
    return errno == EAGAIN ? SOCK_AGAIN : SOCK_BROKEN;
}

ssize_t sock_read(struct sock *s, void *into, size_t size)
{
    ssize_t n;

    if (s->ssl)
        return tls_read(s, into, size);
    do {
        n = read(s->fd, into, size);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    s->wants_write = false;
    return failure();
}

/* The kernel only reads what an iovec to be sent points to. */
static struct iovec part_of(struct slice s)
{
    union {
        const char *ours;
        void *theirs;
    } bytes = {.ours = s.bytes};

    return (struct iovec){bytes.theirs, s.len};
}

ssize_t sock_writev(struct sock *s, const struct slice *from, size_t n)
{
    struct iovec parts[PARTS_MOST];
    struct msghdr message = {.msg_iov = parts};
    ssize_t sent;

    if (s->ssl)
        return tls_writev(s, from, n);
    for (size_t i = 0; i < n && message.msg_iovlen < PARTS_MOST; i++)
        if (from[i].len)
            parts[message.msg_iovlen++] = part_of(from[i]);
    do {
        sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    s->wants_write = true;
    return failure();
}

bool sock_pending(const struct sock *s)
{
    return s->ssl && tls_pending(s);
}

void sock_shutdown(struct sock *s, bool clean)
{
    if (s->ssl && clean)
        tls_goodbye(s);
    (void)shutdown(s->fd, SHUT_WR);
}

void sock_close(struct sock *s, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (s->ssl && !reset)
        tls_goodbye(s);
    if (s->ssl)
        tls_end(s);
    if (s->fd < 0)
        return;
    if (reset)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(s->fd);
    s->fd = -1;
}
