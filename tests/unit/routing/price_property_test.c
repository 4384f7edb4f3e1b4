/* What must be true of every price book, tried on random ones. */
#include "unit/routing/fixture.h"

enum {
    BOOKS = 60,
    MODELS = 12,
    TRIES = 400,
};

static uint64_t random_state = 20261122;

static int64_t below(int64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state % (uint64_t)n);
}

struct text {
    char bytes[32768];
    size_t len;
};

PRINTF_LIKE(2, 3)

static void add(struct text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    t->len += (size_t)vsnprintf(t->bytes + t->len, sizeof(t->bytes) - t->len,
                                fmt, args);
    va_end(args);
    assert_true(t->len < sizeof(t->bytes));
}

static void add_row(struct text *t, bool tiers)
{
    add(t, "      - {input: %d.%03d, output: %d.%02d", (int)below(20) + 1,
        (int)below(1000), (int)below(80) + 1, (int)below(100));
    if (below(3) == 0)
        add(t, ", cached_input: 0.%03d", (int)below(999) + 1);
    if (below(3) == 0)
        add(t, ", cache_write: %d.25, writes_unasked: yes", (int)below(9) + 1);
    if (below(3) == 0)
        add(t, ", fee: 0.%04d", (int)below(9999) + 1);
    if (below(4) == 0)
        add(t, ", service_tiers: {flex: 0.5, fast: 1.7}");
    if (below(3) == 0)
        add(t, ", thinking_output: %d", (int)below(30) + 1);
    if (!tiers) {
        add(t, "}\n");
        return;
    }
    if (below(2))
        add(t, ", input_at_most: %d", (int)below(4000) + 1);
    if (below(3) == 0)
        add(t, ", output_below: %d", (int)below(600) + 1);
    if (below(4) == 0)
        add(t, ", thinking: yes");
    if (below(3) == 0)
        add(t, ", when: peak");
    if (below(4) == 0)
        add(t, ", from: 2026-%02d-01", (int)below(12) + 1);
    add(t, "}\n");
}

static struct snapshot *book(bool tiers)
{
    static struct text vendors, prices;
    struct yaml y = {vendors.bytes, prices.bytes,
                     "currency: CNY\naliases:\n  all: ['*']\n", NULL};

    vendors.len = prices.len = 0;
    add(&vendors, "vendors:\n");
    add(&prices,
        "windows:\n  peak: {zone: Asia/Shanghai, hours: [09:00-18:00]}\n"
        "quotas:\n  q: {tokens: 100000, per: once}\n"
        "exchange_rates:\n"
        "  - {pair: USD/CNY, from: 2020-01-01, rate: %d.%04d}\nprices:\n",
        (int)below(9) + 1, (int)below(10000));
    for (int v = 0; v < 2; v++) {
        add(&vendors,
            "  v%d:\n    base_url: https://v.example\n    currency: %s\n"
            "    auth: none\n    models:\n",
            v, v ? "USD" : "CNY");
        add(&prices, "  v%d:\n", v);
        for (int m = 0; m < MODELS; m++) {
            add(&vendors, "      m%d: {thinking: yes}\n", m);
            add(&prices, "    m%d:\n%s      rows:\n", m,
                m % 3 ? "" : "      quota: q\n");
            for (int64_t n = tiers ? below(5) : 0; n > 0; n--)
                add_row(&prices, true);
            add_row(&prices, false);
        }
    }
    return snapshot_of(&y);
}

static struct usage random_usage(void)
{
    struct usage u = {.input_tokens = below(6000),
                      .output_tokens = below(1000),
                      .tier = (enum service_tier)below(TIER_COUNT),
                      .thinks = below(2)};

    u.cached_tokens = below(u.input_tokens + 1);
    u.cache_write_tokens = below(u.input_tokens - u.cached_tokens + 1);
    u.thinking_tokens = below(2) * below(u.output_tokens + 1);
    return u;
}

static int64_t random_instant(void)
{
    return instant("2026-01-01") + below((int64_t)365 * DAY_MS);
}

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    *out = *(const struct offer_state *)self;
    (void)offer;
}

static void assert_same_cost(const struct cost *a, const struct cost *b)
{
    assert_ptr_equal(a->row, b->row);
    assert_int_equal(a->total.nanos, b->total.nanos);
    assert_int_equal(a->total.currency, b->total.currency);
    assert_int_equal(a->quota_tokens, b->quota_tokens);
    assert_int_equal(a->stored_tokens, b->stored_tokens);
    assert_int_equal(a->stored_ms, b->stored_ms);
    assert_int_equal(a->factor_nanos, b->factor_nanos);
    assert_int_equal(a->tier, b->tier);
    assert_memory_equal(a->tokens, b->tokens, sizeof(a->tokens));
}

/* What a decision reckons is what the bill says, if the usage is as
 * expected. */
static void the_cost_expected_is_the_cost_billed_at_the_same_usage(void **state)
{
    struct arena *a = arena_new();
    size_t priced = 0;

    (void)state;
    for (int i = 0; i < BOOKS; i++) {
        struct snapshot *s = book(true);

        for (int t = 0; t < TRIES / 10; t++) {
            struct offer_state world = {.available = true,
                                        .key_ready = true,
                                        .output_tokens = (int32_t)below(900),
                                        .quota_left = below(3) * below(5000)};
            struct conditions c = {
                .now_unix_ms = random_instant(), .look = look, .self = &world};
            struct query q = {
                .asked = "all",
                .needs = below(2) ? NEED_THINKING : 0,
                .text = {.latin = below(20000), .words = below(4000)},
                .n_messages = 1,
                .n = 1,
                .tier = (enum service_tier)below(TIER_COUNT)};
            struct decision d;

            decide(&d, s, &q, &c, a);
            assert_int_equal(d.n_verdicts, 2 * MODELS);
            for (uint32_t k = 0; k < d.n_listed; k++) {
                const struct verdict *v = &d.verdicts[k];
                struct cost bill, again;

                assert_true(price_bill(&bill, v->offer, c.now_unix_ms,
                                       &v->expected, world.quota_left));
                assert_false(bill.beyond);
                assert_int_equal(bill.total.nanos, v->cost.total.nanos);
                assert_ptr_equal(bill.row, v->cost.row);
                cost_of_sum(&again, &v->cost, &v->expected);
                assert_same_cost(&bill, &again);
                assert_true(k == 0 || d.verdicts[k - 1].compared.nanos <=
                                          v->compared.nanos);
                priced++;
            }
            arena_reset(a);
        }
        snapshot_release(s);
    }
    assert_true(priced > 10000);
    arena_free(a);
}

/* One more token in any part, for any instant. */
static void without_tiers_more_tokens_never_cost_less(void **state)
{
    (void)state;
    for (int i = 0; i < BOOKS; i++) {
        struct snapshot *s = book(false);

        for (int t = 0; t < TRIES; t++) {
            const struct offer *o = &s->offers[below((int64_t)s->n_offers)];
            struct usage less = random_usage(), more = less;
            int64_t at = random_instant(), quota = below(2) * below(3000);
            struct cost cheap, dear;

            more.input_tokens += below(3);
            more.output_tokens += below(3);
            assert_true(price_cost(&cheap, o, at, &less, quota));
            assert_true(price_cost(&dear, o, at, &more, quota));
            assert_true(cheap.total.nanos <= dear.total.nanos);
        }
        snapshot_release(s);
    }
}

static void conversion_keeps_the_order_within_a_currency(void **state)
{
    (void)state;
    for (int i = 0; i < BOOKS; i++) {
        struct snapshot *s = book(false);

        for (int t = 0; t < TRIES; t++) {
            enum currency from = below(2) ? CURRENCY_USD : CURRENCY_CNY;
            enum currency to =
                from == CURRENCY_USD ? CURRENCY_CNY : CURRENCY_USD;
            struct money a = {below(1 << (1 + below(30))), from}, b = a, x, y;

            b.nanos += below(3);
            assert_true(price_convert(&x, s, a, to, random_instant()));
            assert_true(price_convert(&y, s, b, to, random_instant()));
            assert_true(x.nanos <= y.nanos);
        }
        snapshot_release(s);
    }
}

/* The parts are rounded each for itself: half a nano each at most. */
static void the_parts_add_up_to_the_total_within_their_roundings(void **state)
{
    (void)state;
    for (int i = 0; i < BOOKS; i++) {
        struct snapshot *s = book(true);

        for (int t = 0; t < TRIES; t++) {
            const struct offer *o = &s->offers[below((int64_t)s->n_offers)];
            struct usage u = random_usage();
            int64_t sum = 0;
            struct cost c;

            if (!price_cost(&c, o, random_instant(), &u,
                            below(2) * below(5000)))
                continue;
            for (int p = 0; p < COST_PARTS; p++)
                sum += cost_part(&c, (enum cost_part)p).nanos;
            assert_in_range(sum - c.total.nanos + COST_PARTS, 0,
                            2 * COST_PARTS);
        }
        snapshot_release(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_cost_expected_is_the_cost_billed_at_the_same_usage),
        cmocka_unit_test(without_tiers_more_tokens_never_cost_less),
        cmocka_unit_test(conversion_keeps_the_order_within_a_currency),
        cmocka_unit_test(the_parts_add_up_to_the_total_within_their_roundings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
