/*
 * ledger_feed.h - a batch of receipts as two tables that SQLite reads.
 *
 * `new_exchange` and `new_attempt` show the rows of the batch under way; so
 * one statement adds them all, and what a statement costs is paid once a
 * batch instead of twice a receipt. Nothing is copied: a row is made when it
 * is read, and its hash goes into the batch's seal.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/attr.h"

#include "record/ledger_rows.h"
#include "record/ledger_seal.h"

struct feed;

/* Where a table stands; there is one reader at a time. */
struct feed_cursor {
    sqlite3_vtab_cursor base; /* the first member: SQLite's */
    struct feed *feed;
    size_t i;   /* of the receipts */
    uint32_t n; /* of its attempts */
    struct cell cells[ROW_COLUMNS];
};

struct feed_table {
    sqlite3_vtab base; /* the first member: SQLite's */
    struct feed *feed;
};

struct feed_place {
    uint64_t order;
    const struct receipt *receipt;
};

struct feed {
    const struct receipt **receipts;
    struct feed_place *sorted, one;
    size_t n, room, n_attempts;
    /* what is shown: */
    const struct feed_place *shown;
    size_t n_shown;
    uint32_t attempts; /* a bit for each of a receipt */
    struct seal *seal; /* of the batch */
    struct feed_table exchange, attempt;
    struct feed_cursor cursor;
};

void feed_init(struct feed *f, struct seal *seal);
void feed_fini(struct feed *f);

/* Registers the two tables. SQLite's codes. */
int feed_connect(struct feed *f, sqlite3 *db) MUST_CHECK;

void feed_clear(struct feed *f);
/* The receipt stays where it is until the batch was written. */
void feed_add(struct feed *f, const struct receipt *receipt);

/* What the tables show from now on. All, in the order of their keys: rows are
 * added with less searching. Or the i-th receipt, and some of its attempts. */
void feed_show_sorted(struct feed *f);
void feed_show_one(struct feed *f, size_t i, uint32_t attempts);
