/*
 * ledger_batch.h - the rows of one transaction, added at once.
 *
 * Nearly always every row is new: one statement adds them all in the order of
 * their keys. Where some are there already (a batch whose fate
 * is not known is written again) they are added one by one, and it is told
 * which were new.
 */
#pragma once

#include <stdbool.h>

#include "record/ledger_feed.h"

struct ledger_batch {
    struct feed feed;
    struct seal seal;
    sqlite3_stmt *add;
    bool *fresh; /* of each receipt, if it was written one by one */
    size_t room;
    bool all_fresh;
};

void ledger_batch_init(struct ledger_batch *b);
void ledger_batch_fini(struct ledger_batch *b);
/* SQLite's codes, here and below. Finalized, it may be prepared again. */
int ledger_batch_prepare(struct ledger_batch *b, sqlite3 *db) MUST_CHECK;
void ledger_batch_finalize(struct ledger_batch *b);

/* Behind BEGIN: looks up where the chain of seals ends if `again`. */
int ledger_batch_begin(struct ledger_batch *b, bool again) MUST_CHECK;
/* The receipt stays where it is until the commit. */
void ledger_batch_add(struct ledger_batch *b, const struct receipt *receipt);
/* Writes all. False in *all: some rows were there already, and nothing counts:
 * roll back, begin anew and write them one by one. */
int ledger_batch_write(struct ledger_batch *b, bool *all) MUST_CHECK;
int ledger_batch_write_each(struct ledger_batch *b) MUST_CHECK;

/* The i-th receipt was new. */
bool ledger_batch_fresh(const struct ledger_batch *b, size_t i);
