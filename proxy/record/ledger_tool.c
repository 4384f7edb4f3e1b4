#include "record/ledger_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/fatal.h"
#include "base/money.h"
#include "base/time.h"

#include "record/ledger_notes.h"
#include "record/ledger_seal.h"

enum {
    BUSY_MS = 10 * 1000,
    VALUE_TEXT = 64, /* room for an instant or an amount */
};

struct ledger_tool {
    sqlite3 *db;
};

static bool told(struct ledger_tool *t, char problem[LEDGER_PROBLEM])
{
    snprintf(problem, LEDGER_PROBLEM, "%s", sqlite3_errmsg(t->db));
    return false;
}

struct ledger_tool *ledger_tool_open(const char *path,
                                     char problem[LEDGER_PROBLEM])
{
    struct ledger_tool *t = calloc(1, sizeof(*t));

    if (!t)
        fatal("out of memory opening a ledger");
    if (sqlite3_open_v2(path, &t->db, SQLITE_OPEN_READONLY, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(t->db, BUSY_MS);
        if (ledger_notes_read_old(t->db) == SQLITE_OK)
            return t;
    }
    snprintf(problem, LEDGER_PROBLEM, "%.300s: %s", path,
             sqlite3_errmsg(t->db));
    ledger_tool_close(t);
    return NULL;
}

void ledger_tool_close(struct ledger_tool *t)
{
    if (!t)
        return;
    sqlite3_close(t->db);
    free(t);
}

/* --- backup -----------------------------------------------------------------
 */

static bool sync_file(const char *path, char problem[LEDGER_PROBLEM])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0 && fsync(fd) == 0;

    if (!ok)
        snprintf(problem, LEDGER_PROBLEM, "%.300s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

bool ledger_backup(struct ledger_tool *t, const char *to,
                   char problem[LEDGER_PROBLEM])
{
    sqlite3_stmt *stmt = NULL;
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0) {
        snprintf(problem, LEDGER_PROBLEM, "%.300s: %s", to, strerror(errno));
        return false;
    }
    close(fd); /* an empty file is what VACUUM INTO takes */
    ok = sqlite3_prepare_v2(t->db, "VACUUM INTO ?1", -1, &stmt, NULL) ==
             SQLITE_OK &&
         sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC) == SQLITE_OK &&
         sqlite3_step(stmt) == SQLITE_DONE;
    if (!ok)
        told(t, problem);
    sqlite3_finalize(stmt);
    return ok && sync_file(to, problem);
}

/* --- verify -----------------------------------------------------------------
 */

struct verifying {
    struct ledger_tool *tool;
    struct ledger_verdict *out;
    void (*tell)(void *to, const char *problem);
    void *to;
};

static void complain(struct verifying *v, const char *problem)
{
    v->out->n_problems++;
    v->tell(v->to, problem);
}

/* Each row of `sql` is a problem, told by its first column. */
static bool find_problems(struct verifying *v, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(v->tool->db, sql, -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            complain(v, (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE;
}

static bool count(struct verifying *v, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    bool ok =
        sqlite3_prepare_v2(v->tool->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW;

    if (ok)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return ok;
}

static const char *const checks[] = {
    "SELECT 'the file: ' || integrity_check FROM pragma_integrity_check "
    "WHERE integrity_check <> 'ok'",
    "SELECT 'attempt ' || id || ' belongs to no exchange' FROM attempt_row "
    "WHERE exchange_id NOT IN (SELECT id FROM exchange_row)",
    "SELECT 'receipt ' || id || ' cannot be read' FROM receipt WHERE NOT "
    "json_valid(body)",
    "WITH x AS MATERIALIZED (SELECT team, currency, sum(cost_nanos) AS nanos "
    "FROM exchange GROUP BY team, currency) SELECT 'the account of team ' || "
    "a.team || ' holds ' || a.spent_nanos || ' nanos of ' || a.currency || ', "
    "its exchanges ' || coalesce(x.nanos, 0) FROM balance a LEFT JOIN x ON "
    "x.team = a.team AND x.currency = a.currency WHERE a.scope = 'all' AND "
    "a.spent_nanos - a.retired_nanos <> coalesce(x.nanos, 0)",
    "SELECT 'what was removed cost ' || c.cny_nanos || ' nanos of CNY and ' || "
    "c.usd_nanos || ' of USD, the accounts say otherwise' FROM checkpoint c "
    "WHERE c.n = (SELECT max(n) FROM checkpoint) AND (c.cny_nanos <> (SELECT "
    "coalesce(sum(retired_nanos), 0) FROM account WHERE scope = 'all' AND "
    "currency = 'CNY') OR c.usd_nanos <> (SELECT coalesce(sum(retired_nanos), "
    "0) FROM account WHERE scope = 'all' AND currency = 'USD'))",
    "SELECT 'account ' || no || ' has retired rows, but none were removed' "
    "FROM account WHERE retired_nanos <> 0 AND NOT EXISTS (SELECT 1 FROM "
    "checkpoint)",
    "SELECT 'account ' || no || ' has spent more than its lease' FROM account "
    "WHERE spent_nanos > covered_nanos",
    "SELECT 'attempt ' || id || ' costs less than nothing' FROM attempt WHERE "
    "cost_nanos < 0",
};

static void tell_seal(void *to, const char *problem)
{
    complain(to, problem);
}

static bool find_checkpoint(struct verifying *v)
{
    struct checkpoint c;

    if (seal_last_checkpoint(v->tool->db, &c) != SQLITE_OK)
        return false;
    v->out->n_removed_attempts = c.n_attempts;
    v->out->removed_before_ms = c.before_ms;
    v->out->first_seal = c.n + 1;
    return true;
}

static bool verify_all(struct verifying *v)
{
    bool ok = count(v, "SELECT count(*) FROM exchange", &v->out->n_exchanges) &&
              count(v, "SELECT count(*) FROM attempt", &v->out->n_attempts) &&
              count(v, "SELECT count(*) FROM account", &v->out->n_accounts) &&
              count(v, "SELECT count(*) FROM seal", &v->out->n_seals) &&
              find_checkpoint(v);

    for (size_t i = 0; ok && i < ARRAY_LEN(checks); i++)
        ok = find_problems(v, checks[i]);
    return ok && seal_verify(v->tool->db, v->out->head, tell_seal, v) == 0;
}

bool ledger_verify(struct ledger_tool *t, struct ledger_verdict *out,
                   void (*tell)(void *to, const char *problem), void *to,
                   char problem[LEDGER_PROBLEM])
{
    struct verifying v = {t, out, tell, to};

    *out = (struct ledger_verdict){0};
    /* All of one instant: the writer goes on. */
    if (sqlite3_exec(t->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return told(t, problem);
    if (!verify_all(&v))
        return told(t, problem);
    return sqlite3_exec(t->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ||
           told(t, problem);
}

/* --- export -----------------------------------------------------------------
 */

static const char rows[] =
    "SELECT a.id, x.id, x.at_unix_ms, x.team, x.key_id, x.asked, a.vendor, "
    "a.model, a.fault, a.status, a.input_tokens, a.cached_tokens, "
    "a.cache_write_tokens, a.output_tokens, a.thinking_tokens, a.estimated, "
    "a.currency, a.cost_nanos FROM exchange x JOIN attempt a ON a.exchange_id "
    "= x.id WHERE x.at_unix_ms >= ?1 AND x.at_unix_ms < ?2 ORDER BY x.id, a.n";

static const char *const names[] = {
    "attempt",     "exchange", "at",       "team",      "key",      "asked",
    "vendor",      "model",    "fault",    "status",    "input",    "cached",
    "cache_write", "output",   "thinking", "estimated", "currency", "cost",
};

enum {
    COLUMN_AT = 2,
    COLUMN_ESTIMATED = 15,
    COLUMN_COST = 17,
};

static void put_csv(FILE *out, const char *text)
{
    if (!text[strcspn(text, "\",\r\n")]) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void put_json(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ')
            fprintf(out, "\\u%04x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}

static void put_column(FILE *out, bool json, sqlite3_stmt *stmt, int i)
{
    char text[VALUE_TEXT];
    const char *said = (const char *)sqlite3_column_text(stmt, i);
    bool bare = sqlite3_column_type(stmt, i) == SQLITE_INTEGER;

    if (i == COLUMN_AT) {
        said = time_text(sqlite3_column_int64(stmt, i), text);
        bare = false;
    } else if (i == COLUMN_COST) {
        said = decimal_text(sqlite3_column_int64(stmt, i), text);
        bare = false;
    } else if (i == COLUMN_ESTIMATED && json) {
        said = sqlite3_column_int(stmt, i) ? "true" : "false";
    }
    if (!json)
        put_csv(out, said ? said : "");
    else if (!said)
        fputs("null", out);
    else if (bare)
        fputs(said, out);
    else
        put_json(out, said);
}

static void put_row(FILE *out, bool json, sqlite3_stmt *stmt)
{
    for (int i = 0; i < (int)ARRAY_LEN(names); i++) {
        if (json)
            fprintf(out, "%c\"%s\":", i ? ',' : '{', names[i]);
        else if (i)
            putc(',', out);
        put_column(out, json, stmt, i);
    }
    fputs(json ? "}\n" : "\r\n", out);
}

bool ledger_export(struct ledger_tool *t, bool json, int64_t from_ms,
                   int64_t to_ms, FILE *out, char problem[LEDGER_PROBLEM])
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(t->db, rows, -1, &stmt, NULL);

    if (rc != SQLITE_OK)
        return told(t, problem);
    sqlite3_bind_int64(stmt, 1, from_ms);
    sqlite3_bind_int64(stmt, 2, to_ms);
    for (int i = 0; !json && i < (int)ARRAY_LEN(names); i++)
        fprintf(out, "%s%s", i ? "," : "", names[i]);
    if (!json)
        fputs("\r\n", out);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        put_row(out, json, stmt);
    if (rc != SQLITE_DONE)
        told(t, problem);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE && (fflush(out) || ferror(out)))
        snprintf(problem, LEDGER_PROBLEM, "writing: %s", strerror(errno));
    return rc == SQLITE_DONE && !ferror(out);
}
