/*
 * limits.h - so many requests and tokens a minute, so many at a time.
 *
 * One limit for each team, each team's key, each vendor's key, and each model
 * there: found by name when an edition is made, then shared by all workers as
 * atomics, so that a request takes no lock and no memory.
 *
 * A rate is a bucket that holds a minute's worth and is filled evenly (GCRA:
 * one word says when it will be full again). In any span of t seconds what is
 * taken, less what is given back, is at most limit * (1 + t/60): a team that
 * was idle may send a minute's worth at once. Workers' clocks differ by at
 * most a tick of the loop, which the bound is wide by.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#include "conf/conf.h"

enum {
    LIMIT_ROWS = 60,
    LIMITS_MOST = 262144, /* names ever seen; then the last one, which limits
                             nothing, is shared */
};

/* A rate: per minute, and when the bucket will be full again. */
struct bucket {
    _Atomic int64_t per_minute; /* 0: no limit */
    _Atomic int64_t full_ns;    /* loop time */
};

struct limit {
    _Alignas(64) struct bucket requests, tokens;
    struct bucket rows;        /* of refusals: see limit_may_write() */
    _Atomic int64_t at_once;   /* 0: no limit */
    _Atomic int64_t in_flight; /* counted with or without a limit */
    _Atomic int64_t learnt;    /* at a time, from a vendor's 429s; 0: nothing */
    _Atomic uint64_t n_taken, n_refused, n_tokens; /* for the metrics */
    _Atomic bool revoked;                          /* of a team's key */
    const char *name;                              /* the main thread's */
};

struct limits;

struct limits *limits_new(void) MUST_CHECK
NON_NULL_RETURN;
void limits_free(struct limits *l);
/* The limit called `name`, made if new: it stays until limits_free(). Its
 * rules are those given last. Main thread only. */
struct limit *limits_find(struct limits *l, const char *name,
                          const struct conf_limits *rules) MUST_CHECK
NON_NULL_RETURN;
void limits_each(const struct limits *l,
                 void (*each)(void *to, struct limit *limit), void *to);

/* What stands in the way of one request more. */
enum limit_bar {
    LIMIT_FREE,
    LIMIT_REQUESTS,
    LIMIT_TOKENS,
    LIMIT_AT_ONCE,
    LIMIT_TOO_LARGE, /* more tokens than a whole minute's */
};

/* Takes a place and one request: LIMIT_FREE, and then exactly one
 * limit_leave(). Else nothing is taken, and *wait_ms says when to come again
 * (of LIMIT_AT_ONCE nobody knows: a second). */
enum limit_bar limit_enter(struct limit *l, int64_t now_ms,
                           int64_t *wait_ms) MUST_CHECK;
void limit_leave(struct limit *l);
/* The request was not served after all: its turn is given back. */
void limit_return(struct limit *l);

/* Takes tokens, all or none; limit_settle() puts right what was guessed. */
enum limit_bar limit_take_tokens(struct limit *l, int64_t tokens,
                                 int64_t now_ms, int64_t *wait_ms) MUST_CHECK;
void limit_settle(struct limit *l, int64_t taken, int64_t used);

/* May one refusal more of this key have a row of its own? LIMIT_ROWS a minute;
 * what is beyond is counted, lest a client that does not stop fill a disk. */
bool limit_may_write(struct limit *l, int64_t now_ms) MUST_CHECK;

/* Would limit_enter() and limit_take_tokens() let it through now? */
enum limit_bar limit_look(const struct limit *l, int64_t tokens, int64_t now_ms,
                          int64_t *wait_ms);

/* A vendor said 429 while so many were in flight, this one among them: fewer
 * at a time from here on. A success with all places taken tries one more. */
void limit_learn_refused(struct limit *l);
void limit_learn_served(struct limit *l);
int64_t limit_learnt(const struct limit *l); /* 0: nothing */

/* What x-ratelimit-... headers tell. limit 0: there is none. */
struct limit_view {
    int64_t limit, remaining, reset_ms;
};

struct limit_view bucket_look(const struct bucket *b, int64_t now_ms);
