#include "record/ledger_notes.h"

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
