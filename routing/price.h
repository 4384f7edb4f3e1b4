/*
 * price.h - THE price function: what bills is what chooses, reserves,
 * replays and explains.
 *
 * An offer's prices are rows, compiled from conf/prices.yaml. The first row
 * whose conditions all hold (dates, window, lengths of prompt and answer,
 * thinking) bills the whole request: no vendor we know bills each tier's
 * share apart.
 *
 *   usage --share out--> tokens by part --quota--> tokens to pay
 *         --x rates, summed in 128 bits--> x factor of the service tier
 *         --one rounding--> nanos + cache storage + fee = total
 */
#pragma once

#include "routing/snapshot.h"
#include "routing/window.h"

enum cost_part {
    COST_INPUT,
    COST_CACHED,
    COST_CACHE_WRITE,
    COST_CACHE_WRITE_1H,
    COST_OUTPUT,
    COST_THINKING,
    COST_STORAGE,
    COST_FEE,
    COST_PARTS,                /* not a part */
    COST_RATED = COST_STORAGE, /* the parts before it are tokens x rate */
};

struct cost {
    struct money total; /* in the row's currency */
    const struct price_row *row;
    struct rate cached;         /* the row's, or its cached_marked */
    int64_t tokens[COST_RATED]; /* to be paid, by part */
    int64_t quota_tokens;       /* not to be paid: the quota has them */
    int64_t stored_tokens, stored_ms;
    int64_t factor_nanos; /* of the service tier: 1,000,000,000 is none */
    enum service_tier tier;
    bool beyond; /* of price_bill: no row holds, this one is the nearest */
};

/* The little of it that decisions go by: their offers are many. */
struct cost_sum {
    struct money total;
    const struct price_row *row;
    int64_t quota_tokens;
};

/* The rest, for the usage of which it is the sum. */
void cost_of_sum(struct cost *out, const struct cost_sum *sum,
                 const struct usage *usage);

/*
 * Each token is billed once: what was neither read from the cache nor
 * written to it at the input rate, what was not thinking at the output rate.
 * A usage that contradicts itself bills its totals and never less than zero:
 * negative counts are 0, cached tokens at most the input, cache writes at
 * most the rest of it, those for an hour at most these, thinking at most the
 * output.
 *
 * `quota_left` is what the offer's quota has left, 0 for none. It covers the
 * tokens in the order in which they are processed: cached prompt, the rest
 * of it, thinking, answer; never storage or a fee.
 *
 * Token parts are summed exactly and rounded once, half up; storage, another
 * line of the vendor's bill, is rounded for itself. The total saturates.
 *
 * What `usage` costs at `offer` by the price of the instant `at_unix_ms`.
 * False: the offer has no price then (free is a row with zeros). */
bool price_cost(struct cost *out, const struct offer *offer, int64_t at_unix_ms,
                const struct usage *usage, int64_t quota_left) MUST_CHECK;

/* The same for what has been consumed already and must be paid: where no row
 * holds, the nearest one bills (see `beyond`): the last whose date, window
 * and mode hold, else the last of all. False: the offer has no rows. */
bool price_bill(struct cost *out, const struct offer *offer, int64_t at_unix_ms,
                const struct usage *usage, int64_t quota_left) MUST_CHECK;

/* The row that holds at that instant for such usage, or NULL. */
const struct price_row *price_row_at(const struct offer *offer,
                                     int64_t at_unix_ms,
                                     const struct usage *usage);

/* Completes the expected usage of a new prompt at `offer` with what its
 * vendor will do unasked: write all of it to its cache, or, if it is shorter
 * than the least it caches, nothing. */
void price_expect(struct usage *usage, const struct offer *offer,
                  int64_t at_unix_ms);

/* The row of that moment; price_expect() and price_cost() at once. */
const struct price_row *price_row_in(const struct offer *offer,
                                     struct moment *moment,
                                     const struct usage *usage);
bool price_new(struct cost_sum *out, struct usage *usage,
               const struct offer *offer, struct moment *moment,
               int64_t quota_left) MUST_CHECK;

/* One part of a cost, rounded for itself: to show. */
struct money cost_part(const struct cost *cost, enum cost_part part);
const char *cost_part_name(enum cost_part part); /* "input", "cached" */

enum {
    PRICE_RULE_TEXT = 320,
};

/* Which row it was, and why: "prices.yaml:41: window deepseek-peak, input <=
 * 32000, flex x0.50". Returns `text`. */
const char *price_rule(const struct cost *cost, char text[PRICE_RULE_TEXT]);

/* Converts by the latest exchange rate of `at_unix_ms` or before, in whichever
 * direction it is quoted (of the same instant: the first in the file). One
 * rounding. False: the book has none; *out is untouched. */
bool price_convert(struct money *out, const struct snapshot *s, struct money m,
                   enum currency to, int64_t at_unix_ms) MUST_CHECK;

/* The same for many amounts: the rates of one instant, looked up once. */
struct rates {
    enum currency to;

    struct {
        bool known, back;
        int64_t rate_nanos;
    } from[CURRENCY_COUNT];
};

struct rates rates_of(const struct snapshot *s, enum currency to,
                      int64_t at_unix_ms);

/* Inline, for each offer of a decision asks. */
static inline bool rates_convert(struct money *out, const struct rates *x,
                                 struct money m)
{
    if (!x->from[m.currency].known)
        return false;
    *out = x->from[m.currency].back
               ? money_convert_back(m, x->to, x->from[m.currency].rate_nanos)
               : money_convert(m, x->to, x->from[m.currency].rate_nanos);
    return true;
}
