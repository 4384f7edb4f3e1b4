/*
 * ledger_accounts.h - the rows of accounts: what was spent, and the lease.
 *
 * Private to the ledger. `spent_nanos` moves in the transaction that adds the
 * rows of the attempts, so with what ledger_moves.h has not folded yet it is
 * their sum at every instant; `covered_nanos` is what it may reach before the
 * ledger hears of it.
 */
#pragma once

#include <sqlite3.h>

#include "base/attr.h"

#include "record/intents.h"
#include "record/purse.h"

struct ledger_accounts {
    sqlite3_stmt *find, *make, *move;
};

/* All return 0, or SQLite's code. */
int ledger_accounts_prepare(struct ledger_accounts *s, sqlite3 *db) MUST_CHECK;
void ledger_accounts_finalize(struct ledger_accounts *s);

/* Finds or makes the row if plan->no is 0. */
int ledger_accounts_open(struct ledger_accounts *s,
                         struct account_plan *plan) MUST_CHECK;
/* The same, then moves it. */
int ledger_accounts_move(struct ledger_accounts *s,
                         struct account_plan *plan) MUST_CHECK;

/* --- after a crash, within one transaction ----------------------------------
 */

struct resumed {
    int64_t n_open; /* attempts whose end is not known: charged their bound */
    int64_t n_settled; /* that had ended, but were not written yet */
    int64_t n_leases;  /* charged in full, since there are no intents */
};

/* Adds the attempt, unless it is there. */
int ledger_resume_intent(sqlite3 *db, const struct intent *intent,
                         struct resumed *told) MUST_CHECK;
/* Charges each lease in full, one row each for those of whole teams. */
int ledger_resume_leases(sqlite3 *db, int64_t now_unix_ms,
                         struct resumed *told) MUST_CHECK;
/* All leases end at what is spent. */
int ledger_end_leases(sqlite3 *db) MUST_CHECK;
