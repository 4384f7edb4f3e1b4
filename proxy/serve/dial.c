#include "serve/dial.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/fatal.h"

#include "serve/dialer.h"

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
 */
enum {
    BURST_MOST = 16,
    SPARE_MOST = 64, /* handles kept for the next dials */
};

static bool is_looking(const struct dial *dial)
{
    return dial->in_multi && dial->by_name && !dial->resolved;
}

/* The dial is over; the socket, if one was taken, stays open. */
static void retire(struct dial *dial)
{
    struct dialer *d = dial->dialer;

    timer_stop(&dial->deadline);
    dial_leave_multi(dial);
    if (dial->followers)
        dialer_settle_soon(d);
    dial_release_followers(dial, "");
    dial->on_done = NULL;
    if (d->n_spare == SPARE_MOST) {
        dial_free(dial);
        return;
    }
    d->n_spare++;
    dial_move(dial, &d->spare);
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
        dial_move(dial, &leader->followers);
        return;
    }
    d->n_burst++;
    dial_move(dial, dial->by_name ? &d->looking : &d->running);
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
        (strncmp(proxy, "http://", 7) != 0 || strlen(proxy) >= DIAL_PROXY_MOST))
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
        dial_cut(dial);
        return dial;
    }
    dial = pool_take(&d->dials);
    dial->dialer = d;
    dial->easy = dial_easy_new(dial);
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
    dial_make_ready(dial);
    dialer_settle_soon(d);
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
        dial_release_followers(dial, dial->error); /* they need not ask again */
    finish(dial, -1, dial->error);
}

/* Ends the dials that are done and moves those who waited. on_done may start
 * and cancel dials, so each step begins anew. */
void dialer_settle(struct dialer *d)
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
        dialer_settle_soon(d);
}
