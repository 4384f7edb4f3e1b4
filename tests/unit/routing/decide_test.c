#include "routing/decide.h"

#include "routing/sieve.h"

#include "unit/routing/fixture.h"

static const char vendors[] =
    "vendors:\n"
    "  aa:\n"
    "    base_url: https://aa.example\n"
    "    currency: CNY\n"
    "    keys: [{env: KEY}]\n"
    "    models:\n"
    "      m: {context: 1000, max_output: 200, tools: yes, vision: yes,\n"
    "          json_object: yes, json_schema: yes, thinking: yes}\n"
    "      dumb: {}\n"
    "      musing: {thinking: yes, always_thinks: yes}\n"
    "  bb:\n"
    "    base_url: https://bb.example\n"
    "    currency: CNY\n"
    "    keys: [{env: KEY}]\n"
    "    models: {m: {}, unpriced: {}}\n"
    "  cc:\n"
    "    base_url: https://cc.example\n"
    "    currency: USD\n"
    "    keys: [{env: KEY}]\n"
    "    models: {m: {}}\n"
    "  keyless:\n"
    "    base_url: https://keyless.example\n"
    "    currency: CNY\n"
    "    keys: [{env: NONE}]\n"
    "    models: {m: {}}\n"
    "  home:\n"
    "    base_url: http://127.0.0.1:9000/v1\n"
    "    currency: CNY\n"
    "    auth: none\n"
    "    models: {own: {}}\n";

static const char prices[] =
    "exchange_rates:\n"
    "  - {pair: USD/CNY, from: 2026-01-01, rate: 7, source: x}\n"
    "prices:\n"
    "  aa:\n"
    "    m: {input: 1, output: 4}\n"
    "    dumb: {input: 1, output: 4}\n"
    "    musing: {input: 1, output: 4}\n"
    "  bb: {m: {input: 1, output: 4}}\n"
    "  cc: {m: {input: 1, output: 1}}\n"
    "  keyless: {m: {input: 0.1, output: 0.1}}\n"
    "  home: {own: {input: 0, output: 0, free: yes}}\n";

static const char policy[] = "currency: CNY\n"
                             "aliases:\n"
                             "  all: [aa/m, bb/m, cc/m, keyless/m, home/own]\n"
                             "  pair: [bb/m, aa/m]\n"
                             "teams:\n"
                             "  free: {}\n"
                             "  bound: {vendors: {deny: [aa]}}\n"
                             "  thrifty: {price_cap: {input: 5}}\n"
                             "  exact: {price_cap: {input: 7, output: 7}}\n"
                             "  stingy: {price_cap: {output: 3.99}}\n";

static struct snapshot *market(void)
{
    struct yaml y = {vendors, prices, policy, NULL};

    return snapshot_of(&y);
}

/* What the tests let the world be: by the offer's index. */
struct world {
    struct offer_state of[16];
};

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const struct world *w = self;

    *out = w->of[offer->index];
}

static struct world fine(void)
{
    struct world w;

    for (size_t i = 0; i < ARRAY_LEN(w.of); i++)
        w.of[i] = (struct offer_state){.available = true, .key_ready = true};
    return w;
}

static struct query asking(const char *model)
{
    return (struct query){
        .asked = model,
        .text = {.latin = 400, .words = 100, .space = 100},
        .n_messages = 1,
        .n = 1,
    };
}

static const char summer[] = "2026-07-01T00:00:00Z";

static struct decision decided(const struct snapshot *s, const struct query *q,
                               const struct world *w, struct arena *a)
{
    struct conditions c = {
        .now_unix_ms = instant(summer), .look = look, .self = w};
    struct decision d;

    decide(&d, s, q, &c, a);
    return d;
}

/* The verdict on `offer` for the query `q`. */
static struct verdict verdict_on(const struct snapshot *s, const char *offer,
                                 const struct query *q, const struct world *w,
                                 struct arena *a)
{
    struct decision d = decided(s, q, w, a);

    for (uint32_t i = 0; i < d.n_verdicts; i++)
        if (strcmp(d.verdicts[i].offer->name, offer) == 0)
            return d.verdicts[i];
    fail_msg("no verdict on %s", offer);
    return (struct verdict){0};
}

static void the_cheapest_stands_first_and_the_others_say_why(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct query q = asking("all");
    struct world w = fine();
    struct decision d = decided(s, &q, &w, a);
    /* aa gives 200 tokens at most, so it is cheaper than bb */
    static const char *const order[] = {"home/own", "aa/m", "bb/m", "cc/m",
                                        "keyless/m"};

    (void)state;
    assert_int_equal(d.n_verdicts, 5);
    assert_int_equal(d.n_listed, 4);
    for (uint32_t i = 0; i < d.n_verdicts; i++)
        assert_string_equal(d.verdicts[i].offer->name, order[i]);
    assert_int_equal(d.verdicts[4].why, WHY_NO_KEY);
    assert_true(d.verdicts[4].comparable);
    for (uint32_t i = 1; i < d.n_listed; i++)
        assert_true(d.verdicts[i - 1].compared.nanos <=
                    d.verdicts[i].compared.nanos);
    arena_free(a);
    snapshot_release(s);
}

static void each_reason_is_found(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct world w = fine(), failing = fine(), cooling = fine();
    struct query q;

    static const struct {
        const char *asked, *team;
        uint32_t needs;
        enum why why;
        int64_t max_tokens;
    } rows[] = {
        {"aa/m", NULL, 0, WHY_LISTED, 0},
        {"aa/m", "free", 0, WHY_LISTED, 0},
        {"aa/m", "bound", 0, WHY_TEAM, 0},
        {"keyless/m", NULL, 0, WHY_NO_KEY, 0},
        {"home/own", NULL, 0, WHY_LISTED, 0},
        {"bb/unpriced", NULL, 0, WHY_UNPRICED, 0},
        {"aa/dumb", NULL, NEED_TOOLS, WHY_TOOLS, 0},
        {"aa/dumb", NULL, NEED_VISION, WHY_VISION, 0},
        {"aa/dumb", NULL, NEED_JSON_SCHEMA, WHY_JSON, 0},
        {"aa/dumb", NULL, NEED_JSON_OBJECT, WHY_JSON, 0},
        {"aa/dumb", NULL, NEED_THINKING, WHY_THINKING, 0},
        {"aa/dumb", NULL, NEED_NO_THINKING, WHY_LISTED, 0},
        {"aa/musing", NULL, NEED_THINKING, WHY_LISTED, 0},
        {"aa/musing", NULL, NEED_NO_THINKING, WHY_THINKING, 0},
        {"aa/m", NULL,
         NEED_TOOLS | NEED_VISION | NEED_JSON_SCHEMA | NEED_JSON_OBJECT |
             NEED_THINKING,
         WHY_LISTED, 0},
        {"aa/m", NULL, 0, WHY_CONTEXT, 1000},
        {"aa/m", NULL, 0, WHY_CONTEXT, INT64_MAX},
        {"aa/m", NULL, 0, WHY_OUTPUT, 201},
        {"aa/m", NULL, 0, WHY_LISTED, 200},
        {"bb/m", NULL, 0, WHY_LISTED, 1000000},
        {"cc/m", "thrifty", 0, WHY_PRICE_CAP, 0},
        {"cc/m", "exact", 0, WHY_LISTED, 0},
        {"aa/m", "thrifty", 0, WHY_LISTED, 0},
        {"aa/m", "stingy", 0, WHY_PRICE_CAP, 0},
        {"home/own", "stingy", 0, WHY_LISTED, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        q = asking(rows[i].asked);
        q.team = rows[i].team ? snapshot_find_team(s, rows[i].team) : NULL;
        q.needs = rows[i].needs;
        q.max_tokens = rows[i].max_tokens;
        if (verdict_on(s, rows[i].asked, &q, &w, a).why != rows[i].why)
            fail_msg("row %zu: %s", i,
                     why_name(verdict_on(s, rows[i].asked, &q, &w, a).why));
    }
    for (size_t i = 0; i < ARRAY_LEN(w.of); i++)
        failing.of[i].available = cooling.of[i].key_ready = false;
    q = asking("aa/m");
    assert_int_equal(verdict_on(s, "aa/m", &q, &failing, a).why, WHY_BREAKER);
    assert_int_equal(verdict_on(s, "aa/m", &q, &cooling, a).why,
                     WHY_KEYS_COOLING);
    arena_free(a);
    snapshot_release(s);
}

static const char *refuses(const struct manner *manner, const struct chat *chat)
{
    (void)manner;
    return chat->stream ? "it knows no streams" : NULL;
}

/* Asked of the sieve itself: which real adapter refuses what may change. */
static void what_an_adapter_cannot_say_is_told_in_its_words(void **state)
{
    static const struct adapter shy = {.name = "shy", .refuses = refuses};
    const struct vendor vendor = {.auth = AUTH_NONE};
    const struct conf_model model = {0};
    const struct offer offer = {
        .vendor = &vendor, .manner = {.adapter = &shy}, .conf = &model};
    struct chat chat = {.stream = true};
    struct query q = asking("m");
    struct sifting sifting = {
        .query = &q,
        .offer = &offer,
        .state = {.available = true, .key_ready = true},
        .priced = true,
        .comparable = true,
    };

    (void)state;
    assert_int_equal(sieve(&sifting), WHY_LISTED);
    q.chat = &chat;
    assert_int_equal(sieve(&sifting), WHY_CANNOT_SAY);
    assert_string_equal(sifting.refusal, "it knows no streams");
    chat.stream = false;
    sifting.refusal = NULL;
    assert_int_equal(sieve(&sifting), WHY_LISTED);
}

static void without_an_exchange_rate_nothing_can_be_compared(void **state)
{
    struct yaml y = {vendors, "prices: {cc: {m: {input: 1, output: 1}}}\n",
                     "currency: CNY\n", NULL};
    struct snapshot *s = snapshot_of(&y);
    struct arena *a = arena_new();
    struct query q = asking("cc/m");
    struct world w = fine();
    struct verdict v = verdict_on(s, "cc/m", &q, &w, a);

    (void)state;
    assert_told("no exchange rate leads to CNY");
    assert_int_equal(v.why, WHY_NO_RATE);
    assert_false(v.comparable);
    assert_true(v.cost.total.nanos > 0);
    arena_free(a);
    snapshot_release(s);
}

static void ties_go_by_latency_and_then_by_name(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct query q = asking("pair");
    struct world w = fine();
    uint32_t aa = offer_called(s, "aa/m")->index,
             bb = offer_called(s, "bb/m")->index;

    static const struct {
        int32_t aa_ms, bb_ms;
        const char *first;
    } rows[] = {
        {0, 0, "aa/m"},     {300, 300, "aa/m"}, {300, 200, "bb/m"},
        {200, 300, "aa/m"}, {0, 900, "bb/m"},   {900, 0, "aa/m"},
    };

    (void)state;
    q.max_tokens = 100; /* both can give that much: they cost the same */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decision d;

        w.of[aa].latency_ms = rows[i].aa_ms;
        w.of[bb].latency_ms = rows[i].bb_ms;
        d = decided(s, &q, &w, a);
        assert_int_equal(d.n_listed, 2);
        assert_int_equal(d.verdicts[0].compared.nanos,
                         d.verdicts[1].compared.nanos);
        assert_string_equal(d.verdicts[0].offer->name, rows[i].first);
    }
    arena_free(a);
    snapshot_release(s);
}

static void what_failing_costs_is_added_as_likely_as_it_is(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct world w = fine();
    struct query q = asking("pair");
    uint32_t aa = offer_called(s, "aa/m")->index;
    struct decision d;

    (void)state;
    q.max_tokens = 100;
    w.of[aa].fails_ppm = 250000;
    d = decided(s, &q, &w, a);
    assert_string_equal(d.verdicts[0].offer->name, "aa/m"); /* free of charge */
    assert_int_equal(d.verdicts[0].risk, 0);
    w.of[aa].failed_nanos = 4000;
    d = decided(s, &q, &w, a);
    assert_string_equal(d.verdicts[0].offer->name, "bb/m");
    assert_int_equal(d.verdicts[1].risk, 1000);
    arena_free(a);
    snapshot_release(s);
}

static void expectations_follow_what_was_asked_and_seen(void **state)
{
    struct snapshot *s = market();
    const struct offer *bounded = offer_called(s, "aa/m"),
                       *open = offer_called(s, "bb/m");
    struct query plain = asking("m");
    int64_t estimate =
        tokenizer_estimate(open->vendor->tokenizer, &plain.text, 1, 0, 0);

    static const struct {
        bool bounded;
        int32_t seen;
        int64_t max_tokens, n, output;
    } rows[] = {
        {false, 0, 0, 1, EXPECTED_OUTPUT_TOKENS},
        {false, 0, 0, 0, EXPECTED_OUTPUT_TOKENS},
        {false, 0, 50, 1, 50},
        {false, 0, 5000, 1, EXPECTED_OUTPUT_TOKENS},
        {false, 1200, 0, 1, 1200},
        {false, 1200, 1000, 3, 3000},
        {true, 0, 0, 1, 200},
        {true, 150, 0, 2, 300},
        {true, 150, 10, 2, 20},
    };

    (void)state;
    assert_true(estimate > 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct query q = asking("m");
        struct offer_state state_of = {.output_tokens = rows[i].seen};
        struct usage u;

        q.max_tokens = rows[i].max_tokens;
        q.n = rows[i].n;
        u = usage_expected(rows[i].bounded ? bounded : open, &q, &state_of);
        assert_int_equal(u.output_tokens, rows[i].output);
        assert_int_equal(u.input_tokens, estimate);
        assert_true(u.estimated);
    }
    for (int32_t ppm = 500000; ppm <= 2000000; ppm += 500000) {
        struct query q = asking("m");
        struct offer_state seen = {.input_ppm = ppm};

        assert_int_equal(usage_expected(open, &q, &seen).input_tokens,
                         (estimate * ppm + 500000) / 1000000);
    }
    snapshot_release(s);
}

/* The correction that makes `wanted` tokens of an estimate. */
static int32_t scale_to(int64_t wanted, int64_t estimate)
{
    return estimate > 0 ? (int32_t)(wanted * 1000000 / estimate + 1) : 0;
}

static void the_context_holds_the_prompt_and_the_answer(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct world w = fine();
    struct query q = asking("aa/m");
    uint32_t aa = offer_called(s, "aa/m")->index;
    int64_t estimate = verdict_on(s, "aa/m", &q, &w, a).expected.input_tokens;

    (void)state;
    /* exactly 900 tokens expected: 100 are left */
    w.of[aa].input_ppm = scale_to(900, estimate);
    assert_int_equal(verdict_on(s, "aa/m", &q, &w, a).expected.input_tokens,
                     900);
    q.max_tokens = 100;
    assert_int_equal(verdict_on(s, "aa/m", &q, &w, a).why, WHY_LISTED);
    q.max_tokens = 101;
    assert_int_equal(verdict_on(s, "aa/m", &q, &w, a).why, WHY_CONTEXT);
    w.of[aa].input_ppm = scale_to(1000, estimate);
    q.max_tokens = 0;
    assert_int_equal(verdict_on(s, "aa/m", &q, &w, a).why, WHY_CONTEXT);
    arena_free(a);
    snapshot_release(s);
}

/* Member by member: between them may lie anything. */
static void assert_same(const struct verdict *a, const struct verdict *b)
{
    assert_ptr_equal(a->offer, b->offer);
    assert_int_equal(a->why, b->why);
    assert_ptr_equal(a->refusal, b->refusal);
    assert_int_equal(a->expected.input_tokens, b->expected.input_tokens);
    assert_int_equal(a->expected.cached_tokens, b->expected.cached_tokens);
    assert_int_equal(a->expected.output_tokens, b->expected.output_tokens);
    assert_ptr_equal(a->cost.row, b->cost.row);
    assert_int_equal(a->cost.total.nanos, b->cost.total.nanos);
    assert_int_equal(a->cost.total.currency, b->cost.total.currency);
    assert_int_equal(a->cost.quota_tokens, b->cost.quota_tokens);
    assert_int_equal(a->compared.nanos, b->compared.nanos);
    assert_int_equal(a->comparable, b->comparable);
    assert_int_equal(a->latency_ms, b->latency_ms);
    assert_int_equal(a->time, b->time);
    assert_int_equal(a->risk, b->risk);
    assert_int_equal(a->ahead, b->ahead);
}

static void the_same_question_gets_the_same_answer(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct query q = asking("all");
    struct world w = fine();
    struct decision one = decided(s, &q, &w, a);

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct decision two = decided(s, &q, &w, a);

        assert_int_equal(one.n_listed, two.n_listed);
        assert_int_equal(one.n_verdicts, two.n_verdicts);
        for (uint32_t k = 0; k < one.n_verdicts; k++)
            assert_same(&one.verdicts[k], &two.verdicts[k]);
    }
    arena_free(a);
    snapshot_release(s);
}

static void nobody_called_so_gives_no_verdicts(void **state)
{
    struct snapshot *s = market();
    struct arena *a = arena_new();
    struct query q = asking("nonesuch");
    struct world w = fine();
    struct decision d = decided(s, &q, &w, a);

    (void)state;
    assert_int_equal(d.n_verdicts, 0);
    assert_int_equal(d.n_listed, 0);
    arena_free(a);
    snapshot_release(s);
}

static void what_has_no_price_stands_last_if_the_policy_lists_it(void **state)
{
    static char last[1024];
    struct yaml y = {vendors, prices, last, NULL};
    struct arena *a = arena_new();
    struct query q = asking("bb/unpriced");
    struct world w = fine();
    struct snapshot *s;
    struct decision d;

    (void)state;
    snprintf(last, sizeof(last), "unpriced: last\n%s", policy);
    s = snapshot_of(&y);
    d = decided(s, &q, &w, a);
    assert_int_equal(d.n_listed, 1);
    assert_false(d.verdicts[0].comparable);
    assert_null(d.verdicts[0].cost.row);
    q.team = snapshot_find_team(s, "stingy"); /* a cap cannot be kept */
    assert_int_equal(verdict_on(s, "bb/unpriced", &q, &w, a).why, WHY_UNPRICED);
    snapshot_release(s);
    snprintf(last, sizeof(last),
             "unpriced: last\ncurrency: CNY\n"
             "aliases: {any: [bb/unpriced, bb/m, cc/m]}\n");
    s = snapshot_of(&y);
    q = asking("any");
    w.of[offer_called(s, "bb/unpriced")->index].latency_ms = 1;
    d = decided(s, &q, &w, a);
    assert_int_equal(d.n_listed, 3);
    assert_string_equal(d.verdicts[2].offer->name, "bb/unpriced");
    arena_free(a);
    snapshot_release(s);
}

static int64_t output_rate(const struct verdict *v)
{
    return v->cost.row ? v->cost.row->output.nanos_per_mtok : -1;
}

/* Thinking and the class of service are expected as they are asked for. */
static void the_rules_of_the_price_book_decide_what_is_expected(void **state)
{
    static const char rules[] =
        "exchange_rates: [{pair: USD/CNY, from: 2026-01-01, rate: 7}]\n"
        "quotas: {q: {tokens: 9, per: once}}\n"
        "prices:\n"
        "  aa:\n"
        "    m: [{thinking: yes, input: 1, output: 9},\n"
        "        {input_at_most: 100, output_at_most: 50, input: 1, output: "
        "2},\n"
        "        {input: 1, output: 3, service_tiers: {flex: 0.5}}]\n"
        "  bb: {m: {quota: q, input: 1, output: 4}}\n";
    struct yaml y = {vendors, rules, policy, NULL};
    struct snapshot *s = snapshot_of(&y);
    struct arena *a = arena_new();
    struct query q = asking("m");
    struct world w = fine();
    struct verdict v;

    (void)state;
    v = verdict_on(s, "aa/m", &q, &w, a);
    assert_int_equal(output_rate(&v), 3000000000);
    q.tier = TIER_FLEX;
    assert_int_equal(verdict_on(s, "aa/m", &q, &w, a).cost.total.nanos,
                     v.cost.total.nanos / 2);
    q.text = (struct text_count){.latin = 40, .words = 10};
    w.of[offer_called(s, "aa/m")->index].output_tokens = 50;
    v = verdict_on(s, "aa/m", &q, &w, a);
    assert_int_equal(output_rate(&v), 2000000000);
    q.needs = NEED_THINKING;
    v = verdict_on(s, "aa/m", &q, &w, a);
    assert_true(v.expected.thinks);
    assert_int_equal(output_rate(&v), 9000000000);
    q.needs = 0;
    v = verdict_on(s, "bb/m", &q, &w, a);
    assert_true(v.cost.total.nanos > 0);
    w.of[offer_called(s, "bb/m")->index].quota_left = 100000;
    v = verdict_on(s, "bb/m", &q, &w, a);
    assert_int_equal(v.cost.total.nanos, 0);
    assert_int_equal(v.cost.quota_tokens,
                     v.expected.input_tokens + v.expected.output_tokens);
    arena_free(a);
    snapshot_release(s);
}

static void each_reason_has_words(void **state)
{
    (void)state;
    for (int why = 0; why < WHY_COUNT; why++) {
        assert_non_null(why_name((enum why)why));
        assert_true(strlen(why_help((enum why)why)) > 10);
    }
    assert_string_equal(why_name(WHY_PRICE_CAP), "price_cap");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_stands_first_and_the_others_say_why),
        cmocka_unit_test(each_reason_is_found),
        cmocka_unit_test(what_an_adapter_cannot_say_is_told_in_its_words),
        cmocka_unit_test(without_an_exchange_rate_nothing_can_be_compared),
        cmocka_unit_test(ties_go_by_latency_and_then_by_name),
        cmocka_unit_test(what_failing_costs_is_added_as_likely_as_it_is),
        cmocka_unit_test(expectations_follow_what_was_asked_and_seen),
        cmocka_unit_test(the_context_holds_the_prompt_and_the_answer),
        cmocka_unit_test(the_same_question_gets_the_same_answer),
        cmocka_unit_test(nobody_called_so_gives_no_verdicts),
        cmocka_unit_test(what_has_no_price_stands_last_if_the_policy_lists_it),
        cmocka_unit_test(the_rules_of_the_price_book_decide_what_is_expected),
        cmocka_unit_test(each_reason_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
