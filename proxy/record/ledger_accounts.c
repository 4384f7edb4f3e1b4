#include "record/ledger_accounts.h"

#include <string.h>

#include "record/recorder.h"

static const char find_account[] =
    "SELECT no, spent_nanos FROM account WHERE team=?1 AND scope=?2 AND "
    "who=?3 AND period=?4 AND currency=?5 AND window_ms=?6";
static const char make_account[] =
    "INSERT INTO account(team, scope, who, period, currency, window_ms,"
    " spent_nanos, covered_nanos) VALUES(?1,?2,?3,?4,?5,?6,0,0)";
static const char move_account[] =
    "UPDATE account SET spent_nanos = spent_nanos + ?2, covered_nanos = "
    "max(?3, spent_nanos + ?2) WHERE no = ?1";

static const char *const scopes[] = {"all", "team", "key", "user"},
                         *const periods[] = {"day", "month", "total"};

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                              NULL);
}

int ledger_accounts_prepare(struct ledger_accounts *s, sqlite3 *db)
{
    int rc = prepare(db, find_account, &s->find);

    if (rc == SQLITE_OK)
        rc = prepare(db, make_account, &s->make);
    if (rc == SQLITE_OK)
        rc = prepare(db, move_account, &s->move);
    return rc;
}

void ledger_accounts_finalize(struct ledger_accounts *s)
{
    sqlite3_finalize(s->find);
    sqlite3_finalize(s->make);
    sqlite3_finalize(s->move);
    *s = (struct ledger_accounts){NULL, NULL, NULL};
}

static int bind_key(sqlite3_stmt *stmt, const struct account_plan *plan)
{
    const struct account_key *k = plan->key;
    int rc = sqlite3_bind_text(stmt, 1, plan->team, -1, SQLITE_STATIC);

    rc |= sqlite3_bind_text(stmt, 2, scopes[k->scope], -1, SQLITE_STATIC);
    rc |= sqlite3_bind_text(
        stmt, 3, k->who, (int)strnlen(k->who, sizeof(k->who)), SQLITE_STATIC);
    rc |= sqlite3_bind_text(stmt, 4, periods[k->period], -1, SQLITE_STATIC);
    rc |= sqlite3_bind_text(stmt, 5, currency_name((enum currency)k->currency),
                            -1, SQLITE_STATIC);
    rc |= sqlite3_bind_int64(stmt, 6, k->window_ms);
    return rc;
}

/* Steps a statement that gives no row. */
static int run(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_accounts_open(struct ledger_accounts *s, struct account_plan *plan)
{
    int64_t spent = 0;
    int rc;

    if (plan->no)
        return SQLITE_OK;
    rc = bind_key(s->find, plan);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(s->find);
    if (rc == SQLITE_ROW) {
        plan->no = sqlite3_column_int64(s->find, 0);
        spent = sqlite3_column_int64(s->find, 1);
        rc = SQLITE_OK;
    } else if (rc == SQLITE_DONE) {
        rc = bind_key(s->make, plan);
        if (rc == SQLITE_OK)
            rc = run(s->make);
        plan->no = sqlite3_last_insert_rowid(sqlite3_db_handle(s->make));
    }
    sqlite3_reset(s->find);
    account_plan_from(plan, spent);
    return rc;
}

int ledger_accounts_move(struct ledger_accounts *s, struct account_plan *plan)
{
    int rc = ledger_accounts_open(s, plan);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_bind_int64(s->move, 1, plan->no);
    rc |= sqlite3_bind_int64(s->move, 2, plan->delta);
    rc |= sqlite3_bind_int64(s->move, 3, plan->covered);
    return rc == SQLITE_OK ? run(s->move) : rc;
}

/* --- after a crash ----------------------------------------------------------
 */

static const char add_attempt[] =
    "INSERT INTO attempt_row(id, exchange_id, n, vendor, model, fault, status,"
    " input_tokens, cached_tokens, cache_write_tokens, output_tokens,"
    " thinking_tokens, estimated, maybe_billed, currency, cost_nanos)"
    " SELECT ?1,?2,?3,?4,?5,?15,0,?6,?7,?8,?9,?10,?11,?12,?13,?14"
    " WHERE NOT EXISTS (SELECT 1 FROM receipt WHERE id = ?2)"
    " ON CONFLICT(id) DO NOTHING";
static const char add_exchange[] =
    "INSERT INTO exchange_row(id, at_unix_ms, team, key_id, asked, stream,"
    " status, fault, estimated_input_tokens, expected_output_tokens, currency,"
    " expected_nanos, cost_nanos) VALUES(?1,?2,?3,?4,?5,?6,0,'crashed',0,0,"
    "?7,0,?8) ON CONFLICT(id) DO UPDATE SET cost_nanos = cost_nanos + ?8";
static const char charge_account[] =
    "UPDATE account SET spent_nanos = spent_nanos + ?2 WHERE no = ?1";

/* A statement of its own for one use: rare, and kept simple. */
struct once {
    sqlite3_stmt *stmt;
    int rc;
};

static struct once begin(sqlite3 *db, const char *sql)
{
    struct once o = {NULL, SQLITE_OK};

    o.rc = sqlite3_prepare_v2(db, sql, -1, &o.stmt, NULL);
    return o;
}

static void put_int(struct once *o, int at, int64_t v)
{
    if (o->rc == SQLITE_OK)
        o->rc = sqlite3_bind_int64(o->stmt, at, v);
}

static void put_text(struct once *o, int at, const char *text)
{
    if (o->rc == SQLITE_OK)
        o->rc = text
                    ? sqlite3_bind_text(o->stmt, at, text, -1, SQLITE_TRANSIENT)
                    : sqlite3_bind_null(o->stmt, at);
}

static int end(struct once *o)
{
    if (o->rc == SQLITE_OK) {
        o->rc = sqlite3_step(o->stmt);
        if (o->rc == SQLITE_DONE)
            o->rc = SQLITE_OK;
    }
    sqlite3_finalize(o->stmt);
    return o->rc;
}

/* What a restart makes of an attempt that it finds. */
struct found {
    const char *id, *exchange, *team, *key_id, *asked, *vendor, *model;
    const char *fault; /* "crashed": nobody knows its end; "recovered": it had
                          ended, and only its row was missing */
    int64_t at_unix_ms, n, stream, estimated, cost, base_cost;
    enum currency currency, base_currency;
    struct usage usage;
};

/* *is_new: it was not there. */
static int add_found(sqlite3 *db, const struct found *f, bool *is_new)
{
    struct once o = begin(db, add_attempt);
    int rc;

    put_text(&o, 1, f->id);
    put_text(&o, 2, f->exchange);
    put_int(&o, 3, f->n);
    put_text(&o, 4, f->vendor);
    put_text(&o, 5, f->model);
    put_int(&o, 6, f->usage.input_tokens);
    put_int(&o, 7, f->usage.cached_tokens);
    put_int(&o, 8, f->usage.cache_write_tokens);
    put_int(&o, 9, f->usage.output_tokens);
    put_int(&o, 10, f->usage.thinking_tokens);
    put_int(&o, 11, f->estimated);
    put_int(&o, 12, f->estimated);
    put_text(&o, 13, currency_name(f->currency));
    put_int(&o, 14, f->cost);
    put_text(&o, 15, f->fault);
    rc = end(&o);
    *is_new = rc == SQLITE_OK && sqlite3_changes(db) > 0;
    if (!*is_new)
        return rc;
    o = begin(db, add_exchange);
    put_text(&o, 1, f->exchange);
    put_int(&o, 2, f->at_unix_ms);
    put_text(&o, 3, f->team);
    put_text(&o, 4, f->key_id[0] ? f->key_id : NULL);
    put_text(&o, 5, f->asked);
    put_int(&o, 6, f->stream);
    put_text(&o, 7, currency_name(f->base_currency));
    put_int(&o, 8, f->base_cost);
    return end(&o);
}

static int charge(sqlite3 *db, int64_t no, int64_t nanos)
{
    struct once o = begin(db, charge_account);

    put_int(&o, 1, no);
    put_int(&o, 2, nanos);
    return end(&o);
}

int ledger_resume_intent(sqlite3 *db, const struct intent *i,
                         struct resumed *told)
{
    bool settled = atomic_load(&i->state) == INTENT_SETTLED, is_new;
    struct found f = {
        .id = i->id,
        .exchange = i->exchange,
        .team = i->team,
        .key_id = i->key_id,
        .asked = i->asked,
        .vendor = i->vendor,
        .model = i->model,
        .fault = settled ? "recovered" : "crashed",
        .at_unix_ms = i->at_unix_ms,
        .n = i->n,
        .stream = i->stream,
        .estimated = settled ? i->estimated : true,
        .cost = settled ? i->cost_nanos : i->bound_nanos,
        .base_cost = settled ? i->accounts[0].charged : i->accounts[0].nanos,
        .currency = (enum currency)i->currency,
        .base_currency = (enum currency)i->base_currency,
    };
    int rc;

    if (settled)
        f.usage = i->usage;
    rc = add_found(db, &f, &is_new);
    if (rc != SQLITE_OK || !is_new)
        return rc;
    for (uint32_t k = 0; k < i->n_accounts && rc == SQLITE_OK; k++)
        rc = charge(db, i->accounts[k].no,
                    settled ? i->accounts[k].charged : i->accounts[k].nanos);
    *(settled ? &told->n_settled : &told->n_open) += 1;
    return rc;
}

static int add_lease(sqlite3 *db, sqlite3_stmt *row, int64_t now_unix_ms)
{
    char id[RECEIPT_ID], exchange[RECEIPT_ID];
    struct found f = {
        .id = id,
        .exchange = exchange,
        .team = (const char *)sqlite3_column_text(row, 0),
        .key_id = "",
        .asked = "",
        .fault = "crashed",
        .at_unix_ms = now_unix_ms,
        .n = 1,
        .estimated = true,
        .cost = sqlite3_column_int64(row, 2),
        .base_cost = sqlite3_column_int64(row, 2),
    };
    bool is_new;

    if (!currency_parse(&f.currency, (const char *)sqlite3_column_text(row, 1)))
        return SQLITE_CORRUPT;
    f.base_currency = f.currency;
    receipt_id_new(id);
    receipt_id_new(exchange);
    return add_found(db, &f, &is_new);
}

int ledger_resume_leases(sqlite3 *db, int64_t now_unix_ms, struct resumed *told)
{
    struct once o = begin(
        db, "SELECT team, currency, covered_nanos - spent_nanos FROM "
            "account WHERE covered_nanos > spent_nanos AND scope = 'all'");
    int rc = o.rc;

    while (rc == SQLITE_OK && (rc = sqlite3_step(o.stmt)) == SQLITE_ROW) {
        rc = add_lease(db, o.stmt, now_unix_ms);
        told->n_leases++;
    }
    sqlite3_finalize(o.stmt);
    if (rc != SQLITE_DONE)
        return rc;
    return sqlite3_exec(db,
                        "UPDATE account SET spent_nanos = covered_nanos WHERE "
                        "covered_nanos > spent_nanos",
                        NULL, NULL, NULL);
}

int ledger_end_leases(sqlite3 *db)
{
    return sqlite3_exec(db,
                        "UPDATE account SET covered_nanos = spent_nanos WHERE "
                        "covered_nanos > spent_nanos",
                        NULL, NULL, NULL);
}
