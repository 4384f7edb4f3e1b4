#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/fatal.h"

#include "serve/dialer.h"

enum {
    CACHE_SECONDS = 60,
    LOOKUP_MS = 30000, /* then even a dial left alone is ended */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_EVERY_S = 20,
};

/* libcurl's wish to know about one socket. */
struct watch {
    struct event event;
    struct dialer *dialer;
};

/* Lists */

void dial_put(struct dial *dial, struct dial **list)
{
    dial->next = *list;
    if (dial->next)
        dial->next->prev = &dial->next;
    dial->prev = list;
    *list = dial;
}

void dial_cut(struct dial *dial)
{
    struct dialer *d = dial->dialer;

    *dial->prev = dial->next;
    if (dial->next)
        dial->next->prev = dial->prev;
    if (d->ready_end == &dial->next)
        d->ready_end = dial->prev;
}

void dial_move(struct dial *dial, struct dial **list)
{
    dial_cut(dial);
    dial_put(dial, list);
}

void dial_make_ready(struct dial *dial)
{
    struct dialer *d = dial->dialer;

    dial->next = NULL;
    dial->prev = d->ready_end;
    *d->ready_end = dial;
    d->ready_end = &dial->next;
}

/* The lookup is over, well or (with a text) badly. */
void dial_release_followers(struct dial *leader, const char *error)
{
    struct dial *dial;

    while ((dial = leader->followers)) {
        snprintf(dial->error, sizeof(dial->error), "%s", error);
        dial_cut(dial);
        dial_make_ready(dial);
    }
}

void dialer_settle_soon(struct dialer *d)
{
    struct timeval now = {0, 0};

    if (event_add(&d->nudge, &now) != 0)
        fatal("cannot arm a timer");
}

static void on_nudge(evutil_socket_t fd, short what, void *arg)
{
    struct dialer *d = arg;

    (void)fd;
    (void)what;
    d->n_burst = 0;
    dialer_settle(d);
}

/* libcurl's callbacks */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;
    struct dialer *d = w->dialer;
    int running, mask = 0;

    if (what & EV_READ)
        mask |= CURL_CSELECT_IN;
    if (what & EV_WRITE)
        mask |= CURL_CSELECT_OUT;
    curl_multi_socket_action(d->multi, fd, mask, &running);
    dialer_settle(d);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                        void *socket_arg)
{
    struct dialer *d = arg;
    struct watch *w = socket_arg;
    short events = EV_PERSIST;

    (void)easy;
    if (w)
        event_del(&w->event);
    if (what == CURL_POLL_REMOVE) {
        if (w)
            pool_give(&d->watches, w);
        curl_multi_assign(d->multi, fd, NULL);
        return 0;
    }
    if (!w) {
        w = pool_take(&d->watches);
        w->dialer = d;
        curl_multi_assign(d->multi, fd, w);
    }
    if (what & CURL_POLL_IN)
        events |= EV_READ;
    if (what & CURL_POLL_OUT)
        events |= EV_WRITE;
    event_assign(&w->event, loop_events(d->loop), fd, events, on_socket, w);
    if (event_add(&w->event, NULL) != 0)
        fatal("cannot watch a socket");
    return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct dialer *d = arg;
    int running;

    (void)fd;
    (void)what;
    curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    dialer_settle(d);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct dialer *d = arg;
    struct timeval wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

    (void)multi;
    if (timeout_ms < 0)
        event_del(&d->timer);
    else if (event_add(&d->timer, &wait) != 0)
        fatal("cannot arm a timer");
    return 0;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose,
                                 struct curl_sockaddr *to)
{
    struct dial *dial = arg;

    (void)purpose;
    if (!dial->resolved) {
        dial->resolved = true;
        dial_move(dial, &dial->dialer->running);
        dial_release_followers(dial, "");
    }
    if (!dial->on_done)
        return CURL_SOCKET_BAD; /* left alone: only the name was wanted */
    return socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  to->protocol);
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct dial *dial = arg;

    return fd == dial->taken ? 0 : close(fd);
}

static size_t swallow(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * n;
}

/* The dialer and its handles */

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        fatal("cannot start libcurl");
}

struct dialer *dialer_new(struct loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct arena *arena = arena_new();
    struct dialer *d = arena_alloc(arena, sizeof(*d));

    pthread_once(&once, global_init);
    *d = (struct dialer){.loop = loop, .arena = arena};
    d->ready_end = &d->ready;
    pool_init(&d->watches, sizeof(struct watch));
    pool_init(&d->dials, sizeof(struct dial));
    d->multi = curl_multi_init();
    if (!d->multi)
        fatal("out of memory making a dialer");
    event_assign(&d->timer, loop_events(loop), -1, 0, on_timer, d);
    event_assign(&d->nudge, loop_events(loop), -1, 0, on_nudge, d);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return d;
}

/* What is the same for all dials: none of it comes from the environment. */
CURL *dial_easy_new(struct dial *dial)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        fatal("out of memory making a dial");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, dial);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, dial->error);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)LOOKUP_MS);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)CACHE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_EVERY_S);
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* "*" would mean: never */
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, dial);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, dial);
    return easy;
}

void dial_leave_multi(struct dial *dial)
{
    if (dial->in_multi)
        curl_multi_remove_handle(dial->dialer->multi, dial->easy);
    dial->in_multi = false;
}

void dial_free(struct dial *dial)
{
    dial_leave_multi(dial);
    dial_cut(dial);
    curl_easy_cleanup(dial->easy);
    pool_give(&dial->dialer->dials, dial);
}

void dialer_free(struct dialer *d)
{
    if (!d)
        return;
    ENSURE(!d->running && !d->ready);
    while (d->looking)
        dial_free(d->looking); /* left alone, all of them */
    while (d->spare)
        dial_free(d->spare);
    curl_multi_cleanup(d->multi);
    event_del(&d->timer);
    event_del(&d->nudge);
    pool_fini(&d->watches);
    pool_fini(&d->dials);
    arena_free(d->arena);
}
