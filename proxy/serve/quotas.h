/*
 * quotas.h - how much of each quota of the price book has been used.
 *
 * Counted by what we billed, all offers of a quota together, and shared by
 * all workers: one atomic word each, no locks. Found by name and kept over
 * reloads. A quota that is new to this process (it has just started, or the
 * book has) begins with what the ledger says was used in the present period.
 */
#pragma once

#include <stdint.h>

#include "routing/snapshot.h"

struct quotas;

struct quotas *quotas_new(void) MUST_CHECK
NON_NULL_RETURN;
void quotas_free(struct quotas *q); /* NULL is fine */

/* The slot of the snapshot's quota `i`. Reads the ledger in the snapshot's
 * state directory if it is new. Main thread only. At most 1,024; then the
 * last one is shared. */
uint32_t quotas_slot(struct quotas *q, const struct snapshot *s, size_t i);

/* Tokens left at that instant; 0 also outside the quota's dates, and in a
 * period that has been followed by another. */
int64_t quotas_left(const struct quotas *q, uint32_t slot,
                    const struct conf_quota *quota, int64_t unix_ms);

/* Takes up to `tokens` of what is left; returns how many were taken. */
int64_t quotas_take(struct quotas *q, uint32_t slot,
                    const struct conf_quota *quota, int64_t unix_ms,
                    int64_t tokens);
