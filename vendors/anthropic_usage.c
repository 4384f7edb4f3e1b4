/*
 * anthropic_usage.c - input_tokens leave out what the cache took or gave;
 * the sum is what everybody else calls the prompt. A stream tells its figures
 * at the head and, all or some of them again, at the end: the last ones count.
 */
#include "vendors/anthropic.h"

static void count_read(struct anthropic_usage *u, struct json_scan *s,
                       int64_t *out)
{
    struct slice text = {"", 0};
    struct json_scan number;
    bool null = json_peek(s) == JSON_NULL;
    int64_t value = 0;

    if (!json_value(s, &text) || null)
        return;
    json_scan_init(&number, text);
    if (!json_int(&number, &value) || value < 0 || value > USAGE_TOKENS_MAX) {
        u->bad = true;
        return;
    }
    *out = value;
}

/* One count of an object within. */
static void detail_read(struct anthropic_usage *u, struct json_scan *s,
                        const char *word, int64_t *out)
{
    struct json_text key;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, word))
            count_read(u, s, out);
        else
            json_skip(s);
    }
}

static void tier_read(struct anthropic_usage *u, struct json_scan *s)
{
    struct json_text text;

    if (json_peek(s) != JSON_STRING)
        json_skip(s);
    else if (json_text(s, &text) && service_tier_find(&u->tier, text.raw))
        u->has_tier = true;
}

/* {"speed":"fast"} is a class of its own, told beside the tier. */
static void speed_read(struct anthropic_usage *u, struct json_scan *s,
                       bool *fast)
{
    struct json_text text;

    (void)u;
    if (json_peek(s) != JSON_STRING)
        json_skip(s);
    else if (json_text(s, &text))
        *fast = json_text_is(text, "fast");
}

static void figures_read(struct anthropic_usage *u, struct json_scan *s)
{
    struct json_text key;
    bool fast = false;

    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "input_tokens"))
            count_read(u, s, &u->input);
        else if (json_text_is(key, "output_tokens"))
            count_read(u, s, &u->output);
        else if (json_text_is(key, "cache_read_input_tokens"))
            count_read(u, s, &u->cached);
        else if (json_text_is(key, "cache_creation_input_tokens"))
            count_read(u, s, &u->written);
        else if (json_text_is(key, "cache_creation"))
            detail_read(u, s, "ephemeral_1h_input_tokens", &u->written_1h);
        else if (json_text_is(key, "output_tokens_details"))
            detail_read(u, s, "thinking_tokens", &u->thinking);
        else if (json_text_is(key, "service_tier"))
            tier_read(u, s);
        else if (json_text_is(key, "speed"))
            speed_read(u, s, &fast);
        else
            json_skip(s);
    }
    if (fast) {
        u->has_tier = true;
        u->tier = TIER_FAST;
    }
}

void anthropic_usage_take(struct anthropic_usage *u, struct json_scan *s,
                          struct answer *answer)
{
    int64_t input;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    if (!u->any)
        u->input = u->output = -1;
    u->any = true;
    u->bad = false;
    figures_read(u, s);
    input = u->input + u->cached + u->written;
    answer->has_usage = !u->bad && u->input >= 0 && u->output >= 0 &&
                        input <= USAGE_TOKENS_MAX &&
                        u->written_1h <= u->written;
    answer->usage = (struct usage){0};
    if (u->has_tier) {
        answer->has_tier = true;
        answer->tier = u->tier;
    }
    if (!answer->has_usage)
        return;
    answer->usage = (struct usage){
        .input_tokens = input,
        .cached_tokens = u->cached,
        .cache_write_tokens = u->written,
        .cache_write_1h_tokens = u->written_1h,
        .output_tokens = u->output,
        .thinking_tokens = u->thinking < u->output ? u->thinking : u->output,
        .tier = u->tier,
    };
}
