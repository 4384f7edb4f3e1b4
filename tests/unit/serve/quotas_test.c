#include "serve/quotas.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/time.h"

#include "conf/conf.h"

static int64_t instant(const char *text)
{
    int64_t ms = 0;

    assert_true(time_parse(&ms, text));
    return ms;
}

struct fixture {
    struct arena *arena;
    struct conf conf;
    struct snapshot snapshot;
    struct conf_quota quota;
    struct quotas *quotas;
    uint32_t slot;
};

static void set_up(struct fixture *f, enum conf_per per, int64_t tokens)
{
    const char *why;

    *f = (struct fixture){.arena = arena_new(), .quotas = quotas_new()};
    f->quota = (struct conf_quota){
        .name = "q",
        .tokens = tokens,
        .per = per,
        .zone = zone_load("Asia/Shanghai", f->arena, &why),
        .from_ms = instant("2026-01-01"),
        .until_ms = instant("2027-01-01"),
    };
    f->conf = (struct conf){.dir = "/nowhere",
                            .server = {.state_dir = "state"},
                            .quotas = &f->quota,
                            .n_quotas = 1};
    f->snapshot = (struct snapshot){.conf = &f->conf};
    f->slot = quotas_slot(f->quotas, &f->snapshot, 0);
}

static void tear_down(struct fixture *f)
{
    quotas_free(f->quotas);
    arena_free(f->arena);
}

static int64_t take(struct fixture *f, const char *at, int64_t tokens)
{
    return quotas_take(f->quotas, f->slot, &f->quota, instant(at), tokens);
}

static int64_t left(struct fixture *f, const char *at)
{
    return quotas_left(f->quotas, f->slot, &f->quota, instant(at));
}

static void a_day_ends_at_midnight_in_the_quotas_zone(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, CONF_PER_DAY, 100);
    assert_int_equal(take(&f, "2026-11-22T03:00:00Z", 60), 60);
    assert_int_equal(left(&f, "2026-11-22T15:59:59.999Z"), 40);
    assert_int_equal(take(&f, "2026-11-22T15:59:59.999Z", 60), 40);
    assert_int_equal(take(&f, "2026-11-22T15:59:59.999Z", 60), 0);
    assert_int_equal(left(&f, "2026-11-22T16:00:00Z"), 100);
    assert_int_equal(take(&f, "2026-11-22T16:00:00Z", 1), 1);
    /* who comes late from yesterday takes nothing */
    assert_int_equal(left(&f, "2026-11-22T15:00:00Z"), 0);
    assert_int_equal(left(&f, "2026-11-23T15:00:00Z"), 99);
    tear_down(&f);
}

static void a_month_ends_with_its_last_day_there(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, CONF_PER_MONTH, 1000);
    assert_int_equal(take(&f, "2026-02-03T00:00:00Z", 1000), 1000);
    assert_int_equal(left(&f, "2026-02-28T15:59:59Z"), 0);
    assert_int_equal(left(&f, "2026-02-28T16:00:00Z"), 1000);
    tear_down(&f);
}

static void what_is_given_once_is_gone_once_used_or_its_date_is_over(
    void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, CONF_ONCE, 10);
    assert_int_equal(left(&f, "2025-12-31T23:59:59.999Z"), 0);
    assert_int_equal(take(&f, "2026-01-01T00:00:00Z", 4), 4);
    assert_int_equal(take(&f, "2026-12-31T23:59:59.999Z", 4), 4);
    assert_int_equal(left(&f, "2026-06-01T00:00:00Z"), 2);
    assert_int_equal(take(&f, "2027-01-01T00:00:00Z", 4), 0);
    tear_down(&f);
}

static void a_name_keeps_its_slot_over_reloads(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, CONF_ONCE, 10);
    assert_int_equal(take(&f, "2026-06-01T00:00:00Z", 3), 3);
    assert_int_equal(quotas_slot(f.quotas, &f.snapshot, 0), f.slot);
    assert_int_equal(left(&f, "2026-06-01T00:00:00Z"), 7);
    f.quota.name = "other";
    assert_int_not_equal(quotas_slot(f.quotas, &f.snapshot, 0), f.slot);
    tear_down(&f);
}

enum {
    THREADS = 4,
    TURNS = 20000,
};

static void *take_one_by_one(void *arg)
{
    struct fixture *f = arg;
    intptr_t taken = 0;

    for (int i = 0; i < TURNS; i++)
        taken +=
            quotas_take(f->quotas, f->slot, &f->quota, f->quota.from_ms + i, 3);
    return (void *)taken;
}

static void workers_together_take_no_more_than_there_is(void **state)
{
    struct fixture f;
    pthread_t threads[THREADS];
    intptr_t taken = 0;

    (void)state;
    set_up(&f, CONF_ONCE, THREADS * TURNS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_one_by_one, &f),
                         0);
    for (int i = 0; i < THREADS; i++) {
        void *one;

        pthread_join(threads[i], &one);
        taken += (intptr_t)one;
    }
    assert_int_equal(taken, THREADS * TURNS);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_ends_at_midnight_in_the_quotas_zone),
        cmocka_unit_test(a_month_ends_with_its_last_day_there),
        cmocka_unit_test(
            what_is_given_once_is_gone_once_used_or_its_date_is_over),
        cmocka_unit_test(a_name_keeps_its_slot_over_reloads),
        cmocka_unit_test(workers_together_take_no_more_than_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
