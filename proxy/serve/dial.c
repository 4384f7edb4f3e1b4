#include "serve/dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/arena.h"
#include "base/fatal.h"
#include "base/pool.h"

/*
 *   dial_start -> [follower -> ready] -> looking -> running -> on_done -> spare
 *
 * One lookup at a time per name: a dial to a name that is being looked up
 * follows the one who asked (its leader), for then the answer is in the multi
 * handle's cache. However many calls a silent name server holds up,
 * there is one thread per name. A lookup is not broken off when its dial is
 * cancelled or times out: the dial is left alone (`on_done` NULL) until the
 * answer is in, so that the next one finds it cached.
 *
 * A burst is spread over turns of the loop, BURST_MOST dials in each, for each
 * costs some 100 us.
 *
 * Callbacks of libcurl may not call libcurl: they leave marks, and settle()
 * acts on them after each curl_multi_socket_action().
 */
enum {
    CACHE_SECONDS = 60,
    LOOKUP_MS = 30000, /* then even a dial left alone is ended */
    PROXY_LEN_MOST = 512,
    BURST_MOST = 16,
    SPARE_MOST = 64, /* handles kept for the next dials */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_EVERY_S = 20,
};

struct dial {
    struct dialer *dialer;
    struct dial *next, **prev; /* in one list: the dialer's or its leader's */
    struct dial *followers;    /* who wait for this one's lookup */
    CURL *easy;
    void (*on_done)(void *arg, int fd, const char *reason); /* NULL: alone */
    void *arg;
    struct loop_timer deadline;
    bool by_name; /* no address: has to be looked up */
    bool resolved, in_multi;
    int taken; /* the socket that libcurl must leave open, or -1 */
    char asked[DIAL_HOST_MOST + PROXY_LEN_MOST]; /* what is looked up */
    char error[CURL_ERROR_SIZE];
};

struct dialer {
    struct loop *loop;
    struct arena *arena;
    CURLM *multi;
    struct event timer; /* libcurl's */
    struct event nudge; /* ours: settle() is due */
    struct pool watches, dials;
    struct dial *looking, *running, *spare;
    struct dial *ready, **ready_end; /* a queue */
    int n_spare, n_burst;
};

/* libcurl's wish to know about one socket. */
struct watch {
    struct event event;
    struct dialer *dialer;
};

static void settle(struct dialer *d);

static void list_put(struct dial **list, struct dial *dial)
{
    dial->next = *list;
    if (dial->next)
        dial->next->prev = &dial->next;
    dial->prev = list;
    *list = dial;
}

static void list_cut(struct dial *dial)
{
    struct dialer *d = dial->dialer;

    *dial->prev = dial->next;
    if (dial->next)
        dial->next->prev = dial->prev;
    if (d->ready_end == &dial->next)
        d->ready_end = dial->prev;
}

static void list_move(struct dial *dial, struct dial **list)
{
    list_cut(dial);
    list_put(list, dial);
}

static void make_ready(struct dial *dial)
{
    struct dialer *d = dial->dialer;

    dial->next = NULL;
    dial->prev = d->ready_end;
    *d->ready_end = dial;
    d->ready_end = &dial->next;
}

static void settle_soon(struct dialer *d)
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
    settle(d);
}

/* The lookup is over, well or (with a text) badly. */
static void release_followers(struct dial *leader, const char *error)
{
    struct dial *dial;

    while ((dial = leader->followers)) {
        snprintf(dial->error, sizeof(dial->error), "%s", error);
        list_cut(dial);
        make_ready(dial);
    }
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
    settle(d);
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
    settle(d);
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
        list_move(dial, &dial->dialer->running);
        release_followers(dial, "");
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
static CURL *easy_new(struct dial *dial)
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

static void leave_multi(struct dial *dial)
{
    if (dial->in_multi)
        curl_multi_remove_handle(dial->dialer->multi, dial->easy);
    dial->in_multi = false;
}

static void dial_free(struct dial *dial)
{
    leave_multi(dial);
    list_cut(dial);
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

/* Dials */

static bool is_looking(const struct dial *dial)
{
    return dial->in_multi && dial->by_name && !dial->resolved;
}

/* The dial is over; the socket, if one was taken, stays open. */
static void retire(struct dial *dial)
{
    struct dialer *d = dial->dialer;

    timer_stop(&dial->deadline);
    leave_multi(dial);
    if (dial->followers)
        settle_soon(d);
    release_followers(dial, "");
    dial->on_done = NULL;
    if (d->n_spare == SPARE_MOST) {
        dial_free(dial);
        return;
    }
    d->n_spare++;
    list_move(dial, &d->spare);
}

static void finish(struct dial *dial, int fd, const char *reason)
{
    void (*on_done)(void *, int, const char *) = dial->on_done;
    void *arg = dial->arg;
    char copy[CURL_ERROR_SIZE];

    snprintf(copy, sizeof(copy), "%s", reason ? reason : "");
    retire(dial);
    if (on_done)
        on_done(arg, fd, reason ? copy : NULL);
}

static void on_deadline(void *arg)
{
    struct dial *dial = arg;
    void (*on_done)(void *, int, const char *) = dial->on_done;
    const char *reason = dial->resolved ? "timed out connecting"
                                        : "timed out looking up the name";

    if (!is_looking(dial)) {
        finish(dial, -1, reason);
        return;
    }
    dial->on_done = NULL;
    on_done(dial->arg, -1, reason);
}

void dial_cancel(struct dial *dial)
{
    timer_stop(&dial->deadline);
    dial->on_done = NULL;
    if (!is_looking(dial)) /* else left alone */
        retire(dial);
}

/* A new or a freed dial runs, unless the name is being looked up. */
static void proceed(struct dial *dial)
{
    struct dialer *d = dial->dialer;
    struct dial *leader = NULL;

    if (dial->by_name)
        for (leader = d->looking; leader; leader = leader->next)
            if (strcmp(leader->asked, dial->asked) == 0)
                break;
    if (leader) {
        list_move(dial, &leader->followers);
        return;
    }
    d->n_burst++;
    list_move(dial, dial->by_name ? &d->looking : &d->running);
    dial->in_multi = true;
    if (curl_multi_add_handle(d->multi, dial->easy) != CURLM_OK)
        fatal("out of memory starting a dial");
}

static bool is_address(const char *host)
{
    struct in6_addr any;

    return inet_pton(AF_INET, host, &any) == 1 ||
           inet_pton(AF_INET6, host, &any) == 1;
}

/* -1: no such host or proxy can be dialled. */
static int aim(struct dial *dial, const struct dial_to *to)
{
    const char *proxy = to->forward_proxy;
    bool v6 = strchr(to->host, ':');
    char url[DIAL_HOST_MOST + 32];

    if (strlen(to->host) > DIAL_HOST_MOST || !to->host[0] ||
        strpbrk(to->host, "/?#@\\ "))
        return -1;
    if (proxy &&
        (strncmp(proxy, "http://", 7) != 0 || strlen(proxy) >= PROXY_LEN_MOST))
        return -1;
    snprintf(url, sizeof(url), "http://%s%s%s:%u/", v6 ? "[" : "", to->host,
             v6 ? "]" : "", (unsigned)to->port);
    snprintf(dial->asked, sizeof(dial->asked), "%s", proxy ? proxy : url);
    dial->by_name = proxy || !is_address(to->host);
    curl_easy_setopt(dial->easy, CURLOPT_PROXY, proxy ? proxy : "");
    return curl_easy_setopt(dial->easy, CURLOPT_URL, url) == CURLE_OK ? 0 : -1;
}

static struct dial *dial_new(struct dialer *d)
{
    struct dial *dial = d->spare;

    if (dial) {
        d->n_spare--;
        list_cut(dial);
        return dial;
    }
    dial = pool_take(&d->dials);
    dial->dialer = d;
    dial->easy = easy_new(dial);
    return dial;
}

struct dial *dial_start(struct dialer *d, const struct dial_to *to,
                        void (*on_done)(void *arg, int fd, const char *reason),
                        void *arg)
{
    struct dial *dial = dial_new(d);

    dial->on_done = on_done;
    dial->arg = arg;
    dial->resolved = false;
    dial->taken = -1;
    dial->error[0] = '\0';
    dial->deadline = (struct loop_timer){.fn = on_deadline, .arg = dial};
    timer_set(d->loop, &dial->deadline, to->timeout_ms);
    make_ready(dial);
    settle_soon(d);
    if (aim(dial, to) != 0)
        snprintf(dial->error, sizeof(dial->error),
                 "not a host or forward proxy that can be dialled");
    else if (d->n_burst < BURST_MOST)
        proceed(dial);
    return dial;
}

/* Why it failed, in a few words. */
static const char *reason_of(struct dial *dial, CURLcode result)
{
    const char *text = NULL;
    long os_error = 0;

    curl_easy_getinfo(dial->easy, CURLINFO_OS_ERRNO, &os_error);
    if (result == CURLE_COULDNT_CONNECT && os_error)
        text = strerrordesc_np((int)os_error);
    if (text)
        snprintf(dial->error, sizeof(dial->error), "could not connect: %s",
                 text);
    else if (!dial->error[0])
        snprintf(dial->error, sizeof(dial->error), "%s",
                 curl_easy_strerror(result));
    return dial->error;
}

static void conclude(struct dial *dial, CURLcode result)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (result == CURLE_OK) {
        curl_easy_getinfo(dial->easy, CURLINFO_ACTIVESOCKET, &fd);
        if (dial->on_done)
            dial->taken = fd;
        finish(dial, dial->taken, fd < 0 ? "no socket" : NULL);
        return;
    }
    reason_of(dial, result);
    if (result == CURLE_COULDNT_RESOLVE_HOST ||
        result == CURLE_COULDNT_RESOLVE_PROXY)
        release_followers(dial, dial->error); /* they need not ask again */
    finish(dial, -1, dial->error);
}

/* Ends the dials that are done and moves those who waited. on_done may start
 * and cancel dials, so each step begins anew. */
static void settle(struct dialer *d)
{
    struct CURLMsg *message;
    struct dial *dial;
    char *private;
    int left;

    while ((message = curl_multi_info_read(d->multi, &left))) {
        CURLcode result = message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        if (message->msg == CURLMSG_DONE)
            conclude((void *)private, result);
    }
    while ((dial = d->ready) && d->n_burst < BURST_MOST) {
        if (dial->error[0])
            finish(dial, -1, dial->error);
        else
            proceed(dial);
    }
    if (d->ready)
        settle_soon(d);
}
