/*
 * sieve.h - why an offer is not on the list: one row per reason.
 *
 * The rows of sieve.c are asked in the order of enum why; the first that
 * holds is the verdict. A new reason is a word in the enum and a row.
 */
#pragma once

#include "routing/decide.h"

/* One offer on its way through. */
struct sifting {
    const struct snapshot *snapshot;
    const struct query *query;
    const struct rates *rates; /* to the snapshot's currency, now */
    const struct offer *offer;
    struct offer_state state;
    int64_t expected_input;
    bool priced, comparable;
    bool wishes; /* the team wants something of it: see wish.h */
    const struct price_row *row; /* if priced */
    const char *refusal;         /* set by the row of WHY_CANNOT_SAY */
};

enum why sieve(struct sifting *s);
