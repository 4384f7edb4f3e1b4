/* settle_test.c - what an answer without its usage is charged for: by bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/exchange.h"

enum {
    PROMPT_MOST = 1000,
    ANSWER_MOST = 5000,
    SHOWN_BYTES = 40,
    FRAME = 16,      /* of the choices of an answer that was cut */
    SEEN_LATE = 256, /* said before the vendor saw us leave */
};

static int n_settled;

/* Here: nobody's accounts. */
void reserve_settle(struct attempt *t)
{
    (void)t;
    n_settled++;
}

/* An attempt of which so much was shown when it ended. */
struct bench {
    struct conf_vendor conf;
    struct conf_model model;
    struct vendor vendor;
    struct offer offer;
    struct snapshot snapshot;
    struct edition edition;
    struct reader reader;
    struct exchange exchange;
    struct attempt attempt;
};

static int set_up(void **state)
{
    static struct bench b;

    b = (struct bench){
        .conf = {.name = "v", .cancel_stops_billing = true},
        .model = {.name = "m"},
        .vendor = {.name = "v", .conf = &b.conf},
        .offer = {.vendor = &b.vendor, .conf = &b.model, .model = "m"},
        .edition = {.snapshot = &b.snapshot},
        .reader = {.status = 200,
                   .stream = true,
                   .answer = {.began = true, .shown_bytes = SHOWN_BYTES}},
        .exchange = {.edition = &b.edition, .stream = true},
        .attempt = {.exchange = &b.exchange,
                    .offer = &b.offer,
                    .reader = &b.reader,
                    .bounds = {.input_tokens = PROMPT_MOST,
                               .output_tokens = ANSWER_MOST},
                    .sent_any = true,
                    .fault = FAULT_CLIENT_GONE},
    };
    n_settled = 0;
    *state = &b;
    return 0;
}

static int64_t charged(struct bench *b)
{
    struct attempt *t = &b->attempt;

    settle_attempt(t);
    assert_int_equal(n_settled, 1);
    assert_true(t->usage.estimated);
    assert_int_equal(t->usage.input_tokens, PROMPT_MOST);
    return t->usage.output_tokens;
}

static void of_who_left_what_was_seen_and_what_was_on_its_way(void **state)
{
    assert_int_equal(charged(*state), SHOWN_BYTES + SEEN_LATE);
}

static void of_a_slow_client_more_may_have_been_said_than_was_seen(void **state)
{
    struct bench *b = *state;

    b->exchange.lagged = true;
    assert_int_equal(charged(b), ANSWER_MOST);
}

static void of_a_vendor_that_goes_on_without_us_all_is_charged(void **state)
{
    struct bench *b = *state;

    b->conf.cancel_stops_billing = false;
    assert_int_equal(charged(b), ANSWER_MOST);
}

static void of_an_answer_in_one_piece_nothing_was_seen(void **state)
{
    struct bench *b = *state;

    b->exchange.stream = false;
    assert_int_equal(charged(b), ANSWER_MOST);
}

static void before_the_first_byte_nothing_was_seen(void **state)
{
    struct bench *b = *state;

    b->attempt.first_byte_ms = -1;
    assert_int_equal(charged(b), ANSWER_MOST);
}

static void what_is_thought_is_not_seen(void **state)
{
    struct bench *b = *state;

    b->attempt.expected.thinks = true;
    assert_int_equal(charged(b), ANSWER_MOST);
}

static void of_a_cut_answer_what_was_seen_and_its_frame(void **state)
{
    struct bench *b = *state;

    b->attempt.fault = FAULT_CUT_SHORT;
    assert_int_equal(charged(b), SHOWN_BYTES + FRAME);
}

static void never_more_than_was_reserved(void **state)
{
    struct bench *b = *state;

    b->reader.answer.shown_bytes = ANSWER_MOST - SEEN_LATE + 1;
    assert_int_equal(charged(b), ANSWER_MOST);
}

static void an_attempt_is_settled_once(void **state)
{
    struct bench *b = *state;

    (void)charged(b);
    settle_attempt(&b->attempt);
    assert_int_equal(n_settled, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            of_who_left_what_was_seen_and_what_was_on_its_way, set_up),
        cmocka_unit_test_setup(
            of_a_slow_client_more_may_have_been_said_than_was_seen, set_up),
        cmocka_unit_test_setup(
            of_a_vendor_that_goes_on_without_us_all_is_charged, set_up),
        cmocka_unit_test_setup(of_an_answer_in_one_piece_nothing_was_seen,
                               set_up),
        cmocka_unit_test_setup(before_the_first_byte_nothing_was_seen, set_up),
        cmocka_unit_test_setup(what_is_thought_is_not_seen, set_up),
        cmocka_unit_test_setup(of_a_cut_answer_what_was_seen_and_its_frame,
                               set_up),
        cmocka_unit_test_setup(never_more_than_was_reserved, set_up),
        cmocka_unit_test_setup(an_attempt_is_settled_once, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
