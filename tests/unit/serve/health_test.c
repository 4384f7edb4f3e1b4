#include "serve/health.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    FAILURES = 3,
    OPEN_MS = 1000,
};

static struct health *h;
static uint32_t slot;

static int set_up(void **state)
{
    (void)state;
    h = health_new();
    health_set_rules(h, (struct health_rules){FAILURES, OPEN_MS});
    slot = health_slot(h, "vendor/model");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    health_free(h);
    return 0;
}

static bool available(int64_t now_ms)
{
    struct health_view view;

    health_look(h, slot, now_ms, &view);
    return view.available;
}

static struct health_ticket begin(int64_t now_ms)
{
    struct health_ticket ticket = {0};

    assert_true(health_begin(h, slot, now_ms, &ticket));
    return ticket;
}

static bool refused(int64_t now_ms)
{
    struct health_ticket ticket;

    return !health_begin(h, slot, now_ms, &ticket);
}

static void attempt(enum fault fault, int64_t now_ms)
{
    health_end(h, begin(now_ms), fault, 10, now_ms);
}

static void open_it(int64_t now_ms)
{
    for (int i = 0; i < FAILURES; i++)
        attempt(FAULT_OVERLOADED, now_ms);
    assert_false(available(now_ms));
}

static void failures_in_a_row_open_it_and_time_lets_one_probe(void **state)
{
    struct health_ticket probe;

    (void)state;
    attempt(FAULT_OVERLOADED, 1);
    attempt(FAULT_OVERLOADED, 2);
    attempt(FAULT_NONE, 3);
    attempt(FAULT_OVERLOADED, 4);
    attempt(FAULT_OVERLOADED, 5);
    assert_true(available(5));
    attempt(FAULT_OVERLOADED, 6);
    assert_false(available(6));
    assert_true(refused(6 + OPEN_MS - 1));
    assert_true(available(6 + OPEN_MS));
    probe = begin(6 + OPEN_MS);
    assert_true(probe.probe);
    assert_false(available(6 + OPEN_MS));
    assert_true(refused(6 + 9 * OPEN_MS));
    health_end(h, probe, FAULT_NONE, 10, 7 + OPEN_MS);
    assert_true(available(7 + OPEN_MS));
    assert_false(begin(7 + OPEN_MS).probe);
}

static void a_failed_probe_opens_it_again_for_the_whole_time(void **state)
{
    (void)state;
    open_it(0);
    attempt(FAULT_UNREACHABLE, OPEN_MS);
    assert_true(refused(OPEN_MS + OPEN_MS - 1));
    assert_true(available(OPEN_MS + OPEN_MS));
}

static void a_client_that_leaves_gives_the_probe_back(void **state)
{
    (void)state;
    open_it(0);
    for (int i = 0; i < 10; i++)
        attempt(FAULT_CLIENT_GONE, OPEN_MS);
    attempt(FAULT_BAD_REQUEST, OPEN_MS);
    assert_true(begin(OPEN_MS).probe);
}

static void what_is_not_the_offers_fault_does_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        attempt(FAULT_CLIENT_GONE, 0);
        attempt(FAULT_BAD_REQUEST, 0);
        attempt(FAULT_VENDOR_KEY, 0);
    }
    assert_true(available(0));
}

static void a_result_of_an_older_generation_moves_nothing(void **state)
{
    struct health_ticket early = begin(0), also = begin(0);

    (void)state;
    open_it(0);
    health_end(h, early, FAULT_NONE, 10, 1);
    assert_false(available(1));
    {
        struct health_ticket probe = begin(OPEN_MS);

        health_end(h, also, FAULT_OVERLOADED, 10, OPEN_MS);
        assert_true(refused(OPEN_MS)); /* still the probe's */
        health_end(h, probe, FAULT_NONE, 10, OPEN_MS);
    }
    assert_true(available(OPEN_MS));
}

static void a_slot_is_found_by_its_name_and_the_last_is_shared(void **state)
{
    char name[32];

    (void)state;
    for (uint32_t i = 1; i < 16384; i++) {
        snprintf(name, sizeof(name), "vendor/%u", i);
        assert_int_equal(health_slot(h, name), i);
    }
    assert_int_equal(health_slot(h, "vendor/77"), 77);
    assert_int_equal(health_slot(h, "vendor/model"), slot);
    assert_int_equal(health_slot(h, "one too many"), 16383);
    assert_int_equal(health_slot(h, "and another"), 16383);
}

static void patience_lasts_until_it_is_over_and_is_never_shortened(void **state)
{
    struct health_view view;

    (void)state;
    health_cool(h, slot, 500);
    health_cool(h, slot, 300);
    assert_true(refused(499));
    assert_false(available(499));
    assert_true(available(500));
    health_look(h, slot, 0, &view);
    assert_int_equal(view.cool_until_ms, 500);
}

static struct health_view look(void)
{
    struct health_view view;

    health_look(h, slot, 0, &view);
    return view;
}

static void estimates_are_learned_fast_and_then_smoothly(void **state)
{
    (void)state;
    assert_int_equal(look().input_ppm, 0);
    health_learn(h, slot, 1000, 1200, 50);
    assert_int_equal(look().input_ppm, 1200000);
    assert_int_equal(look().output_tokens, 50);
    for (int i = 0; i < 300; i++)
        health_learn(h, slot, 1000, i % 2 ? 1300 : 1500, 100);
    assert_in_range(look().input_ppm, 1380000, 1420000);
    assert_in_range(look().output_tokens, 98, 100);
}

static void one_absurd_count_moves_little(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        health_learn(h, slot, 1000, 1000, 100);
    health_learn(h, slot, 1, INT64_MAX, INT64_MAX);
    assert_in_range(look().input_ppm, 1000000, 1070000);
    assert_in_range(look().output_tokens, 100, 150);
    health_learn(h, slot, INT64_MAX, 1, 1);
    assert_in_range(look().input_ppm, 950000, 1070000);
    for (int i = 0; i < 1000; i++)
        health_learn(h, slot, 1, INT64_MAX, 1);
    assert_in_range(look().input_ppm, 3900000, 4000000);
    for (int i = 0; i < 1000; i++)
        health_learn(h, slot, INT64_MAX, 1, 1);
    assert_in_range(look().input_ppm, 250000, 260000);
    health_learn(h, slot, 0, 5, 0);
    health_learn(h, slot, -5, 5, -1);
    health_learn(h, slot, 5, 0, 0);
    assert_in_range(look().input_ppm, 250000, 260000);
}

static void latency_is_of_good_answers_only(void **state)
{
    (void)state;
    attempt(FAULT_OVERLOADED, 0);
    assert_int_equal(look().latency_ms, 0);
    attempt(FAULT_NONE, 0);
    assert_int_equal(look().latency_ms, 10);
}

static struct health_view look_at(int64_t now_ms)
{
    struct health_view view;

    health_look(h, slot, now_ms, &view);
    return view;
}

static void one_that_was_slow_gets_its_chance_again(void **state)
{
    const int64_t minute_ms = 60000;

    (void)state;
    for (int i = 0; i < 20; i++)
        health_end(h, begin(0), FAULT_NONE, 8000, 0);
    assert_int_equal(look_at(0).latency_ms, 8000);
    assert_int_equal(look_at(5 * minute_ms).latency_ms, 6000);
    assert_int_equal(look_at(10 * minute_ms).latency_ms, 4000);
    assert_int_equal(look_at(40 * minute_ms).latency_ms, 500);
    /* and what it does then counts as much as all before */
    health_end(h, begin(40 * minute_ms), FAULT_NONE, 200, 40 * minute_ms);
    assert_int_equal(look_at(40 * minute_ms).latency_ms, 4100);
}

static void the_share_of_failures_is_learnt_and_forgotten(void **state)
{
    const int64_t minute_ms = 60000;

    (void)state;
    assert_int_equal(look_at(0).fails_ppm, 0);
    for (int i = 0; i < 2; i++)
        attempt(FAULT_OVERLOADED, 0);
    assert_int_equal(look_at(0).fails_ppm, 0); /* that may be chance */
    for (int i = 0; i < 200; i++)
        attempt(i % 2 ? FAULT_OVERLOADED : FAULT_NONE, 0);
    assert_in_range(look_at(0).fails_ppm, 410000, 460000);
    attempt(FAULT_CLIENT_GONE, 0);
    assert_in_range(look_at(0).fails_ppm, 410000, 460000);
    assert_in_range(look_at(10 * minute_ms).fails_ppm, 160000, 210000);
    assert_int_equal(look_at(1000 * minute_ms).fails_ppm, 0);
}

/* The model of breaker.pml, step for step, beside the real one. */
struct model {
    enum {
        M_CLOSED,
        M_OPEN,
        M_HALF,
    } state;

    int failures, probes, generation;
    int64_t opened_ms;
};

static bool model_begin(struct model *m, int64_t now_ms)
{
    if (m->state == M_OPEN && now_ms - m->opened_ms >= OPEN_MS)
        *m = (struct model){M_HALF, 0, 0, m->generation + 1, 0};
    if (m->state == M_OPEN || (m->state == M_HALF && m->probes))
        return false;
    m->probes += m->state == M_HALF;
    return true;
}

static void model_open(struct model *m, int64_t now_ms)
{
    *m = (struct model){M_OPEN, 0, 0, m->generation + 1, now_ms};
}

static void model_end(struct model *m, int generation, enum fault fault,
                      int64_t now_ms)
{
    if (generation != m->generation)
        return;
    if (fault == FAULT_CLIENT_GONE) {
        m->probes -= m->state == M_HALF;
    } else if (m->state == M_HALF) {
        if (fault == FAULT_NONE)
            *m = (struct model){.state = M_CLOSED,
                                .generation = m->generation + 1};
        else
            model_open(m, now_ms);
    } else if (fault == FAULT_NONE) {
        m->failures = 0;
    } else if (++m->failures >= FAILURES) {
        model_open(m, now_ms);
    }
}

static void random_histories_follow_the_model(void **state)
{
    enum {
        STEPS = 1000000,
        FLIGHT = 16
    };

    static const enum fault faults[] = {FAULT_NONE, FAULT_OVERLOADED,
                                        FAULT_OVERLOADED, FAULT_CLIENT_GONE};

    struct {
        struct health_ticket ticket;
        int generation;
    } flying[FLIGHT];
    struct model m = {0};
    int64_t now_ms = 0;
    int n = 0, visits[3] = {0};

    (void)state;
    srandom(20261122);
    for (int i = 0; i < STEPS; i++) {
        visits[m.state]++;
        now_ms += random() % 60;
        if (n < FLIGHT && random() % 2) {
            bool let = model_begin(&m, now_ms);

            assert_int_equal(available(now_ms), let || (m.state == M_CLOSED));
            assert_int_equal(health_begin(h, slot, now_ms, &flying[n].ticket),
                             let);
            flying[n].generation = m.generation;
            if (let)
                assert_int_equal(flying[n++].ticket.probe, m.state == M_HALF);
        } else if (n) {
            int which = (int)(random() % n);
            enum fault fault = faults[random() % 4];

            health_end(h, flying[which].ticket, fault, 1, now_ms);
            model_end(&m, flying[which].generation, fault, now_ms);
            flying[which] = flying[--n];
        }
    }
    for (int i = 0; i < 3; i++)
        assert_true(visits[i] > STEPS / 100);
}

/* K1 and K3 with real threads: probes in flight are counted by generation. */
enum {
    THREADS = 4,
    ROUNDS = 100000,
    GENERATIONS = 1 << 16,
};

static atomic_int probing[GENERATIONS], most_probing, n_probes;
static atomic_llong shared_ms;

static void *hammer(void *arg)
{
    unsigned seed = *(unsigned *)arg;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t now_ms = atomic_fetch_add(&shared_ms, 1);
        struct health_ticket t;
        enum fault fault;

        if (!health_begin(h, slot, now_ms, &t))
            continue;
        if (t.probe) {
            atomic_fetch_add(&n_probes, 1);
            if (atomic_fetch_add(&probing[t.generation % GENERATIONS], 1) > 0)
                atomic_fetch_add(&most_probing, 1);
        }
        fault = rand_r(&seed) % 3   ? FAULT_OVERLOADED
                : rand_r(&seed) % 2 ? FAULT_CLIENT_GONE
                                    : FAULT_NONE;
        health_learn(h, slot, 100, 90 + rand_r(&seed) % 20, 10);
        if (t.probe)
            atomic_fetch_sub(&probing[t.generation % GENERATIONS], 1);
        health_end(h, t, fault, 5, now_ms);
    }
    return NULL;
}

static void threads_never_probe_together_and_never_wedge_it(void **state)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    int64_t later_ms;

    (void)state;
    health_set_rules(h, (struct health_rules){FAILURES, 2});
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &seeds[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&most_probing), 0);
    assert_true(atomic_load(&n_probes) > 1000);
    later_ms = atomic_load(&shared_ms) + 100;
    assert_true(available(later_ms));
    attempt(FAULT_NONE, later_ms);
    attempt(FAULT_NONE, later_ms);
    assert_in_range(look().input_ppm, 900000, 1100000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(failures_in_a_row_open_it_and_time_lets_one_probe),
        CASE(a_failed_probe_opens_it_again_for_the_whole_time),
        CASE(a_client_that_leaves_gives_the_probe_back),
        CASE(what_is_not_the_offers_fault_does_not_count),
        CASE(a_result_of_an_older_generation_moves_nothing),
        CASE(a_slot_is_found_by_its_name_and_the_last_is_shared),
        CASE(patience_lasts_until_it_is_over_and_is_never_shortened),
        CASE(estimates_are_learned_fast_and_then_smoothly),
        CASE(one_absurd_count_moves_little),
        CASE(latency_is_of_good_answers_only),
        CASE(one_that_was_slow_gets_its_chance_again),
        CASE(the_share_of_failures_is_learnt_and_forgotten),
        CASE(random_histories_follow_the_model),
        CASE(threads_never_probe_together_and_never_wedge_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
