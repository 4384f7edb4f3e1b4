/*
 * warning.h - a budget that has reached one of its fractions.
 *
 *   worker: recorder_warn -> recorder: a row, in the transaction of the charge
 *   that reached it -> (committed, and the row is new) -> recorder_on_warning
 *
 * The row is what makes it once for each fraction and window, over reloads and
 * restarts: memory may forget that it was told, the ledger does not.
 */
#pragma once

#include "record/purse.h"
#include "record/receipt.h"

enum {
    WARNING_TEAM = 132,
};

struct warning {
    struct warning *next; /* the recorder's */
    bool fresh;           /* the same */
    char id[RECEIPT_ID], team[WARNING_TEAM];
    int64_t at_unix_ms;
    struct account_key key;
    int64_t account_no; /* of its row */
    struct budget_mark mark;
    int64_t spent_nanos, cap_nanos;
};
