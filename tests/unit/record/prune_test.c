/* Old rows go, and what is left still proves all there ever was. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"

#include "record/ledger.h"
#include "record/ledger_tool.h"
#include "unit/record/world.h"

enum {
    HOUR_MS = 3600 * 1000,
    COST_NANOS = 31000, /* of each receipt of the world */
};

static const int64_t day_ms = 24 * HOUR_MS, begin_ms = 1795338000000;

enum {
    BATCH_MOST = 600,
};

struct bench {
    char dir[128];
    struct snapshot *world;
    struct ledger *ledger;
    struct account_plan all, month;
    char error[256];
    int n; /* receipts ever */
    struct receipt batch[BATCH_MOST];
    int n_batch;
};

static const struct account_key all = {.scope = ACCOUNT_ALL,
                                       .period = PERIOD_TOTAL};

static int set_up(void **state)
{
    static struct bench b;

    b = (struct bench){.n = 0};
    world_directory(b.dir);
    b.world = world_new(7);
    b.ledger = ledger_open(b.dir, b.error, sizeof(b.error));
    b.all = (struct account_plan){.team = "demo", .key = &all};
    *state = &b;
    return b.ledger ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    ledger_close(b->ledger);
    snapshot_release(b->world);
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
    (void)sqlite3_step(stmt);
    answer = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    sqlite3_close(db);
    return answer;
}

/* The ids of things that began then. */
static void id_at(char id[RECEIPT_ID], int64_t unix_ms, int n)
{
    snprintf(id, RECEIPT_ID, "%012" PRIx64 "%020d", (uint64_t)unix_ms, n);
}

static void add(struct bench *b, int64_t at_ms, bool refused)
{
    struct receipt r;

    assert_true(b->n_batch < BATCH_MOST);
    world_receipt(&r, b->world);
    snapshot_release(r.snapshot);
    r.at_unix_ms = at_ms;
    id_at(r.id, at_ms, 3 * b->n);
    for (int i = 0; i < 2; i++)
        id_at(r.attempts[i].id, at_ms + i, 3 * b->n + 1 + i);
    if (refused) {
        r.n_attempts = 0;
        r.cost.nanos = 0;
        r.chosen = -1;
    }
    b->n++;
    b->batch[b->n_batch] = r;
    ledger_add(b->ledger, &b->batch[b->n_batch++]);
    b->all.delta = r.cost.nanos;
    b->all.covered = INT64_MAX / 2;
    assert_int_equal(ledger_move(b->ledger, &b->all, 1), 0);
}

static void commit(struct bench *b)
{
    assert_int_equal(ledger_put(b->ledger), 0);
    assert_int_equal(ledger_commit(b->ledger), 0);
    b->n_batch = 0;
}

/* `n` receipts a batch, one each hour from `from_ms` to `to_ms`. */
static void fill(struct bench *b, int64_t from_ms, int64_t to_ms, int n)
{
    while (from_ms < to_ms) {
        assert_int_equal(ledger_begin(b->ledger), 0);
        for (int i = 0; i < n && from_ms < to_ms; i++, from_ms += HOUR_MS)
            add(b, from_ms, false);
        commit(b);
    }
}

static struct pruned prune(struct bench *b, int64_t before_ms)
{
    struct pruned told = {0};
    int rc;

    while ((rc = ledger_prune(b->ledger, before_ms, &told)) > 0)
        ;
    if (rc < 0)
        fail_msg("%s", ledger_problem(b->ledger));
    return told;
}

static void count_problem(void *to, const char *problem)
{
    (void)problem;
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

static void what_is_left_is_whole_and_sums_are_kept(void **state)
{
    struct bench *b = *state;
    struct ledger_verdict v;
    struct pruned told;

    fill(b, begin_ms, begin_ms + 100 * day_ms, 7);
    assert_int_equal(verify(b).n_problems, 0);
    told = prune(b, begin_ms + 40 * day_ms);
    /* a seal goes as a whole: the last one has younger rows, too */
    assert_in_range(told.n_exchanges, 40 * 24 - 6, 40 * 24);
    assert_int_equal(told.n_attempts, 2 * told.n_exchanges);
    v = verify(b);
    assert_int_equal(v.n_problems, 0);
    assert_int_equal(v.n_exchanges, 2400 - told.n_exchanges);
    assert_int_equal(v.n_removed_attempts, told.n_attempts);
    assert_int_equal(v.removed_before_ms, begin_ms + 40 * day_ms);
    assert_int_equal(ask(b, "SELECT spent_nanos FROM account"),
                     2400 * COST_NANOS);
    assert_int_equal(ask(b, "SELECT retired_nanos FROM account"),
                     told.n_exchanges * COST_NANOS);
    assert_int_equal(ask(b, "SELECT min(at_unix_ms) FROM exchange"),
                     begin_ms + told.n_exchanges * HOUR_MS);
    told = prune(b, begin_ms + 40 * day_ms); /* again: nothing */
    assert_int_equal(told.n_exchanges, 0);
}

static void the_chain_goes_on_after_all_of_it_went(void **state)
{
    struct bench *b = *state;
    struct ledger_verdict v;

    fill(b, begin_ms, begin_ms + 10 * day_ms, 5);
    assert_int_equal(prune(b, begin_ms + 20 * day_ms).n_exchanges, 240);
    assert_int_equal(verify(b).n_problems, 0);
    ledger_close(b->ledger);
    b->ledger = ledger_open(b->dir, b->error, sizeof(b->error));
    assert_non_null(b->ledger);
    fill(b, begin_ms + 30 * day_ms, begin_ms + 40 * day_ms, 3);
    v = verify(b);
    assert_int_equal(v.n_problems, 0);
    assert_int_equal(v.n_exchanges, 240);
    /* and again, with what stands for the first time among it */
    assert_int_equal(prune(b, clock_unix_ms() + 365 * day_ms).n_exchanges, 240);
    v = verify(b);
    assert_int_equal(v.n_problems, 0);
    assert_int_equal(v.n_removed_attempts, 960);
}

static void a_changed_checkpoint_is_found(void **state)
{
    static const char *const changes[] = {
        "UPDATE checkpoint SET n_attempts = n_attempts - 1",
        "UPDATE checkpoint SET hash = zeroblob(32)",
        "UPDATE checkpoint SET before_unix_ms = before_unix_ms + 1",
        "UPDATE account SET spent_nanos = spent_nanos - retired_nanos",
        "DELETE FROM checkpoint",
    };

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct bench *b = *state;

        fill(b, begin_ms, begin_ms + 10 * day_ms, 5);
        prune(b, begin_ms + 5 * day_ms);
        assert_int_equal(verify(b).n_problems, 0);
        ask(b, changes[i]);
        assert_true(verify(b).n_problems > 0);
        tear_down(state);
        set_up(state);
    }
}

static void one_young_row_keeps_its_seal_and_all_that_follow(void **state)
{
    struct bench *b = *state;

    fill(b, begin_ms, begin_ms + day_ms, 4);
    assert_int_equal(ledger_begin(b->ledger), 0);
    add(b, begin_ms + 25 * HOUR_MS, false);
    add(b, begin_ms + 50 * day_ms, false);
    commit(b);
    fill(b, begin_ms + 2 * day_ms, begin_ms + 3 * day_ms, 4);
    assert_int_equal(prune(b, begin_ms + 10 * day_ms).n_exchanges, 24);
    assert_int_equal(verify(b).n_problems, 0);
}

static void a_row_begun_long_before_its_seal_goes_with_it(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 200; i++) { /* ids of half an hour, mixed */
        assert_int_equal(ledger_begin(b->ledger), 0);
        for (int k = 0; k < 9; k++)
            add(b, begin_ms + (i * 7919 + k * 104729) % 1800000, false);
        commit(b);
    }
    assert_int_equal(prune(b, begin_ms + day_ms).n_exchanges, 1800);
    assert_int_equal(verify(b).n_problems, 0);
}

static void what_was_refused_and_windows_that_ended_go_too(void **state)
{
    struct bench *b = *state;
    const struct account_key keys[] = {
        {.window_ms = begin_ms, .scope = ACCOUNT_TEAM, .period = PERIOD_DAY},
        {.window_ms = begin_ms + 60 * day_ms,
         .scope = ACCOUNT_USER,
         .period = PERIOD_DAY},
        {.scope = ACCOUNT_TEAM, .period = PERIOD_TOTAL},
    };
    struct account_plan plans[ARRAY_LEN(keys)] = {{.no = 0}};
    struct warning w = {.mark = {1, 1}};

    assert_int_equal(ledger_begin(b->ledger), 0);
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        plans[i].team = "demo";
        plans[i].key = &keys[i];
        assert_int_equal(ledger_move(b->ledger, &plans[i], 1), 0);
        w.account_no = plans[i].no;
        assert_int_equal(ledger_warn(b->ledger, &w), 0);
    }
    for (int i = 0; i < 50; i++)
        add(b, begin_ms + i * day_ms, i % 5 != 0);
    commit(b);
    prune(b, begin_ms + 80 * day_ms);
    assert_int_equal(verify(b).n_problems, 0);
    assert_int_equal(ask(b, "SELECT count(*) FROM exchange"), 0);
    assert_int_equal(ask(b, "SELECT count(*) FROM account WHERE scope <> "
                            "'all'"),
                     2);
    assert_int_equal(ask(b, "SELECT count(*) FROM warning"), 2);
}

static void a_piece_is_short(void **state)
{
    struct bench *b = *state;
    int64_t longest_ms = 0, n = 0;
    struct pruned told = {0};
    int rc;

    for (int i = 0; i < 100; i++) {
        assert_int_equal(ledger_begin(b->ledger), 0);
        for (int k = 0; k < 100; k++)
            add(b, begin_ms + i * 100 + k, false);
        commit(b);
    }
    do {
        int64_t from_ms = clock_mono_ms();

        rc = ledger_prune(b->ledger, begin_ms + day_ms, &told);
        if (clock_mono_ms() - from_ms > longest_ms)
            longest_ms = clock_mono_ms() - from_ms;
        n++;
    } while (rc > 0);
    assert_int_equal(rc, 0);
    assert_int_equal(told.n_exchanges, 10000);
    print_message("10,000 requests in %" PRId64 " pieces, the longest %" PRId64
                  " ms\n",
                  n, longest_ms);
    assert_true(n > 10);
    assert_int_equal(verify(b).n_problems, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_left_is_whole_and_sums_are_kept),
        TEST(the_chain_goes_on_after_all_of_it_went),
        TEST(a_changed_checkpoint_is_found),
        TEST(one_young_row_keeps_its_seal_and_all_that_follow),
        TEST(a_row_begun_long_before_its_seal_goes_with_it),
        TEST(what_was_refused_and_windows_that_ended_go_too),
        TEST(a_piece_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
