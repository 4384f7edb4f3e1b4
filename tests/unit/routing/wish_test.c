#include "routing/match.h"

#include "unit/routing/fixture.h"

static const char vendors[] =
    "vendors:\n"
    "  home: {base_url: \"http://127.0.0.1:9/v1\", currency: CNY, auth: none,\n"
    "         region: own, models: {m: {context: 1000, tools: yes}}}\n"
    "  near: {base_url: \"https://near.example\", currency: CNY, region: cn,\n"
    "         keys: [{env: KEY}], models: {m: {context: 100000, vision: yes,\n"
    "         max_output: 8000}}}\n"
    "  far: {base_url: \"https://far.example\", currency: CNY, region: us,\n"
    "        keys: [{env: KEY}], models: {m: {context: 200000, tools: yes,\n"
    "        max_output: 9000}}}\n"
    "  lost: {base_url: \"https://lost.example\", currency: CNY,\n"
    "         keys: [{env: KEY}], models: {m: {tools: yes}}}\n";

static const char prices[] = "prices:\n"
                             "  home: {m: {input: 4, output: 4}}\n"
                             "  near: {m: {input: 3, output: 3}}\n"
                             "  far: {m: {input: 2, output: 2}}\n"
                             "  lost: {m: {input: 1, output: 1}}\n";

static struct snapshot *with_teams(const char *teams)
{
    static char policy[4096];
    struct yaml y = {vendors, prices, policy, NULL};

    snprintf(policy, sizeof(policy),
             "aliases: {all: [m], quick: [m]}\nteams:\n%s", teams);
    return snapshot_try(&y, &fixture_secrets);
}

/* ms to the first byte, by the offer's index. */
static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const int32_t *latency_ms = self;

    *out = (struct offer_state){.available = true,
                                .key_ready = true,
                                .latency_ms = latency_ms[offer->index]};
}

/* "far near !home:floor": those listed in order, then the others and why. */
static const char *told(const struct snapshot *s, const char *team,
                        const char *asked, const int32_t latency_ms[4],
                        struct arena *a)
{
    const struct query q = {.asked = asked,
                            .team = snapshot_find_team(s, team),
                            .text = {.latin = 400, .words = 100, .space = 100},
                            .n_messages = 1,
                            .n = 1};
    const struct conditions c = {
        .now_unix_ms = instant("2026-07-01"), .look = look, .self = latency_ms};
    struct decision d;
    const char *text = "";

    decide(&d, s, &q, &c, a);
    for (uint32_t i = 0; i < d.n_verdicts; i++) {
        const struct verdict *v = &d.verdicts[i];

        text = arena_printf(a, "%s%s%s%s%s%s", text, i ? " " : "",
                            v->why ? "!" : "", v->offer->vendor->name,
                            v->why ? ":" : "", v->why ? why_name(v->why) : "");
    }
    return text;
}

static const int32_t unknown[4] = {0};

static void count(void *to, const char *id, const char *owner)
{
    (void)id;
    (void)owner;
    ++*(int *)to;
}

static void data_goes_to_the_regions_named_and_nowhere_else(void **state)
{
    struct snapshot *s = with_teams("  a: {residency: cn}\n"
                                    "  b: {residency: [cn, own]}\n"
                                    "  c: {residency: mars}\n"
                                    "  d: {}\n");
    struct arena *a = arena_new();
    int n = 0;

    (void)state;
    assert_string_equal(told(s, "a", "all", unknown, a),
                        "near !home:residency !far:residency !lost:residency");
    assert_string_equal(told(s, "b", "m", unknown, a),
                        "near home !far:residency !lost:residency");
    assert_string_equal(told(s, "a", "far/m", unknown, a), "!far:residency");
    assert_string_equal(told(s, "d", "m", unknown, a), "lost far near home");
    assert_told("no vendor's region is \"mars\"");
    assert_told("leave it no model at all");
    snapshot_list_models(s, snapshot_find_team(s, "a"), count, &n);
    assert_int_equal(n, 3); /* two aliases and near/m */
    arena_free(a);
    snapshot_release(s);
}

static void a_floor_leaves_out_what_can_do_less_or_does_not_say(void **state)
{
    struct snapshot *s =
        with_teams("  a: {floor: {context: 100000}}\n"
                   "  b: {floor: {tools: yes}}\n"
                   "  c: {floor: {max_output: 8001, tools: yes}}\n"
                   "  d: {floor: {vision: yes}, residency: us}\n");
    struct arena *a = arena_new();

    (void)state;
    assert_string_equal(told(s, "a", "m", unknown, a),
                        "far near !home:floor !lost:floor");
    assert_string_equal(told(s, "b", "m", unknown, a),
                        "lost far home !near:floor");
    assert_string_equal(told(s, "c", "m", unknown, a),
                        "far !home:floor !near:floor !lost:floor");
    assert_string_equal(
        told(s, "d", "m", unknown, a),
        "!home:residency !near:residency !far:floor !lost:residency");
    arena_free(a);
    snapshot_release(s);
}

/* About 400 tokens: lost costs 0.0004, far 0.0008, near 0.0012, home 0.0016. */
static void what_a_second_is_worth_is_added_to_the_cost(void **state)
{
    struct snapshot *s = with_teams(
        "  cheap: {objective: cheapest}\n"
        "  some: {objective: {latency: 0.001 CNY/s}}\n"
        "  hasty: {objective: {latency: 0.01 CNY/s}}\n"
        "  mixed: {objective: {latency: 0.01 CNY/s},\n"
        "          objectives: {all: cheapest, quick: {latency: 1 CNY/s}}}\n");
    const int32_t ms[4] = {100, 100, 700, 2000}; /* home near far lost */
    struct arena *a = arena_new();

    (void)state;
    assert_string_equal(told(s, "cheap", "m", ms, a), "lost far near home");
    /* 0.0004+0.002, 0.0008+0.0007, 0.0012+0.0001, 0.0016+0.0001 */
    assert_string_equal(told(s, "some", "m", ms, a), "near far home lost");
    assert_string_equal(told(s, "hasty", "m", ms, a), "near home far lost");
    assert_string_equal(told(s, "mixed", "m", ms, a), "near home far lost");
    assert_string_equal(told(s, "mixed", "all", ms, a), "lost far near home");
    assert_string_equal(told(s, "mixed", "quick", ms, a), "near home far lost");
    /* who is new is tried */
    assert_string_equal(told(s, "hasty", "m", unknown, a),
                        "lost far near home");
    arena_free(a);
    snapshot_release(s);
}

static void what_makes_no_sense_is_told(void **state)
{
    static const struct {
        const char *team, *told;
    } cases[] = {
        {"  a: {objective: {latency: 0.002 USD/s}}\n", "write it in CNY"},
        {"  a: {objective: {latency: 0.002}}\n", "what a second is worth"},
        {"  a: {objective: {latency: -1 CNY/s}}\n", "what a second is worth"},
        {"  a: {objective: {latency: 1001 CNY/s}}\n", "what a second is worth"},
        {"  a: {objective: fastest}\n", "found"},
        {"  a: {objectives: {no-such: {latency: 1 CNY/s}}}\n",
         "nothing is called \"no-such\""},
        {"  a: {floor: {tool: yes}}\n", "\"tool\""},
        {"  a: {residency: []}\n", "residency"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(with_teams(cases[i].team));
        assert_told(cases[i].told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_goes_to_the_regions_named_and_nowhere_else),
        cmocka_unit_test(a_floor_leaves_out_what_can_do_less_or_does_not_say),
        cmocka_unit_test(what_a_second_is_worth_is_added_to_the_cost),
        cmocka_unit_test(what_makes_no_sense_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
