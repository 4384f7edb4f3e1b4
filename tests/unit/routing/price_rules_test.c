/* Every rule of the price book at its edges; the sums are worked out by hand
 * for a million tokens or a thousand. */
#include "routing/price.h"

#include "unit/routing/fixture.h"

static const char vendors[] = "vendors:\n"
                              "  v:\n"
                              "    base_url: https://v.example\n"
                              "    currency: CNY\n"
                              "    auth: none\n"
                              "    models: {m: {thinking: yes}}\n"
                              "  usd:\n"
                              "    base_url: https://v.example\n"
                              "    currency: USD\n"
                              "    auth: none\n"
                              "    price_list: v\n"
                              "    models: {m: {}}\n";

static struct snapshot *with_rows(const char *head, const char *model)
{
    static char text[8192];
    struct yaml y = {vendors, text, "currency: CNY\n", NULL};

    snprintf(text, sizeof(text),
             "%s\nexchange_rates:\n"
             "  - {pair: USD/CNY, from: 2020-01-01, rate: 7}\n"
             "prices:\n  v:\n    m:\n%s",
             head, model);
    return snapshot_of(&y);
}

/* What a request at an instant costs, in nanos; -1: it has no price. */
struct row {
    const char *at;
    int64_t input, output;
    int64_t nanos;
};

static int64_t nanos_of(const struct snapshot *s, const char *at,
                        const struct usage *u, int64_t quota)
{
    struct cost cost;

    return price_cost(&cost, offer_called(s, "v/m"), instant(at), u, quota)
               ? cost.total.nanos
               : -1;
}

static void assert_rows(const char *head, const char *model,
                        const struct row *rows, size_t n)
{
    struct snapshot *s = with_rows(head, model);

    for (size_t i = 0; i < n; i++) {
        struct usage u = {.input_tokens = rows[i].input,
                          .output_tokens = rows[i].output};
        int64_t nanos = nanos_of(s, rows[i].at, &u, 0);

        if (nanos != rows[i].nanos)
            fail_msg("row %zu: %lld in, %lld out at %s: %lld", i,
                     (long long)u.input_tokens, (long long)u.output_tokens,
                     rows[i].at, (long long)nanos);
    }
    snapshot_release(s);
}

#define ROWS(head, model, ...)                             \
    do {                                                   \
        static const struct row table[] = {__VA_ARGS__};   \
                                                           \
        (void)state;                                       \
        assert_rows(head, model, table, ARRAY_LEN(table)); \
    } while (0)

#define NOON "2026-11-22T12:00:00Z"

static void a_tier_by_input_bills_all_of_the_request_and_has_its_edge_in_it(
    void **state)
{
    ROWS("",
         "      - {input_at_most: 1000, input: 1, output: 10}\n"
         "      - {input_at_most: 2000, input: 2, output: 20}\n"
         "      - {input: 3, output: 30}\n",
         {NOON, 0, 1, 10000}, {NOON, 1000, 0, 1000000},
         {NOON, 1000, 1000, 11000000}, {NOON, 1001, 0, 2002000},
         {NOON, 1001, 1000, 22002000}, {NOON, 2000, 1, 4020000},
         {NOON, 2001, 1, 6033000});
}

static void an_exclusive_edge_is_itself_dearer(void **state)
{
    ROWS("",
         "      - {input_below: 1000, input: 1, output: 1}\n"
         "      - {input: 2, output: 2}\n",
         {NOON, 999, 0, 999000}, {NOON, 1000, 0, 2000000},
         {NOON, 1001, 0, 2002000});
}

static void a_tier_by_output_changes_the_price_of_the_input_too(void **state)
{
    ROWS("",
         "      - {input_at_most: 32000, output_at_most: 200, input: 2,\n"
         "         output: 8}\n"
         "      - {input_at_most: 32000, input: 3, output: 14}\n"
         "      - {input: 4, output: 16}\n",
         {NOON, 1000, 200, 3600000}, {NOON, 1000, 201, 5814000},
         {NOON, 32000, 200, 65600000}, {NOON, 32000, 201, 98814000},
         {NOON, 32001, 1, 128020000}, {NOON, 32001, 201, 131220000});
    ROWS("",
         "      - {output_below: 200, input: 2, output: 8}\n"
         "      - {input: 3, output: 14}\n",
         {NOON, 0, 199, 1592000}, {NOON, 0, 200, 2800000});
}

static void lengths_beyond_the_last_tier_have_no_price_but_are_billed(
    void **state)
{
    struct snapshot *s =
        with_rows("", "      - {input_at_most: 1000, input: 1, output: 1}\n"
                      "      - {input_at_most: 2000, input: 2, output: 2}\n");
    struct usage u = {.input_tokens = 2001};
    struct cost cost;

    (void)state;
    assert_int_equal(nanos_of(s, NOON, &u, 0), -1);
    assert_true(
        price_bill(&cost, offer_called(s, "v/m"), instant(NOON), &u, 0));
    assert_true(cost.beyond);
    assert_int_equal(cost.total.nanos, 4002000);
    u.input_tokens = 2000;
    assert_true(
        price_bill(&cost, offer_called(s, "v/m"), instant(NOON), &u, 0));
    assert_false(cost.beyond);
    snapshot_release(s);
}

static const char peak[] =
    "calendars:\n"
    "  holidays: {days: [2026-10-01..2026-10-07]}\n"
    "windows:\n"
    "  peak: {zone: Asia/Shanghai, days: Mon-Fri,\n"
    "         hours: [09:00-12:00, 14:00-18:00], except_calendar: holidays}\n"
    "  night: {zone: Asia/Shanghai, days: [Fri], hours: [22:00-08:00]}\n";

/* 2026-11-23 is a Monday; Beijing is eight hours ahead. */
static void a_window_opens_and_shuts_on_the_millisecond(void **state)
{
    ROWS(peak,
         "      - {when: peak, input: 2, output: 2}\n"
         "      - {input: 1, output: 1}\n",
         {"2026-11-23T00:59:59.999Z", 1000, 0, 1000000},
         {"2026-11-23T01:00:00Z", 1000, 0, 2000000},
         {"2026-11-23T03:59:59.999Z", 1000, 0, 2000000},
         {"2026-11-23T04:00:00Z", 1000, 0, 1000000},
         {"2026-11-23T05:59:59.999Z", 1000, 0, 1000000},
         {"2026-11-23T06:00:00Z", 1000, 0, 2000000},
         {"2026-11-23T10:00:00Z", 1000, 0, 1000000},
         {"2026-11-22T02:00:00Z", 1000, 0, 1000000}, /* Sunday */
         {"2026-10-01T02:00:00Z", 1000, 0, 1000000}, /* Thursday, holiday */
         {"2026-09-30T02:00:00Z", 1000, 0, 2000000},
         {"2026-10-08T02:00:00Z", 1000, 0, 2000000},
         /* a weekend day that is worked instead stays off-peak */
         {"2026-10-10T02:00:00Z", 1000, 0, 1000000});
}

static void a_night_belongs_to_the_day_on_which_it_begins(void **state)
{
    ROWS(peak,
         "      - {when: night, input: 2, output: 2}\n"
         "      - {input: 1, output: 1}\n",
         {"2026-11-20T13:59:59.999Z", 1000, 0, 1000000},
         {"2026-11-20T14:00:00Z", 1000, 0, 2000000}, /* Friday 22:00 */
         {"2026-11-20T23:59:59.999Z", 1000, 0, 2000000},
         {"2026-11-21T00:00:00Z", 1000, 0, 1000000},  /* Saturday 8:00 */
         {"2026-11-21T14:00:00Z", 1000, 0, 1000000},  /* Saturday 22:00 */
         {"2026-11-19T23:00:00Z", 1000, 0, 1000000}); /* Friday 7:00 */
}

static void rises_and_promotions_change_on_their_instant(void **state)
{
    ROWS("",
         "      - {from: 2027-01-01, input: 1.5, output: 7.5}\n"
         "      - {until: 2026-09-09T16:00:00Z, input: 0.4, output: 1}\n"
         "      - {input: 0.75, output: 3.75}\n",
         {"2026-09-09T15:59:59.999Z", 1000, 0, 400000},
         {"2026-09-09T16:00:00Z", 1000, 0, 750000},
         {"2026-12-31T23:59:59.999Z", 1000, 0, 750000},
         {"2027-01-01T00:00:00Z", 1000, 0, 1500000});
}

static void units_of_a_thousand_and_ten_thousand_are_exact(void **state)
{
    ROWS("", "      - {per: 1K, input: 0.0008, output: 0.002}\n",
         {NOON, 1000, 0, 800000}, {NOON, 0, 1, 2000});
    ROWS("", "      - {per: 10K, input: 0.008, output: 0.02}\n",
         {NOON, 1000, 0, 800000}, {NOON, 0, 1, 2000});
    ROWS("", "      - {per: 1M, input: 0.8, output: 2}\n",
         {NOON, 1000, 0, 800000}, {NOON, 0, 1, 2000});
    ROWS("", "      - {per: 1K, input: 0.000000001, output: 1000}\n",
         {NOON, 1000, 0, 1}, {NOON, 0, 1000, 1000000000000});
}

static void a_fee_is_paid_for_each_request_whole(void **state)
{
    ROWS("", "      - {input: 1, output: 1, fee: 0.005}\n",
         {NOON, 0, 0, 5000000}, {NOON, 1000, 0, 6000000});
}

static void thinking_may_have_rows_or_a_rate_of_its_own(void **state)
{
    struct snapshot *s =
        with_rows("", "      - {thinking: yes, input: 1, output: 8}\n"
                      "      - {input: 1, output: 2, thinking_output: 3}\n");
    struct usage u = {.output_tokens = 1000};

    (void)state;
    assert_int_equal(nanos_of(s, NOON, &u, 0), 2000000);
    u.thinks = true; /* though it did not */
    assert_int_equal(nanos_of(s, NOON, &u, 0), 8000000);
    u = (struct usage){.output_tokens = 1000, .thinking_tokens = 1};
    assert_int_equal(nanos_of(s, NOON, &u, 0), 8000000);
    snapshot_release(s);
    s = with_rows("", "      - {thinking: no, input: 1, output: 2}\n"
                      "      - {input: 1, output: 2, thinking_output: 3}\n");
    assert_int_equal(nanos_of(s, NOON, &u, 0), 2001000);
    snapshot_release(s);
}

static void each_kind_of_cache_has_its_price(void **state)
{
    struct snapshot *s = with_rows(
        "", "      - {input: 4, cached_input: 0.4, cache_write: 5,\n"
            "         cache_write_1h: 8, cache_storage: 3.6, output: 20}\n");
    struct usage u = {.input_tokens = 10000,
                      .cached_tokens = 1000,
                      .cache_write_tokens = 3000,
                      .cache_write_1h_tokens = 1000};
    struct cost cost;

    (void)state;
    assert_true(
        price_cost(&cost, offer_called(s, "v/m"), instant(NOON), &u, 0));
    assert_int_equal(cost_part(&cost, COST_INPUT).nanos, 24000000);
    assert_int_equal(cost_part(&cost, COST_CACHED).nanos, 400000);
    assert_int_equal(cost_part(&cost, COST_CACHE_WRITE).nanos, 10000000);
    assert_int_equal(cost_part(&cost, COST_CACHE_WRITE_1H).nanos, 8000000);
    assert_int_equal(cost_part(&cost, COST_STORAGE).nanos, 0);
    assert_int_equal(cost.total.nanos, 42400000);
    /* 2000 tokens for half an hour: 3.6 / 1000 / 1000 x 2000 / 2 */
    u.stored_tokens = 2000;
    u.stored_ms = 1800000;
    assert_true(
        price_cost(&cost, offer_called(s, "v/m"), instant(NOON), &u, 0));
    assert_int_equal(cost_part(&cost, COST_STORAGE).nanos, 3600000);
    assert_int_equal(cost.total.nanos, 46000000);
    /* one token for a second is one nano, and so it is for half of one */
    u = (struct usage){.stored_tokens = 1, .stored_ms = 500};
    assert_int_equal(nanos_of(s, NOON, &u, 0), 1);
    u.stored_ms = 499;
    assert_int_equal(nanos_of(s, NOON, &u, 0), 0);
    u = (struct usage){.stored_tokens = INT64_MAX, .stored_ms = INT64_MAX};
    assert_int_equal(nanos_of(s, NOON, &u, 0), INT64_MAX);
    snapshot_release(s);
}

static void a_class_of_service_multiplies_tokens_but_no_fee(void **state)
{
    struct snapshot *s = with_rows(
        "", "      - {input: 0.000001, output: 3, fee: 1,\n"
            "         service_tiers: {flex: 0.5, fast: 1.1, batch: 0.3}}\n");

    static const struct {
        enum service_tier tier;
        int64_t input, output, nanos;
    } rows[] = {
        {TIER_STANDARD, 0, 1000, 1003000000},
        {TIER_FLEX, 0, 1000, 1001500000},
        {TIER_FAST, 0, 1000, 1003300000},
        {TIER_BATCH, 0, 1, 1000000900},
        {TIER_PRIORITY, 0, 1000, 1003000000}, /* not in the book: its list */
        /* 0.5 x 1000 nano-tokens a token: rounded once, behind the factor */
        {TIER_FLEX, 999, 0, 1000000000},
        {TIER_FLEX, 1000, 0, 1000000001},
        {TIER_STANDARD, 500, 0, 1000000001},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct usage u = {.input_tokens = rows[i].input,
                          .output_tokens = rows[i].output,
                          .tier = rows[i].tier};

        assert_int_equal(nanos_of(s, NOON, &u, 0), rows[i].nanos);
    }
    snapshot_release(s);
}

static void a_quota_covers_tokens_in_the_order_they_are_processed(void **state)
{
    struct snapshot *s =
        with_rows("", "      - {input: 10, cached_input: 1, cache_write: 20,\n"
                      "         output: 100, thinking_output: 1000, fee: 1}\n");
    const struct usage u = {.input_tokens = 600,
                            .cached_tokens = 100,
                            .cache_write_tokens = 200,
                            .output_tokens = 300,
                            .thinking_tokens = 100};

    static const struct {
        int64_t quota, taken, micros;
    } rows[] = {
        {0, 0, 127100},     {1, 1, 127099},      {100, 100, 127000},
        {101, 101, 126990}, {400, 400, 124000},  {401, 401, 123980},
        {600, 600, 120000}, {601, 601, 119000},  {700, 700, 20000},
        {701, 701, 19900},  {899, 899, 100},     {900, 900, 0},
        {901, 900, 0},      {INT64_MAX, 900, 0}, {-5, 0, 127100},
    };
    struct cost cost;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(price_cost(&cost, offer_called(s, "v/m"), instant(NOON), &u,
                               rows[i].quota));
        assert_int_equal(cost.quota_tokens, rows[i].taken);
        assert_int_equal(cost.total.nanos, 1000000000 + rows[i].micros * 1000);
    }
    snapshot_release(s);
}

static void of_two_lists_the_one_in_the_accounts_currency_counts(void **state)
{
    struct snapshot *s =
        with_rows("", "      - {input: 6, output: 24, currency: CNY}\n"
                      "      - {input: 1.4, output: 4.4, currency: USD}\n");
    const struct usage u = {.input_tokens = 1000};
    struct cost cost;

    (void)state;
    assert_true(price_cost(&cost, offer_called(s, "v/m"), 0, &u, 0));
    assert_int_equal(cost.total.nanos, 6000000);
    assert_int_equal(cost.total.currency, CURRENCY_CNY);
    assert_true(price_cost(&cost, offer_called(s, "usd/m"), 0, &u, 0));
    assert_int_equal(cost.total.nanos, 1400000);
    assert_int_equal(cost.total.currency, CURRENCY_USD);
    snapshot_release(s);
    s = with_rows("", "      - {input: 6, output: 24, currency: USD}\n");
    assert_true(price_cost(&cost, offer_called(s, "v/m"), 0, &u, 0));
    assert_int_equal(cost.total.currency, CURRENCY_USD);
    snapshot_release(s);
}

static void words_beside_the_rows_count_for_each_that_does_not_say_them(
    void **state)
{
    ROWS("",
         "      output: 2\n"
         "      fee: 0.001\n"
         "      until: 2027-01-01\n"
         "      rows:\n"
         "        - {until: 2026-01-01, input: 1}\n"
         "        - {input: 2, output: 3, per: 1M}\n",
         {"2025-01-01", 1000, 1000, 4000000},
         {"2026-01-01", 1000, 1000, 6000000}, {"2027-01-01", 1, 1, -1});
}

/* What a vendor does unasked is expected of it. */
static void a_new_prompt_is_expected_to_be_written_where_that_is_the_way(
    void **state)
{
    struct snapshot *s = with_rows(
        "", "      - {input: 1, cache_write: 2, output: 1, cache_least: 1024,\n"
            "         writes_unasked: yes}\n");
    const struct offer *o = offer_called(s, "v/m");
    struct usage u = {.input_tokens = 1024};

    (void)state;
    price_expect(&u, o, 0);
    assert_int_equal(u.cache_write_tokens, 1024);
    u = (struct usage){.input_tokens = 1023, .cached_tokens = 512};
    price_expect(&u, o, 0);
    assert_int_equal(u.cache_write_tokens, 0);
    assert_int_equal(u.cached_tokens, 0);
    u = (struct usage){.input_tokens = 2000, .cached_tokens = 512};
    price_expect(&u, o, 0);
    assert_int_equal(u.cache_write_tokens, 1488);
    snapshot_release(s);
}

static void a_rule_is_told_in_words(void **state)
{
    struct snapshot *s = with_rows(
        peak, "      - {when: peak, thinking: yes, input_at_most: 32000,\n"
              "         output_below: 200, from: 2026-01-01, input: 1,\n"
              "         output: 1, service_tiers: {flex: 0.5}}\n"
              "      - {input: 0, output: 0, free: yes}\n");
    struct usage u = {.thinks = true, .input_tokens = 5, .tier = TIER_FLEX};
    char text[PRICE_RULE_TEXT];
    struct cost cost;

    (void)state;
    assert_true(price_cost(&cost, offer_called(s, "v/m"),
                           instant("2026-11-23T02:00:00Z"), &u, 2));
    assert_string_equal(
        price_rule(&cost, text),
        "prices.yaml:13: window peak, thinking, input <= 32000, output < 200, "
        "from 2026-01-01, flex x0.50, 2 tokens of the quota");
    assert_true(price_cost(&cost, offer_called(s, "v/m"), 0, &u, 0));
    assert_string_equal(price_rule(&cost, text), "prices.yaml:16: free");
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_tier_by_input_bills_all_of_the_request_and_has_its_edge_in_it),
        cmocka_unit_test(an_exclusive_edge_is_itself_dearer),
        cmocka_unit_test(a_tier_by_output_changes_the_price_of_the_input_too),
        cmocka_unit_test(
            lengths_beyond_the_last_tier_have_no_price_but_are_billed),
        cmocka_unit_test(a_window_opens_and_shuts_on_the_millisecond),
        cmocka_unit_test(a_night_belongs_to_the_day_on_which_it_begins),
        cmocka_unit_test(rises_and_promotions_change_on_their_instant),
        cmocka_unit_test(units_of_a_thousand_and_ten_thousand_are_exact),
        cmocka_unit_test(a_fee_is_paid_for_each_request_whole),
        cmocka_unit_test(thinking_may_have_rows_or_a_rate_of_its_own),
        cmocka_unit_test(each_kind_of_cache_has_its_price),
        cmocka_unit_test(a_class_of_service_multiplies_tokens_but_no_fee),
        cmocka_unit_test(a_quota_covers_tokens_in_the_order_they_are_processed),
        cmocka_unit_test(of_two_lists_the_one_in_the_accounts_currency_counts),
        cmocka_unit_test(
            words_beside_the_rows_count_for_each_that_does_not_say_them),
        cmocka_unit_test(
            a_new_prompt_is_expected_to_be_written_where_that_is_the_way),
        cmocka_unit_test(a_rule_is_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
