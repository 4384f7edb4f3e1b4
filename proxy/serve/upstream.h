/*
 * upstream.h - our HTTP/1.1 client: one attempt at one vendor.
 *
 * Connections are kept warm per lane (a vendor's address and one of its
 * keys; never shared between keys), dialled by dial.c, TLS by http/tls.c. A
 * request is sent once: a dead connection is a fault of the call, never a
 * silent second sending. Callbacks come from the loop, never from inside
 * upstream_start(). on_done comes exactly once, or not at all after
 * upstream_cancel(). One struct upstream per worker; all on its loop.
 */
#pragma once

#include "base/loop.h"
#include "base/slice.h"

#include "vendors/fault.h"

#include "http/parse.h"

struct upstream;
struct upstream_call;

/* Where a call goes. Lanes are found by `lane`, unique per vendor, key and
 * edition of their address; the texts need live only during the call of
 * upstream_start(), which copies what it keeps. */
struct upstream_lane {
    uint64_t lane;
    const char *host;
    uint16_t port;
    bool tls;
    const char *ca_file, *forward_proxy; /* or NULL */
    int64_t idle_ms; /* a kept connection older than this is not used */
};

struct upstream_request {
    struct upstream_lane to;
    /* The whole request, head first; slices and bytes must stay as they are
     * until on_done, upstream_cancel(), or upstream_sent_all(). */
    const struct slice *parts;
    size_t n_parts;
    int64_t connect_ms;
    size_t head_limit; /* bytes of the answer's head */
};

struct upstream_watcher {
    /* Any fault they return ends the call with it (on_done follows). The
     * bytes lie in loop_scratch(), which must not be written to meanwhile. */
    enum fault (*on_head)(void *watcher, const struct http_head *head);
    enum fault (*on_body)(void *watcher, struct slice bytes);
    /* All on_head and on_body calls of one read (64 KiB at most) have been
     * made: a time to write. Not called if on_done follows at once. */
    void (*on_read_end)(void *watcher);
    /* FAULT_NONE: the answer's framing is whole (or it was close-delimited
     * and ended cleanly). UNREACHABLE: not a byte of the request left.
     * HUNG_UP: the end came before the answer's head was whole. CUT_SHORT:
     * after that. GARBLED: not HTTP as we accept it. `detail` is a short
     * printable text for the log; it stays until on_done returns. */
    void (*on_done)(void *watcher, enum fault fault, const char *detail);
};

struct upstream *upstream_new(struct loop *loop) MUST_CHECK
NON_NULL_RETURN;
void upstream_free(struct upstream *u); /* all calls must have ended */

/* Reads the system's certificates of authorities now, before the loop runs:
 * that takes 30 ms or more, which the first call over TLS would spend in the
 * loop otherwise. */
void upstream_warm(struct upstream *u);

struct upstream_call *upstream_start(struct upstream *u,
                                     const struct upstream_request *request,
                                     const struct upstream_watcher *watcher,
                                     void *watcher_data) MUST_CHECK
NON_NULL_RETURN;

/* Backpressure: no on_body until resumed (which may come from any callback
 * but calls nothing back itself). */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);

/* Ends the call at once, in any state and from inside any callback; an
 * unfinished connection is closed (reset, if half a request was sent). */
void upstream_cancel(struct upstream_call *call);

/* Did any byte of the request leave? If not the vendor surely did not serve. */
bool upstream_sent_any(const struct upstream_call *call);
/* Did all of it? Then `parts` are not read any more. */
bool upstream_sent_all(const struct upstream_call *call);
/* Was it a kept connection? These three may be asked in on_done, too. */
bool upstream_reused(const struct upstream_call *call);

struct upstream_counts {
    int64_t dialled, reused, idle, active;
};
struct upstream_counts upstream_counts(const struct upstream *u);
/* Closes kept connections (reload, drain). */
void upstream_flush(struct upstream *u);
