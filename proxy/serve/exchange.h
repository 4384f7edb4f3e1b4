/*
 * exchange.h - one client's question and our answer to it.
 *
 *     ASKED --> DECIDED --> RESERVED --> TRYING --> ANSWERING
 *       |          |           |           |            |
 *       +----------+-----------+-----------+------------+--> SETTLED
 *
 *   ASKED     -> DECIDED    [exchange_decide]
 *   DECIDED   -> RESERVED   [exchange_reserve]
 *   RESERVED  -> TRYING     [exchange_try]
 *   TRYING    -> TRYING     [exchange_failed: next key or offer]
 *   TRYING    -> ANSWERING  [exchange_first_byte]
 *   any       -> SETTLED    [exchange_settle]
 *
 * Invariants, checked by exchange_check() in every debug build:
 *   (1) A byte of the answer has been sent if and only if the state is, or
 *       was, ANSWERING. After it no other offer is tried.
 *   (2) At most one upstream call exists, and only in TRYING or ANSWERING.
 *   (3) What was reserved (a place for the receipt; for each attempt a hold
 *       of its worst case on every account) is settled exactly once, whatever
 *       happened.
 *   (4) Exactly one receipt leaves, from exchange_settle(), if and only if a
 *       place was reserved (but of a budget's refusals, beyond sixty a minute
 *       of a key, a count).
 *   (5) The edition pinned at ASKED is the only one ever read.
 *   (6) Places in the limits of team and key are held from the gate on and
 *       until SETTLED, and left once.
 *
 * Three signals run against the stream: slow (exchange_say -> upstream_pause
 * until on_drained), gone (on_gone -> upstream_cancel), health (attempt_end
 * -> health_end, read by later decisions).
 *
 * In TRYING an exchange may wait for a lease (`waiting`): then no call exists,
 * and reserve_try_all() or the timer goes on.
 *
 * exchange.c moves the state, attempt.c speaks with one vendor, reserve.c
 * takes from the team's accounts what an attempt may cost, settle.c turns what
 * happened into money and a receipt, refusal.c tells the client why not.
 */
#pragma once

#include "base/loop.h"

#include "routing/budget.h"
#include "routing/decide.h"
#include "routing/team_key.h"
#include "routing/worst.h"

#include "http/http.h"
#include "record/receipt.h"
#include "serve/gate.h"
#include "serve/headroom.h"
#include "serve/worker.h"

enum exchange_state {
    EXCHANGE_ASKED,
    EXCHANGE_DECIDED,
    EXCHANGE_RESERVED,
    EXCHANGE_TRYING,
    EXCHANGE_ANSWERING,
    EXCHANGE_SETTLED,
};

enum {
    EXCHANGE_PARTS = 32,      /* slices gathered for one write */
    EXCHANGE_GRACE_MS = 1000, /* for a vendor to end what is said */
    EXCHANGE_LEASE_MS = 5000, /* for the ledger to grant a lease */
};

/* One offer tried with one key. Lives in the exchange's arena. */
struct attempt {
    struct exchange *exchange;
    char id[RECEIPT_ID];
    const struct offer *offer;
    const struct manner *manner;
    const struct door_key *key;
    struct health_ticket ticket;
    struct upstream_call *call; /* NULL: ended, or not begun */
    struct reader *reader;
    uint32_t place;        /* of its intent; 0: none yet */
    struct bounds bounds;  /* and what they cost at worst: */
    struct money worst;    /* in the vendor's currency */
    struct usage expected; /* as decided */
    struct lesson *lesson; /* from the first byte on; NULL: none */
    int64_t raw_input;     /* the estimate before any correction */
    int64_t started_ms, retry_after_ms, first_byte_limit_ms;
    struct slice whole;              /* an unstreamed answer, once it is said */
    int32_t first_byte_ms, total_ms; /* since started_ms; -1: never */
    int32_t status;                  /* the vendor's; 0: none */
    enum fault fault;
    bool sent_any, maybe_billed, settled;
    bool unpriced; /* billed, but nobody knows how much */
    struct usage usage;
    struct money cost, stated; /* in the offer's currency; USD */
    struct money compared;     /* the cost in the snapshot's currency */
    struct room room;          /* of the vendor's limits; until its end */
    int64_t rest_ms;           /* the vendor's headers ask the key to rest */
};

struct exchange {
    enum exchange_state state;
    struct worker *worker;
    struct edition *edition;
    struct http_request *req;
    struct arena *arena; /* req->arena: until the answer is out */
    struct arena *early; /* chat, decision, wires: until the first byte */
    const struct team_key *key;
    char id[RECEIPT_ID];
    int64_t began_ms, at_unix_ms; /* admitted at_unix_ms: prices are those */
    int64_t admitted_ms;          /* the same by the loop's clock */
    const char *asked;            /* bounded, printable */

    struct chat *chat;        /* early */
    struct query query;       /* its pointers are early */
    struct decision decision; /* early */
    struct outlook *outlook;  /* early: what it was decided by */
    uint32_t next;            /* listed verdict to try next */
    bool stream, show_usage;
    int64_t n; /* choices */

    struct attempt *attempts[RECEIPT_ATTEMPTS];
    uint32_t n_attempts;
    struct attempt *now; /* the one at work, or the last */
    enum fault fault;    /* how it ended */
    int status;          /* what the client was told */
    int32_t first_byte_ms;

    /* kept for the receipt when `early` has gone */
    struct receipt_other *others;
    int64_t *others_input; /* expected input tokens, beside others */
    uint32_t n_others, others_omitted;
    struct money expected;
    bool expected_known; /* else nobody knows the first offer's price */
    int64_t estimated_input, expected_output;
    const struct offer *runner_up;
    struct money cost; /* of all attempts, compared currency */
    struct money runner_up_cost;

    struct claim *claims; /* on the team's, then on each budget's account */
    uint32_t n_claims;
    const struct budget *over;        /* what did not fit last, and */
    struct refused refused;           /* what it had left */
    bool waiting, downgraded, lagged; /* for a lease; to an alias; the vendor
                                         was paused for a slow client */
    struct exchange *wait_next, **wait_prev;

    struct slice parts[EXCHANGE_PARTS]; /* said, not yet written */
    uint32_t n_parts;
    struct gate gate;
    bool place, paused, streaming, cut;
    struct loop_timer wait, total;
};

/* At the end of a request's head: the caller has found `key`. The exchange
 * lives in req->arena and is req->handler_data. */
struct exchange *exchange_open(struct worker *w, struct http_request *req,
                               const struct team_key *key);
/* The body is there. The reply is the exchange's to make. */
void exchange_run(struct exchange *x);

/* For attempt.c: */
void exchange_first_byte(struct exchange *x);
void exchange_say(struct exchange *x, struct slice bytes);
void exchange_flush(struct exchange *x);
void exchange_answered(struct exchange *x, struct slice whole); /* unstreamed */
void exchange_stream_done(struct exchange *x);
void exchange_failed(struct exchange *x);

/* reserve.c: what an attempt may cost, from all accounts or none. */
enum reserve {
    RESERVE_DONE, /* `place` and the attempt's bounds are told */
    RESERVE_WAIT, /* for a lease */
    RESERVE_OVER, /* x->over */
    RESERVE_NONE, /* it cannot be written down, or has no price */
};

struct reserved {
    uint32_t place;
    struct bounds bounds;
    struct money worst;
};

enum reserve reserve_take(struct exchange *x, const struct offer *offer,
                          struct reserved *out);
/* Not needed after all: nothing was dispatched. */
void reserve_drop(struct exchange *x, const struct reserved *r);
/* The attempt is about to be dispatched: from here on it outlives us. */
void reserve_intend(struct attempt *t);
/* Once, with t->cost and t->compared told. */
void reserve_settle(struct attempt *t);
void reserve_wait(struct exchange *x);
void reserve_unwait(struct exchange *x);
void reserve_try_all(struct worker *w);

/* attempt.c: tries `v` with a key that is ready. */
enum started {
    STARTED,
    STARTED_NOT, /* no key, the breaker, or it cannot be said */
    STARTED_WAITS,
    STARTED_OVER,
};

enum started attempt_start(struct exchange *x, const struct verdict *v);
bool attempt_key_ready(const struct exchange *x, const struct offer *offer);
bool attempt_has_room(const struct exchange *x, const struct offer *offer);
/* Ends the attempt at work with `fault`, cancelling its call if it has one. */
void attempt_end(struct attempt *t, enum fault fault);
/* The vendor has taken it on: while what was decided is still there. */
void attempt_taken(struct attempt *t);
void attempt_silent(struct attempt *t); /* its timer has fired */

/* Goes on where it waited. */
void exchange_go_on(struct exchange *x);

/* settle.c: what an attempt cost, once it has ended; what all did; then the
 * receipt. Once. */
void settle_attempt(struct attempt *t);
void settle_price(struct exchange *x);
void settle_record(struct exchange *x, int64_t total_ms);
void settle_remember(
    struct exchange *x); /* others, runner-up: before early goes */
int64_t settle_quota_left(const struct exchange *x, const struct offer *offer,
                          int64_t at_unix_ms);
const char *settle_cost_text(struct arena *a, struct money m); /* "CNY 0.01" */

/* refusal.c: */
struct refusal {
    enum fault fault;
    struct http_error error;
    int64_t retry_after_ms; /* 0: not said */
};

struct refusal refusal_of_decision(struct exchange *x);
struct refusal refusal_of_attempt(struct exchange *x);
struct refusal refusal_of_budget(struct exchange *x);
struct refusal refusal_of_ledger(void);
