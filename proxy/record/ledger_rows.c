#include "record/ledger_rows.h"

#include "vendors/fault.h"

#include "record/names.h"
#include "record/pen.h"

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
    /* a receipt is one row; those two stay for what is older, and for what a
     * restart finds */
    "ALTER TABLE exchange RENAME TO exchange_row;"
    "ALTER TABLE attempt RENAME TO attempt_row;"
    "CREATE TABLE receipt (id TEXT NOT NULL PRIMARY KEY,"
    " seal INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE VIEW exchange AS SELECT * FROM exchange_row UNION ALL"
    " SELECT id, body->>0, body->>1, body->>2, body->>3, body->>4, body->>5,"
    " body->>6, body->>7, body->>8, body->>9, body->>10, body->>11, body->>12,"
    " body->>13, body->>14, body->>15, body->>16, body->>17, body->>18,"
    " body->>19 FROM receipt;"
    "CREATE VIEW attempt AS SELECT * FROM attempt_row UNION ALL"
    " SELECT a.value->>0, r.id, a.key + 1, a.value->>1, a.value->>2,"
    " a.value->>3, a.value->>4, a.value->>5, a.value->>6, a.value->>7,"
    " a.value->>8, a.value->>9, a.value->>10, a.value->>11, a.value->>12,"
    " a.value->>13, a.value->>14, a.value->>15, a.value->>16, a.value->>17,"
    " r.seal FROM receipt r, json_each(r.body, '$[20]') a;",
    /* see ledger_moves.h */
    "CREATE TABLE move (n INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;"
    "CREATE VIEW balance AS SELECT a.no, a.team, a.scope, a.who, a.period,"
    " a.currency, a.window_ms,"
    " a.spent_nanos + coalesce(m.spent, 0) AS spent_nanos,"
    " max(coalesce(m.covered, a.covered_nanos), a.spent_nanos +"
    " coalesce(m.spent, 0)) AS covered_nanos, a.retired_nanos"
    " FROM account a LEFT JOIN (SELECT e.value->>0 AS no,"
    " sum(e.value->>1) AS spent, max(n), e.value->>2 AS covered"
    " FROM move, json_each(body) e GROUP BY 1) m ON m.no = a.no;",
    /* whether the request marked what is to be cached; NULL: not known */
    "DROP VIEW attempt;"
    "CREATE VIEW attempt AS SELECT *, NULL AS cache_marked FROM attempt_row"
    " UNION ALL"
    " SELECT a.value->>0, r.id, a.key + 1, a.value->>1, a.value->>2,"
    " a.value->>3, a.value->>4, a.value->>5, a.value->>6, a.value->>7,"
    " a.value->>8, a.value->>9, a.value->>10, a.value->>11, a.value->>12,"
    " a.value->>13, a.value->>14, a.value->>15, a.value->>16, a.value->>17,"
    " r.seal, a.value->>18 FROM receipt r, json_each(r.body, '$[20]') a;",
};
/* clang-format on */

const int n_ledger_steps = (int)ARRAY_LEN(ledger_steps);

enum {
    NAME_MOST = 1024, /* bytes of a name, as it is spelt */
};

/* One after the other, each with its comma. */
static void put_text(struct pen *p, const char *text)
{
    pen_text(p, text, NAME_MOST);
    PEN(p, ",");
}

static void put_int(struct pen *p, int64_t v)
{
    pen_int(p, v);
    PEN(p, ",");
}

static void put_null(struct pen *p)
{
    PEN(p, "null,");
}

static void put_ms(struct pen *p, int32_t ms)
{
    if (ms < 0)
        put_null(p);
    else
        put_int(p, ms);
}

static void put_offer(struct pen *p, struct offer_name name)
{
    put_text(p, name.vendor);
    put_text(p, name.model);
}

static void put_usage(struct pen *p, const struct usage *u)
{
    put_int(p, u->input_tokens);
    put_int(p, u->cached_tokens);
    put_int(p, u->cache_write_tokens);
    put_int(p, u->output_tokens);
    put_int(p, u->thinking_tokens);
}

static void put_attempt(struct pen *p, const struct receipt *r,
                        const struct receipt_attempt *a)
{
    PEN(p, "[");
    put_text(p, a->id);
    put_offer(p, receipt_offer(r, a->offer));
    put_text(p, fault_traits((enum fault)a->fault)->name);
    put_int(p, a->status);
    put_usage(p, &a->usage);
    put_int(p, a->estimated || a->usage.estimated);
    put_int(p, a->maybe_billed);
    put_text(p, currency_name(a->cost.currency));
    put_int(p, a->cost.nanos);
    if (a->stated.nanos != 0) {
        put_text(p, currency_name(a->stated.currency));
        put_int(p, a->stated.nanos);
    } else {
        PEN(p, "null,null,");
    }
    put_ms(p, a->first_byte_ms);
    put_ms(p, a->total_ms);
    put_int(p, a->usage.marked);
    p->at[-1] = ']';
}

static void put_exchange(struct pen *p, const struct receipt *r)
{
    put_int(p, r->at_unix_ms);
    put_text(p, receipt_team(r));
    put_text(p, r->key_id[0] ? r->key_id : NULL);
    put_text(p, r->asked);
    put_int(p, r->stream);
    put_int(p, r->status);
    put_text(p, fault_traits((enum fault)r->fault)->name);
    put_offer(p, receipt_chosen_offer(r));
    put_int(p, r->estimated_input);
    put_int(p, r->expected_output);
    put_text(p, currency_name(r->cost.currency));
    put_int(p, r->expected.nanos);
    put_int(p, r->cost.nanos);
    put_offer(p, receipt_runner_up(r));
    if (r->has_runner_up)
        put_int(p, r->runner_up_cost.nanos);
    else
        put_null(p);
    put_ms(p, r->first_byte_ms);
    put_ms(p, r->total_ms);
    if (r->snapshot)
        put_int(p, (int64_t)r->snapshot->edition);
    else
        put_null(p);
}

size_t receipt_body(char out[BODY_BYTES], const struct receipt *r)
{
    struct pen p = {out, out + BODY_BYTES};

    PEN(&p, "[");
    put_exchange(&p, r);
    PEN(&p, "[");
    for (uint32_t i = 0; i < r->n_attempts; i++) {
        put_attempt(&p, r, &r->attempts[i]);
        PEN(&p, ",");
    }
    if (r->n_attempts > 0)
        p.at--;
    PEN(&p, "]]");
    return (size_t)(p.at - out);
}
