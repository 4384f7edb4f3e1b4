/*
 * health.h - what attempts have taught: breakers, latencies, cooling keys,
 * token corrections. Shared by all workers, read by each decision.
 *
 * A slot is found by name and survives reloads. Slots are made by the main
 * thread (health_slot) before workers see their numbers; workers read and
 * write them with relaxed atomics, no locks.
 *
 * The breaker (model-checked as CLOSED, OPEN, HALF-OPEN with generations):
 *   CLOSED    -> OPEN       N failures in a row
 *   OPEN      -> HALF-OPEN  after open_ms: one probe (a paying request)
 *   HALF-OPEN -> CLOSED     the probe succeeded
 *   HALF-OPEN -> OPEN       it failed; a client that left gives the slot back
 * A result of an older generation never moves the state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#include "vendors/fault.h"

#include "serve/tally.h"

struct health;

struct health_rules {
    int64_t failures; /* in a row, that open a breaker */
    int64_t open_ms;
};

struct health *health_new(void) MUST_CHECK
NON_NULL_RETURN;
void health_free(struct health *h);

/* The slot called `name` ("vendor/model", or "key:<id>"), made if new. Main
 * thread only. At most 16,384 slots; then the last one is shared. */
uint32_t health_slot(struct health *h, const char *name);
void health_set_rules(struct health *h, struct health_rules rules);

struct health_view {
    bool available, disabled;
    int32_t latency_ms, input_ppm, output_tokens; /* 0: not known */
    int32_t fails_ppm;     /* attempts that fail, of a million, lately; but for
                              one or two of 32, which may be chance */
    int64_t failed_nanos;  /* what one was billed, in the policy's currency */
    int64_t cool_until_ms; /* loop time; for keys */
};

/* What nobody has looked at for long is believed less: a latency and a share
 * of failures are halved every ten minutes without a sample, so that an offer
 * once slow or failing gets its chance again. */
void health_look(const struct health *h, uint32_t slot, int64_t now_ms,
                 struct health_view *out);

/* Its cool_until_ms alone. */
int64_t health_cool_until(const struct health *h, uint32_t slot);

/* An attempt begins: true if the slot is not cooling and the breaker lets it
 * (it may take the one probe of a half-open breaker). Then exactly one
 * health_end with the ticket. */
struct health_ticket {
    uint32_t slot, generation;
    bool probe;
};

bool health_begin(struct health *h, uint32_t slot, int64_t now_ms,
                  struct health_ticket *out) MUST_CHECK;
/* fault_traits(fault)->blame decides: BLAME_OFFER counts against it,
 * FAULT_NONE for it, anything else gives a probe back. */
void health_end(struct health *h, struct health_ticket ticket, enum fault fault,
                int32_t first_byte_ms, int64_t now_ms);
/* Counters of the offer. Any thread. */
struct tally_offer *health_tally(struct health *h, uint32_t slot);
/* Takes an offer out by hand, or back in. Any thread. */
void health_disable(struct health *h, uint32_t slot, bool disabled);
/* A vendor asked for patience with this offer or key: at least until then. */
void health_cool(struct health *h, uint32_t slot, int64_t until_ms);

/* What the vendor counted against what was estimated (before any correction
 * by input_ppm); smoothed, bounded to 1/4 .. 4 times. */
void health_learn(struct health *h, uint32_t slot, int64_t estimated_input,
                  int64_t true_input, int64_t output_tokens);
