#include "vendors/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attr.h"

/* clang-format off */
static const struct {
    const char *object;
    enum usage_found found;
    int64_t input, cached, cache_write, output, thinking;
} rows[] = {
    /* OpenAI: prompt includes cached, completion includes reasoning */
    {"{\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120,\"prompt_tokens_details\":{\"cached_tokens\":64,\"audio_tokens\":0,\"cache_write_tokens\":16},\"completion_tokens_details\":{\"reasoning_tokens\":12,\"accepted_prediction_tokens\":0}}",
     USAGE_GOOD, 100, 64, 16, 20, 12},
    {"{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":null}", USAGE_GOOD, 1, 0, 0, 2, 0},
    /* the responses' spelling */
    {"{\"input_tokens\":9,\"output_tokens\":3,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens_details\":{\"reasoning_tokens\":1}}",
     USAGE_GOOD, 9, 4, 0, 3, 1},
    /* DeepSeek */
    {"{\"prompt_tokens\":20,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":16,\"prompt_cache_miss_tokens\":4}", USAGE_GOOD, 20, 16, 0, 5, 0},
    {"{\"completion_tokens\":5,\"prompt_cache_hit_tokens\":16,\"prompt_cache_miss_tokens\":4}", USAGE_GOOD, 20, 16, 0, 5, 0},
    {"{\"prompt_tokens\":20,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":16,\"prompt_tokens_details\":{\"cached_tokens\":16}}", USAGE_GOOD, 20, 16, 0, 5, 0},
    /* Moonshot, Qwen's explicit cache */
    {"{\"prompt_tokens\":30,\"completion_tokens\":1,\"cached_tokens\":25}", USAGE_GOOD, 30, 25, 0, 1, 0},
    {"{\"prompt_tokens\":3000,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":1024,\"cache_creation_input_tokens\":1024}}", USAGE_GOOD, 3000, 1024, 1024, 1, 0},
    /* xAI: completion without reasoning, the total with it */
    {"{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":21,\"completion_tokens_details\":{\"reasoning_tokens\":10}}", USAGE_GOOD, 9, 0, 0, 12, 10},
    {"{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21,\"completion_tokens_details\":{\"reasoning_tokens\":10}}", USAGE_GOOD, 9, 0, 0, 12, 10},
    {"{\"prompt_tokens\":9,\"completion_tokens\":2,\"completion_tokens_details\":{\"reasoning_tokens\":10}}", USAGE_GOOD, 9, 0, 0, 12, 10},
    /* Anthropic: input without what was read from the cache or written */
    {"{\"input_tokens\":10,\"cache_read_input_tokens\":100,\"cache_creation_input_tokens\":20,\"cache_creation\":{\"ephemeral_5m_input_tokens\":15,\"ephemeral_1h_input_tokens\":5},\"output_tokens\":7}", USAGE_GOOD, 130, 100, 20, 7, 0},
    {"{\"input_tokens\":10,\"cache_read_input_tokens\":0,\"cache_creation_input_tokens\":0,\"output_tokens\":7}", USAGE_GOOD, 10, 0, 0, 7, 0},
    {"{\"input_tokens\":10,\"output_tokens\":7,\"output_tokens_details\":{\"thinking_tokens\":5}}", USAGE_GOOD, 10, 0, 0, 7, 5},
    {"{\"prompt_tokens\":130,\"cache_read_input_tokens\":100,\"completion_tokens\":7}", USAGE_GOOD, 130, 100, 0, 7, 0},
    {"{\"input_tokens\":2147483647,\"cache_read_input_tokens\":1,\"output_tokens\":7}", USAGE_BAD, 0, 0, 0, 0, 0},
    /* Gemini: thoughts beside the answer; what is zero is not said */
    {"{\"promptTokenCount\":50,\"cachedContentTokenCount\":20,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":9,\"totalTokenCount\":64}", USAGE_GOOD, 50, 20, 0, 14, 9},
    {"{\"promptTokenCount\":50,\"totalTokenCount\":50}", USAGE_GOOD, 50, 0, 0, 0, 0},
    {"{\"promptTokenCount\":50,\"toolUsePromptTokenCount\":8,\"candidatesTokenCount\":5}", USAGE_GOOD, 58, 0, 0, 5, 0},
    /* names of the same spelling that mean parts */
    {"{\"prompt_tokens\":9,\"completion_tokens\":2,\"prompt_tokens_details\":{\"prompt_tokens\":5,\"total_tokens\":7}}", USAGE_GOOD, 9, 0, 0, 2, 0},
    /* nothing at all is not nothing said */
    {"{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}", USAGE_GOOD, 0, 0, 0, 0, 0},
    {"{}", USAGE_NONE, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":null,\"completion_tokens\":null}", USAGE_NONE, 0, 0, 0, 0, 0},
    {"{\"queue_time\":0.1}", USAGE_NONE, 0, 0, 0, 0, 0},
    /* what cannot be */
    {"{\"prompt_tokens\":5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"completion_tokens\":5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":-1,\"completion_tokens\":5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":5,\"completion_tokens\":-5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":5.5,\"completion_tokens\":5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":\"5\",\"completion_tokens\":5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":2147483648,\"completion_tokens\":5}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":5,\"completion_tokens\":1e9}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":99999999999999999999,\"completion_tokens\":1}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":5,\"completion_tokens\":1,\"cached_tokens\":6}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":5,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":3,\"cache_write_tokens\":3}}", USAGE_BAD, 0, 0, 0, 0, 0},
    {"{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6,\"completion_tokens_details\":{\"reasoning_tokens\":3}}", USAGE_BAD, 0, 0, 0, 0, 0},
};

static const struct {
    const char *object;
    bool stated;
    int64_t nanos;
} costs[] = {
    {"{\"cost\":0.00014}", true, 140000},
    {"{\"cost\":1.25e-05}", true, 12500},
    {"{\"cost\":9.5E-6}", true, 9500},
    {"{\"cost\":0}", true, 0},
    {"{\"cost\":0.0000000005}", true, 1},
    {"{\"cost\":0.00000000049}", true, 0},
    {"{\"cost\":12}", true, 12000000000},
    {"{\"cost\":1e3}", true, 1000000000000},
    {"{\"cost\":1.5e+2}", true, 150000000000},
    {"{\"cost\":123456789.123456789123456789}", true, 123456789123456789},
    {"{\"cost\":1e-400}", true, 0},
    {"{\"cost\":0e999}", true, 0},
    {"{\"cost\":1e400}", false, 0},
    {"{\"cost\":99999999999}", false, 0},
    {"{\"cost\":-1}", false, 0},
    {"{\"cost\":\"1\"}", false, 0},
    {"{\"cost\":null}", false, 0},
    {"{\"cost_in_usd_ticks\":10000000000}", true, 1000000000},
    {"{\"cost_in_usd_ticks\":15}", true, 2},
    {"{\"cost_in_usd_ticks\":14}", true, 1},
    {"{\"cost_in_usd_ticks\":-14}", false, 0},
};

/* clang-format on */

static void tokens_are_read_in_every_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct usage_reading r;
        const struct usage *u = &r.usage;

        if (usage_read(&r, slice_of(rows[i].object)) != rows[i].found)
            fail_msg("%s", rows[i].object);
        if (rows[i].found != USAGE_GOOD)
            continue;
        if (u->input_tokens != rows[i].input ||
            u->cached_tokens != rows[i].cached ||
            u->cache_write_tokens != rows[i].cache_write ||
            u->output_tokens != rows[i].output ||
            u->thinking_tokens != rows[i].thinking || u->estimated)
            fail_msg("%s", rows[i].object);
    }
}

static void a_stated_cost_is_exact_to_the_nano(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
        struct usage_reading r;

        usage_read(&r, slice_of(costs[i].object));
        if (r.has_stated_cost != costs[i].stated ||
            r.stated_cost_nanos != costs[i].nanos)
            fail_msg("%s: %lld", costs[i].object,
                     (long long)r.stated_cost_nanos);
    }
}

static void what_is_written_for_an_hour_is_told_apart(void **state)
{
    static const struct {
        const char *object;
        int64_t written, for_an_hour;
    } cases[] = {
        {"{\"prompt_tokens\":9,\"completion_tokens\":1,"
         "\"cache_creation_input_tokens\":7,\"cache_creation\":"
         "{\"ephemeral_5m_input_tokens\":4,\"ephemeral_1h_input_tokens\":3}}",
         7, 3},
        {"{\"prompt_tokens\":9,\"completion_tokens\":1,\"cache_creation\":"
         "{\"ephemeral_1h_input_tokens\":3}}",
         3, 3},
        {"{\"prompt_tokens\":9,\"completion_tokens\":1,\"cache_creation\":"
         "null,\"cache_creation_input_tokens\":2}",
         2, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usage_reading r;

        assert_int_equal(usage_read(&r, slice_of(cases[i].object)), USAGE_GOOD);
        assert_int_equal(r.usage.cache_write_tokens, cases[i].written);
        assert_int_equal(r.usage.cache_write_1h_tokens, cases[i].for_an_hour);
    }
}

static void the_class_of_service_is_read_where_it_is_known(void **state)
{
    static const struct {
        const char *word;
        bool known;
        enum service_tier tier;
    } cases[] = {
        {"\"flex\"", true, TIER_FLEX},
        {"\"priority\"", true, TIER_PRIORITY},
        {"\"batch\"", true, TIER_BATCH},
        {"\"scale\"", true, TIER_SCALE},
        {"\"fast\"", true, TIER_FAST},
        {"\"default\"", true, TIER_STANDARD},
        {"\"on_demand\"", true, TIER_STANDARD},
        {"\"platinum\"", false, TIER_STANDARD},
        {"null", false, TIER_STANDARD},
        {"7", false, TIER_STANDARD},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usage_reading r;
        char object[128];

        snprintf(object, sizeof(object),
                 "{\"service_tier\":%s,\"prompt_tokens\":9,"
                 "\"completion_tokens\":1}",
                 cases[i].word);
        assert_int_equal(usage_read(&r, slice_of(object)), USAGE_GOOD);
        assert_int_equal(r.has_tier, cases[i].known);
        assert_int_equal(r.usage.tier, cases[i].tier);
    }
    for (int t = 0; t < TIER_COUNT; t++) {
        enum service_tier found = TIER_COUNT;

        assert_true(service_tier_find(
            &found, slice_of(service_tier_name((enum service_tier)t))));
        assert_int_equal(found, t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_read_in_every_spelling),
        cmocka_unit_test(a_stated_cost_is_exact_to_the_nano),
        cmocka_unit_test(what_is_written_for_an_hour_is_told_apart),
        cmocka_unit_test(the_class_of_service_is_read_where_it_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
