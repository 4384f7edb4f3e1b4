#include "record/ledger_read.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/log.h"

#include "record/ledger_notes.h"

enum {
    BUSY_MS = 2000,
};

static const char tokens_since[] =
    "SELECT (SELECT coalesce(sum(a.input_tokens + a.output_tokens), 0)"
    " FROM attempt_row a JOIN exchange_row e ON e.id = a.exchange_id"
    " WHERE a.vendor = ?1 AND a.model = ?2 AND e.at_unix_ms >= ?3) +"
    " (SELECT coalesce(sum((a.value->>5) + (a.value->>8)), 0)"
    " FROM receipt r, json_each(r.body, '$[20]') a WHERE r.body->>0 >= ?3"
    " AND a.value->>1 = ?1 AND a.value->>2 = ?2)";

static int ask(sqlite3 *db, const char *vendor, const char *model,
               int64_t since_unix_ms, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(db, tokens_since, sizeof(tokens_since), &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, vendor, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 2, model, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 3, since_unix_ms);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int64_t ledger_tokens_since(const char *state_dir, const char *vendor,
                            const char *model, int64_t since_unix_ms)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    int64_t tokens = 0;
    int rc;

    snprintf(path, sizeof(path), "%s/ledger.db", state_dir);
    if (access(path, F_OK) != 0)
        return 0;
    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = ledger_notes_read_old(db);
    if (rc == SQLITE_OK)
        rc = ask(db, vendor, model, since_unix_ms, &tokens);
    if (rc != SQLITE_OK)
        log_line(LOG_WARN, "ledger", "error=\"what quotas were used: %s\"",
                 sqlite3_errmsg(db));
    sqlite3_close(db);
    return tokens;
}
