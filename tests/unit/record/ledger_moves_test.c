#include "record/ledger_moves.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/ledger.h"
#include "unit/record/faulty_vfs.h"
#include "unit/record/world.h"

enum {
    MANY = 300, /* accounts, each of a team of its own */
};

struct bench {
    char dir[128], names[MANY][16];
    struct ledger *ledger;
    struct account_plan plans[MANY];
    char error[256];
};

static const struct account_key total = {.period = PERIOD_TOTAL};

static int set_up(void **state)
{
    static struct bench b;

    b = (struct bench){.ledger = NULL};
    faulty_install();
    faulty_heal();
    world_directory(b.dir);
    b.ledger = ledger_open(b.dir, b.error, sizeof(b.error));
    for (int i = 0; i < MANY; i++) {
        snprintf(b.names[i], sizeof(b.names[i]), "team-%d", i);
        b.plans[i].team = b.names[i];
        b.plans[i].key = &total;
        b.plans[i].room = 1000;
        b.plans[i].cap = INT64_MAX;
    }
    *state = &b;
    return b.ledger ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    faulty_heal();
    ledger_close(b->ledger);
    world_remove(b->dir);
    return 0;
}

static int64_t ask(struct bench *b, const char *sql)
{
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int64_t answer;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    answer = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    sqlite3_close(db);
    return answer;
}

/* One batch in which each of the first `n` accounts is charged that much. */
static int move(struct bench *b, size_t n, int64_t nanos)
{
    for (size_t i = 0; i < n; i++) {
        b->plans[i].delta = nanos;
        if (b->plans[i].no)
            b->plans[i].covered += nanos;
    }
    if (ledger_begin(b->ledger) || ledger_put(b->ledger) ||
        ledger_move(b->ledger, b->plans, n))
        return -1;
    return ledger_commit(b->ledger);
}

/* All accounts hold that much, and a lease of 1000 beyond it. */
static void assert_each_holds(struct bench *b, const char *table, int64_t nanos)
{
    char sql[256];

    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM %s WHERE spent_nanos = %lld AND "
             "covered_nanos = %lld",
             table, (long long)nanos, (long long)nanos + 1000);
    assert_int_equal(ask(b, sql), MANY);
}

static void begin_anew(struct bench *b)
{
    struct resumed told;

    ledger_close(b->ledger);
    b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
    assert_non_null(b->ledger);
    assert_int_equal(ledger_resume(b->ledger, b->dir, &told), 0);
}

/* So that covers are absolute and known: the first batch only opens them. */
static void open_all(struct bench *b)
{
    assert_int_equal(move(b, MANY, 0), 0);
    assert_int_equal(ledger_fold(b->ledger), 0);
    assert_each_holds(b, "account", 0);
}

static void few_accounts_are_moved_row_by_row(void **state)
{
    struct bench *b = *state;

    assert_int_equal(move(b, 2, 0), 0);
    assert_int_equal(move(b, 2, 7), 0);
    assert_false(ledger_lags(b->ledger));
    assert_int_equal(ask(b, "SELECT count(*) FROM move"), 0);
    assert_int_equal(ask(b, "SELECT sum(spent_nanos) FROM account"), 14);
}

static void many_are_one_row_and_their_balance_tells_it_at_once(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    assert_int_equal(move(b, MANY, 5), 0);
    assert_int_equal(ask(b, "SELECT count(*) FROM move"), 2);
    assert_each_holds(b, "account", 0);
    assert_each_holds(b, "balance", 12);
    assert_true(ledger_lags(b->ledger));
    assert_int_equal(ledger_fold(b->ledger), 0);
    assert_false(ledger_lags(b->ledger));
    assert_int_equal(ask(b, "SELECT count(*) FROM move"), 0);
    assert_each_holds(b, "account", 12);
    assert_each_holds(b, "balance", 12);
}

/* The lease that was told last holds, were it the smaller one. */
static void a_few_behind_many_keep_their_order(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    b->plans[0].covered = 500;
    assert_int_equal(move(b, 1, 1), 0);
    assert_int_equal(ask(b, "SELECT count(*) FROM move"), 2);
    assert_int_equal(
        ask(b, "SELECT covered_nanos FROM balance WHERE team = 'team-0'"), 501);
    assert_int_equal(ledger_fold(b->ledger), 0);
    assert_int_equal(
        ask(b, "SELECT covered_nanos FROM account WHERE team = 'team-0'"), 501);
    assert_int_equal(
        ask(b, "SELECT spent_nanos FROM account WHERE team = 'team-0'"), 8);
}

static void they_are_folded_after_some_batches(void **state)
{
    struct bench *b = *state;
    int64_t n;

    open_all(b);
    for (int i = 1; i <= MOVES_ROWS; i++) {
        assert_int_equal(move(b, MANY, 3), 0);
        assert_each_holds(b, "balance", 3 * i);
        n = ask(b, "SELECT count(*) FROM move");
        assert_int_equal(n, i % MOVES_ROWS);
    }
    assert_each_holds(b, "account", 3 * MOVES_ROWS);
}

static void an_account_that_is_forgotten_is_up_to_date(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    b->plans[1].closing = true;
    assert_int_equal(move(b, 2, 0), 0);
    assert_false(ledger_lags(b->ledger));
    assert_each_holds(b, "account", 7);
}

/* Without intents that can be believed leases are charged in full. */
static void what_was_not_folded_is_charged_with_its_lease(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    begin_anew(b);
    assert_int_equal(ask(b, "SELECT count(*) FROM move"), 0);
    assert_int_equal(ask(b, "SELECT count(*) FROM account WHERE spent_nanos = "
                            "1007 AND covered_nanos = 1007"),
                     MANY);
}

static void at_rest_nothing_lags(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    assert_int_equal(ledger_rest(b->ledger), 0);
    assert_int_equal(ask(b, "SELECT count(*) FROM account WHERE spent_nanos = "
                            "7 AND covered_nanos = 7"),
                     MANY);
}

/* The recorder repeats a batch until it is in the ledger; whether the first
 * try was, its receipts tell: then there is nothing to charge. */
static void a_batch_that_failed_counts_once(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    faulty_set(FAULTY_WRITE, FAULTY_WAL, 1, SQLITE_IOERR_WRITE);
    assert_int_equal(move(b, MANY, 5), -1);
    for (int i = 0; i < MANY; i++)
        b->plans[i].covered -= 5;
    faulty_heal();
    assert_int_equal(ledger_recover(b->ledger), 0);
    assert_int_equal(move(b, MANY, 5), 0);
    assert_each_holds(b, "balance", 12);
    assert_int_equal(ledger_fold(b->ledger), 0);
    assert_each_holds(b, "account", 12);
}

static void a_fold_that_failed_is_repeated(void **state)
{
    struct bench *b = *state;

    open_all(b);
    assert_int_equal(move(b, MANY, 7), 0);
    faulty_set(FAULTY_SYNC, FAULTY_WAL, 1, SQLITE_IOERR_FSYNC);
    assert_int_equal(ledger_fold(b->ledger), -1);
    assert_true(ledger_lags(b->ledger));
    faulty_heal();
    assert_int_equal(ledger_recover(b->ledger), 0);
    assert_int_equal(ledger_fold(b->ledger), 0);
    assert_each_holds(b, "account", 7);
    assert_int_equal(ledger_fold(b->ledger), 0);
    assert_each_holds(b, "account", 7);
}

static void moves_that_were_damaged_are_not_believed(void **state)
{
    static const char *const bodies[] = {
        "",        "[",         "[]",          "[[1,2]]",
        "[[1,2,3", "[[1,2,3],", "[[0,2,3]]",   "[[1,2,3],4]",
        "{}",      "[[1,a,3]]", "[[1,2,3]]]x", "[[-1,2,3]]",
    };
    struct bench *b = *state;
    char sql[128], path[256];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        snprintf(sql, sizeof(sql),
                 "DELETE FROM move; INSERT INTO move(body) VALUES('%s')",
                 bodies[i]);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(ledger_fold(b->ledger), -1);
        assert_int_equal(ledger_recover(b->ledger), 0);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(few_accounts_are_moved_row_by_row),
        CASE(many_are_one_row_and_their_balance_tells_it_at_once),
        CASE(a_few_behind_many_keep_their_order),
        CASE(they_are_folded_after_some_batches),
        CASE(an_account_that_is_forgotten_is_up_to_date),
        CASE(what_was_not_folded_is_charged_with_its_lease),
        CASE(at_rest_nothing_lags),
        CASE(a_batch_that_failed_counts_once),
        CASE(a_fold_that_failed_is_repeated),
        CASE(moves_that_were_damaged_are_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
