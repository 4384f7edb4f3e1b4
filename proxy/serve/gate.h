/*
 * gate.h - the limits of a client's team and key, kept by its exchange.
 *
 *   gate_enter     a place and one request of each       [exchange_run]
 *   gate_tokens    the tokens it is expected to take     [exchange_run]
 *   gate_tell      x-ratelimit-... headers, once         [before any answer]
 *   gate_leave     the places; tokens put right          [exchange_settle]
 *
 * What was entered is left exactly once, however the exchange ends:
 * exchange_settle() is its one end.
 */
#pragma once

#include "serve/limits.h"

struct exchange;
struct refusal;

enum {
    GATE_LIMITS = 2, /* the team's, the key's */
};

struct gate {
    struct limit *limits[GATE_LIMITS];
    int64_t tokens; /* taken, by estimate */
    bool entered, told;
};

/* Brings what limits and budgets will look at into the cache while the request
 * is read: of teams by the thousand nothing is there. */
void gate_fetch(const struct exchange *x);
/* False: nothing was taken and *out says what to tell the client. */
bool gate_enter(struct exchange *x, struct refusal *out) MUST_CHECK;
bool gate_tokens(struct exchange *x, int64_t tokens,
                 struct refusal *out) MUST_CHECK;
void gate_tell(struct exchange *x);
void gate_leave(struct exchange *x);
