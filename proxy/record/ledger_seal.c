#include "record/ledger_seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

static void put(struct seal_row *r, char kind, const void *bytes, size_t len)
{
    uint32_t n = (uint32_t)len;

    ENSURE(r->len + 1 + sizeof(n) + len <= sizeof(r->bytes));
    r->bytes[r->len++] = (unsigned char)kind;
    for (int i = 0; i < 4; i++)
        r->bytes[r->len++] = (unsigned char)(n >> 8 * i);
    if (len > 0)
        memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
}

void seal_int(struct seal_row *r, int64_t v)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)v >> 8 * i);
    put(r, 'i', bytes, sizeof(bytes));
}

void seal_text(struct seal_row *r, const char *text)
{
    if (text)
        put(r, 't', text, strlen(text));
    else
        put(r, 'n', NULL, 0);
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
    s->n_rows = 0;
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

void seal_add(struct seal *s, const struct seal_row *row)
{
    unsigned char hash[DIGEST_BYTES];

    digest_sha256(hash, (struct slice){(const char *)row->bytes, row->len});
    add_hash(s, hash);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_BYTES);
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
    int rc;

    if (s->n_rows == 0)
        return SQLITE_OK;
    chain(s);
    sqlite3_bind_int64(s->add, 1, s->n);
    sqlite3_bind_int64(s->add, 2, (int64_t)s->n_rows);
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

/* A row of `attempt` as its columns stand, but for the first: its seal. */
static void read_row(struct seal_row *r, sqlite3_stmt *stmt)
{
    r->len = 0;
    for (int i = 1; i < sqlite3_column_count(stmt); i++)
        if (sqlite3_column_type(stmt, i) == SQLITE_INTEGER)
            seal_int(r, sqlite3_column_int64(stmt, i));
        else
            seal_text(r, (const char *)sqlite3_column_text(stmt, i));
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
    struct seal_row row;
    int rc = sqlite3_prepare_v2(
        db, "SELECT seal, " ROW " FROM attempt WHERE seal IS NULL", -1, &stmt,
        NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        read_row(&row, stmt);
        seal_add(s, &row);
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return rc;
    rc = sqlite3_prepare_v2(
        db, "UPDATE attempt SET seal = ?1 WHERE seal IS NULL", -1, &stmt, NULL);
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

void seal_checkpoint(struct seal_row *row, const struct checkpoint *c)
{
    char hash[DIGEST_HEX];

    row->len = 0;
    seal_text(row, "checkpoint");
    seal_int(row, c->n);
    seal_text(row, digest_text(c->hash, hash));
    seal_int(row, c->before_ms);
    seal_int(row, c->at_ms);
    seal_int(row, c->n_exchanges);
    seal_int(row, c->n_attempts);
    for (int i = 0; i < CURRENCY_COUNT; i++)
        seal_int(row, c->nanos[i]);
}

/* --- verifying ---------------------------------------------------------------
 */

struct reading {
    struct seal seal;
    sqlite3_stmt *rows, *checkpoints; /* in the order of their seals */
    int rc, checkpoints_rc;           /* of their last step */
    void (*tell)(void *to, const char *problem);
    void *to;
};

static void complain(struct reading *r, int64_t n, const char *what)
{
    char text[160];

    snprintf(text, sizeof(text), "seal %" PRId64 " %s", n, what);
    r->tell(r->to, text);
}

/* The rows that name seal `n`; those before it have no seal of their own. */
static void read_rows(struct reading *r, int64_t n)
{
    struct seal_row row;

    r->seal.n_rows = 0;
    while (r->rc == SQLITE_ROW && sqlite3_column_int64(r->rows, 0) <= n) {
        if (sqlite3_column_int64(r->rows, 0) < n) {
            complain(r, sqlite3_column_int64(r->rows, 0),
                     "is missing, and rows name it");
        } else {
            read_row(&row, r->rows);
            seal_add(&r->seal, &row);
        }
        r->rc = sqlite3_step(r->rows);
    }
}

static void read_checkpoints(struct reading *r, int64_t n)
{
    struct checkpoint c;
    struct seal_row row;

    while (r->checkpoints_rc == SQLITE_ROW &&
           sqlite3_column_int64(r->checkpoints, 0) <= n) {
        read_checkpoint(&c, r->checkpoints, 1);
        seal_checkpoint(&row, &c);
        seal_add(&r->seal, &row);
        r->checkpoints_rc = sqlite3_step(r->checkpoints);
    }
}

static void check_seal(struct reading *r, sqlite3_stmt *seal)
{
    int64_t n = sqlite3_column_int64(seal, 0);
    const void *hash = sqlite3_column_blob(seal, 2);

    if (n != r->seal.n)
        complain(r, r->seal.n, "is missing");
    r->seal.n = n;
    read_rows(r, n);
    read_checkpoints(r, n);
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

    r->rc = sqlite3_step(r->rows);
    r->checkpoints_rc = sqlite3_step(r->checkpoints);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(seals);
        if (rc == SQLITE_ROW)
            check_seal(r, seals);
    }
    sqlite3_finalize(seals);
    if (r->rc == SQLITE_ROW)
        complain(r, sqlite3_column_int64(r->rows, 0),
                 "is missing, and rows name it");
    return rc == SQLITE_DONE && (r->rc == SQLITE_DONE || r->rc == SQLITE_ROW)
               ? SQLITE_OK
               : SQLITE_ERROR;
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
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(
            db, "SELECT coalesce(seal, 0), " ROW " FROM attempt ORDER BY 1", -1,
            &r.rows, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(
            db, "SELECT seal, " CHECKPOINT " FROM checkpoint ORDER BY 1", -1,
            &r.checkpoints, NULL);
    if (rc == SQLITE_OK)
        rc = read_chain(&r, db);
    if (rc == SQLITE_OK && r.seal.n > 1)
        digest_text(r.seal.before, head);
    sqlite3_finalize(r.rows);
    sqlite3_finalize(r.checkpoints);
    seal_fini(&r.seal);
    return rc;
}
