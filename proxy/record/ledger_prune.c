#include "record/ledger_prune.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/money.h"

#include "record/receipt.h"

enum {
    LOOK_MOST = 64 * PRUNE_ROWS, /* rows looked at to find a whole seal */
    ID_TIME = 13,                /* twelve digits of an id are its time */
    HOUR_MS = 3600 * 1000,
};

static const int64_t month_ms = 32LL * 24 * HOUR_MS;

/* One of the oldest receipts, or attempts with rows of their own. */
struct old_row {
    char id[RECEIPT_ID], exchange[RECEIPT_ID];
    int64_t seal, n_attempts;
    bool is_receipt;
};

/* What is known of a seal: its rows among those looked at. */
struct old_seal {
    int64_t n_rows;
    bool young; /* one of them is */
};

struct pruning {
    sqlite3 *db;
    struct seal *seal;
    int64_t before_ms;
    struct checkpoint last, next;
    struct old_row *rows;
    struct old_seal *seals; /* from last.n + 1 on */
    size_t n_rows, room;
    struct pruned told;
    sqlite3_stmt *find, *retire, *delete_exchange;
    sqlite3_stmt *delete_row[2]; /* of an attempt; a receipt */
    int rc;
};

/* --- statements ----------------------------------------------------------- */

static sqlite3_stmt *prepare(struct pruning *p, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    if (p->rc == SQLITE_OK)
        p->rc = sqlite3_prepare_v2(p->db, sql, -1, &stmt, NULL);
    return stmt;
}

static bool step(struct pruning *p, sqlite3_stmt *stmt)
{
    int rc = p->rc == SQLITE_OK ? sqlite3_step(stmt) : SQLITE_DONE;

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        p->rc = rc;
    return rc == SQLITE_ROW;
}

/* Runs one that gives no row; how many rows it changed. */
static int64_t run_with(struct pruning *p, const char *sql, int64_t n)
{
    sqlite3_stmt *stmt = prepare(p, sql);
    int64_t changes = 0;

    if (stmt) {
        sqlite3_bind_int64(stmt, 1, n);
        (void)step(p, stmt);
        changes = sqlite3_changes(p->db);
    }
    sqlite3_finalize(stmt);
    return p->rc == SQLITE_OK ? changes : 0;
}

static void take_id(char out[RECEIPT_ID], sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);

    snprintf(out, RECEIPT_ID, "%s", text ? (const char *)text : "");
}

/* Where ids of that time begin. */
static void id_of_time(char out[ID_TIME], int64_t unix_ms)
{
    snprintf(out, ID_TIME, "%012" PRIx64,
             unix_ms > 0 ? (uint64_t)unix_ms & 0xffffffffffff : 0);
}

/* --- looking -------------------------------------------------------------- */

static void note(struct pruning *p, int64_t seal, bool young)
{
    int64_t at = seal - p->last.n - 1;

    if (at < 0 || at >= (int64_t)p->room)
        return;
    p->seals[at].n_rows++;
    p->seals[at].young = p->seals[at].young || young;
}

/* Ids begin with the time, so the oldest rows stand at the beginning; an
 * attempt is begun up to half an hour before its row is sealed. */
static void look_at_rows(struct pruning *p)
{
    sqlite3_stmt *stmt = prepare(
        p, "SELECT a.id, a.exchange_id, coalesce(a.seal, 0),"
           " coalesce(x.at_unix_ms, 0), 1, 0 FROM attempt_row a LEFT JOIN "
           "exchange_row x ON x.id = a.exchange_id WHERE a.id < ?2 UNION ALL "
           "SELECT id, id, seal, body->>0, json_array_length(body, '$[20]'), 1 "
           "FROM receipt WHERE id < ?2 ORDER BY 1 LIMIT ?1");
    char bound[ID_TIME];

    id_of_time(bound, p->before_ms + HOUR_MS);
    p->n_rows = 0;
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, (int64_t)p->room);
        sqlite3_bind_text(stmt, 2, bound, -1, SQLITE_STATIC);
    }
    while (step(p, stmt)) {
        struct old_row *row = &p->rows[p->n_rows++];

        take_id(row->id, stmt, 0);
        take_id(row->exchange, stmt, 1);
        row->seal = sqlite3_column_int64(stmt, 2);
        row->n_attempts = sqlite3_column_int64(stmt, 4);
        row->is_receipt = sqlite3_column_int(stmt, 5);
        note(p, row->seal, sqlite3_column_int64(stmt, 3) >= p->before_ms);
    }
    sqlite3_finalize(stmt);
}

static void look_at_checkpoints(struct pruning *p)
{
    sqlite3_stmt *stmt =
        prepare(p, "SELECT seal, at_unix_ms FROM checkpoint WHERE seal > ?1");

    if (stmt)
        sqlite3_bind_int64(stmt, 1, p->last.n);
    while (step(p, stmt))
        note(p, sqlite3_column_int64(stmt, 0),
             sqlite3_column_int64(stmt, 1) >= p->before_ms);
    sqlite3_finalize(stmt);
}

/* The last seal before which all is whole and old goes into p->next. */
static void choose(struct pruning *p)
{
    sqlite3_stmt *stmt =
        prepare(p, "SELECT n, n_rows, hash FROM seal WHERE n > ?1 ORDER BY n");
    int64_t n_rows = 0;

    if (stmt)
        sqlite3_bind_int64(stmt, 1, p->last.n);
    while (step(p, stmt)) {
        int64_t n = sqlite3_column_int64(stmt, 0), at = n - p->last.n - 1;
        const void *hash = sqlite3_column_blob(stmt, 2);

        if (n != p->next.n + 1 || at >= (int64_t)p->room ||
            p->seals[at].young || !hash ||
            p->seals[at].n_rows != sqlite3_column_int64(stmt, 1) ||
            sqlite3_column_bytes(stmt, 2) != DIGEST_BYTES ||
            (n_rows > 0 && n_rows + p->seals[at].n_rows > PRUNE_ROWS))
            break;
        n_rows += p->seals[at].n_rows;
        p->next.n = n;
        memcpy(p->next.hash, hash, DIGEST_BYTES);
    }
    sqlite3_finalize(stmt);
}

static bool has_rows(const struct pruning *p)
{
    for (size_t i = 0; i < p->n_rows; i++)
        if (p->rows[i].seal > p->last.n && p->rows[i].seal <= p->next.n)
            return true;
    return false;
}

static void look(struct pruning *p, size_t room)
{
    p->room = room;
    free(p->rows);
    free(p->seals);
    p->rows = calloc(room, sizeof(*p->rows));
    p->seals = calloc(room, sizeof(*p->seals));
    if (!p->rows || !p->seals)
        fatal("out of memory pruning the ledger");
    look_at_rows(p);
    look_at_checkpoints(p);
    p->next = p->last;
    choose(p);
    if (!has_rows(p)) /* checkpoints alone are not worth another */
        p->next = p->last;
}

/* --- removing ------------------------------------------------------------- */

/* Steps one of those that serve many rows. */
static bool step_with(struct pruning *p, sqlite3_stmt *stmt, const char *id)
{
    if (!stmt)
        return false;
    sqlite3_reset(stmt);
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    return step(p, stmt);
}

/* The exchange goes once all is known that others will ask of it. */
static void retire(struct pruning *p, const char *id)
{
    enum currency c = CURRENCY_CNY;
    const char *name;
    int64_t nanos;

    if (!step_with(p, p->find, id) || !p->retire)
        return;
    nanos = sqlite3_column_int64(p->find, 0);
    name = (const char *)sqlite3_column_text(p->find, 2);
    sqlite3_reset(p->retire);
    sqlite3_bind_int64(p->retire, 1, nanos);
    sqlite3_bind_value(p->retire, 2, sqlite3_column_value(p->find, 1));
    sqlite3_bind_value(p->retire, 3, sqlite3_column_value(p->find, 2));
    (void)step(p, p->retire);
    if (name && currency_parse(&c, name) && sqlite3_changes(p->db) > 0)
        p->next.nanos[c] += nanos;
    sqlite3_reset(p->find);
    (void)step_with(p, p->delete_exchange, id);
    p->told.n_exchanges++;
}

static void remove_rows(struct pruning *p)
{
    const char *exchange = "";

    p->find = prepare(
        p, "SELECT cost_nanos, team, currency FROM exchange_row WHERE id = ?1 "
           "UNION ALL SELECT body->>13, body->>1, body->>11 FROM receipt WHERE "
           "id = ?1");
    p->retire = prepare(
        p, "UPDATE account SET retired_nanos = retired_nanos + ?1 WHERE scope "
           "= 'all' AND team = ?2 AND currency = ?3");
    p->delete_exchange = prepare(p, "DELETE FROM exchange_row WHERE id = ?1");
    p->delete_row[0] = prepare(p, "DELETE FROM attempt_row WHERE id = ?1");
    p->delete_row[1] = prepare(p, "DELETE FROM receipt WHERE id = ?1");
    for (size_t i = 0; i < p->n_rows && p->rc == SQLITE_OK; i++) {
        const struct old_row *row = &p->rows[i];

        if (row->seal <= p->last.n || row->seal > p->next.n)
            continue;
        if (strcmp(exchange, row->exchange) != 0)
            retire(p, row->exchange);
        exchange = row->exchange;
        (void)step_with(p, p->delete_row[row->is_receipt], row->id);
        p->told.n_attempts += row->n_attempts;
    }
    sqlite3_finalize(p->find);
    sqlite3_finalize(p->retire);
    sqlite3_finalize(p->delete_exchange);
    sqlite3_finalize(p->delete_row[0]);
    sqlite3_finalize(p->delete_row[1]);
}

static void set_checkpoint(struct pruning *p)
{
    struct checkpoint *c = &p->next;
    sqlite3_stmt *stmt;

    run_with(p, "DELETE FROM checkpoint WHERE seal <= ?1", c->n);
    run_with(p, "DELETE FROM seal WHERE n <= ?1", c->n);
    c->before_ms = p->before_ms;
    c->at_ms = clock_unix_ms();
    c->n_exchanges = p->last.n_exchanges + p->told.n_exchanges;
    c->n_attempts = p->last.n_attempts + p->told.n_attempts;
    stmt = prepare(p, "INSERT INTO checkpoint VALUES(?,?,?,?,?,?,?,?,?)");
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, c->n);
        sqlite3_bind_blob(stmt, 2, c->hash, DIGEST_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 3, c->before_ms);
        sqlite3_bind_int64(stmt, 4, c->at_ms);
        sqlite3_bind_int64(stmt, 5, c->n_exchanges);
        sqlite3_bind_int64(stmt, 6, c->n_attempts);
        sqlite3_bind_int64(stmt, 7, c->nanos[CURRENCY_CNY]);
        sqlite3_bind_int64(stmt, 8, c->nanos[CURRENCY_USD]);
        sqlite3_bind_int64(stmt, 9, p->seal->n);
        (void)step(p, stmt);
    }
    sqlite3_finalize(stmt);
    seal_add_checkpoint(p->seal, c);
}

/* --- what no seal holds --------------------------------------------------- */

/* Requests without any attempt that have no seal, of an older bijia: those so
 * old that the attempts of their time are gone. */
static void remove_refused(struct pruning *p)
{
    sqlite3_stmt *stmt = prepare(p, "SELECT min(id) FROM attempt_row");
    char oldest[RECEIPT_ID] = "", bound[ID_TIME], *end;
    int64_t until_ms = p->before_ms;
    uint64_t at_ms;

    if (step(p, stmt))
        take_id(oldest, stmt, 0);
    sqlite3_finalize(stmt);
    if (*oldest) {
        oldest[ID_TIME - 1] = '\0';
        at_ms = strtoull(oldest, &end, 16);
        if ((int64_t)at_ms - HOUR_MS < until_ms)
            until_ms = (int64_t)at_ms - HOUR_MS;
    }
    id_of_time(bound, until_ms);
    stmt = prepare(p, "DELETE FROM exchange_row WHERE id IN (SELECT id FROM "
                      "exchange_row WHERE id < ?1 AND at_unix_ms < ?2 AND "
                      "cost_nanos = 0 ORDER BY id LIMIT ?3)");
    if (stmt) {
        sqlite3_bind_text(stmt, 1, bound, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, p->before_ms);
        sqlite3_bind_int64(stmt, 3, PRUNE_ROWS);
        (void)step(p, stmt);
        p->told.n_exchanges += sqlite3_changes(p->db);
    }
    sqlite3_finalize(stmt);
}

/* The number of the newest account stays taken: numbers are never used twice.
 */
static void remove_accounts(struct pruning *p)
{
    static const char accounts[] =
        "DELETE FROM account WHERE no IN (SELECT no FROM account WHERE period "
        "<> 'total' AND window_ms < ?1 AND covered_nanos = spent_nanos AND no "
        "< (SELECT max(no) FROM account) AND NOT EXISTS (SELECT 1 FROM move) "
        "LIMIT 1000)";

    p->told.n_accounts += run_with(p, accounts, p->before_ms - month_ms);
    if (p->told.n_accounts)
        run_with(p,
                 "DELETE FROM warning WHERE ?1 AND account NOT IN (SELECT no "
                 "FROM account)",
                 1);
    run_with(p,
             "DELETE FROM limited WHERE hour_unix_ms < ?1 AND hour_unix_ms = "
             "(SELECT min(hour_unix_ms) FROM limited)",
             p->before_ms - HOUR_MS);
}

int ledger_prune_piece(sqlite3 *db, struct seal *seal, int64_t before_unix_ms,
                       struct pruned *told, bool *any)
{
    struct pruning p = {.db = db, .seal = seal, .before_ms = before_unix_ms};
    int64_t rest = 0;

    p.rc = seal_last_checkpoint(db, &p.last);
    look(&p, (size_t)4 * PRUNE_ROWS);
    if (p.next.n == p.last.n && p.n_rows == p.room)
        look(&p, LOOK_MOST);
    if (p.next.n > p.last.n) {
        remove_rows(&p);
        set_checkpoint(&p);
    } else {
        remove_refused(&p);
        rest = p.told.n_exchanges;
        if (!rest)
            remove_accounts(&p);
    }
    free(p.rows);
    free(p.seals);
    *any = p.told.n_attempts + p.told.n_exchanges + p.told.n_accounts > 0;
    told->n_exchanges += p.told.n_exchanges;
    told->n_attempts += p.told.n_attempts;
    told->n_accounts += p.told.n_accounts;
    return p.rc;
}
