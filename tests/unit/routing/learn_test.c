/* learn_test.c - what answers teach, one rule at a time. */
#include "routing/learn.h"

#include <math.h>

#include "routing/learn_parts.h"

#include "unit/routing/fixture.h"

static const struct yaml world = {
    .vendors = "vendors:\n"
               "  near: {base_url: 'http://n/v1', currency: CNY, auth: none,\n"
               "         cache: {ttl: 10m}, models: {m: {}}}\n"
               "  far: {base_url: 'http://f/v1', currency: CNY, auth: none,\n"
               "        cache: {ttl: 10m}, models: {m: {}}}\n",
    .prices = "prices:\n"
              "  near: {m: {input: 1, cached_input: 0.1, output: 2}}\n"
              "  far: {m: {input: 1.05, cached_input: 0.1, output: 2}}\n",
    .policy = "currency: CNY\naliases: {chat: [near/m, far/m]}\nteams: {t: }\n",
};

struct scene {
    struct arena *arena;
    struct snapshot *snapshot;
    struct learnt *learnt;
    const uint16_t *numbers;
    struct outlook *outlook;
    int64_t now_ms;
};

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const struct scene *s = self;

    *out = (struct offer_state){.available = true, .key_ready = true};
    learnt_look(s->outlook, offer, out);
}

static void weigh(const void *self, const struct snapshot *snapshot,
                  struct verdict *const *listed, uint32_t n)
{
    const struct scene *s = self;

    learnt_weigh(s->outlook, snapshot, listed, n);
}

/* `units` reads where requests ended or parted alone, and late; `warm` is late
 * too, but dear until then. */
static const struct yaml late = {
    .vendors =
        "vendors:\n"
        "  units: {base_url: 'http://u/v1', currency: CNY, auth: none,\n"
        "          cache: {ttl: 10m, usable_after: 5s, whole_units: yes},\n"
        "          models: {m: {}}}\n"
        "  bare: {base_url: 'http://b/v1', currency: CNY, auth: none,\n"
        "         cache: {none: yes}, models: {m: {}}}\n"
        "  warm: {base_url: 'http://w/v1', currency: CNY, auth: none,\n"
        "         cache: {ttl: 10m, usable_after: 10s}, models: {m: {}}}\n",
    .prices = "prices:\n"
              "  units: {m: {input: 1, cached_input: 0.1, output: 2}}\n"
              "  bare: {m: {input: 1.05, output: 2}}\n"
              "  warm: {m: {input: 2, cached_input: 0.05, output: 2}}\n",
    .policy = "currency: CNY\n"
              "aliases: {units: [units/m, bare/m], warm: [bare/m, warm/m]}\n"
              "teams: {t: }\n",
};

static struct scene scene_of(const struct yaml *yaml)
{
    const struct learnt_limits limits = {.blocks = 1 << 10, .tails = 1 << 8};
    struct scene s = {.arena = arena_new(), .now_ms = 1795000000000};
    char *bytes = arena_alloc(s.arena, learnt_bytes(limits) + 64);

    s.snapshot = snapshot_try(yaml, &fixture_secrets);
    assert_non_null(s.snapshot);
    s.learnt = learnt_init(bytes + (-(uintptr_t)bytes % 64), limits,
                           (const uint64_t[2]){1, 2});
    s.numbers = learnt_bind(s.learnt, s.snapshot, s.arena);
    return s;
}

static struct scene scene_open(void)
{
    return scene_of(&world);
}

static void scene_close(struct scene *s)
{
    snapshot_release(s->snapshot);
    arena_free(s->arena);
}

static struct query query_of(int64_t words, const uint64_t *names,
                             const int32_t *ends, uint32_t n)
{
    return (struct query){
        .asked = "chat",
        .n = 1,
        .text = {.words = words, .latin = 5 * words},
        .prefix = {.names = names, .ends = ends, .n = n, .full = true},
    };
}

/* Decides; the first listed answers with these tokens. */
static struct decision play(struct scene *s, const struct query *q,
                            double tokens_true, int64_t output, bool cached)
{
    struct conditions c = {
        .now_unix_ms = s->now_ms, .look = look, .weigh = weigh, .self = s};
    struct decision d;
    struct usage u;

    s->outlook = learnt_prepare(s->learnt, s->numbers, q, s->now_ms, s->arena);
    decide(&d, s->snapshot, q, &c, s->arena);
    assert_int_equal(d.n_listed, 2);
    u = d.verdicts[0].expected;
    u.input_tokens =
        (int64_t)(tokens_true * (double)learnt_reference_tokens(q));
    u.output_tokens = output;
    u.cached_tokens = cached ? u.cached_tokens : 0;
    u.estimated = false;
    learnt_answered(s->learnt,
                    learnt_sent(s->learnt, s->outlook, s->snapshot, &d,
                                &d.verdicts[0], s->arena),
                    &u, d.verdicts[0].compared.nanos);
    s->now_ms += 20000;
    return d;
}

static void a_tokenizer_that_counts_more_is_learnt_within_ten_answers(void **u)
{
    struct scene s = scene_open();
    struct query q = query_of(1000, NULL, NULL, 0);
    struct decision d;

    (void)u;
    for (int i = 0; i < 10; i++)
        play(&s, &q, 1.4, 100, true);
    d = play(&s, &q, 1.4, 100, true);
    for (uint32_t i = 0; i < d.n_listed; i++)
        if (d.verdicts[i].offer == &s.snapshot->offers[0])
            assert_true(fabs((double)d.verdicts[i].expected.input_tokens /
                                 (1.4 * (double)learnt_reference_tokens(&q)) -
                             1) < .03);
    scene_close(&s);
}

static void answers_are_expected_as_long_as_they_were(void **u)
{
    struct scene s = scene_open();
    struct query q = query_of(1000, NULL, NULL, 0);
    struct decision d = play(&s, &q, 1, 50, true);

    (void)u;
    assert_int_equal(d.verdicts[0].expected.output_tokens, 300);
    for (int i = 0; i < 40; i++)
        d = play(&s, &q, 1, 50, true);
    assert_in_range(d.verdicts[0].expected.output_tokens, 45, 80);
    scene_close(&s);
}

/* Which offer is cheapest turns within an octave of prompts' sizes. */
static void a_half_longer_prompt_is_not_answered_as_the_shorter(void **u)
{
    struct scene s = scene_open();
    struct query brief = query_of(900, NULL, NULL, 0);
    struct query longer = query_of(1350, NULL, NULL, 0);
    struct decision d, e;

    (void)u;
    for (int i = 0; i < 60; i++) {
        d = play(&s, &brief, 1, 400, true);
        e = play(&s, &longer, 1, 100, true);
    }
    assert_in_range(d.verdicts[0].expected.output_tokens, 360, 420);
    assert_in_range(e.verdicts[0].expected.output_tokens, 90, 140);
    scene_close(&s);
}

static void a_conversation_stays_where_its_beginning_is_cached(void **u)
{
    static const uint64_t names[] = {11, 12, 13, 14};
    static const int32_t ends[] = {1000, 2000, 3000, 4000};
    struct scene s = scene_open();
    struct query first = query_of(4000, names, ends, 3);
    struct query next = query_of(5300, names, ends, 4);
    const struct offer *home;
    struct decision d;

    (void)u;
    d = play(&s, &first, 1, 50, true);
    home = d.verdicts[0].offer;
    assert_int_equal(d.verdicts[0].expected.cached_tokens, 0);
    d = play(&s, &next, 1, 50, true);
    assert_ptr_equal(d.verdicts[0].offer, home);
    assert_true(d.verdicts[0].expected.cached_tokens > 2500);
    assert_int_equal(d.verdicts[1].expected.cached_tokens, 0);
    scene_close(&s);
}

static void a_cache_that_misses_is_believed_less(void **u)
{
    static const uint64_t names[] = {21, 22, 23};
    static const int32_t ends[] = {1000, 2000, 3000};
    struct scene s = scene_open();
    struct query q = query_of(2500, names, ends, 3);
    int64_t trusted, doubted;
    struct decision d;

    (void)u;
    play(&s, &q, 1, 50, true);
    d = play(&s, &q, 1, 50, false);
    trusted = d.verdicts[0].expected.cached_tokens;
    for (int i = 0; i < 30; i++)
        d = play(&s, &q, 1, 50, i % 2);
    doubted = d.verdicts[0].expected.cached_tokens;
    assert_true(doubted < trusted * 8 / 10);
    scene_close(&s);
}

static void what_was_cached_is_forgotten_after_its_time(void **u)
{
    static const uint64_t names[] = {31, 32};
    static const int32_t ends[] = {1000, 2000};
    struct scene s = scene_open();
    struct query q = query_of(1700, names, ends, 2);
    struct decision d;

    (void)u;
    play(&s, &q, 1, 50, true);
    s.now_ms += 11 * 60000;
    d = play(&s, &q, 1, 50, true);
    assert_int_equal(d.verdicts[0].expected.cached_tokens, 0);
    scene_close(&s);
}

/* Two that cost the same; `a` comes first by name. */
static const struct yaml twins = {
    .vendors = "vendors:\n"
               "  a: {base_url: 'http://a/v1', currency: CNY, auth: none,\n"
               "      cache: {ttl: 10m}, models: {m: {}}}\n"
               "  b: {base_url: 'http://b/v1', currency: CNY, auth: none,\n"
               "      cache: {ttl: 10m}, models: {m: {}}}\n",
    .prices = "prices:\n"
              "  a: {m: {input: 1, cached_input: 0.1, output: 2}}\n"
              "  b: {m: {input: 1, cached_input: 0.1, output: 2}}\n",
    .policy = "currency: CNY\n"
              "aliases: {chat: [a/m, b/m]}\n"
              "teams: {t: }\n",
};

/* The n-th request, of a beginning of its own; `b` serves the first. Returns
 * who would serve it. */
static const char *play_hinted(struct scene *s, uint64_t n, uint64_t hint)
{
    const struct conditions c = {
        .now_unix_ms = s->now_ms, .look = look, .weigh = weigh, .self = s};
    const uint64_t names[] = {500 + 10 * n, 501 + 10 * n};
    const int32_t ends[] = {500, 1000};
    struct query q = query_of(900, names, ends, 2);
    struct decision d;

    q.prefix.hint = hint;
    s->outlook = learnt_prepare(s->learnt, s->numbers, &q, s->now_ms, s->arena);
    decide(&d, s->snapshot, &q, &c, s->arena);
    if (n == 0)
        learnt_sent(s->learnt, s->outlook, s->snapshot, &d, &d.verdicts[1],
                    s->arena);
    s->now_ms += 20000;
    return d.verdicts[0].offer->name;
}

static void what_the_client_calls_one_stays_where_it_was(void **u)
{
    struct scene s = scene_of(&twins);

    (void)u;
    assert_string_equal(play_hinted(&s, 0, 77), "a/m");
    assert_string_equal(play_hinted(&s, 1, 0), "a/m");
    assert_string_equal(play_hinted(&s, 2, 78), "a/m");
    assert_string_equal(play_hinted(&s, 3, 77), "b/m");
    s.now_ms += 11 * 60000; /* its cache has forgotten */
    assert_string_equal(play_hinted(&s, 4, 77), "a/m");
    scene_close(&s);
}

/* A request of two blocks that others begin with, and one of its own. */
static struct decision play_shared(struct scene *s, const char *asked,
                                   uint64_t own)
{
    const uint64_t names[] = {41, 42, own, own + 1};
    const int32_t ends[] = {1000, 2000, 3000, 4000};
    struct query q = query_of(4000, names, ends, 4);

    q.asked = asked;
    return play(s, &q, 1, 50, true);
}

static void where_requests_parted_is_read_once_that_is_old_enough(void **u)
{
    struct scene s = scene_of(&late);
    struct decision d;

    (void)u;
    play_shared(&s, "units", 100);
    play_shared(&s, "units", 200); /* parts behind two blocks */
    s.now_ms -= 17000;             /* three seconds later */
    d = play_shared(&s, "units", 300);
    assert_string_equal(d.verdicts[0].offer->name, "units/m");
    assert_int_equal(d.verdicts[0].expected.cached_tokens, 0);
    d = play_shared(&s, "units", 400);
    assert_in_range(d.verdicts[0].expected.cached_tokens, 1700, 2100);
    scene_close(&s);
}

static void a_common_beginning_is_bought_once_while_it_warms_up(void **u)
{
    struct scene s = scene_of(&late);
    int cold = 0;

    (void)u;
    for (uint64_t i = 0; i < 60; i++) {
        struct decision d = play_shared(&s, "warm", 1000 + 10 * i);

        cold += strcmp(d.verdicts[0].offer->name, "warm/m") == 0 &&
                d.verdicts[0].expected.cached_tokens == 0;
        s.now_ms -= 19000; /* one a second */
        if (i > 40)
            assert_string_equal(d.verdicts[0].offer->name, "warm/m");
    }
    assert_in_range(cold, 1, 3);
    scene_close(&s);
}

/* Asked by all; whoever is named answers with so many tokens. Returns what
 * `b` is expected to say next. */
static int64_t answer_by(struct scene *s, const char *who, int64_t output)
{
    const struct conditions c = {
        .now_unix_ms = s->now_ms, .look = look, .weigh = weigh, .self = s};
    struct query q = query_of(1000, NULL, NULL, 0);
    int64_t expected = 0;
    struct decision d;

    s->outlook = learnt_prepare(s->learnt, s->numbers, &q, s->now_ms, s->arena);
    decide(&d, s->snapshot, &q, &c, s->arena);
    for (uint32_t i = 0; i < d.n_listed; i++) {
        const struct verdict *v = &d.verdicts[i];
        struct usage u = v->expected;

        if (strcmp(v->offer->name, "b/m") == 0)
            expected = u.output_tokens;
        if (strcmp(v->offer->name, who) != 0)
            continue;
        u.estimated = false;
        u.output_tokens = output;
        learnt_answered(
            s->learnt,
            learnt_sent(s->learnt, s->outlook, s->snapshot, &d, v, s->arena),
            &u, v->compared.nanos);
    }
    s->now_ms += 20000;
    return expected;
}

static void who_talks_twice_as_long_is_known_by_those_beside_it(void **u)
{
    struct scene s = scene_of(&twins);
    int64_t expected = 0;

    (void)u;
    for (int i = 0; i < 40; i++) {
        answer_by(&s, "a/m", 100);
        expected = answer_by(&s, "b/m", 200);
    }
    assert_in_range(expected, 170, 215);
    scene_close(&s);
}

static void long_answers_of_one_alone_are_what_others_would_say(void **u)
{
    struct scene s = scene_of(&twins);
    int64_t expected = 0;

    (void)u;
    for (int i = 0; i < 60; i++)
        expected = answer_by(&s, "a/m", 900);
    assert_in_range(expected, 750, 910);
    scene_close(&s);
}

/* Of `flat` the cache is known, of `deep` nothing is. */
#define FLAT_AND_DEEP                                                \
    "vendors:\n"                                                     \
    "  flat: {base_url: 'http://a/v1', currency: CNY, auth: none,\n" \
    "         cache: {ttl: 1h}, models: {m: {}}}\n"                  \
    "  deep: {base_url: 'http://b/v1', currency: CNY, auth: none,\n" \
    "         models: {m: {}}}\n"
#define EITHER                            \
    "currency: CNY\n"                     \
    "aliases: {chat: [flat/m, deep/m]}\n" \
    "teams: {t: }\n"

/* `deep` costs more until its cache is read. */
static const struct yaml doubted = {
    .vendors = FLAT_AND_DEEP,
    .prices = "prices:\n"
              "  flat: {m: {input: 1, cached_input: 0.2, output: 2}}\n"
              "  deep: {m: {input: 1.2, cached_input: 0.02, output: 2}}\n",
    .policy = EITHER,
};

/* The same, but that answers cost next to nothing: nothing but what its cache
 * may be speaks for trying `deep`. */
static const struct yaml silent = {
    .vendors = FLAT_AND_DEEP,
    .prices = "prices:\n"
              "  flat: {m: {input: 1, cached_input: 0.2, output: 0.01}}\n"
              "  deep: {m: {input: 1.2, cached_input: 0.02, output: 0.01}}\n",
    .policy = EITHER,
};

/* Each cache reads what it has been sent `from` times before. Returns who
 * served. */
static const char *play_read(struct scene *s, uint64_t own, int sent[2],
                             int from)
{
    const struct conditions c = {
        .now_unix_ms = s->now_ms, .look = look, .weigh = weigh, .self = s};
    const uint64_t names[] = {41, 42, own, own + 1};
    const int32_t ends[] = {2000, 4000, 5000, 6000};
    struct query q = query_of(4600, names, ends, 4);
    struct decision d;
    struct usage u;

    s->outlook = learnt_prepare(s->learnt, s->numbers, &q, s->now_ms, s->arena);
    decide(&d, s->snapshot, &q, &c, s->arena);
    u = d.verdicts[0].expected;
    u.cached_tokens =
        sent[d.verdicts[0].offer->index]++ >= from ? u.input_tokens * 2 / 3 : 0;
    u.estimated = false;
    learnt_answered(s->learnt,
                    learnt_sent(s->learnt, s->outlook, s->snapshot, &d,
                                &d.verdicts[0], s->arena),
                    &u, d.verdicts[0].compared.nanos);
    return d.verdicts[0].offer->name;
}

/* How many of the last hundred of 900 went to `deep`. */
static int deep_at_last(const struct yaml *yaml, int from)
{
    struct scene s = scene_of(yaml);
    int sent[2] = {0}, deep = 0;

    for (uint64_t i = 0; i < 900; i++) {
        const char *who = play_read(&s, 1000 + 10 * i, sent, from);

        deep += i >= 800 && strcmp(who, "deep/m") == 0;
        s.now_ms += 240000; /* one in four minutes */
    }
    scene_close(&s);
    return deep;
}

static void a_cache_of_which_nothing_is_told_is_used_once_it_is_seen_to_read(
    void **u)
{
    (void)u;
    assert_in_range(deep_at_last(&doubted, 1), 90, 100);
}

/* It missed at first; the few requests that only look ahead would not teach in
 * time that it no longer does. */
static void a_cache_that_is_not_believed_is_tried_for_what_it_may_be(void **u)
{
    (void)u;
    assert_in_range(deep_at_last(&silent, 2), 90, 100);
}

/* One begins every five seconds; every second one goes on 100 s later. */
static void those_that_have_not_gone_on_yet_count_as_half(void **u)
{
    static const int32_t ends[] = {1000, 2000, 3000};
    const uint64_t n = 60;
    struct scene s = scene_open();
    int64_t begin = s.now_ms;
    struct learnt_reasons why;

    (void)u;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t names[] = {100 * i + 1, 100 * i + 2, 100 * i + 3};
        struct query q = query_of(1700, names, ends, 2);

        s.now_ms = begin + (int64_t)i * 5000;
        play(&s, &q, 1, 50, true);
        why = learnt_why(s.outlook);
        if (i >= 20 && i % 2 == 0) {
            const uint64_t then[] = {100 * (i - 20) + 1, 100 * (i - 20) + 2,
                                     100 * (i - 20) + 3};

            q = query_of(2500, then, ends, 3);
            s.now_ms = begin + (int64_t)i * 5000 + 1;
            play(&s, &q, 1, 50, true);
        }
    }
    assert_true(why.goes_on > .35 && why.goes_on < .65);
    scene_close(&s);
}

static void within_a_bin_any_moment_is_as_likely_as_the_next(void **u)
{
    struct chance c;

    (void)u;
    for (int i = 0; i < RETURN_BINS; i++)
        c.by[i] = .75F;
    assert_true(fabs((double)chance_by(&c, 250) - .5) < 1e-6); /* of 500 */
    assert_true(fabs((double)chance_by(&c, 0)) < 1e-6);
    assert_true(fabs((double)chance_by(&c, 500) - .75) < 1e-6);
    assert_true(fabs((double)chance_by(&c, UINT32_MAX) - .75) < 1e-6);
}

static void what_surely_comes_has_come_in_all_later_bins(void **u)
{
    struct chance c;

    (void)u;
    for (int i = 0; i < RETURN_BINS; i++)
        c.by[i] = 1;
    assert_true(chance_by(&c, 700) == 1); /* in the second bin */
    assert_true(chance_by(&c, UINT32_MAX) == 1);
}

static void a_file_of_other_limits_or_with_a_wild_index_is_refused(void **u)
{
    const struct learnt_limits limits = {.blocks = 1 << 10, .tails = 1 << 8};
    struct scene s = scene_open();
    size_t len = learnt_bytes(limits);

    (void)u;
    assert_true(learnt_is_sound(s.learnt, len, limits));
    assert_false(learnt_is_sound(s.learnt, len - 1, limits));
    assert_false(learnt_is_sound(s.learnt, len, learnt_limits_small));
    memset((char *)s.learnt + len - 64, 0xff, 64); /* tails */
    assert_false(learnt_is_sound(s.learnt, len, limits));
    scene_close(&s);
}

static void memory_never_grows_whatever_comes(void **u)
{
    const struct learnt_limits limits = {.blocks = 1 << 10, .tails = 1 << 8};
    struct scene s = scene_open();
    uint64_t names[8];
    int32_t ends[8];

    (void)u;
    for (uint64_t i = 0; i < 3000; i++) {
        struct query q;

        for (uint32_t k = 0; k < 8; k++) {
            names[k] = i * 8 + k + 1;
            ends[k] = (int32_t)(100 * (k + 1));
        }
        q = query_of(900, names, ends, 8);
        play(&s, &q, 1, 50, true);
    }
    assert_true(learnt_count(s.learnt).blocks <= limits.blocks);
    assert_in_range(learnt_bytes(learnt_limits_small), 9 << 20, 10 << 20);
    assert_true(learnt_is_sound(s.learnt, learnt_bytes(limits), limits));
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_tokenizer_that_counts_more_is_learnt_within_ten_answers),
        cmocka_unit_test(answers_are_expected_as_long_as_they_were),
        cmocka_unit_test(a_half_longer_prompt_is_not_answered_as_the_shorter),
        cmocka_unit_test(a_conversation_stays_where_its_beginning_is_cached),
        cmocka_unit_test(what_the_client_calls_one_stays_where_it_was),
        cmocka_unit_test(a_cache_that_misses_is_believed_less),
        cmocka_unit_test(what_was_cached_is_forgotten_after_its_time),
        cmocka_unit_test(where_requests_parted_is_read_once_that_is_old_enough),
        cmocka_unit_test(a_common_beginning_is_bought_once_while_it_warms_up),
        cmocka_unit_test(who_talks_twice_as_long_is_known_by_those_beside_it),
        cmocka_unit_test(long_answers_of_one_alone_are_what_others_would_say),
        cmocka_unit_test(
            a_cache_of_which_nothing_is_told_is_used_once_it_is_seen_to_read),
        cmocka_unit_test(
            a_cache_that_is_not_believed_is_tried_for_what_it_may_be),
        cmocka_unit_test(those_that_have_not_gone_on_yet_count_as_half),
        cmocka_unit_test(within_a_bin_any_moment_is_as_likely_as_the_next),
        cmocka_unit_test(what_surely_comes_has_come_in_all_later_bins),
        cmocka_unit_test(
            a_file_of_other_limits_or_with_a_wild_index_is_refused),
        cmocka_unit_test(memory_never_grows_whatever_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
