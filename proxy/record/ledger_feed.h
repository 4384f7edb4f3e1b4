/*
 * ledger_feed.h - a batch of receipts as a table that SQLite reads.
 *
 * `new_receipt` shows the rows of the batch under way; so one statement adds
 * them all, and what a statement costs is paid once a batch instead of once a
 * receipt. Nothing is kept: a row is made when it is read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/attr.h"

#include "record/ledger_rows.h"
#include "record/ledger_seal.h"

struct feed;

/* Where the table stands; there is one reader at a time. */
struct feed_cursor {
    sqlite3_vtab_cursor base; /* the first member: SQLite's */
    struct feed *feed;
    size_t i;
    struct slice id, body; /* of the row */
};

struct feed_table {
    sqlite3_vtab base; /* the first member: SQLite's */
    struct feed *feed;
};

struct feed_place {
    uint64_t high, low; /* the id's first 16 digits */
    const struct receipt *receipt;
    size_t i; /* as gathered */
};

struct feed {
    struct feed_place *places;
    size_t n, room;
    /* what is shown: */
    const struct feed_place *shown;
    size_t n_shown;
    bool sealing; /* each row that is read */
    struct seal *seal;
    struct feed_table table;
    struct feed_cursor cursor;
    char *body; /* BODY_BYTES */
};

void feed_init(struct feed *f, struct seal *seal);
void feed_fini(struct feed *f);

/* Registers the table. SQLite's code. */
int feed_connect(struct feed *f, sqlite3 *db) MUST_CHECK;

void feed_clear(struct feed *f);
/* The receipt stays where it is until the batch was written. */
void feed_add(struct feed *f, const struct receipt *receipt);
/* In the order of their ids: rows are added with less searching. */
void feed_sort(struct feed *f);

/* What the table shows from now on. All, whatever is read goes into the seal;
 * or the one at places[at], of which feed_seal() decides behind it. */
void feed_show_all(struct feed *f);
void feed_show_one(struct feed *f, size_t at);
void feed_seal(struct feed *f);
