/*
 * price_cover.h - do an offer's rows say what was meant?
 *
 * Every condition of a row cuts the space of all requests (instant, length of
 * prompt and answer, thinking, windows) along an edge. Between the edges
 * nothing changes, so one request of each cell tells which row is used there,
 * or that none is.
 */
#pragma once

#include "routing/compile.h"

/* Warns of rows that are used for no request at all. */
void price_cover_check(struct compiling *c, const struct offer *offer);

/* The smallest request of a cell. */
struct price_cell {
    int64_t at_ms; /* INT64_MIN: since ever */
    int64_t input, output;
    bool thinks;
    const struct conf_window *open; /* NULL: in no window */
};

/* A cell at `now_ms` or later in which no row holds though the offer could
 * serve it. False: there is none, or the offer has no rows, or too many. */
bool price_gap_find(struct price_cell *out, const struct offer *offer,
                    int64_t now_ms) MUST_CHECK;
