#include "record/ledger_rows.h"

#include "vendors/fault.h"

#include "record/names.h"

/* clang-format off */
const char *const ledger_steps[] = {
    "CREATE TABLE exchange ("
    " id TEXT NOT NULL PRIMARY KEY, at_unix_ms INTEGER NOT NULL,"
    " team TEXT, key_id TEXT, asked TEXT NOT NULL, stream INTEGER NOT NULL,"
    " status INTEGER NOT NULL, fault TEXT NOT NULL,"
    " vendor TEXT, model TEXT," /* of the attempt that answered */
    " estimated_input_tokens INTEGER NOT NULL,"
    " expected_output_tokens INTEGER NOT NULL,"
    " currency TEXT NOT NULL,"  /* of the three amounts */
    " expected_nanos INTEGER NOT NULL, cost_nanos INTEGER NOT NULL,"
    " runner_up_vendor TEXT, runner_up_model TEXT, runner_up_nanos INTEGER,"
    " first_byte_ms INTEGER, total_ms INTEGER, edition INTEGER"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE attempt ("
    " id TEXT NOT NULL PRIMARY KEY, exchange_id TEXT NOT NULL,"
    " n INTEGER NOT NULL, vendor TEXT, model TEXT,"
    " fault TEXT NOT NULL, status INTEGER NOT NULL,"
    " input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,"
    " cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,"
    " thinking_tokens INTEGER NOT NULL,"
    " estimated INTEGER NOT NULL, maybe_billed INTEGER NOT NULL,"
    " currency TEXT NOT NULL, cost_nanos INTEGER NOT NULL,"
    " stated_currency TEXT, stated_nanos INTEGER,"
    " first_byte_ms INTEGER, total_ms INTEGER"
    ") STRICT, WITHOUT ROWID;",
    /* what is spent and promised: ledger_accounts.h */
    "CREATE TABLE account ("
    " no INTEGER PRIMARY KEY, team TEXT NOT NULL, scope TEXT NOT NULL,"
    " who TEXT NOT NULL, period TEXT NOT NULL, currency TEXT NOT NULL,"
    " window_ms INTEGER NOT NULL," /* unix; when the window began */
    " spent_nanos INTEGER NOT NULL, covered_nanos INTEGER NOT NULL,"
    " retired_nanos INTEGER NOT NULL DEFAULT 0," /* of rows that were removed */
    " UNIQUE(team, scope, who, period, currency, window_ms)"
    ") STRICT;"
    "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES('id', lower(hex(randomblob(16))));"
    /* see ledger_seal.h */
    "CREATE TABLE seal (n INTEGER PRIMARY KEY, n_rows INTEGER NOT NULL,"
    " hash BLOB NOT NULL) STRICT;"
    "ALTER TABLE attempt ADD COLUMN seal INTEGER;",
    /* warnings that were given: once for each fraction of an account */
    "CREATE TABLE warning (account INTEGER NOT NULL,"
    " fraction_nanos INTEGER NOT NULL," /* 1,000,000,000 is all of it */
    " at_unix_ms INTEGER NOT NULL, spent_nanos INTEGER NOT NULL,"
    " cap_nanos INTEGER NOT NULL, PRIMARY KEY(account, fraction_nanos)"
    ") STRICT, WITHOUT ROWID;"
    /* requests that limits refused: these have no other row */
    "CREATE TABLE limited (hour_unix_ms INTEGER NOT NULL,"
    " team TEXT NOT NULL, key_id TEXT NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY(hour_unix_ms, team, key_id)) STRICT, WITHOUT ROWID;"
    /* what was removed from the chain's beginning: ledger_prune.h */
    "CREATE TABLE checkpoint (n INTEGER PRIMARY KEY," /* the last seal of it */
    " hash BLOB NOT NULL, before_unix_ms INTEGER NOT NULL,"
    " at_unix_ms INTEGER NOT NULL,"
    " n_exchanges INTEGER NOT NULL," /* these four: all that ever were */
    " n_attempts INTEGER NOT NULL, cny_nanos INTEGER NOT NULL,"
    " usd_nanos INTEGER NOT NULL, seal INTEGER NOT NULL) STRICT;",
};
/* clang-format on */

const int n_ledger_steps = (int)ARRAY_LEN(ledger_steps);

static const char add_exchange[] =
    "INSERT INTO exchange VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(id) DO NOTHING";
static const char add_attempt[] =
    "INSERT INTO attempt VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(id) DO NOTHING";

int ledger_rows_prepare(struct ledger_rows *rows, sqlite3 *db)
{
    int rc =
        sqlite3_prepare_v3(db, add_exchange, sizeof(add_exchange),
                           SQLITE_PREPARE_PERSISTENT, &rows->exchange, NULL);

    if (rc == SQLITE_OK)
        rc =
            sqlite3_prepare_v3(db, add_attempt, sizeof(add_attempt),
                               SQLITE_PREPARE_PERSISTENT, &rows->attempt, NULL);
    if (rc == SQLITE_OK)
        rc = seal_prepare(&rows->seal, db);
    return rc;
}

void ledger_rows_finalize(struct ledger_rows *rows)
{
    sqlite3_finalize(rows->exchange);
    sqlite3_finalize(rows->attempt);
    rows->exchange = rows->attempt = NULL;
    seal_finalize(&rows->seal);
}

/* Fills the columns from left to right; remembers the first failure. */
struct filler {
    sqlite3_stmt *stmt;
    int column, rc;
    struct seal_row *sealed; /* the same, to be hashed; may be NULL */
};

static void fill_int(struct filler *f, int64_t v)
{
    int rc = sqlite3_bind_int64(f->stmt, ++f->column, v);

    if (f->sealed)
        seal_int(f->sealed, v);
    if (f->rc == SQLITE_OK)
        f->rc = rc;
}

/* The text stays where it is until the statement was stepped. */
static void fill_text(struct filler *f, const char *text)
{
    int rc = sqlite3_bind_text(f->stmt, ++f->column, text, -1, SQLITE_STATIC);

    if (f->sealed)
        seal_text(f->sealed, text);
    if (f->rc == SQLITE_OK)
        f->rc = rc;
}

static void fill_null(struct filler *f)
{
    int rc = sqlite3_bind_null(f->stmt, ++f->column);

    if (f->sealed)
        seal_text(f->sealed, NULL);
    if (f->rc == SQLITE_OK)
        f->rc = rc;
}

static void fill_ms(struct filler *f, int32_t ms)
{
    if (ms < 0)
        fill_null(f);
    else
        fill_int(f, ms);
}

static void fill_offer(struct filler *f, struct offer_name name)
{
    fill_text(f, name.vendor);
    fill_text(f, name.model);
}

/* Steps the filled statement and counts the row if it is new. */
static int add_row(struct filler *f, int *n_added)
{
    int rc = f->rc;

    if (rc == SQLITE_OK && (rc = sqlite3_step(f->stmt)) == SQLITE_DONE)
        *n_added += sqlite3_changes(sqlite3_db_handle(f->stmt));
    sqlite3_reset(f->stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_exchange_row(sqlite3_stmt *stmt, const struct receipt *r,
                            int *n_added)
{
    struct filler f = {stmt, 0, SQLITE_OK, NULL};

    fill_text(&f, r->id);
    fill_int(&f, r->at_unix_ms);
    fill_text(&f, receipt_team(r));
    fill_text(&f, r->key_id[0] ? r->key_id : NULL);
    fill_text(&f, r->asked);
    fill_int(&f, r->stream);
    fill_int(&f, r->status);
    fill_text(&f, fault_traits((enum fault)r->fault)->name);
    fill_offer(&f, receipt_chosen_offer(r));
    fill_int(&f, r->estimated_input);
    fill_int(&f, r->expected_output);
    fill_text(&f, currency_name(r->cost.currency));
    fill_int(&f, r->expected.nanos);
    fill_int(&f, r->cost.nanos);
    fill_offer(&f, receipt_runner_up(r));
    if (r->has_runner_up)
        fill_int(&f, r->runner_up_cost.nanos);
    else
        fill_null(&f);
    fill_ms(&f, r->first_byte_ms);
    fill_ms(&f, r->total_ms);
    if (r->snapshot)
        fill_int(&f, (int64_t)r->snapshot->edition);
    else
        fill_null(&f);
    return add_row(&f, n_added);
}

static void fill_usage(struct filler *f, const struct usage *u)
{
    fill_int(f, u->input_tokens);
    fill_int(f, u->cached_tokens);
    fill_int(f, u->cache_write_tokens);
    fill_int(f, u->output_tokens);
    fill_int(f, u->thinking_tokens);
}

static int add_attempt_row(struct ledger_rows *rows, const struct receipt *r,
                           uint32_t n, int *n_added)
{
    const struct receipt_attempt *a = &r->attempts[n];
    struct seal_row sealed = {.len = 0};
    struct filler f = {rows->attempt, 0, SQLITE_OK, &sealed};
    int before = *n_added, rc;

    fill_text(&f, a->id);
    fill_text(&f, r->id);
    fill_int(&f, n + 1);
    fill_offer(&f, receipt_offer(r, a->offer));
    fill_text(&f, fault_traits((enum fault)a->fault)->name);
    fill_int(&f, a->status);
    fill_usage(&f, &a->usage);
    fill_int(&f, a->estimated || a->usage.estimated);
    fill_int(&f, a->maybe_billed);
    fill_text(&f, currency_name(a->cost.currency));
    fill_int(&f, a->cost.nanos);
    if (a->stated.nanos != 0) {
        fill_text(&f, currency_name(a->stated.currency));
        fill_int(&f, a->stated.nanos);
    } else {
        fill_null(&f);
        fill_null(&f);
    }
    fill_ms(&f, a->first_byte_ms);
    fill_ms(&f, a->total_ms);
    f.sealed = NULL;
    fill_int(&f, rows->seal.n);
    rc = add_row(&f, n_added);
    if (*n_added > before)
        seal_add(&rows->seal, &sealed);
    return rc;
}

int ledger_rows_add(struct ledger_rows *rows, const struct receipt *receipt,
                    int *n_added, uint32_t *fresh)
{
    int rc = add_exchange_row(rows->exchange, receipt, n_added);

    *fresh = 0;
    for (uint32_t n = 0; n < receipt->n_attempts && rc == SQLITE_OK; n++) {
        int before = *n_added;

        rc = add_attempt_row(rows, receipt, n, n_added);
        *fresh |= (uint32_t)(*n_added > before) << n;
    }
    return rc;
}
