/*
 * war.h - a book of dated prices, replayed day by day.
 *
 * For each day: which prices changed since the day before, and for each kind
 * of request who was cheapest, who was dearest, and what each vendor's
 * cheapest model asked. A model whose context is too short for a request, or
 * that has no known price, is not compared.
 */
#pragma once

#include "cli/prices.h"

enum {
    WAR_KINDS = 3,
    WAR_DAYS_MOST = 3660,
    WAR_REQUESTS = 1000,
};

struct war_kind {
    const char *name, *title;
    struct usage usage;
};

extern const struct war_kind war_kinds[WAR_KINDS];

struct war_cost {
    const struct offer *offer; /* NULL: nobody */
    struct money cost;         /* of WAR_REQUESTS requests */
    int n_equal;               /* other models at the same cost */
};

struct war_change {
    const struct offer *offer;
    const struct price_row *before, *after; /* NULL: no known price */
};

struct war_day {
    int64_t noon_ms;
    const struct war_change *changes;
    size_t n_changes;
    struct war_cost cheapest[WAR_KINDS], cheapest_paid[WAR_KINDS],
        dearest[WAR_KINDS];
    const struct war_cost *vendors[WAR_KINDS]; /* by vendor */
};

struct war {
    const struct snapshot *s;
    enum currency currency;
    struct arena *arena;
    struct war_day *days;
    size_t n_days;
};

/* Replays the days of `from` to `to`, both of them; each is looked at at
 * noon in Beijing. */
void war_replay(struct war *war, int64_t from_ms, int64_t to_ms);

void war_print(const struct war *war, FILE *to);
void war_json(const struct war *war, FILE *to);

/* "cut", "raised", "made free", "first known" ... */
const char *war_change_name(const struct war_change *c);
/* The day's date. */
const char *war_day_text(const struct war_day *day, char text[TIME_TEXT]);
