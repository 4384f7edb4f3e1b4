/*
 * call.h - one call on its way; private to upstream.c and call_io.c.
 *
 * upstream.c sees to its life (start, dial, TLS, end), call_io.c moves its
 * bytes. Watchers may cancel from inside a callback: whoever calls one sets
 * `busy` first and afterwards looks at `gone`.
 */
#pragma once

#include <event2/event_struct.h>

#include "base/buf.h"
#include "base/pool.h"

#include "serve/dial.h"
#include "serve/incoming.h"
#include "serve/lane.h"
#include "serve/upstream.h"

enum {
    CALL_READ_BYTES = 64 * 1024, /* of loop_scratch(), each time */
    CALL_READ_MOST = 256 * 1024, /* then others have their turn */
    CALL_WRITE_MOST = 1024 * 1024,
};

struct upstream {
    struct loop *loop;
    struct arena *arena;
    struct dialer *dialer;
    struct lanes lanes;
    struct pool calls;
    struct upstream_call *again; /* to be looked at in the next turn */
    struct event again_event;
    struct upstream_call *first_due, **last_due; /* to be sent this turn */
    size_t n_due, due_bytes;
    struct event send_event;
    int64_t n_active, n_dialled, n_reused;
};

struct upstream_call {
    struct upstream *upstream;
    struct upstream_watcher watcher;
    void *data; /* the watcher's */
    struct lane *lane;
    struct conn *conn;          /* NULL: being dialled */
    struct dial *dial;          /* NULL: not any more */
    struct loop_timer deadline; /* of dial and handshake */

    const struct slice *parts; /* not yet sent: from `sent` of the first */
    size_t n_parts, sent;

    struct incoming incoming;
    struct buf rest; /* read before a pause, not yet given on */

    struct upstream_call *again_next, **again_prev;
    struct upstream_call *due_next, **due_prev;
    bool reused, sent_any;
    bool shaking; /* TLS hands */
    bool paused;
    bool write_broken; /* what the vendor said may still be read */
    bool resumed;      /* `rest` comes before anything new */
    bool stray;        /* more came than the answer */
    bool busy, gone;
};

/* Runs call_receive() in the next turn of the loop, without an event: after a
 * pause, a failed write, or when TLS holds bytes back. */
void call_again(struct upstream_call *call);

/* The end, from the loop: on_done is called, `call` is gone after that. */
void call_finish(struct upstream_call *call, enum fault fault,
                 const char *detail);
/* The memory of a call that was cancelled while busy. */
void call_free(struct upstream_call *call);

void call_watch_writable(struct upstream_call *call, bool on);

/* Writes what the vendor takes. */
void call_send(struct upstream_call *call);
/* Reads what has come and gives it on; the call may be gone after. */
void call_receive(struct upstream_call *call);
