/*
 * ledger_notes.h - small rows beside the receipts: warnings that were given,
 * requests that limits refused, the time.
 *
 * Private to the ledger. All return 0, or SQLite's code.
 */
#pragma once

#include <sqlite3.h>

#include "base/attr.h"

#include "record/limited.h"
#include "record/warning.h"

/* w->fresh: it was not there. */
int ledger_notes_warn(sqlite3 *db, struct warning *w) MUST_CHECK;
int ledger_notes_limited(sqlite3 *db, const struct limited_count *c) MUST_CHECK;

int ledger_notes_time(sqlite3 *db, int64_t unix_ms) MUST_CHECK;

/* For readers of a file that an older bijia wrote, a backup perhaps: what it
 * has not yet is empty, or stands for what it has. */
int ledger_notes_read_old(sqlite3 *db) MUST_CHECK;
