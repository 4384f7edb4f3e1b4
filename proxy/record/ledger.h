/*
 * ledger.h - what was spent: one row per receipt, with all its attempts.
 *
 * The only keeper of SQLite. WAL and synchronous=FULL: once ledger_commit()
 * has returned 0 the rows outlive a power cut. One connection writes and
 * checkpoints, from one thread; others may open the file read-only.
 *
 * Rows are found by their own ids and added only if they are not there yet,
 * so a batch whose fate is unknown is simply added again. After any failure
 * nothing of the batch counts: ledger_recover(), then the whole batch anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#include "record/ledger_accounts.h"
#include "record/ledger_prune.h"
#include "record/limited.h"
#include "record/receipt.h"
#include "record/warning.h"

struct ledger;

/* Creates or brings up to date `dir`/ledger.db. NULL and a message: another
 * process has it, it is newer than we are, or it cannot be opened. */
struct ledger *ledger_open(const char *dir, char *error,
                           size_t error_size) MUST_CHECK;
void ledger_close(struct ledger *l); /* NULL is fine */

/* 0, or -1 and ledger_problem() says why. */
int ledger_begin(struct ledger *l) MUST_CHECK;
/* A receipt of the batch; it stays where it is until the commit. */
void ledger_add(struct ledger *l, const struct receipt *receipt);
/* Writes the rows of all that were added. */
int ledger_put(struct ledger *l) MUST_CHECK;
/* The i-th receipt was not there before: its attempts are charged to accounts.
 * Behind ledger_put(). */
bool ledger_fresh(const struct ledger *l, size_t i);
/* Accounts that the batch moves: better all at once. */
int ledger_move(struct ledger *l, struct account_plan *plans,
                size_t n) MUST_CHECK;
/* w->fresh: nobody was told yet. */
int ledger_warn(struct ledger *l, struct warning *w) MUST_CHECK;
/* Adds to the hour's row. */
int ledger_limited(struct ledger *l, const struct limited_count *c) MUST_CHECK;
int ledger_commit(struct ledger *l) MUST_CHECK;

/* The rows of accounts lag behind: ledger_fold() brings them up to date, in a
 * transaction of its own. To be done once nothing came for a while; at once in
 * builds whose tests read the rows. */
enum {
#ifdef NDEBUG
    LEDGER_REST_MS = 2000,
#else
    LEDGER_REST_MS = 0,
#endif
};

bool ledger_lags(const struct ledger *l);
int ledger_fold(struct ledger *l) MUST_CHECK;

/* Removes a piece of what came before an instant: 1; nothing is left: 0; -1 as
 * above. In a transaction of its own; adds to *told. */
int ledger_prune(struct ledger *l, int64_t before_unix_ms,
                 struct pruned *told) MUST_CHECK;

/* Once, before anything is written: charges what an earlier process left
 * open, by its intents or, if these cannot be believed, by its leases. All of
 * it or nothing: done again, it changes nothing. */
int ledger_resume(struct ledger *l, const char *dir,
                  struct resumed *told) MUST_CHECK;
/* Once, after all else: nothing is under way, so no lease is needed. */
int ledger_rest(struct ledger *l) MUST_CHECK;

const char *ledger_id(const struct ledger *l);
/* The time that was noted last, within a batch or at rest; of an older ledger
 * the latest window. See purses_time(). */
int ledger_note_time(struct ledger *l, int64_t unix_ms) MUST_CHECK;
int64_t ledger_high_ms(struct ledger *l);

/* Rolls back; unless the ledger was only busy or the disk full, opens the
 * file anew and makes sure that what it then holds is on the disk: after a
 * failed fsync the system's cache shows rows that no disk has. */
int ledger_recover(struct ledger *l) MUST_CHECK;

const char *ledger_problem(const struct ledger *l);
