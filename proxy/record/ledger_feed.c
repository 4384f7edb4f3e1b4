#include "record/ledger_feed.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/fatal.h"

void feed_init(struct feed *f, struct seal *seal)
{
    *f = (struct feed){.seal = seal};
    f->exchange.feed = f->attempt.feed = f->cursor.feed = f;
}

void feed_fini(struct feed *f)
{
    free(f->receipts);
    free(f->sorted);
    f->receipts = NULL;
    f->sorted = NULL;
}

void feed_clear(struct feed *f)
{
    f->n = f->n_attempts = 0;
}

static void grow(struct feed *f)
{
    f->room = f->room ? 2 * f->room : 1024;
    f->receipts =
        realloc(f->receipts, f->room * sizeof(const struct receipt *));
    f->sorted = realloc(f->sorted, f->room * sizeof(*f->sorted));
    if (!f->receipts || !f->sorted)
        fatal("out of memory gathering receipts");
}

void feed_add(struct feed *f, const struct receipt *receipt)
{
    if (f->n == f->room)
        grow(f);
    f->receipts[f->n++] = receipt;
    f->n_attempts += receipt->n_attempts;
}

/* Eight digits of the id as a number: of its time the last six, which begin
 * anew every four hours, and two of chance. Only the work depends on it. */
static uint64_t order_of(const struct receipt *r)
{
    uint64_t digits;

    memcpy(&digits, r->id + 6, sizeof(digits));
    return be64toh(digits);
}

static int compare(const void *a, const void *b)
{
    const struct feed_place *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

void feed_show_sorted(struct feed *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->sorted[i] =
            (struct feed_place){order_of(f->receipts[i]), f->receipts[i]};
    qsort(f->sorted, f->n, sizeof(*f->sorted), compare);
    f->shown = f->sorted;
    f->n_shown = f->n;
    f->attempts = UINT32_MAX;
}

void feed_show_one(struct feed *f, size_t i, uint32_t attempts)
{
    f->one.receipt = f->receipts[i];
    f->shown = &f->one;
    f->n_shown = 1;
    f->attempts = attempts;
}

/* --- what SQLite calls ------------------------------------------------------
 */

static const char columns[] =
    "CREATE TABLE x(c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12,c13,c14,c15,c16,"
    "c17,c18,c19,c20,c21)";

static int connect(sqlite3 *db, void *table, int argc, const char *const *argv,
                   sqlite3_vtab **out, char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    *out = &((struct feed_table *)table)->base;
    return sqlite3_declare_vtab(db, columns);
}

static int disconnect(sqlite3_vtab *table)
{
    (void)table;
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    *out = &((struct feed_table *)(void *)table)->feed->cursor.base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *cursor)
{
    (void)cursor;
    return SQLITE_OK;
}

static bool is_exchange(const struct feed_cursor *c)
{
    return c->base.pVtab == &c->feed->exchange.base;
}

static int at_end(sqlite3_vtab_cursor *cursor)
{
    const struct feed_cursor *c = (struct feed_cursor *)(void *)cursor;

    return c->i >= c->feed->n_shown;
}

/* Moves to the next attempt that is shown, from where it stands. */
static void find_attempt(struct feed_cursor *c)
{
    const struct feed *f = c->feed;

    for (; c->i < f->n_shown; c->i++, c->n = 0)
        for (; c->n < f->shown[c->i].receipt->n_attempts; c->n++)
            if (f->attempts & 1u << c->n)
                return;
}

static void read_row(struct feed_cursor *c)
{
    struct feed *f = c->feed;

    if (is_exchange(c)) {
        if (c->i < f->n_shown)
            exchange_cells(c->cells, f->shown[c->i].receipt);
        return;
    }
    find_attempt(c);
    if (c->i >= f->n_shown)
        return;
    FAILPOINT("row_before");
    attempt_cells(c->cells, f->shown[c->i].receipt, c->n, f->seal->n);
    seal_add(f->seal, c->cells, ATTEMPT_SEALED);
}

static int begin_reading(sqlite3_vtab_cursor *cursor, int number,
                         const char *text, int argc, sqlite3_value **argv)
{
    struct feed_cursor *c = (struct feed_cursor *)(void *)cursor;

    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    c->i = 0;
    c->n = 0;
    read_row(c);
    return SQLITE_OK;
}

static int next_row(sqlite3_vtab_cursor *cursor)
{
    struct feed_cursor *c = (struct feed_cursor *)(void *)cursor;

    if (is_exchange(c))
        c->i++;
    else
        c->n++;
    read_row(c);
    return SQLITE_OK;
}

static int tell_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int i)
{
    const struct cell *cell =
        &((const struct feed_cursor *)(void *)cursor)->cells[i];

    switch (cell->kind) {
    case CELL_INT: sqlite3_result_int64(to, cell->v); break;
    case CELL_TEXT:
        sqlite3_result_text(to, cell->text, (int)cell->v, SQLITE_STATIC);
        break;
    case CELL_NULL: break;
    }
    return SQLITE_OK;
}

static int tell_row_id(sqlite3_vtab_cursor *cursor, sqlite3_int64 *id)
{
    *id = (sqlite3_int64)((const struct feed_cursor *)(void *)cursor)->i;
    return SQLITE_OK;
}

/* No xCreate: the tables are there, and cannot be made. */
static const sqlite3_module module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = begin_reading,
    .xNext = next_row,
    .xEof = at_end,
    .xColumn = tell_column,
    .xRowid = tell_row_id,
};

int feed_connect(struct feed *f, sqlite3 *db)
{
    int rc = sqlite3_create_module(db, "new_exchange", &module, &f->exchange);

    return rc == SQLITE_OK
               ? sqlite3_create_module(db, "new_attempt", &module, &f->attempt)
               : rc;
}
