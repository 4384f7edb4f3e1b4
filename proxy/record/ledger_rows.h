/*
 * ledger_rows.h - the ledger's tables and what goes into their columns.
 *
 * Ids begin with their time (receipt_id_new), so rows arrive nearly in the
 * order of their keys and the tables need no other index. Money is whole
 * nanos beside its currency; names are text, so a row means the same after
 * any reload.
 */
#pragma once

#include <stdint.h>

#include "record/receipt.h"

/* Step i of these takes the file from user_version i to i + 1. Never
 * changed once released: a new shape is a new step. */
extern const char *const ledger_steps[];
extern const int n_ledger_steps;

enum {
    ROW_COLUMNS = 21,    /* of either table */
    ATTEMPT_SEALED = 20, /* of an attempt's: all but its seal's number */
};

enum cell_kind {
    CELL_NULL,
    CELL_INT,
    CELL_TEXT
};

struct cell {
    enum cell_kind kind;
    int64_t v;        /* the number, or the text's length */
    const char *text; /* borrowed of the receipt and its snapshot */
};

/* The rows of a receipt, column by column. */
void exchange_cells(struct cell out[ROW_COLUMNS], const struct receipt *r);
void attempt_cells(struct cell out[ROW_COLUMNS], const struct receipt *r,
                   uint32_t n, int64_t seal);
