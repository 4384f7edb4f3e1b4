#include "record/ledger_seal.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

enum {
    ROW_BYTES = 2048,    /* of one row, as it is hashed */
    ATTEMPT_SEALED = 20, /* columns of an attempt: all but its seal's number */
};

enum cell_kind {
    CELL_NULL,
    CELL_INT,
    CELL_TEXT
};

/* What stands in a column. */
struct cell {
    enum cell_kind kind;
    int64_t v;        /* the number, or the text's length */
    const char *text; /* borrowed */
};

/* One row on its way into a hash: each value with its kind and length. */
struct seal_row {
    unsigned char bytes[ROW_BYTES];
    size_t len;
};

static unsigned char *put_number(unsigned char *to, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (unsigned char)(v >> 8 * i);
    return to + n;
}

static void put_cell(struct seal_row *r, const struct cell *c)
{
    static const char kinds[] = {'n', 'i', 't'};
    size_t len = c->kind == CELL_TEXT ? (size_t)c->v : 0;
    unsigned char *to = r->bytes + r->len;

    ENSURE(r->len + 13 + len <= sizeof(r->bytes));
    *to++ = (unsigned char)kinds[c->kind];
    to = put_number(to, c->kind == CELL_INT ? 8 : len, 4);
    if (c->kind == CELL_INT)
        to = put_number(to, (uint64_t)c->v, 8);
    else if (len > 0)
        memcpy(to, c->text, len);
    r->len = (size_t)(to - r->bytes) + len;
}

int seal_prepare(struct seal *s, sqlite3 *db)
{
    return sqlite3_prepare_v3(db, "INSERT INTO seal VALUES(?1,?2,?3)", -1,
                              SQLITE_PREPARE_PERSISTENT, &s->add, NULL);
}

void seal_finalize(struct seal *s)
{
    sqlite3_finalize(s->add);
    s->add = NULL;
}

void seal_fini(struct seal *s)
{
    seal_finalize(s);
    free(s->rows);
    s->rows = NULL;
}

static int find_end(struct seal *s)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        sqlite3_db_handle(s->add),
        "SELECT n, hash FROM seal ORDER BY n DESC LIMIT 1", -1, &stmt, NULL);

    s->n = 1;
    memset(s->before, 0, sizeof(s->before));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const void *hash = sqlite3_column_blob(stmt, 1);

        s->n = sqlite3_column_int64(stmt, 0) + 1;
        if (hash && sqlite3_column_bytes(stmt, 1) == DIGEST_BYTES)
            memcpy(s->before, hash, DIGEST_BYTES);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int seal_begin(struct seal *s, bool again)
{
    s->n_rows = s->n_receipts = 0;
    return again || s->n == 0 ? find_end(s) : SQLITE_OK;
}

static void add_hash(struct seal *s, const unsigned char hash[DIGEST_BYTES])
{
    if (s->n_rows == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        s->rows = realloc(s->rows, s->room * sizeof(*s->rows));
        if (!s->rows)
            fatal("out of memory sealing the ledger");
    }
    memcpy(s->rows[s->n_rows++], hash, DIGEST_BYTES);
}

/* A row by its first `n` columns. */
static void add_row(struct seal *s, const struct cell cells[], size_t n)
{
    unsigned char hash[DIGEST_BYTES];
    struct seal_row row;

    row.len = 0;
    for (size_t i = 0; i < n; i++)
        put_cell(&row, &cells[i]);
    digest_sha256(hash, (struct slice){(const char *)row.bytes, row.len});
    add_hash(s, hash);
}

void seal_add_receipt(struct seal *s, struct slice id, struct slice body)
{
    unsigned char lengths[8];

    if (s->n_receipts++ == 0)
        sha256_begin(&s->receipts);
    put_number(put_number(lengths, id.len, 4), body.len, 4);
    sha256_add(&s->receipts,
               (struct slice){(const char *)lengths, sizeof(lengths)});
    sha256_add(&s->receipts, id);
    sha256_add(&s->receipts, body);
}

/* No more of them: their hash stands beside those of rows. */
static void end_receipts(struct seal *s)
{
    unsigned char hash[DIGEST_BYTES];

    if (s->n_receipts == 0)
        return;
    s->n_receipts = 0;
    sha256_end(&s->receipts, hash);
    add_hash(s, hash);
}

/* As memcmp() does, and nearly always by the first eight bytes. */
static int compare(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    if (x == y)
        return memcmp(a, b, DIGEST_BYTES);
    return be64toh(x) < be64toh(y) ? -1 : 1;
}

/* before | number | rows in order: hashed link by link, so that no batch is
 * too long for a buffer. */
static void chain(struct seal *s)
{
    struct {
        unsigned char so_far[DIGEST_BYTES], row[DIGEST_BYTES];
    } link;

    if (s->n_rows)
        qsort(s->rows, s->n_rows, DIGEST_BYTES, compare);
    memcpy(link.so_far, s->before, DIGEST_BYTES);
    memset(link.row, 0, DIGEST_BYTES);
    for (int i = 0; i < 8; i++)
        link.row[i] = (unsigned char)((uint64_t)s->n >> 8 * i);
    for (size_t i = 0; i <= s->n_rows; i++) {
        if (i > 0)
            memcpy(link.row, s->rows[i - 1], DIGEST_BYTES);
        digest_sha256(link.so_far,
                      (struct slice){(const char *)&link, sizeof(link)});
    }
    memcpy(s->now, link.so_far, DIGEST_BYTES);
}

int seal_close(struct seal *s)
{
    size_t n = s->n_rows + s->n_receipts;
    int rc;

    if (n == 0)
        return SQLITE_OK;
    end_receipts(s);
    chain(s);
    sqlite3_bind_int64(s->add, 1, s->n);
    sqlite3_bind_int64(s->add, 2, (int64_t)n);
    sqlite3_bind_blob(s->add, 3, s->now, DIGEST_BYTES, SQLITE_STATIC);
    rc = sqlite3_step(s->add);
    sqlite3_reset(s->add);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void seal_committed(struct seal *s)
{
    if (s->n_rows == 0)
        return;
    memcpy(s->before, s->now, DIGEST_BYTES);
    s->n++;
    s->n_rows = 0;
}

/* Adds a row of `attempt_row` as its columns stand, but for the first: its
 * seal. */
static void add_read(struct seal *s, sqlite3_stmt *stmt)
{
    struct cell cells[ATTEMPT_SEALED];

    for (int i = 0; i < ATTEMPT_SEALED; i++) {
        struct cell *c = &cells[i];
        const char *text = NULL;

        if (sqlite3_column_type(stmt, i + 1) == SQLITE_INTEGER) {
            *c = (struct cell){CELL_INT, sqlite3_column_int64(stmt, i + 1),
                               NULL};
            continue;
        }
        text = (const char *)sqlite3_column_text(stmt, i + 1);
        *c = (struct cell){text ? CELL_TEXT : CELL_NULL,
                           text ? (int64_t)strlen(text) : 0, text};
    }
    add_row(s, cells, ATTEMPT_SEALED);
}

#define ROW                                                               \
    "id, exchange_id, n, vendor, model, fault, status, input_tokens,"     \
    " cached_tokens, cache_write_tokens, output_tokens, thinking_tokens," \
    " estimated, maybe_billed, currency, cost_nanos, stated_currency,"    \
    " stated_nanos, first_byte_ms, total_ms"

int seal_adopt(struct seal *s)
{
    sqlite3 *db = sqlite3_db_handle(s->add);
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        db, "SELECT seal, " ROW " FROM attempt_row WHERE seal IS NULL", -1,
        &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        add_read(s, stmt);
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return rc;
    rc = sqlite3_prepare_v2(
        db, "UPDATE attempt_row SET seal = ?1 WHERE seal IS NULL", -1, &stmt,
        NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, s->n);
        rc = sqlite3_step(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --- checkpoints -------------------------------------------------------------
 */

#define CHECKPOINT                                                  \
    "n, hash, before_unix_ms, at_unix_ms, n_exchanges, n_attempts," \
    " cny_nanos, usd_nanos"

/* From column `at` on. */
static void read_checkpoint(struct checkpoint *c, sqlite3_stmt *stmt, int at)
{
    const void *hash = sqlite3_column_blob(stmt, at + 1);

    *c = (struct checkpoint){.n = sqlite3_column_int64(stmt, at)};
    if (hash && sqlite3_column_bytes(stmt, at + 1) == DIGEST_BYTES)
        memcpy(c->hash, hash, DIGEST_BYTES);
    c->before_ms = sqlite3_column_int64(stmt, at + 2);
    c->at_ms = sqlite3_column_int64(stmt, at + 3);
    c->n_exchanges = sqlite3_column_int64(stmt, at + 4);
    c->n_attempts = sqlite3_column_int64(stmt, at + 5);
    c->nanos[CURRENCY_CNY] = sqlite3_column_int64(stmt, at + 6);
    c->nanos[CURRENCY_USD] = sqlite3_column_int64(stmt, at + 7);
}

int seal_last_checkpoint(sqlite3 *db, struct checkpoint *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT " CHECKPOINT " FROM checkpoint ORDER "
                                "BY n DESC LIMIT 1",
                                -1, &stmt, NULL);

    *out = (struct checkpoint){0};
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        read_checkpoint(out, stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void seal_add_checkpoint(struct seal *s, const struct checkpoint *c)
{
    char hash[DIGEST_HEX];
    const int64_t numbers[] = {c->before_ms, c->at_ms, c->n_exchanges,
                               c->n_attempts};
    struct cell cells[3 + ARRAY_LEN(numbers) + CURRENCY_COUNT] = {
        {CELL_TEXT, sizeof("checkpoint") - 1, "checkpoint"},
        {CELL_INT, c->n, NULL},
        {CELL_TEXT, DIGEST_HEX - 1, digest_text(c->hash, hash)},
    };
    struct cell *at = cells + 3;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        *at++ = (struct cell){CELL_INT, numbers[i], NULL};
    for (int i = 0; i < CURRENCY_COUNT; i++)
        *at++ = (struct cell){CELL_INT, c->nanos[i], NULL};
    add_row(s, cells, ARRAY_LEN(cells));
}

/* --- verifying ---------------------------------------------------------------
 */

struct reading {
    struct seal seal;

    /* in the order of their seals */
    struct kind {
        sqlite3_stmt *stmt; /* its first column: the seal */
        int rc;             /* of its last step */
        void (*add)(struct seal *s, sqlite3_stmt *stmt);
    } kinds[3];

    void (*tell)(void *to, const char *problem);
    void *to;
};

static void complain(struct reading *r, int64_t n, const char *what)
{
    char text[160];

    snprintf(text, sizeof(text), "seal %" PRId64 " %s", n, what);
    r->tell(r->to, text);
}

static void add_receipt(struct seal *s, sqlite3_stmt *stmt)
{
    struct slice column[2];

    for (int i = 0; i < 2; i++) {
        const char *text = (const char *)sqlite3_column_text(stmt, i + 1);

        column[i] = (struct slice){text ? text : "",
                                   (size_t)sqlite3_column_bytes(stmt, i + 1)};
    }
    seal_add_receipt(s, column[0], column[1]);
}

static void add_checkpoint(struct seal *s, sqlite3_stmt *stmt)
{
    struct checkpoint c;

    read_checkpoint(&c, stmt, 1);
    seal_add_checkpoint(s, &c);
}

static const struct {
    const char *sql;
    void (*add)(struct seal *s, sqlite3_stmt *stmt);
} kinds[] = {
    {"SELECT coalesce(seal, 0), " ROW " FROM attempt_row ORDER BY 1", add_read},
    {"SELECT seal, id, body FROM receipt ORDER BY 1, 2", add_receipt},
    {"SELECT seal, " CHECKPOINT " FROM checkpoint ORDER BY 1", add_checkpoint},
};

/* The rows that name seal `n`; those before it have no seal of their own. */
static void read_rows(struct reading *r, struct kind *kind, int64_t n)
{
    while (kind->rc == SQLITE_ROW && sqlite3_column_int64(kind->stmt, 0) <= n) {
        if (sqlite3_column_int64(kind->stmt, 0) < n) {
            complain(r, sqlite3_column_int64(kind->stmt, 0),
                     "is missing, and rows name it");
        } else {
            kind->add(&r->seal, kind->stmt);
        }
        kind->rc = sqlite3_step(kind->stmt);
    }
}

static void check_seal(struct reading *r, sqlite3_stmt *seal)
{
    int64_t n = sqlite3_column_int64(seal, 0);
    const void *hash = sqlite3_column_blob(seal, 2);

    if (n != r->seal.n)
        complain(r, r->seal.n, "is missing");
    r->seal.n = n;
    r->seal.n_rows = r->seal.n_receipts = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        read_rows(r, &r->kinds[i], n);
    end_receipts(&r->seal);
    chain(&r->seal);
    if (!hash || sqlite3_column_bytes(seal, 2) != DIGEST_BYTES ||
        memcmp(hash, r->seal.now, DIGEST_BYTES) != 0)
        complain(r, n, "does not hold: its rows, or those before, changed");
    if (hash && sqlite3_column_bytes(seal, 2) == DIGEST_BYTES)
        memcpy(r->seal.before, hash, DIGEST_BYTES);
    r->seal.n = n + 1;
}

static int read_chain(struct reading *r, sqlite3 *db)
{
    sqlite3_stmt *seals = NULL;
    int rc = sqlite3_prepare_v2(
        db, "SELECT n, n_rows, hash FROM seal ORDER BY n", -1, &seals, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(seals);
        if (rc == SQLITE_ROW)
            check_seal(r, seals);
    }
    sqlite3_finalize(seals);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && rc == SQLITE_DONE; i++) {
        struct kind *kind = &r->kinds[i];

        if (kind->rc == SQLITE_ROW)
            complain(r, sqlite3_column_int64(kind->stmt, 0),
                     "is missing, and rows name it");
        else
            rc = kind->rc;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
}

int seal_verify(sqlite3 *db, char head[DIGEST_HEX],
                void (*tell)(void *to, const char *problem), void *to)
{
    struct reading r = {.tell = tell, .to = to};
    struct checkpoint last;
    int rc = seal_last_checkpoint(db, &last);

    r.seal.n = last.n + 1;
    memcpy(r.seal.before, last.hash, DIGEST_BYTES);
    head[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(kinds) && rc == SQLITE_OK; i++) {
        struct kind *kind = &r.kinds[i];

        rc = sqlite3_prepare_v2(db, kinds[i].sql, -1, &kind->stmt, NULL);
        kind->add = kinds[i].add;
        kind->rc = rc == SQLITE_OK ? sqlite3_step(kind->stmt) : rc;
    }
    if (rc == SQLITE_OK)
        rc = read_chain(&r, db);
    if (rc == SQLITE_OK && r.seal.n > 1)
        digest_text(r.seal.before, head);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        sqlite3_finalize(r.kinds[i].stmt);
    seal_fini(&r.seal);
    return rc;
}
