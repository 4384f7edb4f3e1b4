/*
 * ledger_prune.h - old rows are removed, and the chain of seals still holds.
 *
 * What goes are whole seals from the chain's beginning, all of whose requests
 * came before an instant. A checkpoint stands for them: the hash of the last
 * one, from which the rest of the chain is verified, and how much it was. Its
 * row is itself sealed by the seal that follows, so the last seal still tells
 * all that ever was. What budgets have spent stands in their accounts, and
 * stays: `retired_nanos` says how much of it has no rows any more. Accounts of
 * windows that ended a month before that instant go, totals never.
 *
 * In pieces, a short transaction each, so that the writer is never held up.
 */
#pragma once

#include <sqlite3.h>

#include "base/attr.h"

#include "record/ledger_seal.h"

enum {
    PRUNE_ROWS = 1000, /* of one piece, about */
};

struct pruned {
    int64_t n_exchanges, n_attempts, n_accounts;
};

/* Within a transaction that has its seal begun: one piece. *any: something was
 * removed. SQLite's code. */
int ledger_prune_piece(sqlite3 *db, struct seal *seal, int64_t before_unix_ms,
                       struct pruned *told, bool *any) MUST_CHECK;
