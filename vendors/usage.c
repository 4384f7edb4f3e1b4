/*
 * usage.c - tokens in all the spellings met (facts: vendors.md, 1.3).
 *
 * The numbers are gathered first, each under one name whatever the vendor
 * calls it, and made sense of afterwards: input includes what was cached,
 * output includes thinking.
 */
#include "vendors/usage.h"

#include "base/json_scan.h"

/* Names of one object, in rows below. */
enum figure {
    INPUT,
    OUTPUT,
    TOTAL,
    CACHED,
    CACHE_WRITE,
    CACHE_WRITE_1H,
    HIT, /* DeepSeek: hit + miss = input */
    MISS,
    THINKING,
    TICKS, /* xAI: 10,000,000,000 to the dollar */
    /* Anthropic's input leaves out what was read from the cache or written */
    BARE_INPUT,
    READ_APART,
    WRITTEN_APART,
    /* Gemini's prompt has what was cached; its answer not what was thought */
    PROMPT_COUNT,
    TOOL_PROMPT_COUNT,
    ANSWER_COUNT,
    THOUGHTS_COUNT,
    FIGURE_COUNT,
};

#define KEY(word)                \
    {                            \
        (word), sizeof(word) - 1 \
    }

static const struct name {
    struct slice word;
    enum figure figure;
} names[] = {
    {KEY("prompt_tokens"), INPUT},
    {KEY("completion_tokens"), OUTPUT},
    {KEY("total_tokens"), TOTAL},
    {KEY("input_tokens"), BARE_INPUT}, /* OpenAI's Responses too */
    {KEY("output_tokens"), OUTPUT},
    {KEY("cached_tokens"), CACHED}, /* Moonshot, at the top */
    {KEY("prompt_cache_hit_tokens"), HIT},
    {KEY("prompt_cache_miss_tokens"), MISS},
    {KEY("cache_read_input_tokens"), READ_APART},
    {KEY("cache_creation_input_tokens"), WRITTEN_APART},
    {KEY("cache_write_tokens"), CACHE_WRITE},
    {KEY("ephemeral_1h_input_tokens"), CACHE_WRITE_1H}, /* Anthropic */
    {KEY("reasoning_tokens"), THINKING},
    {KEY("thinking_tokens"), THINKING}, /* Anthropic */
    {KEY("cost_in_usd_ticks"), TICKS},
    {KEY("promptTokenCount"), PROMPT_COUNT},
    {KEY("cachedContentTokenCount"), CACHED},
    {KEY("candidatesTokenCount"), ANSWER_COUNT},
    {KEY("thoughtsTokenCount"), THOUGHTS_COUNT},
    {KEY("toolUsePromptTokenCount"), TOOL_PROMPT_COUNT},
};

/* Objects within, whose names count as if they stood at the top. */
static const struct slice details[] = {
    KEY("prompt_tokens_details"), KEY("completion_tokens_details"),
    KEY("input_tokens_details"),  KEY("output_tokens_details"),
    KEY("cache_creation"),
};

/* What a name means in details, where nothing is apart from the input (Qwen
 * says so of its explicit cache); FIGURE_COUNT: nothing. */
static enum figure in_details(enum figure figure)
{
    if (figure == READ_APART)
        return CACHED;
    if (figure == WRITTEN_APART)
        return CACHE_WRITE;
    return figure == CACHED || figure == CACHE_WRITE ||
                   figure == CACHE_WRITE_1H || figure == THINKING
               ? figure
               : FIGURE_COUNT;
}

static const struct {
    const char *name;
    enum service_tier tier;
} tiers[] = {
    {"standard", TIER_STANDARD},  {"flex", TIER_FLEX},
    {"priority", TIER_PRIORITY},  {"fast", TIER_FAST},
    {"scale", TIER_SCALE},        {"batch", TIER_BATCH},
    {"default", TIER_STANDARD},   {"auto", TIER_STANDARD},
    {"on_demand", TIER_STANDARD},
};

bool service_tier_find(enum service_tier *out, struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(tiers); i++) {
        if (!slice_is(name, tiers[i].name))
            continue;
        *out = tiers[i].tier;
        return true;
    }
    return false;
}

const char *service_tier_name(enum service_tier tier)
{
    return tiers[tier].name; /* they begin in the order of the enum */
}

enum {
    NOT_SAID = -1,
    NANOS_DIGITS = 9,
    DIGITS_MAX = 18, /* an int64_t holds any so long */
};

struct gather {
    int64_t figure[FIGURE_COUNT];
    bool bad;
    struct usage_reading *out;
};

static int64_t power_of_ten(int n)
{
    int64_t p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

/* "-05", "+3" or "": what stands behind an e, within +-1000. */
static int exponent_read(const char *p, const char *end)
{
    bool minus = p < end && *p == '-';
    int value = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end; p++)
        if (value < 100)
            value = value * 10 + (*p - '0');
    return minus ? -value : value;
}

/* digits * 10^scale, half up; false: too much. */
static bool scaled(int64_t *out, int64_t digits, int scale)
{
    if (digits == 0 || scale < -DIGITS_MAX)
        *out = 0;
    else if (scale < 0)
        *out = digits / power_of_ten(-scale) +
               (digits % power_of_ten(-scale) >= power_of_ten(-scale) / 2);
    else if (scale > DIGITS_MAX)
        return false;
    else
        return !__builtin_mul_overflow(digits, power_of_ten(scale), out);
    return true;
}

/* The JSON number "1.25e-05" in nanos; false: negative or beyond belief. */
static bool nanos_read(int64_t *out, struct slice number)
{
    const char *p = number.bytes, *end = p + number.len;
    int64_t digits = 0;
    int n_digits = 0, scale = NANOS_DIGITS;
    bool fraction = false;

    if (*p == '-')
        return false;
    for (; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            fraction = true;
        } else if (n_digits == DIGITS_MAX) {
            scale += !fraction; /* finer than can matter */
        } else {
            digits = digits * 10 + (*p - '0');
            n_digits += digits > 0;
            scale -= fraction;
        }
    }
    if (p < end)
        scale += exponent_read(p + 1, end);
    return scaled(out, digits, scale);
}

static void figure_read(struct gather *g, enum figure figure,
                        struct json_scan *s)
{
    enum json_kind kind = json_peek(s);
    struct slice text = {"", 0};
    struct json_scan number;
    int64_t value = 0, most = figure == TICKS ? INT64_MAX : USAGE_TOKENS_MAX;

    if (!json_value(s, &text) || kind == JSON_NULL)
        return;
    json_scan_init(&number, text);
    if (!json_int(&number, &value) || value < 0 || value > most)
        g->bad |= figure != TICKS;
    else if (value > g->figure[figure])
        g->figure[figure] = value; /* of two spellings, the one that says */
}

static void cost_read(struct gather *g, struct json_scan *s)
{
    bool number = json_peek(s) == JSON_NUMBER;
    struct slice text;
    int64_t nanos;

    if (json_value(s, &text) && number && nanos_read(&nanos, text)) {
        g->out->has_stated_cost = true;
        g->out->stated_cost_nanos = nanos;
    }
}

/* Anthropic; OpenAI says it beside the usage. */
static void tier_read(struct gather *g, struct json_scan *s)
{
    struct json_text text;

    if (json_peek(s) != JSON_STRING)
        json_skip(s);
    else if (json_text(s, &text))
        g->out->has_tier = service_tier_find(&g->out->usage.tier, text.raw);
}

/* Most are told apart by their lengths. */
static inline bool is_word(const struct json_text *key,
                           const struct slice *word)
{
    if (key->escaped)
        return json_text_decodes_to(*key, word->bytes);
    return key->raw.len == word->len &&
           memcmp(key->raw.bytes, word->bytes, word->len) == 0;
}

static bool is_details(struct json_text key)
{
    for (size_t i = 0; i < ARRAY_LEN(details); i++)
        if (is_word(&key, &details[i]))
            return true;
    return false;
}

static const struct name *name_find(struct json_text key)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_word(&key, &names[i].word))
            return &names[i];
    return NULL;
}

static void details_read(struct gather *g, struct json_scan *s)
{
    struct json_text key;

    for (json_enter(s); json_member(s, &key);) {
        const struct name *name = name_find(key);

        if (name && in_details(name->figure) != FIGURE_COUNT)
            figure_read(g, in_details(name->figure), s);
        else
            json_skip(s);
    }
}

static int64_t or_zero(int64_t figure)
{
    return figure == NOT_SAID ? 0 : figure;
}

/* xAI's output leaves thinking out, though its total has it. */
static int64_t output_of(const struct gather *g, int64_t input)
{
    int64_t output = g->figure[OUTPUT], thinking = or_zero(g->figure[THINKING]);

    if (g->figure[TOTAL] == NOT_SAID)
        return thinking > output ? output + thinking : output;
    return thinking && g->figure[TOTAL] - input == output + thinking
               ? output + thinking
               : output;
}

/* Of two spellings, the one that says more. */
static void merge(int64_t *figure, int64_t other)
{
    if (other > *figure)
        *figure = other;
}

/* Anthropic: what `input_tokens` leaves out is put in. With `prompt_tokens`
 * beside them the same words count what is in it. */
static void take_in_cache(int64_t f[FIGURE_COUNT])
{
    int64_t apart = or_zero(f[READ_APART]) + or_zero(f[WRITTEN_APART]);

    if (f[INPUT] == NOT_SAID && f[BARE_INPUT] != NOT_SAID)
        f[INPUT] = f[BARE_INPUT] + apart;
    else
        merge(&f[INPUT], f[BARE_INPUT]);
    merge(&f[CACHED], f[READ_APART]);
    merge(&f[CACHE_WRITE], f[WRITTEN_APART]);
}

/* Gemini leaves out what is zero. */
static void take_gemini(int64_t f[FIGURE_COUNT])
{
    if (f[PROMPT_COUNT] == NOT_SAID)
        return;
    f[INPUT] = f[PROMPT_COUNT] + or_zero(f[TOOL_PROMPT_COUNT]);
    f[OUTPUT] = or_zero(f[ANSWER_COUNT]) + or_zero(f[THOUGHTS_COUNT]);
    f[THINKING] = or_zero(f[THOUGHTS_COUNT]);
}

static enum usage_found judge(struct gather *g)
{
    struct usage *u = &g->out->usage;
    int64_t *f = g->figure;

    if (f[TICKS] != NOT_SAID) {
        g->out->has_stated_cost = true;
        g->out->stated_cost_nanos = f[TICKS] / 10 + (f[TICKS] % 10 >= 5);
    }
    if (g->bad)
        return USAGE_BAD;
    take_in_cache(f);
    take_gemini(f);
    u->input_tokens = f[INPUT];
    if (f[INPUT] == NOT_SAID && f[HIT] != NOT_SAID && f[MISS] != NOT_SAID)
        u->input_tokens = f[HIT] + f[MISS];
    if (u->input_tokens == NOT_SAID && f[OUTPUT] == NOT_SAID)
        return USAGE_NONE;
    if (u->input_tokens == NOT_SAID || f[OUTPUT] == NOT_SAID)
        return USAGE_BAD;
    u->cached_tokens = or_zero(f[CACHED] > f[HIT] ? f[CACHED] : f[HIT]);
    u->cache_write_tokens =
        or_zero(f[CACHE_WRITE] > f[CACHE_WRITE_1H] ? f[CACHE_WRITE]
                                                   : f[CACHE_WRITE_1H]);
    u->cache_write_1h_tokens = or_zero(f[CACHE_WRITE_1H]);
    u->marked = f[CACHE_WRITE] != NOT_SAID; /* told even if it is 0 */
    u->thinking_tokens = or_zero(f[THINKING]);
    u->output_tokens = output_of(g, u->input_tokens);
    if (u->cached_tokens + u->cache_write_tokens > u->input_tokens ||
        u->thinking_tokens > u->output_tokens ||
        u->input_tokens > USAGE_TOKENS_MAX ||
        u->output_tokens > USAGE_TOKENS_MAX)
        return USAGE_BAD;
    return USAGE_GOOD;
}

enum usage_found usage_scan(struct usage_reading *out, struct json_scan *s)
{
    struct gather g = {.out = out};
    struct json_text key;

    *out = (struct usage_reading){0};
    for (int i = 0; i < FIGURE_COUNT; i++)
        g.figure[i] = NOT_SAID;
    for (json_enter(s); json_member(s, &key);) {
        const struct name *name = name_find(key);

        if (name)
            figure_read(&g, name->figure, s);
        else if (json_text_is(key, "cost"))
            cost_read(&g, s);
        else if (json_text_is(key, "service_tier"))
            tier_read(&g, s);
        else if (is_details(key) && json_peek(s) == JSON_OBJECT)
            details_read(&g, s);
        else
            json_skip(s);
    }
    return s->why ? USAGE_BAD : judge(&g);
}

enum usage_found usage_read(struct usage_reading *out, struct slice object)
{
    struct json_scan s;
    enum usage_found found;

    json_scan_init(&s, object);
    s.any_bytes = true;
    found = usage_scan(out, &s);
    return json_end(&s) ? found : USAGE_BAD;
}
