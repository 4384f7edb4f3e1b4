#include "record/ledger_notes.h"

#include <stdbool.h>

enum {
    HOUR_MS = 3600 * 1000,
};

int ledger_notes_warn(sqlite3 *db, struct warning *w)
{
    const int64_t values[] = {w->account_no, w->mark.fraction_nanos,
                              w->at_unix_ms, w->spent_nanos, w->cap_nanos};
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "INSERT INTO warning VALUES(?1,?2,?3,?4,?5) ON "
                                "CONFLICT(account, fraction_nanos) DO NOTHING",
                                -1, &stmt, NULL);

    for (int i = 0; i < (int)ARRAY_LEN(values) && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(stmt, i + 1, values[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    w->fresh = rc == SQLITE_DONE && sqlite3_changes(db) > 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_notes_limited(sqlite3 *db, const struct limited_count *c)
{
    static const char sql[] =
        "INSERT INTO limited VALUES(?1,?2,?3,?4) ON CONFLICT(hour_unix_ms, "
        "team, key_id) DO UPDATE SET n = n + ?4";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1,
                           c->from_unix_ms - c->from_unix_ms % HOUR_MS);
        sqlite3_bind_text(stmt, 2, c->team, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 3, c->key_id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 4, (int64_t)limited_sum(c));
        rc = sqlite3_step(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_notes_time(sqlite3 *db, int64_t unix_ms)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "INSERT INTO meta VALUES('high_ms', ?1) ON "
                                "CONFLICT(name) DO UPDATE SET value = ?1",
                                -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, unix_ms);
        rc = sqlite3_step(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

#define TABLE  "SELECT 1 FROM sqlite_master WHERE name = ?1"
#define COLUMN "SELECT 1 FROM pragma_table_info('attempt') WHERE name = ?1"

/* What an older file has not: its tables are the views of today. */
static const struct {
    const char *name, *kind, *sql;
} missing[] = {
    {"limited", TABLE,
     "CREATE TEMP TABLE limited (hour_unix_ms, team, key_id, n)"},
    {"checkpoint", TABLE,
     "CREATE TEMP TABLE checkpoint (n, hash, before_unix_ms, at_unix_ms,"
     " n_exchanges, n_attempts, cny_nanos, usd_nanos, seal)"},
    {"receipt", TABLE, "CREATE TEMP TABLE receipt (id, seal, body)"},
    {"move", TABLE, "CREATE TEMP TABLE move (n, body)"},
    {"balance", TABLE, "CREATE TEMP VIEW balance AS SELECT * FROM account"},
    {"exchange_row", TABLE,
     "CREATE TEMP VIEW exchange_row AS SELECT * FROM exchange"},
    {"attempt_row", TABLE,
     "CREATE TEMP VIEW attempt_row AS SELECT * FROM main.attempt"},
    {"cache_marked", COLUMN,
     "CREATE TEMP VIEW attempt AS SELECT *, NULL AS cache_marked FROM"
     " main.attempt"},
};

static int is_there(sqlite3 *db, const char *kind, const char *name,
                    bool *there)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, kind, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *there = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int ledger_notes_read_old(sqlite3 *db)
{
    int rc = SQLITE_OK;
    bool there;

    for (size_t i = 0; i < ARRAY_LEN(missing) && rc == SQLITE_OK; i++) {
        rc = is_there(db, missing[i].kind, missing[i].name, &there);
        if (rc == SQLITE_OK && !there)
            rc = sqlite3_exec(db, missing[i].sql, NULL, NULL, NULL);
    }
    return rc;
}
