#include "record/ledger_batch.h"

#include <stdlib.h>

#include "base/fatal.h"

static const char add_exchanges[] =
    "INSERT INTO exchange SELECT * FROM new_exchange WHERE true"
    " ON CONFLICT(id) DO NOTHING";
static const char add_attempts[] =
    "INSERT INTO attempt SELECT * FROM new_attempt WHERE true"
    " ON CONFLICT(id) DO NOTHING";

void ledger_batch_init(struct ledger_batch *b)
{
    *b = (struct ledger_batch){.fresh = NULL};
    feed_init(&b->feed, &b->seal);
}

void ledger_batch_fini(struct ledger_batch *b)
{
    feed_fini(&b->feed);
    seal_fini(&b->seal);
    free(b->fresh);
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                              NULL);
}

int ledger_batch_prepare(struct ledger_batch *b, sqlite3 *db)
{
    int rc = feed_connect(&b->feed, db);

    if (rc == SQLITE_OK)
        rc = prepare(db, add_exchanges, &b->exchanges);
    if (rc == SQLITE_OK)
        rc = prepare(db, add_attempts, &b->attempts);
    if (rc == SQLITE_OK)
        rc = seal_prepare(&b->seal, db);
    return rc;
}

void ledger_batch_finalize(struct ledger_batch *b)
{
    sqlite3_finalize(b->exchanges);
    sqlite3_finalize(b->attempts);
    b->exchanges = b->attempts = NULL;
    seal_finalize(&b->seal);
}

int ledger_batch_begin(struct ledger_batch *b, bool again)
{
    feed_clear(&b->feed);
    return seal_begin(&b->seal, again);
}

void ledger_batch_add(struct ledger_batch *b, const struct receipt *receipt)
{
    feed_add(&b->feed, receipt);
}

/* Runs one of the two statements; *n: rows that were added. */
static int step(sqlite3_stmt *stmt, size_t *n)
{
    int rc = sqlite3_step(stmt);

    *n = rc == SQLITE_DONE ? (size_t)sqlite3_changes(sqlite3_db_handle(stmt))
                           : 0;
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_batch_write(struct ledger_batch *b, bool *all)
{
    size_t n_exchanges = 0, n_attempts = 0;
    int rc = SQLITE_OK;

    *all = b->all_fresh = true;
    if (b->feed.n == 0)
        return rc;
    feed_show_sorted(&b->feed);
    rc = step(b->exchanges, &n_exchanges);
    if (rc == SQLITE_OK && b->feed.n_attempts > 0)
        rc = step(b->attempts, &n_attempts);
    *all = n_exchanges == b->feed.n && n_attempts == b->feed.n_attempts;
    return rc;
}

static void make_room(struct ledger_batch *b)
{
    if (b->feed.n <= b->room)
        return;
    b->room = b->feed.n;
    b->fresh = realloc(b->fresh, b->room * sizeof(*b->fresh));
    if (!b->fresh)
        fatal("out of memory writing a batch again");
}

int ledger_batch_write_each(struct ledger_batch *b)
{
    struct feed *f = &b->feed;
    int rc = SQLITE_OK;
    size_t n;

    make_room(b);
    b->all_fresh = false;
    for (size_t i = 0; i < f->n && rc == SQLITE_OK; i++) {
        feed_show_one(f, i, 0);
        rc = step(b->exchanges, &n);
        b->fresh[i] = 0;
        for (uint32_t k = 0; k < f->receipts[i]->n_attempts && rc == SQLITE_OK;
             k++) {
            feed_show_one(f, i, 1u << k);
            rc = step(b->attempts, &n);
            if (n > 0)
                b->fresh[i] |= 1u << k;
            else
                seal_take_back(&b->seal);
        }
    }
    return rc;
}

uint32_t ledger_batch_fresh(const struct ledger_batch *b, size_t i)
{
    ENSURE(i < b->feed.n);
    return b->all_fresh ? (1u << b->feed.receipts[i]->n_attempts) - 1
                        : b->fresh[i];
}
