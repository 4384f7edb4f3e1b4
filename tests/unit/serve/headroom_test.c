#include "serve/headroom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static const struct vendor vendor = {.name = "v"};
static const struct offer offer = {.vendor = &vendor};
static struct limits *all;
static struct limit *models[1];
static struct door_key key;

static void grant(struct conf_limits of_key, struct conf_limits of_model)
{
    key.limit = limits_find(all, "key", &of_key);
    models[0] = limits_find(all, "key/model", &of_model);
    key.model_limits = models;
}

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

static void an_offer_at_its_limit_has_no_room_and_gets_it_back(void **state)
{
    struct room one, two;
    int64_t wait_ms;

    (void)state;
    grant((struct conf_limits){0, 0, 0}, (struct conf_limits){0, 0, 1});
    assert_true(headroom_enter(&one, &key, &offer, 10, 1));
    assert_false(headroom_look(&key, &offer, 10, 1, &wait_ms));
    assert_false(headroom_enter(&two, &key, &offer, 10, 1));
    headroom_leave(&one, 10, FAULT_NONE);
    headroom_leave(&one, 10, FAULT_NONE); /* the second time is none */
    assert_true(headroom_enter(&two, &key, &offer, 10, 1));
    headroom_leave(&two, 10, FAULT_NONE);
    assert_int_equal(atomic_load(&key.limit->in_flight), 0);
    assert_int_equal(atomic_load(&models[0]->in_flight), 0);
}

static void what_the_model_refuses_is_given_back_to_the_key(void **state)
{
    struct room one, two;

    (void)state;
    grant((struct conf_limits){2, 1000, 0}, (struct conf_limits){0, 500, 0});
    assert_true(headroom_enter(&one, &key, &offer, 400, 1));
    for (int i = 0; i < 10; i++)
        assert_false(headroom_enter(&two, &key, &offer, 400, 1));
    assert_true(headroom_enter(&two, &key, &offer, 100, 1));
    assert_false(headroom_enter(&one, &key, &offer, 1, 1));
    assert_int_equal(atomic_load(&key.limit->in_flight), 2);
}

static int64_t rest_of(const char *names_and_values[], size_t n)
{
    struct http_header headers[8];
    struct http_head head = {.headers = headers, .n_headers = n / 2};

    for (size_t i = 0; i < n / 2; i++)
        headers[i] =
            (struct http_header){slice_of(names_and_values[2 * i]),
                                 slice_of(names_and_values[2 * i + 1])};
    return headroom_rest_ms(&head);
}

#define REST(...)                          \
    rest_of((const char *[]){__VA_ARGS__}, \
            sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void an_empty_bucket_in_the_headers_rests_the_key(void **state)
{
    (void)state;
    assert_int_equal(REST("x-ratelimit-remaining-requests", "3",
                          "x-ratelimit-reset-requests", "20s"),
                     0);
    assert_int_equal(REST("x-ratelimit-remaining-requests", "0",
                          "x-ratelimit-reset-requests", "20s"),
                     20000);
    assert_int_equal(REST("x-ratelimit-remaining-requests", "0",
                          "x-ratelimit-reset-requests", "120ms",
                          "x-ratelimit-remaining-tokens", "0",
                          "x-ratelimit-reset-tokens", "1.5s"),
                     1500);
    assert_int_equal(REST("x-ratelimit-remaining-tokens", "0",
                          "x-ratelimit-reset-tokens", "6m0s"),
                     60000);
    assert_int_equal(REST("x-ratelimit-remaining-tokens", "0",
                          "x-ratelimit-reset-tokens", "7"),
                     7000);
    assert_int_equal(REST("x-ratelimit-remaining-tokens", "0"), 1000);
    assert_int_equal(
        REST("x-ratelimit-remaining", "0", "x-ratelimit-reset", "3"), 3000);
    assert_int_equal(REST("anthropic-ratelimit-requests-remaining", "0",
                          "anthropic-ratelimit-requests-reset",
                          "2999-01-01T00:00:00Z"),
                     60000);
    assert_int_equal(REST("anthropic-ratelimit-input-tokens-remaining", "0",
                          "anthropic-ratelimit-input-tokens-reset",
                          "2020-01-01T00:00:00Z"),
                     1000);
    assert_int_equal(REST("anthropic-ratelimit-tokens-remaining", "1000",
                          "anthropic-ratelimit-tokens-reset",
                          "2999-01-01T00:00:00Z"),
                     0);
    assert_int_equal(REST("x-ratelimit-remaining-tokens", "0",
                          "x-ratelimit-reset-tokens", "soon"),
                     1000);
    assert_int_equal(REST("x-ratelimit-remaining-tokens", "0",
                          "x-ratelimit-reset-tokens",
                          "99999999999999999999999999h"),
                     1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_offer_at_its_limit_has_no_room_and_gets_it_back, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            what_the_model_refuses_is_given_back_to_the_key, set_up, tear_down),
        cmocka_unit_test(an_empty_bucket_in_the_headers_rests_the_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
