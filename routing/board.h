/*
 * board.h - what an offer costs now, and what changes next, and when.
 *
 * A price changes where a row's dates begin or end and where a window opens
 * or closes. The board asks the price function itself, with one small request,
 * so that it shows what a decision would see.
 */
#pragma once

#include "routing/price.h"

struct board_price {
    const struct offer *offer;
    const struct price_row *now;  /* NULL: it has no price */
    int64_t next_ms;              /* INT64_MAX: nothing changes for a year */
    const struct price_row *next; /* from then on; NULL: no price */
    bool compared;                /* the amounts below are told */
    struct money input, cached, output; /* of a million, in one currency */
    struct money cost;                  /* of the request, in the same */
};

/* The board's line of `offer` at that instant, for requests like `usage`,
 * compared in `to`. */
struct board_price board_price(const struct snapshot *s,
                               const struct offer *offer, int64_t at_unix_ms,
                               const struct usage *usage, enum currency to);

/* The first instant after `at_unix_ms` at which requests like `usage` have
 * another price; INT64_MAX: none within 400 days. */
int64_t board_next(const struct offer *offer, int64_t at_unix_ms,
                   const struct usage *usage);

/* Do two rows ask the same price of each token? Either may be NULL. */
bool board_same(const struct price_row *a, const struct price_row *b);

/* The cheaper of the set for such a request, among those with a comparable
 * price; the first of equals. NULL: none has one. */
const struct offer *board_cheapest(const struct snapshot *s,
                                   struct offer_set set, int64_t at_unix_ms,
                                   const struct usage *usage);
