/* ledger_older_test.c - files that an older bijia wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "record/ledger.h"
#include "record/ledger_report.h"
#include "record/ledger_rows.h"
#include "record/ledger_tool.h"
#include "unit/record/world.h"

struct bench {
    char dir[128];
    struct snapshot *world;
    struct ledger *ledger;
    char error[256];
};

static int64_t ask(struct bench *b, const char *sql)
{
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int64_t answer;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    (void)sqlite3_step(stmt);
    answer = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    sqlite3_close(db);
    return answer;
}

static void write_two(struct bench *b)
{
    struct receipt r[2];

    assert_int_equal(ledger_begin(b->ledger), 0);
    for (int i = 0; i < 2; i++) {
        world_receipt(&r[i], b->world);
        snapshot_release(r[i].snapshot); /* the ledger only borrows it */
        ledger_add(b->ledger, &r[i]);
    }
    assert_int_equal(ledger_put(b->ledger), 0);
    assert_int_equal(ledger_commit(b->ledger), 0);
}

/* Runs what a file says on the closed ledger. */
static void load(const char *dir, const char *file)
{
    static char sql[65536];
    char path[256];
    FILE *f = fopen(file, "r");
    sqlite3 *db;

    assert_non_null(f);
    sql[fread(sql, 1, sizeof(sql) - 1, f)] = '\0';
    fclose(f);
    snprintf(path, sizeof(path), "%s/ledger.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void count_problem(void *to, const char *problem)
{
    print_message("%s\n", problem);
    ++*(int *)to;
}

static struct ledger_verdict verify(struct bench *b)
{
    char path[256], problem[LEDGER_PROBLEM];
    struct ledger_verdict v;
    struct ledger_tool *t;
    int n = 0;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    t = ledger_tool_open(path, problem);
    assert_non_null(t);
    if (!ledger_verify(t, &v, count_problem, &n, problem))
        fail_msg("%s", problem);
    ledger_tool_close(t);
    return v;
}

static void count_row(void *to, const struct ledger_report_row *row)
{
    assert_true(row->has_attempt);
    assert_string_equal(row->attempt_vendor, "deepseek");
    ++*(int *)to;
}

static int reported(struct bench *b)
{
    const struct ledger_span all = {0, INT64_MAX};
    char error[256];
    int n = 0;

    if (ledger_report(b->dir, all, count_row, &n, error, sizeof(error)))
        fail_msg("%s", error);
    return n;
}

/* Written by a bijia that gave each exchange and attempt a row. */
static void it_is_read_as_it_is_and_taken_over(void **state)
{
    struct bench *b = *state;
    struct ledger_verdict v;
    const int64_t year_2100_ms = 4102444800000;
    struct pruned told = {0};
    int rc;

    load(b->dir, TESTS_DIR "/data/ledger/version-3.sql");
    assert_int_equal(verify(b).n_problems, 0);
    assert_int_equal(reported(b), 4);
    b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
    assert_non_null(b->ledger);
    write_two(b);
    v = verify(b);
    assert_int_equal(v.n_attempts, 8);
    assert_int_equal(v.n_exchanges, 6);
    assert_int_equal(v.n_seals, 3);
    assert_int_equal(v.n_problems, 1); /* these two belong to no account */
    assert_int_equal(ask(b, "SELECT sum(cost_nanos) FROM exchange"),
                     712000 + 62000);
    while ((rc = ledger_prune(b->ledger, year_2100_ms, &told)) > 0)
        ;
    assert_int_equal(rc, 0);
    assert_int_equal(told.n_exchanges, 6);
    assert_int_equal(told.n_attempts, 8);
    assert_int_equal(ask(b, "SELECT count(*) FROM attempt"), 0);
}

/* Written by one that did not note what was marked for the cache. */
static void without_marks_it_is_read_as_it_is(void **state)
{
    static const char one[] =
        "INSERT INTO receipt VALUES('01', 1, '[1795338000123,\"demo\",null,"
        "\"chat\",0,200,\"none\",\"deepseek\",\"deepseek-flash\",9,20,\"CNY\","
        "176000,178000,null,null,null,4,4,1,[[\"02\",\"deepseek\","
        "\"deepseek-flash\",\"none\",200,9,0,0,20,12,0,0,\"CNY\",178000,null,"
        "null,1,1]]]'); PRAGMA user_version=5;";
    struct bench *b = *state;
    char path[256];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sqlite3_exec(db, ledger_steps[i], NULL, NULL, NULL),
                         SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, one, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(reported(b), 1);
    b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
    assert_non_null(b->ledger);
    write_two(b);
    assert_int_equal(
        ask(b, "SELECT count(*) FROM attempt WHERE cache_marked IS NULL"), 1);
}

static int set_up(void **state)
{
    static struct bench b;

    b = (struct bench){0};
    world_directory(b.dir);
    b.world = world_new(7);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    ledger_close(b->ledger);
    snapshot_release(b->world);
    world_remove(b->dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_read_as_it_is_and_taken_over,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_marks_it_is_read_as_it_is,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
