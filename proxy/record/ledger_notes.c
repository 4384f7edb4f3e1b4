#include "record/ledger_notes.h"

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

int ledger_notes_read_old(sqlite3 *db)
{
    static const char missing[] =
        "CREATE TEMP TABLE limited (hour_unix_ms, team, key_id, n);"
        "CREATE TEMP TABLE checkpoint (n, hash, before_unix_ms, at_unix_ms,"
        " n_exchanges, n_attempts, cny_nanos, usd_nanos, seal);";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT count(*) FROM sqlite_master WHERE name "
                                "IN ('limited', 'checkpoint')",
                                -1, &stmt, NULL);
    bool there;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    there = rc == SQLITE_ROW && sqlite3_column_int64(stmt, 0) == 2;
    sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW)
        return rc;
    return there ? SQLITE_OK : sqlite3_exec(db, missing, NULL, NULL, NULL);
}
