/*
 * retention.h - when old rows of the ledger go: piece by piece, between the
 * recorder's batches. See ledger_prune.h for how.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#include "record/ledger.h"

struct retention {
    _Atomic int64_t keep_ms, asked_ms; /* 0: not at all */
    _Atomic int64_t n_exchanges, n_attempts, n_accounts;
    atomic_bool busy;   /* rows go that somebody asked for */
    atomic_bool failed; /* the last time; the log says why */
    /* the recorder's thread's own */
    int64_t began_unix_ms, began_mono_ms;
    int64_t before_ms, due_ms; /* what is at work; when to look next */
};

/* May rows before that instant go? Not those of the last month or so. */
bool retention_is_fit(int64_t before_unix_ms);

void retention_init(struct retention *r);
/* Any thread: rows before that instant are to go. */
void retention_ask(struct retention *r, int64_t before_unix_ms);
bool retention_asked(const struct retention *r);

/* One piece. 1: there is more; 0: nothing to do; -1: ledger_problem(). */
int retention_step(struct retention *r, struct ledger *l) MUST_CHECK;
