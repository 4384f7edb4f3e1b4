/*
 * mock.c - the upstream that every proxy of the benchmark forwards to.
 *
 *   peer_accept -> peer_ready -> peer_read -> peer_eat -> peer_answer
 *                                                |            |
 *                                      (rest of a body)   stream_begin
 *                                                             |
 *                                  timer -> stream_step ... stream_end
 *
 * It reads a whole request before it answers and keeps connections alive.
 * Bodies above KEEP_BYTES are counted, not kept: only small ones may ask
 * for a stream. On start it prints the ports it listens on.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/fatal.h"

#include "reply.h"
#include "timers.h"
#include "tool.h"

#define KEEP_BYTES    32768L
#define HEAD_BYTES    16384UL
#define SCRATCH_BYTES (256 * 1024)
#define BLOCKED_NS                                             \
    1000000 /* until a reader that took nothing is asked again \
             */

struct listener {
    int fd;
    SSL_CTX *tls; /* NULL: plain */
};

struct peer {
    int fd;
    SSL *ssl;         /* NULL: plain */
    bool shaking;     /* the TLS handshake is under way */
    bool watch_write; /* EPOLLOUT is asked for */
    size_t body_left; /* of a big body, still to be thrown away */
    struct text in;   /* an incomplete request */
    struct text out;  /* what the socket did not take yet */
    struct ask ask;   /* the stream under way; .stream false: none */
    long next_chunk;
    struct timer timer;
};

static int loop;
static struct listener listeners[2];
static char scratch[SCRATCH_BYTES];

static void peer_free(struct peer *p)
{
    timer_clear(&p->timer);
    if (p->ssl)
        SSL_free(p->ssl);
    close(p->fd);
    text_fini(&p->in);
    text_fini(&p->out);
    free(p);
}

static void peer_watch(struct peer *p, bool write)
{
    if (p->watch_write == write)
        return;
    p->watch_write = write;
    struct epoll_event ev = {.events = EPOLLIN | (write ? EPOLLOUT : 0),
                             .data.ptr = p};
    epoll_ctl(loop, EPOLL_CTL_MOD, p->fd, &ev);
}

/* -1 = gone, 0 = not now, else bytes. */
static ssize_t ssl_result(struct peer *p, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(p->ssl, n);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t peer_write_some(struct peer *p, const char *data, size_t len)
{
    if (p->ssl)
        return ssl_result(p, SSL_write(p->ssl, data, (int)len));
    ssize_t n = write(p->fd, data, len);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

static ssize_t peer_read_some(struct peer *p)
{
    if (p->ssl)
        return ssl_result(p, SSL_read(p->ssl, scratch, sizeof(scratch)));
    ssize_t n = read(p->fd, scratch, sizeof(scratch));
    return n > 0 ? n : n == 0 || errno != EAGAIN ? -1 : 0;
}

/* 0, or -1 when the peer is gone. */
static MUST_CHECK

int peer_send(struct peer *p, const char *data, size_t len)
{
    if (p->out.len == 0) {
        ssize_t n = peer_write_some(p, data, len);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    if (len)
        text_add(&p->out, data, len);
    peer_watch(p, p->out.len > 0);
    return 0;
}

static MUST_CHECK

int peer_flush(struct peer *p)
{
    ssize_t n = peer_write_some(p, p->out.data, p->out.len);
    if (n < 0)
        return -1;
    p->out.len -= (size_t)n;
    memmove(p->out.data, p->out.data + n, p->out.len);
    peer_watch(p, p->out.len > 0);
    return 0;
}

static MUST_CHECK

int stream_end(struct peer *p, struct text *out)
{
    reply_stream_end(out, &p->ask);
    p->ask.stream = false;
    return peer_send(p, out->data, out->len);
}

/* Writes the next chunk and asks for the one after. A peer that takes
 * nothing gets no more until it does. */
static MUST_CHECK

int stream_step(struct peer *p, struct text *out)
{
    int64_t interval_ns = p->ask.interval_us * 1000;
    if (p->out.len) {
        timer_set(&p->timer, now_ns() + interval_ns + BLOCKED_NS);
        return 0;
    }
    reply_stream_chunk(out, p->next_chunk++);
    if (p->next_chunk >= p->ask.chunks)
        return stream_end(p, out);
    /* the second chunk comes at a random moment, so that streams which
     * began together do not beat together */
    if (p->next_chunk == 1 && interval_ns)
        timer_set(&p->timer, now_ns() + random() % interval_ns);
    else
        timer_set(&p->timer, p->timer.due_ns + interval_ns);
    return peer_send(p, out->data, out->len);
}

static MUST_CHECK

int peer_answer(struct peer *p, const char *body, size_t len)
{
    static struct text out;
    p->ask = ask_read(body, len);
    if (!p->ask.stream) {
        const struct text *all = reply_completion();
        return peer_send(p, all->data, all->len);
    }
    out.len = 0;
    p->next_chunk = 0;
    p->timer.due_ns = now_ns();
    reply_stream_head(&out);
    return stream_step(p, &out);
}

static long decimal(const char *at, const char *end)
{
    long n = 0;
    while (at < end && *at == ' ')
        at++;
    while (at < end && *at >= '0' && *at <= '9')
        n = n * 10 + (*at++ - '0');
    return n;
}

/* The Content-Length in a head; -1 if the body is framed otherwise. */
static long head_length(const char *head, size_t len)
{
    long length = 0;
    const char *end = head + len;
    for (const char *at = head; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            break;
        if (strncasecmp(at, "content-length:", 15) == 0)
            length = decimal(at + 15, stop);
        else if (strncasecmp(at, "transfer-encoding:", 18) == 0)
            return -1;
        at = stop + 1;
    }
    return length;
}

/* Takes one request, or part of a body, from data. Returns the bytes
 * taken, 0 if it needs more, -1 when the peer must go. */
static ssize_t peer_eat(struct peer *p, const char *data, size_t len)
{
    if (p->body_left) {
        size_t n = len < p->body_left ? len : p->body_left;
        p->body_left -= n;
        if (p->body_left == 0 && peer_answer(p, "", 0) != 0)
            return -1;
        return (ssize_t)n;
    }
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end)
        return len > HEAD_BYTES ? -1 : 0;
    size_t head = (size_t)(end - data) + 4;
    long length = head_length(data, head);
    if (length < 0) {
        const char *refusal = reply_refusal();
        (void)!peer_send(p, refusal, strlen(refusal));
        return -1;
    }
    if (length > KEEP_BYTES) {
        p->body_left = (size_t)length;
        return (ssize_t)head;
    }
    if (len < head + (size_t)length)
        return 0;
    if (peer_answer(p, data + head, (size_t)length) != 0)
        return -1;
    return (ssize_t)(head + (size_t)length);
}

/* Feeds what was read to peer_eat and keeps the rest for later. */
static MUST_CHECK

int peer_feed(struct peer *p, size_t n)
{
    bool kept = p->in.len > 0;
    if (kept)
        text_add(&p->in, scratch, n);
    const char *data = kept ? p->in.data : scratch;
    size_t len = kept ? p->in.len : n;
    while (len && !p->ask.stream) {
        ssize_t took = peer_eat(p, data, len);
        if (took < 0)
            return -1;
        if (took == 0)
            break;
        data += took;
        len -= (size_t)took;
    }
    if (len > HEAD_BYTES + (size_t)KEEP_BYTES)
        return -1;
    if (kept)
        memmove(p->in.data, data, len);
    else if (len)
        text_add(&p->in, data, len);
    p->in.len = len;
    if (len == 0)
        text_fini(&p->in);
    return 0;
}

static MUST_CHECK

int peer_read(struct peer *p)
{
    do {
        ssize_t n = peer_read_some(p);
        if (n < 0)
            return -1;
        if (n == 0 || peer_feed(p, (size_t)n) != 0)
            return n == 0 ? 0 : -1;
    } while (p->ssl && SSL_pending(p->ssl));
    return 0;
}

static MUST_CHECK

int peer_shake(struct peer *p)
{
    ssize_t done = ssl_result(p, SSL_do_handshake(p->ssl));
    p->shaking = done == 0;
    return done < 0 ? -1 : 0;
}

static void peer_ready(struct peer *p, unsigned events)
{
    int rc = 0;
    if (p->shaking)
        rc = peer_shake(p);
    if (rc == 0 && !p->shaking && (events & EPOLLOUT) && p->out.len)
        rc = peer_flush(p);
    if (rc == 0 && !p->shaking && (events & ~(unsigned)EPOLLOUT))
        rc = peer_read(p);
    if (rc != 0)
        peer_free(p);
}

static void peer_accept(struct listener *l)
{
    for (int i = 0; i < 64; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct peer *p = calloc(1, sizeof(*p));
        if (!p)
            fatal("no memory for a connection");
        p->fd = fd;
        p->timer.owner = p;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (l->tls) {
            p->ssl = SSL_new(l->tls);
            SSL_set_fd(p->ssl, fd);
            SSL_set_accept_state(p->ssl);
            p->shaking = true;
        }
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ev);
    }
}

static void timers_run(void)
{
    static struct text out;
    int64_t now = now_ns();
    struct timer *t = timer_first();
    for (; t && t->due_ns <= now; t = timer_first()) {
        struct peer *p = t->owner;
        timer_clear(t);
        out.len = 0;
        if (stream_step(p, &out) != 0)
            peer_free(p);
    }
}

static void listener_open(struct listener *l, long port, const char *name)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(l->fd, (struct sockaddr *)&at, len) != 0 ||
        listen(l->fd, 8192) != 0)
        fatal("cannot listen on port %ld: %s", port, strerror(errno));
    getsockname(l->fd, (struct sockaddr *)&at, &len);
    printf("%s %d\n", name, ntohs(at.sin_port));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};
    epoll_ctl(loop, EPOLL_CTL_ADD, l->fd, &ev);
}

static SSL_CTX *tls_new(const char *certificate, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        fatal("cannot use %s with %s", certificate, key);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

static void loop_turn(void)
{
    struct epoll_event ready[256];
    struct timer *first = timer_first();
    int64_t wait = first ? first->due_ns - now_ns() : 3600000000000;
    if (wait < 0)
        wait = 0;
    struct timespec at = {.tv_sec = wait / 1000000000,
                          .tv_nsec = wait % 1000000000};
    int n = epoll_pwait2(loop, ready, ARRAY_LEN(ready), &at, NULL);
    for (int i = 0; i < n; i++) {
        void *whom = ready[i].data.ptr;
        if (whom == &listeners[0] || whom == &listeners[1])
            peer_accept(whom);
        else
            peer_ready(whom, ready[i].events);
    }
    timers_run();
}

int main(int argc, char **argv)
{
    long port = 0, tls_port = 0;
    const char *certificate = NULL, *key = NULL;
    const struct option_row rows[] = {
        {"port", "plain HTTP; 0 = any free one", &port, NULL},
        {"tls-port", "HTTPS; 0 = any free one", &tls_port, NULL},
        {"certificate", "PEM file; without it no HTTPS", NULL, &certificate},
        {"key", "PEM file of its private key", NULL, &key},
        {0},
    };
    options_read(rows, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    files_raise();
    loop = epoll_create1(EPOLL_CLOEXEC);
    listener_open(&listeners[0], port, "port");
    if (certificate) {
        listeners[1].tls = tls_new(certificate, key ? key : certificate);
        listener_open(&listeners[1], tls_port, "tls_port");
    }
    fflush(stdout);
    for (;;)
        loop_turn();
}
