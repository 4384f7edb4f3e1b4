#include "base/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

struct probe {
    struct loop_timer timer;
    struct loop *loop;
    int64_t fired_ms;
    int fired, again;
    struct probe *stops;
};

static int left;

static void on_probe(void *arg)
{
    struct probe *p = arg;

    p->fired++;
    p->fired_ms = loop_now_ms(p->loop);
    if (p->stops)
        timer_stop(&p->stops->timer);
    if (p->again > 0) {
        p->again--;
        timer_set(p->loop, &p->timer, 20);
        return;
    }
    if (--left == 0)
        loop_stop(p->loop);
}

static void set(struct loop *l, struct probe *p, int64_t after_ms)
{
    p->loop = l;
    p->timer.fn = on_probe;
    p->timer.arg = p;
    timer_set(l, &p->timer, after_ms);
}

static void timers_fire_once_and_never_early(void **state)
{
    struct loop *l = loop_new();
    struct probe probes[50] = {0};
    int64_t start_ms = loop_now_ms(l);

    (void)state;
    left = 50;
    for (int i = 0; i < 50; i++)
        set(l, &probes[i], i * 7);
    loop_run(l);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(probes[i].fired, 1);
        assert_true(probes[i].fired_ms - start_ms >= i * 7);
        assert_true(probes[i].fired_ms - start_ms <= i * 7 + 500);
    }
    loop_free(l);
}

static void a_deadline_moved_later_holds_and_moved_earlier_too(void **state)
{
    struct loop *l = loop_new();
    struct probe later = {0}, earlier = {0};
    int64_t start_ms = loop_now_ms(l);

    (void)state;
    left = 2;
    set(l, &later, 10);
    set(l, &later, 150);
    set(l, &earlier, 60000);
    set(l, &earlier, 50);
    loop_run(l);
    assert_int_equal(later.fired, 1);
    assert_true(later.fired_ms - start_ms >= 150);
    assert_int_equal(earlier.fired, 1);
    assert_true(earlier.fired_ms - start_ms >= 50);
    assert_true(earlier.fired_ms <= later.fired_ms);
    loop_free(l);
}

static void a_timer_may_set_itself_again_and_stop_others(void **state)
{
    struct loop *l = loop_new();
    struct probe victim = {0}, killer = {.stops = &victim},
                 repeater = {.again = 4};

    (void)state;
    left = 2;
    set(l, &victim, 60);
    set(l, &killer, 20);
    set(l, &repeater, 5);
    loop_run(l);
    assert_int_equal(victim.fired, 0);
    assert_int_equal(killer.fired, 1);
    assert_int_equal(repeater.fired, 5);
    timer_stop(&victim.timer); /* twice is harmless */
    loop_free(l);
}

static int next_post, in_order;

static void take(void *arg)
{
    in_order += next_post == (int)(intptr_t)arg;
    next_post++;
}

static void *post_many(void *arg)
{
    struct loop *l = arg;

    for (intptr_t i = 0; i < 1000; i++)
        loop_post(l, take, (void *)i);
    loop_stop(l);
    return NULL;
}

static void posts_from_another_thread_run_in_order(void **state)
{
    struct loop *l = loop_new();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, post_many, l), 0);
    loop_run(l);
    pthread_join(thread, NULL);
    assert_int_equal(in_order, 1000);
    loop_free(l);
}

static void a_wheel_that_stood_still_catches_up(void **state)
{
    struct loop *l = loop_new();
    struct probe first = {0}, second = {0};
    int64_t start_ms;

    (void)state;
    left = 1;
    set(l, &first, 10);
    loop_run(l);
    start_ms = clock_mono_ms();
    while (clock_mono_ms() < start_ms + 300)
        ;
    left = 1;
    start_ms = loop_now_ms(l);
    set(l, &second, 30);
    loop_run(l);
    assert_true(second.fired_ms - start_ms >= 30);
    assert_true(second.fired_ms - start_ms <= 300);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_once_and_never_early),
        cmocka_unit_test(a_deadline_moved_later_holds_and_moved_earlier_too),
        cmocka_unit_test(a_timer_may_set_itself_again_and_stop_others),
        cmocka_unit_test(posts_from_another_thread_run_in_order),
        cmocka_unit_test(a_wheel_that_stood_still_catches_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
