#include "serve/limits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    MINUTE_MS = 60000,
};

static struct limits *all;

static int set_up(void **state)
{
    (void)state;
    all = limits_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    limits_free(all);
    return 0;
}

static struct limit *limit_of(int64_t rpm, int64_t tpm, int64_t concurrency)
{
    struct conf_limits rules = {rpm, tpm, concurrency};

    return limits_find(all, "team:a", &rules);
}

static void a_minutes_worth_may_come_at_once_and_then_evenly(void **state)
{
    struct limit *l = limit_of(60, 0, 0);
    int64_t wait_ms = 0;

    (void)state;
    for (int i = 0; i < 60; i++)
        assert_int_equal(limit_enter(l, 5, &wait_ms), LIMIT_FREE);
    assert_int_equal(limit_enter(l, 5, &wait_ms), LIMIT_REQUESTS);
    assert_int_equal(wait_ms, 1000);
    assert_int_equal(limit_enter(l, 5 + 999, &wait_ms), LIMIT_REQUESTS);
    assert_int_equal(limit_enter(l, 5 + 1000, &wait_ms), LIMIT_FREE);
    assert_int_equal(limit_enter(l, 5 + 1000, &wait_ms), LIMIT_REQUESTS);
    assert_int_equal(atomic_load(&l->in_flight), 61);
}

static void what_is_told_to_wait_is_enough(void **state)
{
    struct limit *l = limit_of(7, 0, 0);
    int64_t now = 1, wait_ms = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        while (limit_enter(l, now, &wait_ms) != LIMIT_FREE) {
            assert_true(wait_ms > 0);
            assert_int_equal(limit_look(l, 1, now + wait_ms - 1, &(int64_t){0}),
                             LIMIT_REQUESTS);
            now += wait_ms;
        }
}

/* In any span of t ms at most limit * (1 + t/60s) pass: random traces. */
static void in_any_span_no_more_pass_than_the_bound(void **state)
{
    enum {
        TAKES = 2000
    };

    static int64_t at[TAKES];

    (void)state;
    srand(7);
    for (int round = 0; round < 20; round++) {
        struct limits *one = limits_new();
        struct conf_limits rules = {1 + rand() % 300, 0, 0};
        struct limit *l = limits_find(one, "x", &rules);
        int64_t now = 0, wait_ms;
        int n = 0;

        while (n < TAKES) {
            now += rand() % (rand() % 50 ? 400 : MINUTE_MS);
            while (n < TAKES && limit_enter(l, now, &wait_ms) == LIMIT_FREE)
                at[n++] = now;
        }
        for (int i = 0; i < n; i++)
            for (int j = i; j < n; j++)
                assert_true((int64_t)(j - i + 1) * MINUTE_MS <=
                            rules.rpm * (MINUTE_MS + at[j] - at[i]));
        limits_free(one);
    }
}

static void tokens_guessed_too_many_come_back(void **state)
{
    struct limit *l = limit_of(0, 1000, 0);
    int64_t wait_ms = 0;

    (void)state;
    assert_int_equal(limit_take_tokens(l, 900, 1, &wait_ms), LIMIT_FREE);
    assert_int_equal(limit_take_tokens(l, 900, 1, &wait_ms), LIMIT_TOKENS);
    limit_settle(l, 900, 100);
    assert_int_equal(limit_take_tokens(l, 900, 1, &wait_ms), LIMIT_FREE);
    assert_int_equal(bucket_look(&l->tokens, 1).remaining, 0);
}

static void tokens_guessed_too_few_are_a_debt(void **state)
{
    struct limit *l = limit_of(0, 1000, 0);
    int64_t wait_ms = 0;

    (void)state;
    assert_int_equal(limit_take_tokens(l, 10, 1, &wait_ms), LIMIT_FREE);
    limit_settle(l, 10, 2000);
    assert_int_equal(limit_take_tokens(l, 1, 1, &wait_ms), LIMIT_TOKENS);
    assert_int_equal(wait_ms, MINUTE_MS + 60);
    assert_int_equal(bucket_look(&l->tokens, 1).remaining, 0);
}

static void what_never_fits_is_told_so(void **state)
{
    struct limit *l = limit_of(0, 1000, 0);
    int64_t wait_ms = 0;

    (void)state;
    assert_int_equal(limit_take_tokens(l, 1001, 1, &wait_ms), LIMIT_TOO_LARGE);
    assert_int_equal(limit_take_tokens(l, INT64_MAX, 1, &wait_ms),
                     LIMIT_TOO_LARGE);
    assert_int_equal(limit_take_tokens(l, 1000, 1, &wait_ms), LIMIT_FREE);
}

static void a_place_is_taken_and_left(void **state)
{
    struct limit *l = limit_of(0, 0, 2);
    int64_t wait_ms = 0;

    (void)state;
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_AT_ONCE);
    assert_true(wait_ms > 0);
    limit_leave(l);
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
}

static void a_refused_request_takes_no_place(void **state)
{
    struct limit *l = limit_of(1, 0, 0);
    int64_t wait_ms = 0;

    (void)state;
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_REQUESTS);
    assert_int_equal(atomic_load(&l->in_flight), 1);
    limit_return(l);
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
}

static void the_vendors_429_teaches_how_many_at_a_time(void **state)
{
    struct limit *l = limit_of(0, 0, 0);
    int64_t wait_ms = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
    limit_learn_refused(l);
    limit_leave(l);
    assert_int_equal(limit_look(l, 1, 1, &wait_ms), LIMIT_AT_ONCE);
    for (int i = 0; i < 4; i++) /* with all places taken: one more */
        limit_learn_served(l);
    assert_int_equal(limit_look(l, 1, 1, &wait_ms), LIMIT_FREE);
    limit_leave(l);
    limit_leave(l);
    limit_learn_refused(l); /* alone: says nothing */
    assert_int_equal(limit_look(l, 1, 1, &wait_ms), LIMIT_FREE);
}

static void a_name_keeps_its_limit_through_editions(void **state)
{
    struct limit *l = limit_of(10, 0, 0);
    int64_t wait_ms;
    char name[32];

    (void)state;
    assert_int_equal(limit_enter(l, 1, &wait_ms), LIMIT_FREE);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "bj:%d", i);
        assert_ptr_not_equal(limits_find(all, name, NULL), l);
    }
    assert_ptr_equal(limit_of(20, 0, 0), l);
    assert_int_equal(bucket_look(&l->requests, 1).limit, 20);
}

static void *hammer(void *arg)
{
    struct limit *l = arg;
    int64_t n = 0, wait_ms;

    for (int i = 0; i < 200000; i++) {
        if (limit_enter(l, 1, &wait_ms) != LIMIT_FREE)
            continue;
        n++;
        if (atomic_load(&l->in_flight) > 3)
            return NULL;
        limit_leave(l);
    }
    return (void *)(intptr_t)n; /* NOLINT */
}

static void threads_together_pass_no_more_than_one(void **state)
{
    struct limit *l = limit_of(1000, 0, 3);
    pthread_t threads[4];
    int64_t n = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, l), 0);
    for (int i = 0; i < 4; i++) {
        void *result;

        pthread_join(threads[i], &result);
        n += (intptr_t)result;
    }
    assert_int_equal(n, 1000);
    assert_int_equal(atomic_load(&l->in_flight), 0);
}

static void so_many_refusals_a_minute_have_rows(void **state)
{
    struct limit *l = limits_find(all, "bj:key", NULL);
    int n = 0;

    (void)state;
    for (int64_t ms = 0; ms < 120000; ms += 10)
        n += limit_may_write(l, 1000 + ms);
    assert_in_range(n, 3 * LIMIT_ROWS - 2, 3 * LIMIT_ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minutes_worth_may_come_at_once_and_then_evenly),
        cmocka_unit_test(what_is_told_to_wait_is_enough),
        cmocka_unit_test(in_any_span_no_more_pass_than_the_bound),
        cmocka_unit_test(tokens_guessed_too_many_come_back),
        cmocka_unit_test(tokens_guessed_too_few_are_a_debt),
        cmocka_unit_test(what_never_fits_is_told_so),
        cmocka_unit_test(a_place_is_taken_and_left),
        cmocka_unit_test(a_refused_request_takes_no_place),
        cmocka_unit_test(the_vendors_429_teaches_how_many_at_a_time),
        cmocka_unit_test(a_name_keeps_its_limit_through_editions),
        cmocka_unit_test(threads_together_pass_no_more_than_one),
        cmocka_unit_test(so_many_refusals_a_minute_have_rows),
    };
    struct CMUnitTest each[ARRAY_LEN(tests)];

    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
