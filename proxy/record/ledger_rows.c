#include "record/ledger_rows.h"

#include <string.h>

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

/* Fills the columns from left to right. */
struct filler {
    struct cell *at;
};

static void fill_int(struct filler *f, int64_t v)
{
    *f->at++ = (struct cell){CELL_INT, v, NULL};
}

static void fill_bytes(struct filler *f, const char *text, size_t len)
{
    *f->at++ = (struct cell){CELL_TEXT, (int64_t)len, text};
}

static void fill_null(struct filler *f)
{
    *f->at++ = (struct cell){CELL_NULL, 0, NULL};
}

static void fill_text(struct filler *f, const char *text)
{
    if (text)
        fill_bytes(f, text, strlen(text));
    else
        fill_null(f);
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

void exchange_cells(struct cell out[ROW_COLUMNS], const struct receipt *r)
{
    struct filler f = {out};

    fill_bytes(&f, r->id, RECEIPT_ID - 1);
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
}

static void fill_usage(struct filler *f, const struct usage *u)
{
    fill_int(f, u->input_tokens);
    fill_int(f, u->cached_tokens);
    fill_int(f, u->cache_write_tokens);
    fill_int(f, u->output_tokens);
    fill_int(f, u->thinking_tokens);
}

void attempt_cells(struct cell out[ROW_COLUMNS], const struct receipt *r,
                   uint32_t n, int64_t seal)
{
    const struct receipt_attempt *a = &r->attempts[n];
    struct filler f = {out};

    fill_bytes(&f, a->id, RECEIPT_ID - 1);
    fill_bytes(&f, r->id, RECEIPT_ID - 1);
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
    fill_int(&f, seal);
}
