/*
 * worker.h - one serving thread: a loop, a listener, upstream connections.
 *
 * Workers share only health slots and quotas (atomics) and the recorder's rings
 * (one each). Everything else reaches a worker by loop_post().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "routing/key_memory.h"

#include "http/tls.h"
#include "record/recorder.h"
#include "serve/edition.h"
#include "serve/tally.h"

struct exchange;

struct worker {
    int index;
    struct loop *loop;
    struct http_site site;
    struct tls_context *tls; /* of new connections; NULL: plain */
    struct http_server *server;
    struct upstream *upstream;
    struct recorder *recorder;   /* shared */
    struct health *health;       /* shared */
    struct quotas *quotas;       /* shared */
    struct memory *memory;       /* shared */
    struct edition *edition;     /* new requests begin with it */
    struct key_memory keys;      /* of that edition */
    struct http_limits limits;   /* of that edition; the server reads it */
    struct exchange *waiting;    /* for a lease */
    struct tally_requests tally; /* main reads it */
    bool draining;
    uint32_t turn;           /* rotates keys */
    struct arena *spare[16]; /* for the early part of exchanges */
    int n_spare;
};

/* Of `w` the index and what is shared are there; takes a reference to
 * `edition`; serves nothing yet. */
void worker_init(struct worker *w, struct edition *edition);
void worker_listen(struct worker *w, int fd);
/* New connections use `tls` from here on; it is the worker's then. */
void worker_take_tls(struct worker *w, struct tls_context *tls);
void worker_fini(struct worker *w); /* after its loop has ended */

/* From here on requests begin with `edition` (whose reference is taken
 * over). On the worker's own thread. */
void worker_take_edition(struct worker *w, struct edition *edition);

/* Leases that somebody waited for are there: tries them all. Posted. */
void worker_granted(void *worker);

struct arena *worker_borrow_arena(struct worker *w) MUST_CHECK
NON_NULL_RETURN;
void worker_return_arena(struct worker *w, struct arena *a);
