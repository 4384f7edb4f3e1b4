#include "http/sock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/tls_io.h"

enum {
    PARTS_MOST = 64,   /* of one call */
    JOINED_MOST = 4096 /* parts that are dearer to the kernel than a copy */
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
        n = recv(s->fd, into, size, 0); /* read() takes longer ways */
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

static ssize_t send_joined(int fd, const struct slice *from, size_t n)
{
    char bytes[JOINED_MOST];
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        if (from[i].len) {
            memcpy(bytes + len, from[i].bytes, from[i].len);
            len += from[i].len;
        }
    return send(fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t send_parts(int fd, const struct slice *from, size_t n)
{
    struct iovec parts[PARTS_MOST];
    struct msghdr message = {.msg_iov = parts};

    for (size_t i = 0; i < n && message.msg_iovlen < PARTS_MOST; i++)
        if (from[i].len)
            parts[message.msg_iovlen++] = part_of(from[i]);
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

ssize_t sock_writev(struct sock *s, const struct slice *from, size_t n)
{
    size_t len = 0;
    ssize_t sent;

    if (s->ssl)
        return tls_writev(s, from, n);
    for (size_t i = 0; i < n && len <= JOINED_MOST; i++)
        len = from[i].len > JOINED_MOST ? from[i].len : len + from[i].len;
    do {
        sent = len <= JOINED_MOST ? send_joined(s->fd, from, n)
                                  : send_parts(s->fd, from, n);
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
