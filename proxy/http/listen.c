#include "http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fatal.h"

#include "http/conn.h"

enum {
    ACCEPTS_MOST = 32, /* per event: other connections have their turn too */
    BACKLOG = 4096,
    UNSENT_MOST_BYTES = 128 * 1024,
    PAUSE_MS = 100,        /* after running out of file descriptors */
    TURNED_AWAY_MOST = 64, /* connections over the limit that get an answer */
};

struct listener {
    struct http_server *server;
    struct listener *next;
    struct tls_context *tls;
    struct loop_timer pause;
    struct event event;
    int fd;
};

/* No descriptor is left: the reserved one lets the client see a closed
 * connection instead of hanging. */
static void shed_one(struct listener *l)
{
    struct http_server *s = l->server;
    int fd;

    if (s->reserve_fd >= 0)
        close(s->reserve_fd);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void take_in(struct listener *l, int fd)
{
    struct http_server *s = l->server;
    size_t most = s->limits->connections;

    if (s->n_conns < most)
        conn_new(s, fd, l->tls);
    else if (s->n_conns < most + TURNED_AWAY_MOST && !l->tls)
        conn_turn_away(s, fd);
    else
        close(fd);
}

static bool accept_one(struct listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        take_in(l, fd);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
        shed_one(l);
        event_del(&l->event);
        timer_set(l->server->loop, &l->pause, PAUSE_MS);
        return false;
    }
    return errno == ECONNABORTED || errno == EINTR;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    for (int i = 0; i < ACCEPTS_MOST && accept_one(l); i++)
        continue;
}

static void after_pause(void *arg)
{
    struct listener *l = arg;

    if (event_add(&l->event, NULL) != 0)
        timer_set(l->server->loop, &l->pause, PAUSE_MS);
}

void http_server_listen(struct http_server *s, int fd, struct tls_context *tls)
{
    struct listener *l = calloc(1, sizeof(*l));

    if (!l)
        fatal("out of memory making a listener");
    l->server = s;
    l->fd = fd;
    l->tls = tls;
    l->next = s->listeners;
    s->listeners = l;
    l->pause.fn = after_pause;
    l->pause.arg = l;
    event_assign(&l->event, loop_events(s->loop), fd, EV_READ | EV_PERSIST,
                 on_accept, l);
    after_pause(l);
}

void listeners_tls(struct http_server *s, struct tls_context *tls)
{
    for (struct listener *l = s->listeners; l; l = l->next)
        if (l->tls)
            l->tls = tls;
}

void listeners_close(struct http_server *s)
{
    while (s->listeners) {
        struct listener *l = s->listeners;

        for (int i = 0; i < BACKLOG && !l->pause.due_ms && accept_one(l); i++)
            continue;
        s->listeners = l->next;
        timer_stop(&l->pause);
        event_del(&l->event);
        close(l->fd);
        free(l);
    }
}

/* "host:port", "[host]:port" or ":port" into two texts. */
static int split(const char *address, char *host, size_t host_size,
                 const char **port)
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *to = colon;

    if (!colon || !colon[1])
        return -1;
    if (*from == '[' && to > from && to[-1] == ']') {
        from++;
        to--;
    } else if (memchr(from, ':', (size_t)(to - from))) {
        return -1; /* an IPv6 address without its brackets */
    }
    if ((size_t)(to - from) >= host_size)
        return -1;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    *port = colon + 1;
    return 0;
}

static int open_one(const struct addrinfo *a)
{
    const int yes = 1, no = 0;
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    /* Accepted sockets inherit these. What the kernel holds of a reply and
     * has not sent is bounded, so that a client which takes nothing costs
     * little, and one which takes little is seen to. */
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){UNSENT_MOST_BYTES},
               sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){60}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){15}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){4}, sizeof(int));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

int http_listen_open(const char *address, char *error, size_t error_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[256];
    const char *port;
    int fd = -1, rc;

    if (split(address, host, sizeof(host), &port) != 0) {
        snprintf(error, error_size,
                 "%s: an address is host:port, [::1]:port or :port", address);
        return -1;
    }
    rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        snprintf(error, error_size, "%s: %s", address, gai_strerror(rc));
        return -1;
    }
    errno = 0;
    /* For ":port" IPv6 first, which takes both. */
    for (int pass = 0; pass < 2 && fd < 0; pass++)
        for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
            if (*host || (a->ai_family == AF_INET6) == (pass == 0))
                fd = open_one(a);
    if (fd < 0)
        snprintf(error, error_size, "%s: %s", address, strerror(errno));
    freeaddrinfo(found);
    return fd;
}
