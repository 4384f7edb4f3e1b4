#include "routing/price.h"

#include "unit/routing/fixture.h"

static const char vendors[] = "vendors:\n"
                              "  one:\n"
                              "    base_url: https://one.example\n"
                              "    currency: CNY\n"
                              "    keys: [{env: KEY}]\n"
                              "    models: {m: {}, bare: {}, gratis: {}}\n"
                              "  two:\n"
                              "    base_url: https://two.example/v1\n"
                              "    currency: USD\n"
                              "    keys: [{env: KEY}]\n"
                              "    models: {m: {}}\n";

static const char policy[] = "currency: CNY\n";

static struct snapshot *with_prices(const char *prices)
{
    struct yaml y = {vendors, prices, policy, NULL};

    return snapshot_of(&y);
}

static int64_t cost_nanos(const struct offer *o, int64_t at,
                          const struct usage *usage)
{
    struct cost cost;

    assert_true(price_cost(&cost, o, at, usage, 0));
    return cost.total.nanos;
}

static void costs_are_what_one_works_out_by_hand(void **state)
{
    struct snapshot *s = with_prices(
        "prices:\n"
        "  one:\n"
        "    m: {input: 1, cached_input: 0.02, cache_write: 1.25, output: 4,\n"
        "        thinking_output: 8}\n");
    const struct usage usage = {.input_tokens = 1000000,
                                .cached_tokens = 400000,
                                .cache_write_tokens = 100000,
                                .output_tokens = 100000,
                                .thinking_tokens = 30000};
    struct cost cost;

    (void)state;
    assert_true(price_cost(&cost, offer_called(s, "one/m"), 0, &usage, 0));
    assert_int_equal(cost.tokens[COST_INPUT], 500000);
    assert_int_equal(cost.tokens[COST_CACHED], 400000);
    assert_int_equal(cost.tokens[COST_CACHE_WRITE], 100000);
    assert_int_equal(cost.tokens[COST_OUTPUT], 70000);
    assert_int_equal(cost.tokens[COST_THINKING], 30000);
    assert_int_equal(cost_part(&cost, COST_INPUT).nanos, 500000000);
    assert_int_equal(cost_part(&cost, COST_CACHED).nanos, 8000000);
    assert_int_equal(cost_part(&cost, COST_CACHE_WRITE).nanos, 125000000);
    assert_int_equal(cost_part(&cost, COST_OUTPUT).nanos, 280000000);
    assert_int_equal(cost_part(&cost, COST_THINKING).nanos, 240000000);
    assert_int_equal(cost.total.nanos, 1153000000);
    assert_int_equal(cost.total.currency, CURRENCY_CNY);
    snapshot_release(s);
}

static void what_the_request_marked_is_read_at_a_rate_of_its_own(void **state)
{
    struct snapshot *s = with_prices(
        "prices:\n"
        "  one:\n"
        "    m: {input: 1, cached_input: 0.2, cached_marked: 0.1, output: 4}\n"
        "  two:\n"
        "    m: {input: 1, cached_input: 0.2, output: 4}\n");
    struct usage usage = {.input_tokens = 1000000, .cached_tokens = 400000};
    struct cost cost;

    (void)state;
    assert_int_equal(cost_nanos(offer_called(s, "one/m"), 0, &usage),
                     680000000);
    usage.marked = true;
    assert_int_equal(cost_nanos(offer_called(s, "one/m"), 0, &usage),
                     640000000);
    assert_int_equal(cost_nanos(offer_called(s, "two/m"), 0, &usage),
                     680000000);
    assert_true(price_cost(&cost, offer_called(s, "one/m"), 0, &usage, 0));
    assert_int_equal(cost_part(&cost, COST_CACHED).nanos, 40000000);
    snapshot_release(s);
}

static void what_has_no_rate_of_its_own_bills_as_input_or_output(void **state)
{
    struct snapshot *s =
        with_prices("prices: {two: {m: {input: 2, output: 8}}}\n");
    const struct usage usage = {.input_tokens = 1000000,
                                .cached_tokens = 300000,
                                .cache_write_tokens = 300000,
                                .output_tokens = 1000000,
                                .thinking_tokens = 900000};
    struct cost cost;

    (void)state;
    assert_true(price_cost(&cost, offer_called(s, "two/m"), 0, &usage, 0));
    assert_int_equal(cost.total.nanos, 10000000000);
    assert_int_equal(cost.total.currency, CURRENCY_USD);
    snapshot_release(s);
}

/* 400 nanos a million: 1250 tokens are half a nano. */
static void a_sum_is_rounded_once_and_half_goes_up(void **state)
{
    struct snapshot *s = with_prices(
        "prices: {one: {m: {input: 0.0000004, output: 0.0000004}}}\n");
    const struct offer *o = offer_called(s, "one/m");
    struct usage usage = {.input_tokens = 1250, .output_tokens = 1250};
    struct cost cost;

    (void)state;
    assert_true(price_cost(&cost, o, 0, &usage, 0));
    assert_int_equal(cost_part(&cost, COST_INPUT).nanos, 1);
    assert_int_equal(cost_part(&cost, COST_OUTPUT).nanos, 1);
    assert_int_equal(cost.total.nanos, 1);
    usage.output_tokens = 0;
    assert_int_equal(cost_nanos(o, 0, &usage), 1);
    usage.input_tokens = 1249;
    assert_int_equal(cost_nanos(o, 0, &usage), 0);
    snapshot_release(s);
}

static void the_first_row_that_holds_is_the_price(void **state)
{
    struct snapshot *s = with_prices(
        "prices:\n"
        "  one:\n"
        "    m:\n"
        "      - {from: 2026-01-01, until: 2026-02-01, input: 1, output: 1}\n"
        "      - {from: 2026-01-15, input: 2, output: 2}\n"
        "      - {input: 3, output: 3}\n");
    const struct offer *o = offer_called(s, "one/m");
    const struct usage usage = {.input_tokens = 1000000};

    static const struct {
        const char *at;
        int64_t nanos;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 3000000000},
        {"2025-12-31T23:59:59.999Z", 3000000000},
        {"2026-01-01T00:00:00Z", 1000000000},
        {"2026-01-20T00:00:00Z", 1000000000},
        {"2026-01-31T23:59:59.999Z", 1000000000},
        {"2026-02-01T00:00:00Z", 2000000000},
        {"9999-12-31T23:59:59.999Z", 2000000000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(cost_nanos(o, instant(rows[i].at), &usage),
                         rows[i].nanos);
    snapshot_release(s);
}

static void free_is_not_missing(void **state)
{
    struct snapshot *s =
        with_prices("prices:\n"
                    "  one:\n"
                    "    m: {until: 2026-01-01, input: 1, output: 1}\n"
                    "    gratis: {input: 0, output: 0, free: yes}\n");
    const struct usage usage = {.input_tokens = 1000, .output_tokens = 1000};
    int64_t end = instant("2026-01-01");
    struct cost cost;

    (void)state;
    assert_true(price_cost(&cost, offer_called(s, "one/gratis"), 0, &usage, 0));
    assert_int_equal(cost.total.nanos, 0);
    assert_false(price_cost(&cost, offer_called(s, "one/bare"), 0, &usage, 0));
    assert_true(
        price_cost(&cost, offer_called(s, "one/m"), end - 1, &usage, 0));
    assert_false(price_cost(&cost, offer_called(s, "one/m"), end, &usage, 0));
    assert_null(cost.row);
    assert_told("1 of 3 models of \"one\" have no price");
    snapshot_release(s);
}

static void a_usage_that_contradicts_itself_never_bills_below_zero(void **state)
{
    struct snapshot *s = with_prices(
        "prices: {one: {m: {input: 1, cached_input: 0.5, cache_write: 2,\n"
        "                   output: 4, thinking_output: 8}}}\n");
    const struct offer *o = offer_called(s, "one/m");

    static const struct {
        struct usage usage;
        int64_t nanos;
    } rows[] = {
        {{.input_tokens = 1000000, .cached_tokens = 2000000}, 500000000},
        {{.input_tokens = 1000000,
          .cached_tokens = 600000,
          .cache_write_tokens = 600000},
         1100000000},
        {{.output_tokens = 1000000, .thinking_tokens = 5000000}, 8000000000},
        {{.input_tokens = -1, .output_tokens = -1}, 0},
        {{.input_tokens = 1000000, .cached_tokens = -7}, 1000000000},
        {{.cached_tokens = 5, .cache_write_tokens = 5, .thinking_tokens = 5},
         0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(cost_nanos(o, 0, &rows[i].usage), rows[i].nanos);
    snapshot_release(s);
}

static void the_largest_usage_at_the_largest_rate_saturates(void **state)
{
    const struct rate most = {INT64_MAX};
    const struct price_row row = {
        .from_ms = INT64_MIN,
        .until_ms = INT64_MAX,
        .input_most = INT64_MAX,
        .output_most = INT64_MAX,
        .input = most,
        .cached = most,
        .cache_write = most,
        .cache_write_1h = most,
        .output = most,
        .thinking = most,
    };
    const struct offer o = {.rows = &row, .n_rows = 1};
    const struct usage usage = {.input_tokens = INT64_MAX,
                                .cached_tokens = INT64_MAX / 2,
                                .output_tokens = INT64_MAX};

    (void)state;
    assert_int_equal(cost_nanos(&o, 0, &usage), INT64_MAX);
}

static uint64_t random_state = 20261122;

static int64_t random_below(int64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state % (uint64_t)n);
}

/* Token by token, as a schoolbook would: each part's tokens times its rate,
 * all added, then divided by a million with the half going up. */
static void it_agrees_with_the_schoolbook_on_random_usages(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct price_row row = {
            .from_ms = INT64_MIN,
            .until_ms = INT64_MAX,
            .input_most = INT64_MAX,
            .output_most = INT64_MAX,
            .input = {random_below(100000000000)},
            .cached = {random_below(10000000000)},
            .cache_write = {random_below(200000000000)},
            .output = {random_below(1000000000000)},
            .thinking = {random_below(1000000000000)},
        };
        struct offer o = {.rows = &row, .n_rows = 1};
        struct usage u = {.input_tokens = random_below(2000000),
                          .output_tokens = random_below(500000)};
        __int128 sum;

        u.cached_tokens = random_below(u.input_tokens + 1);
        u.cache_write_tokens =
            random_below(u.input_tokens - u.cached_tokens + 1);
        u.thinking_tokens = random_below(u.output_tokens + 1);
        sum = (__int128)(u.input_tokens - u.cached_tokens -
                         u.cache_write_tokens) *
              row.input.nanos_per_mtok;
        sum += (__int128)u.cached_tokens * row.cached.nanos_per_mtok;
        sum += (__int128)u.cache_write_tokens * row.cache_write.nanos_per_mtok;
        sum += (__int128)(u.output_tokens - u.thinking_tokens) *
               row.output.nanos_per_mtok;
        sum += (__int128)u.thinking_tokens * row.thinking.nanos_per_mtok;
        assert_int_equal(cost_nanos(&o, 0, &u),
                         (int64_t)((sum + 500000) / 1000000));
    }
}

static const char rates[] =
    "exchange_rates:\n"
    "  - {pair: USD/CNY, from: 2026-02-01, rate: 7.00, source: a}\n"
    "  - {pair: USD/CNY, from: 2026-03-01, rate: 6.50, source: b}\n"
    "  - {pair: CNY/USD, from: 2026-04-01, rate: 0.125, source: c}\n"
    "  - {pair: USD/CNY, from: 2026-04-01, rate: 9, source: d}\n"
    "prices: {two: {m: {input: 1, output: 2}}}\n";

static int64_t converted(const struct snapshot *s, enum currency from,
                         int64_t nanos, const char *at)
{
    struct money out = {-1, CURRENCY_CNY}, m = {nanos, from};
    enum currency to = from == CURRENCY_USD ? CURRENCY_CNY : CURRENCY_USD;

    if (!price_convert(&out, s, m, to, instant(at)))
        return -1;
    assert_int_equal(out.currency, to);
    return out.nanos;
}

static void currencies_convert_by_the_latest_rate_of_the_instant(void **state)
{
    struct snapshot *s = with_prices(rates);
    struct money out, yuan = {5, CURRENCY_CNY};

    (void)state;
    assert_int_equal(converted(s, CURRENCY_USD, 100, "2026-01-31"), -1);
    assert_int_equal(converted(s, CURRENCY_USD, 100, "2026-02-01"), 700);
    assert_int_equal(
        converted(s, CURRENCY_USD, 100, "2026-02-28T23:59:59.999Z"), 700);
    assert_int_equal(converted(s, CURRENCY_USD, 100, "2026-03-01"), 650);
    assert_int_equal(converted(s, CURRENCY_USD, 1, "2026-03-01"), 7);
    assert_int_equal(converted(s, CURRENCY_CNY, 650, "2026-03-01"), 100);
    assert_int_equal(converted(s, CURRENCY_CNY, 1000, "2026-03-01"), 154);
    /* of the same instant the first in the file: 0.125, read backwards */
    assert_int_equal(converted(s, CURRENCY_CNY, 1000, "2026-05-01"), 125);
    assert_int_equal(converted(s, CURRENCY_USD, 1000, "2026-05-01"), 8000);
    assert_true(price_convert(&out, s, yuan, CURRENCY_CNY, 0));
    assert_int_equal(out.nanos, 5);
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_what_one_works_out_by_hand),
        cmocka_unit_test(what_the_request_marked_is_read_at_a_rate_of_its_own),
        cmocka_unit_test(what_has_no_rate_of_its_own_bills_as_input_or_output),
        cmocka_unit_test(a_sum_is_rounded_once_and_half_goes_up),
        cmocka_unit_test(the_first_row_that_holds_is_the_price),
        cmocka_unit_test(free_is_not_missing),
        cmocka_unit_test(
            a_usage_that_contradicts_itself_never_bills_below_zero),
        cmocka_unit_test(the_largest_usage_at_the_largest_rate_saturates),
        cmocka_unit_test(it_agrees_with_the_schoolbook_on_random_usages),
        cmocka_unit_test(currencies_convert_by_the_latest_rate_of_the_instant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
