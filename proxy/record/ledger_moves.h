/*
 * ledger_moves.h - what batches changed in accounts, until their rows say so.
 *
 * A batch that moves many accounts writes one row, [[no, spent, covered], ...],
 * instead of one for each: accounts by the thousand would otherwise cost more
 * than the receipts. Now and then all such rows are folded into those of the
 * accounts, and go. Meanwhile the view `balance` tells what accounts hold.
 *
 * What is folded is read from the file and never remembered, so a transaction
 * whose fate is unknown may be repeated: its rows are gone, or still there.
 * The row of an account that nobody has in memory is always up to date: fold
 * before it is forgotten.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/attr.h"

#include "record/ledger_accounts.h"

/* Builds with fail points take the long way sooner: so that the tests that kill
 * the program meet it. */
enum {
#ifdef NDEBUG
    MOVES_FEW = 64,  /* accounts of a batch, moved row by row */
    MOVES_ROWS = 64, /* then they are folded */
#else
    MOVES_FEW = 4,
    MOVES_ROWS = 3,
#endif
};

struct ledger_moves {
    sqlite3_stmt *add, *read, *clear;
    char *text; /* of the row that is being made */
    size_t len, room;
    size_t n_rows, n_moves; /* not folded yet, or more */
    bool folded;            /* in this transaction */
};

/* Those that may fail return 0, or SQLite's code. */
int ledger_moves_prepare(struct ledger_moves *m, sqlite3 *db) MUST_CHECK;
void ledger_moves_finalize(struct ledger_moves *m);
void ledger_moves_fini(struct ledger_moves *m);

void ledger_moves_begin(struct ledger_moves *m);
/* Row by row if they are few, else as one row. */
int ledger_moves_add(struct ledger_moves *m, struct ledger_accounts *accounts,
                     struct account_plan *plans, size_t n) MUST_CHECK;
int ledger_moves_fold(struct ledger_moves *m,
                      struct ledger_accounts *accounts) MUST_CHECK;
void ledger_moves_committed(struct ledger_moves *m);

/* Something is not folded yet. */
bool ledger_moves_any(const struct ledger_moves *m);
