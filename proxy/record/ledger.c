#include "record/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"

#include "record/ledger_batch.h"
#include "record/ledger_moves.h"
#include "record/ledger_notes.h"
#include "record/ledger_rows.h"

enum {
    BUSY_MS = 100, /* then the batch waits and its writer is told */
    PROBLEM_TEXT = 256,
};

struct ledger {
    sqlite3 *db; /* NULL: ledger_recover() could not open it */
    sqlite3_stmt *begin, *commit;
    struct ledger_batch batch;
    struct ledger_accounts accounts;
    struct ledger_moves moves;
    char id[40];
    bool again;  /* since a failure: the batch's rows may be there already */
    int failure; /* SQLite's code of it */
    int lock_fd; /* held as long as we live */
    char problem[PROBLEM_TEXT];
    char path[PATH_MAX];
};

const char *ledger_problem(const struct ledger *l)
{
    return l->problem;
}

static int fail(struct ledger *l, const char *doing)
{
    l->again = true;
    if (l->db) {
        l->failure = sqlite3_extended_errcode(l->db);
        snprintf(l->problem, sizeof(l->problem), "%s: %s (%d)", doing,
                 sqlite3_errmsg(l->db), l->failure);
    }
    return -1;
}

static int run(struct ledger *l, const char *sql)
{
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : fail(l, "preparing the ledger");
}

/* One number from a one-row query; -1: failed. */
static int64_t ask(struct ledger *l, const char *sql)
{
    int64_t answer = -1;
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(l->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        answer = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return answer;
}

static int take_step(struct ledger *l, int version)
{
    char mark[64];

    snprintf(mark, sizeof(mark), "PRAGMA user_version=%d", version + 1);
    if (run(l, "BEGIN IMMEDIATE"))
        return -1;
    if (run(l, ledger_steps[version]) == 0 && run(l, mark) == 0 &&
        run(l, "COMMIT") == 0)
        return 0;
    sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

static int migrate(struct ledger *l)
{
    int64_t version = ask(l, "PRAGMA user_version");

    if (version < 0)
        return fail(l, "reading the ledger's version");
    if (version > n_ledger_steps) {
        snprintf(l->problem, sizeof(l->problem),
                 "it is of version %lld, written by a newer bijia; this one "
                 "knows versions up to %d",
                 (long long)version, n_ledger_steps);
        return -1;
    }
    for (int i = (int)version; i < n_ledger_steps; i++)
        if (take_step(l, i))
            return -1;
    return 0;
}

/* No mmap: an I/O error would be a SIGBUS. */
static const char settings[] = "PRAGMA page_size=16384;" /* of a new file */
                               "PRAGMA journal_mode=WAL;"
                               "PRAGMA synchronous=FULL;"
                               "PRAGMA mmap_size=0;"
                               "PRAGMA trusted_schema=OFF;"
                               "PRAGMA wal_autocheckpoint=500;"
                               "PRAGMA journal_size_limit=67108864;";

static int prepare(struct ledger *l)
{
    if (sqlite3_prepare_v3(l->db, "BEGIN IMMEDIATE", -1,
                           SQLITE_PREPARE_PERSISTENT, &l->begin, NULL) ||
        sqlite3_prepare_v3(l->db, "COMMIT", -1, SQLITE_PREPARE_PERSISTENT,
                           &l->commit, NULL) ||
        ledger_batch_prepare(&l->batch, l->db) ||
        ledger_accounts_prepare(&l->accounts, l->db) ||
        ledger_moves_prepare(&l->moves, l->db))
        return fail(l, "preparing the ledger");
    return 0;
}

static void disconnect(struct ledger *l)
{
    sqlite3_finalize(l->begin);
    sqlite3_finalize(l->commit);
    l->begin = l->commit = NULL;
    ledger_batch_finalize(&l->batch);
    ledger_accounts_finalize(&l->accounts);
    ledger_moves_finalize(&l->moves);
    sqlite3_close(l->db);
    l->db = NULL;
}

static int connect_file(struct ledger *l)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

    if (sqlite3_open_v2(l->path, &l->db, flags, NULL) != SQLITE_OK) {
        fail(l, "opening the ledger");
        disconnect(l);
        return -1;
    }
    sqlite3_extended_result_codes(l->db, 1);
    sqlite3_busy_timeout(l->db, BUSY_MS);
    if (run(l, settings) || migrate(l) || prepare(l)) {
        disconnect(l);
        return -1;
    }
    return 0;
}

/* Held by the process, not by SQLite, so that others may still read. The
 * file is never removed: a lock on a removed file excludes nobody. */
static int lock_directory(struct ledger *l, const char *dir)
{
    char path[PATH_MAX], owner[32] = "";
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/ledger.lock", dir) >= PATH_MAX) {
        snprintf(l->problem, sizeof(l->problem), "its name is too long");
        return -1;
    }
    l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->lock_fd < 0) {
        snprintf(l->problem, sizeof(l->problem), "cannot open %.100s: %s", path,
                 strerror(errno));
        return -1;
    }
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB)) {
        n = pread(l->lock_fd, owner, sizeof(owner) - 1, 0);
        owner[n > 0 ? strspn(owner, "0123456789") : 0] = '\0';
        snprintf(l->problem, sizeof(l->problem),
                 "another bijia%s%s writes it; two must not share one ledger",
                 owner[0] ? ", process " : "", owner);
        return -1;
    }
    if (ftruncate(l->lock_fd, 0) == 0)
        dprintf(l->lock_fd, "%ld\n", (long)getpid());
    return 0;
}

/* Only its owner may read what teams spend, whatever the umask. */
static int create_file(struct ledger *l)
{
    int fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        snprintf(l->problem, sizeof(l->problem), "%s", strerror(errno));
        return -1;
    }
    close(fd);
    return 0;
}

static int sync_directory(struct ledger *l, const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);

    if (rc)
        snprintf(l->problem, sizeof(l->problem), "cannot sync %.100s: %s", dir,
                 strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

static void read_id(struct ledger *l)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(l->db, "SELECT value FROM meta WHERE name = 'id'",
                           -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(l->id, sizeof(l->id), "%s",
                 (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
}

struct ledger *ledger_open(const char *dir, char *error, size_t error_size)
{
    struct ledger *l = calloc(1, sizeof(*l));

    if (!l)
        fatal("out of memory opening the ledger");
    /* Counting its memory costs SQLite 0.3 us a receipt. Refused, and no
     * matter, if it is at work already. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    l->lock_fd = -1;
    ledger_batch_init(&l->batch);
    snprintf(l->path, sizeof(l->path), "%s/ledger.db", dir);
    if (lock_directory(l, dir) || create_file(l) || connect_file(l) ||
        sync_directory(l, dir)) {
        snprintf(error, error_size, "%s/ledger.db: %s", dir, l->problem);
        ledger_close(l);
        return NULL;
    }
    read_id(l);
    l->again = false;
    return l;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    disconnect(l);
    ledger_batch_fini(&l->batch);
    ledger_moves_fini(&l->moves);
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    free(l);
}

static int step_once(struct ledger *l, sqlite3_stmt *stmt, const char *doing)
{
    int rc = sqlite3_step(stmt);

    if (rc != SQLITE_DONE)
        fail(l, doing);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

int ledger_begin(struct ledger *l)
{
    if (!l->db || step_once(l, l->begin, "beginning a batch"))
        return -1;
    ledger_moves_begin(&l->moves);
    return ledger_batch_begin(&l->batch, l->again) == SQLITE_OK
               ? 0
               : fail(l, "finding the last seal");
}

void ledger_add(struct ledger *l, const struct receipt *receipt)
{
    ledger_batch_add(&l->batch, receipt);
}

/* Some were there already: back to the transaction's beginning. */
static int begin_again(struct ledger *l)
{
    if (sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        return fail(l, "rolling a batch back");
    if (step_once(l, l->begin, "beginning a batch"))
        return -1;
    return seal_begin(&l->batch.seal, true) == SQLITE_OK
               ? 0
               : fail(l, "finding the last seal");
}

/* The second of two receipts with one id is not billed: say so. */
static void tell_twice(const struct ledger *l)
{
    const struct feed *f = &l->batch.feed;

    for (size_t i = 0; i < f->n; i++)
        if (!ledger_batch_fresh(&l->batch, f->places[i].i))
            log_line(LOG_ERROR, "ledger_id_twice", "id=%s",
                     f->places[i].receipt->id);
}

int ledger_put(struct ledger *l)
{
    bool all = false;

    if (!l->again && ledger_batch_write(&l->batch, &all) != SQLITE_OK)
        return fail(l, "adding rows");
    if (all)
        return 0;
    if (!l->again && begin_again(l))
        return -1;
    if (ledger_batch_write_each(&l->batch) != SQLITE_OK)
        return fail(l, "adding a row");
    if (!l->again)
        tell_twice(l);
    return 0;
}

bool ledger_fresh(const struct ledger *l, size_t i)
{
    return ledger_batch_fresh(&l->batch, i);
}

int ledger_move(struct ledger *l, struct account_plan *plans, size_t n)
{
    if (ledger_moves_add(&l->moves, &l->accounts, plans, n) != SQLITE_OK)
        return fail(l, "moving accounts");
    return 0;
}

bool ledger_lags(const struct ledger *l)
{
    return ledger_moves_any(&l->moves);
}

static int fold(struct ledger *l)
{
    return ledger_moves_fold(&l->moves, &l->accounts) == SQLITE_OK
               ? 0
               : fail(l, "bringing accounts up to date");
}

int ledger_fold(struct ledger *l)
{
    return ledger_begin(l) || fold(l) ? -1 : ledger_commit(l);
}

int ledger_warn(struct ledger *l, struct warning *w)
{
    if (ledger_notes_warn(l->db, w) != SQLITE_OK)
        return fail(l, "noting a warning");
    return 0;
}

int ledger_limited(struct ledger *l, const struct limited_count *c)
{
    if (ledger_notes_limited(l->db, c) != SQLITE_OK)
        return fail(l, "noting what limits refused");
    return 0;
}

int ledger_commit(struct ledger *l)
{
    if (seal_close(&l->batch.seal) != SQLITE_OK)
        return fail(l, "sealing a batch");
    if (step_once(l, l->commit, "committing a batch"))
        return -1;
    seal_committed(&l->batch.seal);
    ledger_moves_committed(&l->moves);
    l->again = false;
    return 0;
}

int ledger_prune(struct ledger *l, int64_t before_unix_ms, struct pruned *told)
{
    bool any = false;

    if (ledger_begin(l))
        return -1;
    if (ledger_prune_piece(l->db, &l->batch.seal, before_unix_ms, told, &any) !=
        SQLITE_OK)
        return fail(l, "removing old rows");
    return ledger_commit(l) ? -1 : any;
}

static bool is_passing(int failure)
{
    int primary = failure & 0xff;

    return primary == SQLITE_BUSY || primary == SQLITE_FULL;
}

int ledger_recover(struct ledger *l)
{
    if (l->db && !sqlite3_get_autocommit(l->db))
        sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
    if (l->db && is_passing(l->failure))
        return 0;
    if (l->db)
        disconnect(l);
    if (connect_file(l))
        return -1;
    if (sqlite3_wal_checkpoint_v2(l->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                  NULL) != SQLITE_OK) {
        fail(l, "bringing the ledger to the disk");
        disconnect(l);
        return -1;
    }
    return 0;
}

/* --- beginning and end of a process -----------------------------------------
 */

struct resuming {
    struct ledger *ledger;
    struct resumed *told;
};

static int resume_intent(void *to, const struct intent *intent)
{
    const struct resuming *r = to;

    return ledger_resume_intent(r->ledger->db, intent, r->told) == SQLITE_OK
               ? 0
               : fail(r->ledger, "charging what was under way");
}

static int resume(struct ledger *l, const char *dir, struct resumed *told)
{
    struct resuming r = {l, told};
    struct intents_reader reader = {.each = resume_intent, .to = &r};

    if (fold(l))
        return -1;
    if (!intents_read(dir, l->id, &reader, l->problem, sizeof(l->problem)))
        return -1;
    if (!reader.believed &&
        ledger_resume_leases(l->db, clock_unix_ms(), told) != SQLITE_OK)
        return fail(l, "charging leases");
    if (ledger_end_leases(l->db) != SQLITE_OK)
        return fail(l, "ending leases");
    if (told->n_open + told->n_settled + told->n_leases > 0 &&
        seal_adopt(&l->batch.seal) != SQLITE_OK)
        return fail(l, "sealing what was recovered");
    return 0;
}

int ledger_resume(struct ledger *l, const char *dir, struct resumed *told)
{
    *told = (struct resumed){0};
    if (ledger_begin(l))
        return -1;
    if (resume(l, dir, told) == 0 && ledger_commit(l) == 0)
        return 0;
    sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

int ledger_rest(struct ledger *l)
{
    if (!l->db || (ledger_lags(l) && ledger_fold(l)))
        return -1;
    return ledger_end_leases(l->db) == SQLITE_OK ? 0 : fail(l, "ending leases");
}

const char *ledger_id(const struct ledger *l)
{
    return l->id;
}

int ledger_note_time(struct ledger *l, int64_t unix_ms)
{
    if (l->db && ledger_notes_time(l->db, unix_ms) == SQLITE_OK)
        return 0;
    return fail(l, "noting the time");
}

int64_t ledger_high_ms(struct ledger *l)
{
    int64_t high = ask(l, "SELECT coalesce((SELECT value FROM meta WHERE name ="
                          " 'high_ms'), max(window_ms), 0) FROM account");

    return high > 0 ? high : 0;
}
