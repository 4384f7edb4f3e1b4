#include "record/ledger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/ledger_report.h"
#include "record/ledger_tool.h"
#include "unit/record/faulty_vfs.h"
#include "unit/record/world.h"

enum {
    MANY = 1000000,
};

static const char sound[] = "SELECT count(*) FROM pragma_integrity_check "
                            "WHERE integrity_check='ok'";

struct bench {
    char dir[128];
    struct snapshot *world;
    struct ledger *ledger;
    char error[256];
};

static int set_up(void **state)
{
    static struct bench b;

    b = (struct bench){0};
    faulty_install();
    faulty_heal();
    world_directory(b.dir);
    b.world = world_new(7);
    b.ledger = ledger_open(b.dir, b.error, sizeof(b.error));
    *state = &b;
    return b.ledger ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    faulty_heal();
    ledger_close(b->ledger);
    snapshot_release(b->world);
    world_remove(b->dir);
    return 0;
}

static struct receipt receipt(struct bench *b)
{
    struct receipt r;

    world_receipt(&r, b->world);
    snapshot_release(r.snapshot); /* the ledger only borrows it */
    return r;
}

static int write_batch(struct bench *b, const struct receipt *r, int n)
{
    if (ledger_begin(b->ledger))
        return -1;
    for (int i = 0; i < n; i++)
        ledger_add(b->ledger, &r[i]);
    return ledger_put(b->ledger) ? -1 : ledger_commit(b->ledger);
}

static void each_receipt_is_an_exchange_with_its_attempts(void **state)
{
    struct bench *b = *state;
    struct receipt r[2] = {receipt(b), receipt(b)};
    char sql[512];

    assert_int_equal(write_batch(b, r, 2), 0);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 2);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM attempt"), 4);
    snprintf(
        sql, sizeof(sql),
        "SELECT count(*) FROM exchange WHERE id='%s' AND "
        "at_unix_ms=1795338000123 AND team='demo' AND key_id='k1a2b3c4' AND "
        "asked='chat' AND stream=1 AND status=200 AND fault='none' AND "
        "vendor='deepseek' AND model='deepseek-flash' AND currency='CNY' AND "
        "expected_nanos=123000 AND cost_nanos=31000 AND "
        "runner_up_vendor='qwen' AND runner_up_nanos=47500 AND "
        "first_byte_ms=210 AND total_ms=1834 AND edition=7",
        r[0].id);
    assert_int_equal(ledger_ask(b->dir, sql), 1);
    snprintf(
        sql, sizeof(sql),
        "SELECT count(*) FROM attempt WHERE id='%s' AND exchange_id='%s' AND "
        "n=2 AND vendor='deepseek' AND fault='none' AND status=200 AND "
        "input_tokens=11 AND cached_tokens=4 AND output_tokens=5 AND "
        "thinking_tokens=2 AND estimated=0 AND maybe_billed=0 AND "
        "currency='CNY' AND cost_nanos=31000 AND stated_currency='USD' AND "
        "stated_nanos=4600 AND cache_marked=0",
        r[0].attempts[1].id, r[0].id);
    assert_int_equal(ledger_ask(b->dir, sql), 1);
    assert_int_equal(ledger_ask(b->dir,
                                "SELECT count(*) FROM attempt WHERE n=1 AND "
                                "vendor='qwen' AND fault='rate_limited' AND "
                                "status=429 AND stated_nanos IS NULL"),
                     2);
}

static void what_was_refused_early_has_no_names(void **state)
{
    struct bench *b = *state;
    struct receipt r = {.status = 401, .chosen = -1, .first_byte_ms = -1};

    receipt_id_new(r.id);
    assert_int_equal(write_batch(b, &r, 1), 0);
    assert_int_equal(
        ledger_ask(b->dir, "SELECT count(*) FROM exchange WHERE team IS NULL "
                           "AND key_id IS NULL AND vendor IS NULL AND model IS "
                           "NULL AND first_byte_ms IS NULL AND status=401"),
        1);
}

static void whatever_a_client_asked_for_is_read_back(void **state)
{
    struct bench *b = *state;
    struct receipt r = receipt(b);

    memset(r.asked, 1, sizeof(r.asked) - 1);
    memcpy(r.asked, "\"\\\x7f\xe7\xa0\x94", 6);
    r.n_attempts = RECEIPT_ATTEMPTS;
    for (uint32_t i = 2; i < r.n_attempts; i++) {
        r.attempts[i] = r.attempts[1];
        receipt_id_new(r.attempts[i].id);
    }
    assert_int_equal(write_batch(b, &r, 1), 0);
    assert_int_equal(
        ledger_ask(b->dir, "SELECT count(*) FROM exchange WHERE asked = "
                           "'\"\\' || char(0x7f, 0x7814) || "
                           "substr(replace(hex(zeroblob(89)), '00', char(1)),"
                           " 1)"),
        1);
    assert_int_equal(ledger_ask(b->dir, "SELECT max(n) FROM attempt"),
                     RECEIPT_ATTEMPTS);
}

static void money_reaches_its_ends_exactly(void **state)
{
    struct bench *b = *state;
    struct receipt r = receipt(b);

    r.cost.nanos = INT64_MAX;
    r.expected.nanos = INT64_MIN;
    assert_int_equal(write_batch(b, &r, 1), 0);
    assert_true(ledger_ask(b->dir, "SELECT cost_nanos FROM exchange") ==
                INT64_MAX);
    assert_true(ledger_ask(b->dir, "SELECT expected_nanos FROM exchange") ==
                INT64_MIN);
}

static void a_batch_written_twice_counts_once(void **state)
{
    struct bench *b = *state;
    struct receipt r[3] = {receipt(b), receipt(b), receipt(b)};

    assert_int_equal(write_batch(b, r, 2), 0);
    assert_int_equal(write_batch(b, r, 3), 0);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 3);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM attempt"), 6);
    assert_int_equal(ledger_ask(b->dir, "SELECT sum(cost_nanos) FROM attempt"),
                     3 * 31000);
}

static void a_second_process_is_told_who_writes(void **state)
{
    struct bench *b = *state;
    char error[256] = "", pid[64];

    assert_null(ledger_open(b->dir, error, sizeof(error)));
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(error, "another bijia"));
    assert_non_null(strstr(error, pid));
    ledger_close(b->ledger);
    b->ledger = ledger_open(b->dir, error, sizeof(error));
    assert_non_null(b->ledger);
}

static void a_newer_ledger_is_left_alone(void **state)
{
    struct bench *b = *state;
    char path[256], error[256];
    sqlite3 *db;

    ledger_close(b->ledger);
    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA user_version=999", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    b->ledger = ledger_open(b->dir, error, sizeof(error));
    assert_null(b->ledger);
    assert_non_null(strstr(error, "version 999"));
    assert_int_equal(ledger_ask(b->dir, "PRAGMA user_version"), 999);
}

static void only_the_owner_may_read_it(void **state)
{
    struct bench *b = *state;
    struct receipt r = receipt(b);
    char path[256];
    struct stat st;

    assert_int_equal(write_batch(b, &r, 1), 0);
    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(path, sizeof(path), "%s/ledger.db-wal", b->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void rows_survive_a_restart(void **state)
{
    struct bench *b = *state;
    struct receipt r = receipt(b);

    assert_int_equal(write_batch(b, &r, 1), 0);
    ledger_close(b->ledger);
    b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
    assert_non_null(b->ledger);
    r = receipt(b);
    assert_int_equal(write_batch(b, &r, 1), 0);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 2);
    assert_int_equal(ledger_ask(b->dir, "PRAGMA user_version"), 6);
}

/* The rows of what is on the disk, were the power cut now. */
static int64_t rows_after_power_cut(struct bench *b)
{
    char dir[128], error[256];
    int64_t rows = -1;
    struct ledger *l;

    world_directory(dir);
    faulty_power_cut(b->dir, dir);
    l = ledger_open(dir, error, sizeof(error));
    if (l)
        rows = ledger_ask(dir, "SELECT count(*) FROM exchange");
    ledger_close(l);
    world_remove(dir);
    return rows;
}

/* Fails while the fault lasts, as often as it is tried; then goes through. */
static void fails_and_recovers(struct bench *b, enum faulty_op op,
                               enum faulty_file which, int code)
{
    struct receipt r[2] = {receipt(b), receipt(b)};

    assert_int_equal(write_batch(b, &r[0], 1), 0);
    faulty_set(op, which, -1, code);
    assert_int_equal(write_batch(b, r, 2), -1);
    assert_true(ledger_problem(b->ledger)[0] != '\0');
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            ledger_recover(b->ledger) || write_batch(b, r, 2) ? -1 : 0, -1);
    faulty_heal();
    assert_int_equal(ledger_recover(b->ledger), 0);
    assert_int_equal(write_batch(b, r, 2), 0);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 2);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM attempt"), 4);
    assert_int_equal(rows_after_power_cut(b), 2);
    assert_int_equal(ledger_ask(b->dir, sound), 1);
}

static void a_full_disk_is_outlived(void **state)
{
    fails_and_recovers(*state, FAULTY_WRITE, FAULTY_WAL, SQLITE_FULL);
}

static void a_failing_disk_is_outlived(void **state)
{
    fails_and_recovers(*state, FAULTY_WRITE, FAULTY_WAL, SQLITE_IOERR_WRITE);
}

static void a_failing_sync_is_outlived(void **state)
{
    fails_and_recovers(*state, FAULTY_SYNC, FAULTY_WAL, SQLITE_IOERR_FSYNC);
}

static void what_was_committed_survives_a_power_cut(void **state)
{
    struct bench *b = *state;

    for (int i = 1; i <= 20; i++) {
        struct receipt r = receipt(b);

        assert_int_equal(write_batch(b, &r, 1), 0);
        assert_int_equal(rows_after_power_cut(b), i);
    }
}

/* After a failed fsync the cache shows the rows though no disk has them: to
 * take "already there" for written would lose them in a power cut. The
 * second fault keeps SQLite from repairing it while it closes. */
static void after_a_failed_sync_rows_are_synced_anew(void **state)
{
    struct bench *b = *state;
    struct receipt r[2] = {receipt(b), receipt(b)};

    assert_int_equal(write_batch(b, &r[0], 1), 0);
    faulty_set(FAULTY_SYNC, FAULTY_WAL, 1, SQLITE_IOERR_FSYNC);
    faulty_set(FAULTY_SYNC, FAULTY_DB, 1, SQLITE_IOERR_FSYNC);
    assert_int_equal(write_batch(b, r, 2), -1);
    while (ledger_recover(b->ledger) || write_batch(b, r, 2))
        assert_int_equal(rows_after_power_cut(b), 1);
    assert_int_equal(rows_after_power_cut(b), 2);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 2);
}

static void a_failing_checkpoint_loses_nothing(void **state)
{
    struct bench *b = *state;
    struct receipt r = receipt(b);

    faulty_set(FAULTY_WRITE, FAULTY_DB, MANY, SQLITE_IOERR_WRITE);
    for (int i = 0; i < 1000; i++) { /* past wal_autocheckpoint */
        r = receipt(b);
        assert_int_equal(write_batch(b, &r, 1), 0);
    }
    assert_true(atomic_load(&faulty_left[FAULTY_WRITE][FAULTY_DB]) < MANY);
    faulty_heal();
    for (int i = 0; i < 10; i++) {
        r = receipt(b);
        assert_int_equal(write_batch(b, &r, 1), 0);
    }
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 1010);
}

static void a_lock_held_by_others_is_waited_out(void **state)
{
    struct bench *b = *state;
    struct receipt r = receipt(b);
    char path[256];
    sqlite3 *other;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(write_batch(b, &r, 1), -1);
    assert_non_null(strstr(ledger_problem(b->ledger), "locked"));
    assert_int_equal(ledger_recover(b->ledger), 0);
    assert_int_equal(write_batch(b, &r, 1), -1);
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    assert_int_equal(ledger_recover(b->ledger), 0);
    assert_int_equal(write_batch(b, &r, 1), 0);
    sqlite3_close(other);
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM exchange"), 1);
}

static void write_for_ever(const char *dir, int tell)
{
    struct bench b = {.world = world_new(1)};

    b.ledger = ledger_open(dir, b.error, sizeof(b.error));
    while (b.ledger) {
        struct receipt r[3] = {receipt(&b), receipt(&b), receipt(&b)};

        if (write_batch(&b, r, 3) || write(tell, "3", 1) != 1)
            break;
    }
    _exit(1);
}

/* Starts a writer, kills it at some moment; returns how many batches it said
 * were written. */
static int write_and_be_killed(const char *dir, int after_us)
{
    int pipes[2], n = 0, status;
    char text[4096];
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[0]);
        write_for_ever(dir, pipes[1]);
    }
    close(pipes[1]);
    usleep((useconds_t)after_us);
    kill(child, SIGKILL);
    while ((got = read(pipes[0], text, sizeof(text))) > 0)
        n += (int)got;
    close(pipes[0]);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    return n;
}

static void what_was_committed_survives_kill_9(void **state)
{
    struct bench *b = *state;
    int64_t rows = 0;

    ledger_close(b->ledger);
    b->ledger = NULL;
    for (int i = 0; i < 12; i++) {
        int64_t before = rows;
        int told = write_and_be_killed(b->dir, 20000 + 7919 * i);

        b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
        assert_non_null(b->ledger);
        rows = ledger_ask(b->dir, "SELECT count(*) FROM exchange");
        /* the last may have been written and not told; whole or not at all */
        assert_in_range(rows - before, told * 3, told * 3 + 3);
        assert_int_equal(rows % 3, 0);
        assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM attempt"),
                         rows * 2);
        assert_int_equal(ledger_ask(b->dir, sound), 1);
        ledger_close(b->ledger);
        b->ledger = NULL;
    }
    assert_true(rows > 0);
}

static void a_warning_is_new_once(void **state)
{
    struct bench *b = *state;
    struct warning w = {.account_no = 7, .mark = {500000000, 50}};
    struct warning other = {.account_no = 7, .mark = {800000000, 80}};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(ledger_begin(b->ledger), 0);
        assert_int_equal(ledger_warn(b->ledger, &w), 0);
        assert_int_equal(ledger_commit(b->ledger), 0);
        assert_int_equal(w.fresh, i == 0);
        ledger_close(b->ledger);
        b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
        assert_non_null(b->ledger);
    }
    assert_int_equal(ledger_begin(b->ledger), 0);
    assert_int_equal(ledger_warn(b->ledger, &other), 0);
    assert_int_equal(ledger_recover(b->ledger), 0); /* not committed */
    assert_int_equal(ledger_begin(b->ledger), 0);
    assert_int_equal(ledger_warn(b->ledger, &other), 0);
    assert_true(other.fresh);
    assert_int_equal(ledger_commit(b->ledger), 0);
}

static void the_time_it_noted_outlives_it(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ledger_high_ms(b->ledger), 0);
    assert_int_equal(ledger_note_time(b->ledger, 1795338000123), 0);
    assert_int_equal(ledger_note_time(b->ledger, 1795338000100), 0);
    ledger_close(b->ledger);
    b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
    assert_non_null(b->ledger);
    assert_int_equal(ledger_high_ms(b->ledger), 1795338000100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_receipt_is_an_exchange_with_its_attempts),
        TEST(what_was_refused_early_has_no_names),
        TEST(whatever_a_client_asked_for_is_read_back),
        TEST(money_reaches_its_ends_exactly),
        TEST(a_batch_written_twice_counts_once),
        TEST(a_second_process_is_told_who_writes),
        TEST(a_newer_ledger_is_left_alone),
        TEST(only_the_owner_may_read_it),
        TEST(rows_survive_a_restart),
        TEST(a_full_disk_is_outlived),
        TEST(a_failing_disk_is_outlived),
        TEST(a_failing_sync_is_outlived),
        TEST(what_was_committed_survives_a_power_cut),
        TEST(after_a_failed_sync_rows_are_synced_anew),
        TEST(a_failing_checkpoint_loses_nothing),
        TEST(a_lock_held_by_others_is_waited_out),
        TEST(what_was_committed_survives_kill_9),
        TEST(a_warning_is_new_once),
        TEST(the_time_it_noted_outlives_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
