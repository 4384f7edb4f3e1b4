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

static uint64_t waiting(const struct tray *t)
{
    return tray_end(t) - tray_begin(t);
}

static void what_is_put_comes_out_in_order(void **state)
{
    struct tray t;
    int64_t n = 0;

    (void)state;
    tray_init(&t);
    for (int round = 0; round < 3 * TRAY_RECEIPTS / 100; round++) {
        for (int i = 0; i < 100; i++)
            put(&t, round * 100 + i);
        assert_int_equal(waiting(&t), 100);
        for (uint64_t i = tray_begin(&t); i < tray_end(&t); i++)
            assert_int_equal(tray_at(&t, i)->receipt->at_unix_ms, n++);
        assert_int_equal(n, (round + 1) * 100);
        tray_return(&t, tray_end(&t));
        assert_int_equal(waiting(&t), 0);
    }
    tray_fini(&t);
}

static void a_full_tray_refuses_until_receipts_come_back(void **state)
{
    struct tray t;

    (void)state;
    tray_init(&t);
    for (int i = 0; i < TRAY_RECEIPTS; i++)
        put(&t, i);
    assert_false(tray_reserve(&t));
    assert_int_equal(waiting(&t), TRAY_RECEIPTS);
    tray_return(&t, tray_begin(&t) + 10);
    for (int i = 0; i < 10; i++)
        put(&t, TRAY_RECEIPTS + i);
    assert_false(tray_reserve(&t));
    for (uint64_t i = tray_begin(&t); i < tray_end(&t); i++)
        assert_int_equal(tray_at(&t, i)->receipt->at_unix_ms, i);
    tray_return(&t, tray_end(&t));
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
    assert_int_equal(waiting(&t), 0);
    tray_fini(&t);
}

static void memory_is_used_again(void **state)
{
    struct tray t;
    struct receipt *first[3];

    (void)state;
    tray_init(&t);
    for (int i = 0; i < 3; i++)
        put(&t, i);
    for (int i = 0; i < 3; i++)
        first[i] = tray_at(&t, tray_begin(&t) + (uint64_t)i)->receipt;
    tray_return(&t, tray_end(&t));
    for (int i = 0; i < 3000; i++) {
        put(&t, i);
        assert_ptr_equal(tray_at(&t, tray_begin(&t))->receipt, first[i % 3]);
        tray_return(&t, tray_end(&t));
    }
    tray_fini(&t);
}

static void a_receipt_comes_out_as_it_was_put(void **state)
{
    struct tray t;
    struct receipt r = numbered(7), *out;

    (void)state;
    r.n_attempts = RECEIPT_ATTEMPTS;
    r.n_others = RECEIPT_OTHERS;
    for (uint32_t i = 0; i < RECEIPT_ATTEMPTS; i++)
        r.attempts[i].place = 100 + i;
    for (uint32_t i = 0; i < RECEIPT_OTHERS; i++)
        r.others[i].offer = (uint16_t)(200 + i);
    tray_init(&t);
    assert_true(tray_reserve(&t));
    tray_put(&t, &r);
    out = tray_at(&t, tray_begin(&t))->receipt;
    for (uint32_t i = 0; i < RECEIPT_ATTEMPTS; i++)
        assert_int_equal(out->attempts[i].place, 100 + i);
    for (uint32_t i = 0; i < RECEIPT_OTHERS; i++)
        assert_int_equal(out->others[i].offer, 200 + i);
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
        uint64_t end = tray_end(&t);

        for (uint64_t i = tray_begin(&t); i < end; i++, n++) {
            assert_int_equal(tray_at(&t, i)->receipt->at_unix_ms, n);
            assert_int_equal(tray_at(&t, i)->receipt->n_others, n % 3);
        }
        tray_return(&t, end);
    }
    pthread_join(thread, NULL);
    assert_int_equal(waiting(&t), 0);
    tray_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_comes_out_in_order),
        cmocka_unit_test(a_full_tray_refuses_until_receipts_come_back),
        cmocka_unit_test(a_cancelled_place_is_free_again),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(a_receipt_comes_out_as_it_was_put),
        cmocka_unit_test(two_threads_lose_and_repeat_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
