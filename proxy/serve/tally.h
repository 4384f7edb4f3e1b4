/*
 * tally.h - counters that only grow, for the metrics: of each offer, and of
 * each worker's requests. Relaxed atomics: written by workers, read by main.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vendors/fault.h"

struct exchange;

enum {
    TALLY_SPANS = 12,  /* of a histogram, the last without an end */
    TALLY_CLASSES = 6, /* 2 is 2xx */
};

struct tally_histogram {
    _Atomic uint64_t n[TALLY_SPANS];
    _Atomic uint64_t sum_ms;
};

struct tally_offer {
    _Atomic uint64_t attempts[FAULT_COUNT]; /* by how they ended */
    _Atomic uint64_t input_tokens, cached_tokens, output_tokens;
    _Atomic uint64_t cost_nanos, failed_nanos; /* the policy's currency; of
                                                  all, of those that failed */
    _Atomic uint64_t stated_nanos,
        stated_ours_nanos;       /* the same, of answers
        that state their cost: by the vendor, by the book */
    _Atomic uint64_t stated_off; /* of these, so many where they differ */
    struct tally_histogram first_byte;
};

struct tally_requests {
    _Atomic uint64_t by_class[TALLY_CLASSES], streams;
    struct tally_histogram total;
};

/* Where each span ends, in ms; the last is endless. */
extern const int32_t tally_ends_ms[TALLY_SPANS - 1];

/* An answer stated its cost; returns how many have differed if this one does,
 * else 0. */
uint64_t tally_stated(struct tally_offer *o, int64_t stated_nanos,
                      int64_t our_nanos, bool differs);

/* The exchange is settled. */
void tally_exchange(const struct exchange *x);
