/*
 * breaker.h - the circuit breaker of one offer, without locks.
 *
 * One word, moved by compare-and-swap, so that each transition happens once
 * however many workers see its cause; health.h draws the states:
 *
 *   generation (32 bits) | probing (1) | state (2) | failures in a row (16)
 *
 * `opened_ms` goes with the state OPEN. It is raised before the word moves
 * and never lowered, so a late writer cannot make an open breaker look older.
 * All zero: closed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    BREAKER_FAILURES_MOST = 0xFFFF,
};

struct breaker {
    _Atomic uint64_t word;
    _Atomic int64_t opened_ms;
};

struct breaker_rules {
    int64_t failures; /* 1 .. BREAKER_FAILURES_MOST */
    int64_t open_ms;
};

/* What came of an attempt, seen from the offer. */
enum breaker_verdict {
    BREAKER_GOOD,
    BREAKER_BAD,
    BREAKER_NEITHER,
};

struct breaker_pass {
    uint32_t generation;
    bool probe;
};

/* Would an attempt be let through now? */
bool breaker_lets(const struct breaker *b, struct breaker_rules rules,
                  int64_t now_ms);
/* Lets one through, if so. Then breaker_end() comes once with the pass. */
bool breaker_begin(struct breaker *b, struct breaker_rules rules,
                   int64_t now_ms, struct breaker_pass *out) MUST_CHECK;
void breaker_end(struct breaker *b, struct breaker_rules rules, int64_t now_ms,
                 struct breaker_pass pass, enum breaker_verdict verdict);
