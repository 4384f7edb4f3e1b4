#include "record/ledger_batch.h"

#include <stdlib.h>

#include "base/fatal.h"

/* OR FAIL: a row that fails needs no journal of the statement to be undone,
 * since the whole batch is. */
static const char add_receipts[] =
    "INSERT OR FAIL INTO receipt SELECT * FROM new_receipt WHERE true"
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

int ledger_batch_prepare(struct ledger_batch *b, sqlite3 *db)
{
    int rc = feed_connect(&b->feed, db);

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(db, add_receipts, -1, SQLITE_PREPARE_PERSISTENT,
                                &b->add, NULL);
    return rc == SQLITE_OK ? seal_prepare(&b->seal, db) : rc;
}

void ledger_batch_finalize(struct ledger_batch *b)
{
    sqlite3_finalize(b->add);
    b->add = NULL;
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

/* Adds what is shown; *n: rows that were added. */
static int step(struct ledger_batch *b, size_t *n)
{
    int rc = sqlite3_step(b->add);

    *n = rc == SQLITE_DONE ? (size_t)sqlite3_changes(sqlite3_db_handle(b->add))
                           : 0;
    sqlite3_reset(b->add);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_batch_write(struct ledger_batch *b, bool *all)
{
    size_t n = 0;
    int rc;

    *all = b->all_fresh = true;
    if (b->feed.n == 0)
        return SQLITE_OK;
    feed_sort(&b->feed);
    feed_show_all(&b->feed);
    rc = step(b, &n);
    *all = n == b->feed.n;
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
    feed_sort(f);
    for (size_t at = 0; at < f->n && rc == SQLITE_OK; at++) {
        feed_show_one(f, at);
        rc = step(b, &n);
        b->fresh[f->places[at].i] = n > 0;
        if (n > 0)
            feed_seal(f);
    }
    return rc;
}

bool ledger_batch_fresh(const struct ledger_batch *b, size_t i)
{
    ENSURE(i < b->feed.n);
    return b->all_fresh || b->fresh[i];
}
