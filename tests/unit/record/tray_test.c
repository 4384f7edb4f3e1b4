#include "record/tray.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"

static struct receipt numbered(int64_t n)
{
    return (struct receipt){.at_unix_ms = n, .n_others = (uint32_t)(n % 3)};
}

static void put(struct tray *t, int64_t n)
{
    struct receipt r = numbered(n);

    assert_true(tray_reserve(t));
    tray_put(t, &r);
}

static void what_is_put_comes_out_in_order(void **state)
{
    struct tray t;
    struct slip *slips, *s;
    int64_t n = 0;

    (void)state;
    tray_init(&t);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++)
            put(&t, round * 100 + i);
        assert_true(tray_has_more(&t));
        slips = tray_empty(&t);
        assert_false(tray_has_more(&t));
        for (s = slips; s; s = s->next)
            assert_int_equal(s->receipt.at_unix_ms, n++);
        assert_int_equal(n, (round + 1) * 100);
        tray_return(&t, slips);
    }
    assert_null(tray_empty(&t));
    tray_return(&t, NULL);
    tray_fini(&t);
}

static void a_full_tray_refuses_until_slips_come_back(void **state)
{
    struct tray t;
    struct slip *slips;

    (void)state;
    tray_init(&t);
    for (int i = 0; i < TRAY_RECEIPTS; i++)
        put(&t, i);
    assert_false(tray_reserve(&t));
    slips = tray_empty(&t);
    assert_false(tray_reserve(&t));
    tray_return(&t, slips);
    for (int i = 0; i < TRAY_RECEIPTS; i++)
        assert_true(tray_reserve(&t));
    assert_false(tray_reserve(&t));
    tray_fini(&t);
}

static void a_cancelled_place_is_free_again(void **state)
{
    struct tray t;

    (void)state;
    tray_init(&t);
    for (int i = 0; i < TRAY_RECEIPTS; i++)
        assert_true(tray_reserve(&t));
    assert_false(tray_reserve(&t));
    tray_cancel(&t);
    assert_true(tray_reserve(&t));
    assert_false(tray_reserve(&t));
    assert_null(tray_empty(&t));
    tray_fini(&t);
}

static void slips_are_used_again(void **state)
{
    struct tray t;
    struct slip *first, *again;

    (void)state;
    tray_init(&t);
    put(&t, 1);
    first = tray_empty(&t);
    tray_return(&t, first);
    put(&t, 2);
    again = tray_empty(&t);
    assert_ptr_equal(first, again);
    tray_return(&t, again);
    tray_fini(&t);
}

enum {
    RACE_RECEIPTS = 200000,
};

static void *put_many(void *arg)
{
    struct tray *t = arg;

    for (int64_t n = 0; n < RACE_RECEIPTS;) {
        struct receipt r = numbered(n);

        if (!tray_reserve(t))
            continue;
        if (n % 7 == 3) { /* as often as clients leave */
            tray_cancel(t);
            if (!tray_reserve(t))
                continue;
        }
        tray_put(t, &r);
        n++;
    }
    return NULL;
}

static void two_threads_lose_and_repeat_nothing(void **state)
{
    struct tray t;
    pthread_t thread;
    int64_t n = 0;

    (void)state;
    tray_init(&t);
    assert_int_equal(pthread_create(&thread, NULL, put_many, &t), 0);
    while (n < RACE_RECEIPTS) {
        struct slip *slips = tray_empty(&t);

        for (struct slip *s = slips; s; s = s->next, n++) {
            assert_int_equal(s->receipt.at_unix_ms, n);
            assert_int_equal(s->receipt.n_others, n % 3);
        }
        tray_return(&t, slips);
    }
    pthread_join(thread, NULL);
    assert_null(tray_empty(&t));
    tray_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_comes_out_in_order),
        cmocka_unit_test(a_full_tray_refuses_until_slips_come_back),
        cmocka_unit_test(a_cancelled_place_is_free_again),
        cmocka_unit_test(slips_are_used_again),
        cmocka_unit_test(two_threads_lose_and_repeat_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
