#include "record/recorder.h"

#include <fcntl.h>
#include <pthread.h>
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

#include "unit/record/faulty_vfs.h"
#include "unit/record/world.h"

enum {
    PATIENCE_MS = 10 * 1000,
};

struct bench {
    char dir[128], log[160];
    struct snapshot *world;
    struct recorder *recorder;
    char error[256];
};

static int set_up(void **state)
{
    static struct bench b;

    b = (struct bench){0};
    faulty_install();
    faulty_heal();
    world_directory(b.dir);
    snprintf(b.log, sizeof(b.log), "%s/routing.jsonl", b.dir);
    b.world = world_new(1);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    faulty_heal();
    recorder_free(b->recorder);
    snapshot_release(b->world);
    world_remove(b->dir);
    return 0;
}

static void start(struct bench *b, int n_workers)
{
    b->recorder = recorder_new(b->dir, n_workers, b->error, sizeof(b->error));
    assert_non_null(b->recorder);
    assert_true(recorder_healthy(b->recorder));
}

static void stop(struct bench *b)
{
    recorder_free(b->recorder);
    b->recorder = NULL;
}

static void fill(struct bench *b, int w)
{
    struct receipt r;

    world_receipt(&r, b->world);
    recorder_put(b->recorder, w, &r);
}

static void put(struct bench *b, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(recorder_reserve(b->recorder, 0));
        fill(b, 0);
    }
}

static int64_t rows(struct bench *b)
{
    return ledger_ask(b->dir, "SELECT count(*) FROM exchange");
}

static int lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    int n = 0, c;

    if (!f)
        return -1;
    while ((c = fgetc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

#define EVENTUALLY(condition)                                    \
    do {                                                         \
        for (int ms = 0; !(condition) && ms < PATIENCE_MS; ms++) \
            usleep(1000);                                        \
        assert_true(condition);                                  \
    } while (0)

static void a_receipt_is_written_at_once_and_told_after(void **state)
{
    struct bench *b = *state;

    start(b, 1);
    put(b, 1);
    EVENTUALLY(lines_of(b->log) == 1);
    assert_int_equal(rows(b), 1);
    put(b, 1);
    EVENTUALLY(lines_of(b->log) == 2);
}

static void all_that_was_put_is_written_at_the_end(void **state)
{
    struct bench *b = *state;

    start(b, 2);
    for (int i = 0; i < 3000; i++) {
        assert_true(recorder_reserve(b->recorder, i % 2));
        if (i % 3 == 0)
            recorder_cancel(b->recorder, i % 2);
        else
            fill(b, i % 2);
    }
    stop(b);
    assert_int_equal(rows(b), 2000);
    assert_int_equal(lines_of(b->log), 2000);
}

static void the_state_directory_is_made(void **state)
{
    struct bench *b = *state;
    char inner[160];
    struct recorder *r;

    snprintf(inner, sizeof(inner), "%s/state", b->dir);
    r = recorder_new(inner, 1, b->error, sizeof(b->error));
    assert_non_null(r);
    recorder_free(r);
    world_remove(inner);
}

static void what_hinders_it_is_said(void **state)
{
    struct bench *b = *state;

    assert_null(recorder_new("/proc/nowhere/x", 1, b->error, sizeof(b->error)));
    assert_non_null(strstr(b->error, "/proc/nowhere/x"));
    start(b, 1);
    assert_null(recorder_new(b->dir, 1, b->error, sizeof(b->error)));
    assert_non_null(strstr(b->error, "another bijia"));
}

static void a_full_disk_refuses_new_work_and_loses_nothing(void **state)
{
    struct bench *b = *state;

    start(b, 1);
    put(b, 1);
    EVENTUALLY(rows(b) == 1);
    for (int i = 0; i < 50; i++) /* under way before the disk fills */
        assert_true(recorder_reserve(b->recorder, 0));
    faulty_set(FAULTY_WRITE, FAULTY_WAL, -1, SQLITE_FULL);
    fill(b, 0);
    EVENTUALLY(!recorder_healthy(b->recorder));
    assert_false(recorder_reserve(b->recorder, 0));
    for (int i = 1; i < 50; i++)
        fill(b, 0);
    usleep(300 * 1000);
    assert_false(recorder_healthy(b->recorder));
    assert_int_equal(rows(b), 1);
    faulty_heal();
    EVENTUALLY(recorder_healthy(b->recorder));
    put(b, 1);
    EVENTUALLY(rows(b) == 52);
    EVENTUALLY(lines_of(b->log) == 52);
}

static void a_dying_disk_is_reopened_without_a_restart(void **state)
{
    struct bench *b = *state;

    start(b, 1);
    for (int i = 0; i < 5; i++)
        assert_true(recorder_reserve(b->recorder, 0));
    faulty_set(FAULTY_SYNC, FAULTY_WAL, 3, SQLITE_IOERR_FSYNC);
    for (int i = 0; i < 5; i++)
        fill(b, 0);
    EVENTUALLY(lines_of(b->log) == 5);
    assert_int_equal(rows(b), 5);
    assert_true(recorder_healthy(b->recorder));
    assert_int_equal(ledger_ask(b->dir, "SELECT count(*) FROM attempt"), 10);
}

static void a_full_log_costs_lines_but_no_rows(void **state)
{
    struct bench *b = *state;

    assert_int_equal(symlink("/dev/full", b->log), 0);
    start(b, 1);
    put(b, 100);
    EVENTUALLY(rows(b) == 100);
    assert_true(recorder_healthy(b->recorder));
    assert_int_equal(unlink(b->log), 0); /* "the disk is free again" */
    recorder_reopen(b->recorder);
    put(b, 10);
    EVENTUALLY(lines_of(b->log) == 10);
}

static void a_reader_that_does_not_read_costs_no_rows(void **state)
{
    struct bench *b = *state;
    int reader;

    assert_int_equal(mkfifo(b->log, 0600), 0);
    reader = open(b->log, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    start(b, 1);
    put(b, 2000); /* a megabyte and more; a pipe holds 64 KiB */
    EVENTUALLY(rows(b) == 2000);
    stop(b);
    close(reader);
}

static void a_renamed_log_is_noticed(void **state)
{
    struct bench *b = *state;
    char old[192];

    snprintf(old, sizeof(old), "%s.1", b->log);
    start(b, 1);
    put(b, 3);
    EVENTUALLY(lines_of(b->log) == 3);
    assert_int_equal(rename(b->log, old), 0);
    usleep(1100 * 1000);
    put(b, 4);
    EVENTUALLY(lines_of(b->log) == 4);
    assert_int_equal(lines_of(old), 3);
}

static void a_rotated_log_is_opened_anew_when_told(void **state)
{
    struct bench *b = *state;
    char old[192];

    snprintf(old, sizeof(old), "%s.1", b->log);
    start(b, 1);
    put(b, 3);
    EVENTUALLY(lines_of(b->log) == 3);
    assert_int_equal(rename(b->log, old), 0);
    recorder_reopen(b->recorder);
    put(b, 4);
    EVENTUALLY(lines_of(b->log) == 4);
    assert_int_equal(lines_of(old), 3);
}

static void a_line_cut_short_by_a_crash_stands_alone(void **state)
{
    struct bench *b = *state;
    FILE *f = fopen(b->log, "w");
    char line[64];

    assert_non_null(f);
    fputs("{\"at\":\"2026-11-", f);
    fclose(f);
    start(b, 1);
    put(b, 1);
    stop(b);
    assert_int_equal(lines_of(b->log), 2);
    f = fopen(b->log, "r");
    assert_non_null(fgets(line, sizeof(line), f));
    assert_string_equal(line, "{\"at\":\"2026-11-\n");
    assert_int_equal(fgetc(f), '{');
    fclose(f);
}

static void *work(void *arg)
{
    struct bench *b = arg;
    static atomic_int next;
    int w = atomic_fetch_add(&next, 1) % 2;

    for (int i = 0; i < 5000;) {
        if (!recorder_reserve(b->recorder, w))
            continue;
        if (i % 5 == 4) {
            recorder_cancel(b->recorder, w);
        } else {
            fill(b, w);
            if (i % 100 == 0) /* let it doze, so that it must be woken */
                usleep(2000);
        }
        i++;
    }
    return NULL;
}

static void two_workers_lose_nothing(void **state)
{
    struct bench *b = *state;
    pthread_t threads[2];

    start(b, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, b), 0);
    recorder_reopen(b->recorder);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    stop(b);
    assert_int_equal(rows(b), 8000);
    assert_int_equal(lines_of(b->log), 8000);
}

/* Put for worker `w`, having ended at `ended_ms`. */
static void fill_ended(struct bench *b, int w, int32_t ended_ms)
{
    struct receipt r;

    world_receipt(&r, b->world);
    r.total_ms = ended_ms;
    recorder_put(b->recorder, w, &r);
}

/* How many lines of the log do not end later than the line before. */
static int lines_out_of_order(const char *path)
{
    FILE *f = fopen(path, "r");
    static char line[1 << 16];
    long before = -1;
    int n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        const char *last = NULL;

        for (const char *at = line; (at = strstr(at, "\"total_ms\":")); at++)
            last = at; /* the exchange's stands after its attempts' */
        assert_non_null(last);
        n += atol(last + strlen("\"total_ms\":")) <= before;
        before = atol(last + strlen("\"total_ms\":"));
    }
    fclose(f);
    return n;
}

static void the_log_is_in_the_order_of_ends_over_all_workers(void **state)
{
    struct bench *b = *state;

    enum {
        N = 30
    };

    start(b, 3);
    for (int w = 0; w < 3; w++)
        for (int i = 0; i <= N; i++)
            assert_true(recorder_reserve(b->recorder, w));
    faulty_set(FAULTY_WRITE, FAULTY_WAL, -1, SQLITE_FULL);
    fill_ended(b, 0, 1);
    EVENTUALLY(!recorder_healthy(b->recorder)); /* a batch by itself */
    for (int w = 2; w >= 0; w--)
        for (int i = 1; i <= N; i++)
            if (i * i % 7 % 3 == w)
                fill_ended(b, w, 1 + i);
    faulty_heal();
    EVENTUALLY(lines_of(b->log) == 1 + N);
    assert_int_equal(lines_out_of_order(b->log), 0);
}

/* Writes until it is killed. */
static void record_for_ever(struct bench *b)
{
    b->recorder = recorder_new(b->dir, 1, b->error, sizeof(b->error));
    while (b->recorder)
        if (recorder_reserve(b->recorder, 0))
            fill(b, 0);
    _exit(1);
}

/* The ids of the log's whole lines that the ledger does not know. */
static int64_t told_but_not_written(struct bench *b, int *n_told)
{
    static const char mark[] = "\"id\":\"";
    char line[RECEIPT_JSON_MOST], path[256];
    int64_t missing = 0;
    FILE *f = fopen(b->log, "r");
    sqlite3_stmt *stmt;
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM exchange WHERE id=?", -1,
                           &stmt, NULL),
        SQLITE_OK);
    for (*n_told = 0; fgets(line, sizeof(line), f);) {
        const char *id = strstr(line, mark);

        if (!id || line[strlen(line) - 1] != '\n')
            continue;
        sqlite3_bind_text(stmt, 1, id + sizeof(mark) - 1, RECEIPT_ID - 1,
                          SQLITE_STATIC);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        missing += sqlite3_column_int64(stmt, 0) != 1;
        sqlite3_reset(stmt);
        ++*n_told;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    fclose(f);
    return missing;
}

static off_t log_size(const struct bench *b)
{
    struct stat st;

    return stat(b->log, &st) == 0 ? st.st_size : 0;
}

static void what_was_told_survives_kill_9(void **state)
{
    struct bench *b = *state;
    int status, n_told;
    off_t before;
    pid_t child;

    for (int i = 0; i < 6; i++) {
        before = log_size(b);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            record_for_ever(b);
        for (int k = 0; k < 1000 && log_size(b) == before; k++)
            usleep(10000); /* it has begun */
        usleep(17000 * (useconds_t)i);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
    }
    start(b, 1);
    stop(b);
    assert_int_equal(told_but_not_written(b, &n_told), 0);
    assert_true(n_told > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_receipt_is_written_at_once_and_told_after),
        TEST(all_that_was_put_is_written_at_the_end),
        TEST(the_state_directory_is_made),
        TEST(what_hinders_it_is_said),
        TEST(a_full_disk_refuses_new_work_and_loses_nothing),
        TEST(a_dying_disk_is_reopened_without_a_restart),
        TEST(a_full_log_costs_lines_but_no_rows),
        TEST(a_reader_that_does_not_read_costs_no_rows),
        TEST(a_renamed_log_is_noticed),
        TEST(a_rotated_log_is_opened_anew_when_told),
        TEST(a_line_cut_short_by_a_crash_stands_alone),
        TEST(two_workers_lose_nothing),
        TEST(the_log_is_in_the_order_of_ends_over_all_workers),
        TEST(what_was_told_survives_kill_9),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
