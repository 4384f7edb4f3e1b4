/*
 * dialer.h - what dial.c and dial_curl.c share: dials and their lists.
 *
 * dial.c decides which dial runs when; dial_curl.c drives libcurl. Callbacks
 * of libcurl may not call libcurl: they leave marks, and dialer_settle() acts
 * on them after each curl_multi_socket_action().
 */
#pragma once

#include <curl/curl.h>
#include <event2/event_struct.h>

#include "base/pool.h"

#include "serve/dial.h"

enum {
    DIAL_PROXY_MOST = 512,
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
    char asked[DIAL_HOST_MOST + DIAL_PROXY_MOST]; /* what is looked up */
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

/* Puts a dial that is in no list into one; moves it to another. */
void dial_put(struct dial *dial, struct dial **list);
void dial_cut(struct dial *dial);
void dial_move(struct dial *dial, struct dial **list);
/* At the end of the queue of those who may run. */
void dial_make_ready(struct dial *dial);
/* The lookup is over, well or (with a text) badly. */
void dial_release_followers(struct dial *leader, const char *error);

/* A handle set up for `dial`. */
CURL *dial_easy_new(struct dial *dial) MUST_CHECK
NON_NULL_RETURN;
void dial_leave_multi(struct dial *dial);
void dial_free(struct dial *dial); /* in a list still */

/* Ends what is done, starts what may run; in dial.c. */
void dialer_settle(struct dialer *d);
void dialer_settle_soon(struct dialer *d);
