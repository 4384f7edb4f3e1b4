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
    f->table.feed = f->cursor.feed = f;
    f->body = malloc(BODY_BYTES);
    if (!f->body)
        fatal("out of memory opening the ledger");
}

void feed_fini(struct feed *f)
{
    free(f->places);
    free(f->body);
    f->places = NULL;
    f->body = NULL;
}

void feed_clear(struct feed *f)
{
    f->n = 0;
}

static void grow(struct feed *f)
{
    f->room = f->room ? 2 * f->room : 1024;
    f->places = realloc(f->places, f->room * sizeof(*f->places));
    if (!f->places)
        fatal("out of memory gathering receipts");
}

void feed_add(struct feed *f, const struct receipt *receipt)
{
    struct feed_place *p;

    if (f->n == f->room)
        grow(f);
    p = &f->places[f->n];
    *p = (struct feed_place){.receipt = receipt, .i = f->n++};
    memcpy(&p->high, receipt->id, sizeof(p->high));
    memcpy(&p->low, receipt->id + sizeof(p->high), sizeof(p->low));
    p->high = be64toh(p->high);
    p->low = be64toh(p->low);
}

/* As SQLite compares ids. */
static int compare(const void *a, const void *b)
{
    const struct feed_place *x = a, *y = b;

    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return memcmp(x->receipt->id, y->receipt->id, RECEIPT_ID);
}

void feed_sort(struct feed *f)
{
    if (f->n > 1)
        qsort(f->places, f->n, sizeof(*f->places), compare);
}

void feed_show_all(struct feed *f)
{
    f->shown = f->places;
    f->n_shown = f->n;
    f->sealing = true;
}

void feed_show_one(struct feed *f, size_t at)
{
    f->shown = &f->places[at];
    f->n_shown = 1;
    f->sealing = false;
}

void feed_seal(struct feed *f)
{
    seal_add_receipt(f->seal, f->cursor.id, f->cursor.body);
}

/* --- what SQLite calls ------------------------------------------------------
 */

static const char columns[] = "CREATE TABLE x(id, seal, body)";

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

static int at_end(sqlite3_vtab_cursor *cursor)
{
    const struct feed_cursor *c = (struct feed_cursor *)(void *)cursor;

    return c->i >= c->feed->n_shown;
}

static void read_row(struct feed_cursor *c)
{
    struct feed *f = c->feed;
    const struct receipt *r;

    if (c->i >= f->n_shown)
        return;
    FAILPOINT("row_before");
    if (c->i + 1 < f->n_shown)
        receipt_prefetch(f->shown[c->i + 1].receipt);
    r = f->shown[c->i].receipt;
    c->id = (struct slice){r->id, RECEIPT_ID - 1};
    c->body = (struct slice){f->body, receipt_body(f->body, r)};
    if (f->sealing)
        feed_seal(f);
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
    read_row(c);
    return SQLITE_OK;
}

static int next_row(sqlite3_vtab_cursor *cursor)
{
    struct feed_cursor *c = (struct feed_cursor *)(void *)cursor;

    c->i++;
    read_row(c);
    return SQLITE_OK;
}

static void tell_text(sqlite3_context *to, struct slice text)
{
    sqlite3_result_text(to, text.bytes, (int)text.len, SQLITE_STATIC);
}

static int tell_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int i)
{
    const struct feed_cursor *c = (struct feed_cursor *)(void *)cursor;

    switch (i) {
    case 0: tell_text(to, c->id); break;
    case 1: sqlite3_result_int64(to, c->feed->seal->n); break;
    case 2: tell_text(to, c->body); break;
    }
    return SQLITE_OK;
}

static int tell_row_id(sqlite3_vtab_cursor *cursor, sqlite3_int64 *id)
{
    *id = (sqlite3_int64)((const struct feed_cursor *)(void *)cursor)->i;
    return SQLITE_OK;
}

/* No xCreate: the table is there, and cannot be made. */
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
    return sqlite3_create_module(db, "new_receipt", &module, &f->table);
}
