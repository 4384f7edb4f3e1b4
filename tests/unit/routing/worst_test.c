#include "routing/worst.h"

#include "unit/routing/fixture.h"

enum {
    USAGES = 20000, /* of each offer */
    MINUTE_MS = 60 * 1000,
};

static uint64_t random_state = 88172645463325252u;

static int64_t roll(int64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state % (uint64_t)below);
}

static struct snapshot *shipped(void)
{
    struct snapshot *s = NULL;

    memset(&fixture_diag, 0, sizeof(fixture_diag));
    if (snapshot_load(&s, SOURCE_DIR "/conf", 1, &fixture_secrets,
                      &fixture_diag))
        fail_msg("%s", fixture_diag.text);
    return s;
}

/* Any usage within the bounds: often at a border, or at the edge of a tier. */
static struct usage usage_within(const struct offer *o, const struct bounds *b)
{
    const struct price_row *row = &o->rows[roll((int64_t)o->n_rows)];
    struct usage u = {.input_tokens = roll(b->input_tokens + 1),
                      .output_tokens = roll(b->output_tokens + 1),
                      .thinks = roll(2),
                      .tier = roll(2) ? b->tier : TIER_STANDARD};

    if (roll(4) == 0)
        u.input_tokens = b->input_tokens;
    if (roll(4) == 0)
        u.output_tokens = b->output_tokens;
    if (roll(4) == 0 && row->input_most < b->input_tokens)
        u.input_tokens = row->input_most + roll(2);
    u.cached_tokens = roll(3) ? 0 : roll(u.input_tokens + 1);
    u.cache_write_tokens = roll(3) ? 0 : roll(u.input_tokens + 1);
    u.cache_write_1h_tokens = roll(3) ? 0 : roll(u.cache_write_tokens + 1);
    u.thinking_tokens = roll(2) ? 0 : roll(u.output_tokens + 1);
    return u;
}

/* A1 of the proof: no bill is more than what was reserved for it. */
static void no_usage_within_the_bounds_costs_more_than_the_worst_case(
    void **state)
{
    struct snapshot *s = shipped();
    int64_t now;

    (void)state;
    assert_true(time_parse(&now, "2026-11-22T00:00:00Z"));
    for (size_t i = 0; i < s->n_offers; i++) {
        const struct offer *o = &s->offers[i];

        for (int n = 0; o->n_rows > 0 && n < USAGES; n++) {
            struct bounds b = {1 + roll(200000), roll(100000),
                               (enum service_tier)roll(TIER_COUNT)};
            int64_t at = now + roll(1440) * MINUTE_MS;
            struct usage u = usage_within(o, &b);
            struct money worst;
            struct cost cost;

            assert_true(worst_case(&worst, o, at, &b));
            assert_true(price_bill(&cost, o, at + roll(31) * MINUTE_MS, &u, 0));
            if (money_less(worst, cost.total))
                fail_msg("%s: %lld in, %lld out cost %lld, reserved %lld",
                         o->name, (long long)u.input_tokens,
                         (long long)u.output_tokens,
                         (long long)cost.total.nanos, (long long)worst.nanos);
        }
    }
    snapshot_release(s);
}

static void bounds_are_never_below_the_estimate(void **state)
{
    struct snapshot *s = shipped();

    (void)state;
    for (int n = 0; n < USAGES; n++) {
        const struct offer *o = &s->offers[roll((int64_t)s->n_offers)];
        struct query q = {.n_messages = (uint32_t)(1 + roll(50)),
                          .n = 1 + roll(4),
                          .n_images = roll(3),
                          .text = {.han = roll(1000),
                                   .latin = roll(5000),
                                   .words = roll(900)}};
        struct bounds b = bounds_of(o, &q, 10, roll(2) ? 0 : 1 + roll(1000));

        assert_true(b.input_tokens >= tokenizer_estimate(o->vendor->tokenizer,
                                                         &q.text, q.n_messages,
                                                         q.n_images, 0));
        assert_true(b.output_tokens >= q.n);
    }
    snapshot_release(s);
}

static void what_fits_fits_and_one_token_more_does_not(void **state)
{
    struct snapshot *s = shipped();
    int64_t now;

    (void)state;
    assert_true(time_parse(&now, "2026-11-22T00:00:00Z"));
    for (size_t i = 0; i < s->n_offers; i++) {
        const struct offer *o = &s->offers[i];
        struct query q = {.n = 1, .n_messages = 1, .needs = NEED_NO_THINKING};
        struct money left = {30000000, CURRENCY_CNY}, worst, told;
        int64_t fits =
            o->n_rows > 0 ? worst_fitting(s, o, &q, 100, now, left) : 0;

        for (int more = 0; fits > 0 && more < 2; more++) {
            struct bounds b = bounds_of(o, &q, 100, fits + more);

            assert_true(worst_case(&worst, o, now, &b));
            assert_true(price_convert(&told, s, worst, left.currency, now));
            if (more == 0)
                assert_true(told.nanos < left.nanos);
            else if (fits < o->conf->max_output_tokens)
                assert_true(told.nanos >= left.nanos);
        }
    }
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            no_usage_within_the_bounds_costs_more_than_the_worst_case),
        cmocka_unit_test(bounds_are_never_below_the_estimate),
        cmocka_unit_test(what_fits_fits_and_one_token_more_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
