/*
 * price.h - THE price function: what bills is what chooses, reserves,
 * replays and explains.
 */
#pragma once

#include "routing/snapshot.h"

enum cost_part {
    COST_INPUT,
    COST_CACHED,
    COST_CACHE_WRITE,
    COST_OUTPUT,
    COST_THINKING,
    COST_PARTS, /* not a part */
};

struct cost {
    struct money total;            /* in the row's currency; rounded once */
    struct money part[COST_PARTS]; /* each rounded for itself: to show */
    int64_t tokens[COST_PARTS];
    const struct price_row *row;
};

/*
 * Each token is billed once: what was neither read from the cache nor
 * written to it at the input rate, what was not thinking at the output rate.
 * A usage that contradicts itself bills its totals and never less than zero:
 * negative counts are 0, cached tokens at most the input, cache writes at
 * most the rest of it, thinking at most the output.
 *
 * What `usage` costs at `offer` by the price of the instant `at_unix_ms`.
 * False: the offer has no price then (free is a row with zeros). */
bool price_cost(struct cost *out, const struct offer *offer, int64_t at_unix_ms,
                const struct usage *usage) MUST_CHECK;

/* The row that holds at that instant for such usage, or NULL. */
const struct price_row *price_row_at(const struct offer *offer,
                                     int64_t at_unix_ms,
                                     const struct usage *usage);

/* Converts by the latest exchange rate of `at_unix_ms` or before, in whichever
 * direction it is quoted (of the same instant: the first in the file). One
 * rounding. False: the book has none; *out is untouched. */
bool price_convert(struct money *out, const struct snapshot *s, struct money m,
                   enum currency to, int64_t at_unix_ms) MUST_CHECK;
