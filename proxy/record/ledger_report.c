#include "record/ledger_report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "record/ledger_notes.h"
#include "record/ledger_seal.h"

enum {
    BUSY_MS = 5000,
    ID_TIME = 13,               /* twelve digits of an id are its time */
    SLACK_MS = 2 * 3600 * 1000, /* an id may be so much older than its row */
};

/* Ids begin with the time: they find the span without an index of their own.
 * The attempts are taken out first, since SQLite makes no index on the fly for
 * a table without row numbers, and would look through all of them for each. */
static const char rows[] =
    "WITH a AS MATERIALIZED (SELECT exchange_id, n, vendor, model, fault,"
    " input_tokens, cached_tokens, cache_write_tokens, output_tokens,"
    " thinking_tokens, estimated, currency, cost_nanos, cache_marked"
    " FROM attempt"
    " WHERE id >= ?3 AND id < ?4 AND exchange_id >= ?3 AND exchange_id < ?4)"
    "SELECT e.id, e.at_unix_ms, e.team, e.key_id, e.asked, e.status,"
    " e.vendor, e.model, e.currency, e.cost_nanos, e.runner_up_nanos,"
    " a.vendor, a.model, a.fault, a.input_tokens, a.cached_tokens,"
    " a.cache_write_tokens, a.output_tokens, a.thinking_tokens, a.estimated,"
    " a.currency, a.cost_nanos, a.cache_marked"
    " FROM exchange e LEFT JOIN a ON a.exchange_id = e.id"
    " WHERE e.at_unix_ms >= ?1 AND e.at_unix_ms < ?2 AND e.id >= ?3 AND e.id <"
    " ?4 ORDER BY e.at_unix_ms, e.id, a.n";

/* Takes the columns from left to right. */
struct taker {
    sqlite3_stmt *stmt;
    int column;
};

static int64_t take_int(struct taker *t)
{
    return sqlite3_column_int64(t->stmt, t->column++);
}

static const char *take_text(struct taker *t)
{
    const unsigned char *text = sqlite3_column_text(t->stmt, t->column++);

    return text ? (const char *)text : "";
}

static enum currency take_currency(struct taker *t)
{
    const char *name = take_text(t);
    enum currency c = CURRENCY_CNY;

    return currency_parse(&c, name) ? c : CURRENCY_CNY;
}

static void take_attempt(struct ledger_report_row *row, struct taker *t)
{
    row->has_attempt = sqlite3_column_type(t->stmt, t->column) != SQLITE_NULL;
    row->attempt_vendor = take_text(t);
    row->attempt_model = take_text(t);
    row->fault = take_text(t);
    row->usage.input_tokens = take_int(t);
    row->usage.cached_tokens = take_int(t);
    row->usage.cache_write_tokens = take_int(t);
    row->usage.output_tokens = take_int(t);
    row->usage.thinking_tokens = take_int(t);
    row->usage.thinks = row->usage.thinking_tokens > 0;
    row->usage.estimated = take_int(t) != 0;
    row->attempt_cost.currency = take_currency(t);
    row->attempt_cost.nanos = take_int(t);
    row->usage.marked = take_int(t) != 0;
}

static void take_row(struct ledger_report_row *row, sqlite3_stmt *stmt)
{
    struct taker t = {stmt, 0};

    *row = (struct ledger_report_row){.id = take_text(&t)};
    row->at_unix_ms = take_int(&t);
    row->team = take_text(&t);
    row->key_id = take_text(&t);
    row->asked = take_text(&t);
    row->status = (int32_t)take_int(&t);
    row->vendor = take_text(&t);
    row->model = take_text(&t);
    row->cost.currency = take_currency(&t);
    row->cost.nanos = take_int(&t);
    row->has_runner_up = sqlite3_column_type(stmt, t.column) != SQLITE_NULL;
    row->runner_up = (struct money){take_int(&t), row->cost.currency};
    take_attempt(row, &t);
}

/* Where ids of that time begin; behind all of them at the end of time. */
static void id_of_time(char out[ID_TIME], int64_t unix_ms)
{
    if (unix_ms > INT64_C(0xffffffffffff))
        snprintf(out, ID_TIME, "g");
    else
        snprintf(out, ID_TIME, "%012" PRIx64,
                 unix_ms > 0 ? (uint64_t)unix_ms : 0);
}

static int bind_span(sqlite3_stmt *stmt, struct ledger_span span)
{
    char from[ID_TIME], to[ID_TIME];
    int rc = sqlite3_bind_int64(stmt, 1, span.from_ms);

    id_of_time(from, span.from_ms > 0 ? span.from_ms - SLACK_MS : 0);
    id_of_time(to, span.to_ms < INT64_MAX - SLACK_MS ? span.to_ms + SLACK_MS
                                                     : INT64_MAX);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 2, span.to_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 3, from, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 4, to, -1, SQLITE_TRANSIENT);
    return rc;
}

static int read_rows(sqlite3 *db, struct ledger_span span,
                     ledger_report_each *each, void *to)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, rows, sizeof(rows), &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = bind_span(stmt, span);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ledger_report_row row;

        take_row(&row, stmt);
        each(to, &row);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* NULL: there is none yet, or *error says what is wrong. */
static sqlite3 *open_ledger(const char *state_dir, char *error,
                            size_t error_size)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;

    *error = '\0';
    snprintf(path, sizeof(path), "%s/ledger.db", state_dir);
    if (access(path, F_OK) != 0)
        return NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK &&
        ledger_notes_read_old(db) == SQLITE_OK)
        return db;
    snprintf(error, error_size, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

static int close_ledger(sqlite3 *db, int rc, char *error, size_t error_size)
{
    if (rc != SQLITE_OK)
        snprintf(error, error_size, "the ledger: %s", sqlite3_errmsg(db));
    sqlite3_close(db);
    return rc == SQLITE_OK ? 0 : -1;
}

int ledger_report(const char *state_dir, struct ledger_span span,
                  ledger_report_each *each, void *to, char *error,
                  size_t error_size)
{
    sqlite3 *db = open_ledger(state_dir, error, error_size);

    if (!db)
        return *error ? -1 : 1;
    return close_ledger(db, read_rows(db, span, each, to), error, error_size);
}

static int read_limited(sqlite3 *db, struct ledger_span span,
                        ledger_limited_each *each, void *to)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        db,
        "SELECT hour_unix_ms, team, key_id, n FROM limited WHERE "
        "hour_unix_ms >= ?1 AND hour_unix_ms < ?2",
        -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, span.from_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 2, span.to_ms);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct taker t = {stmt, 0};
        struct ledger_limited_row row = {.hour_unix_ms = take_int(&t)};

        row.team = take_text(&t);
        row.key_id = take_text(&t);
        row.n = take_int(&t);
        each(to, &row);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_report_limited(const char *state_dir, struct ledger_span span,
                          ledger_limited_each *each, void *to, char *error,
                          size_t error_size)
{
    sqlite3 *db = open_ledger(state_dir, error, error_size);

    if (!db)
        return *error ? -1 : 1;
    return close_ledger(db, read_limited(db, span, each, to), error,
                        error_size);
}

int ledger_report_removed(const char *state_dir, int64_t *before_unix_ms,
                          char *error, size_t error_size)
{
    sqlite3 *db = open_ledger(state_dir, error, error_size);
    struct checkpoint last;
    int rc;

    *before_unix_ms = 0;
    if (!db)
        return *error ? -1 : 1;
    rc = seal_last_checkpoint(db, &last);
    *before_unix_ms = last.before_ms;
    return close_ledger(db, rc, error, error_size);
}
