#include <stdlib.h>
#include <string.h>

#include "base/json_scan.h"

#include "cli/replay.h"

enum {
    TOKENS_MOST = 100000000,
    SECOND_MS = 1000,
};

struct reading {
    struct json_scan scan;
    struct trace_line *out;
};

static bool read_text(struct reading *r, char *to, size_t size)
{
    struct json_text text;
    int64_t len;

    if (json_peek(&r->scan) == JSON_NULL)
        return json_skip(&r->scan);
    if (!json_text(&r->scan, &text))
        return false;
    len = json_text_decode(text, to, size - 1);
    if (len < 0)
        return json_refuse(&r->scan, "a text is too long");
    to[len] = '\0';
    return true;
}

static bool read_count(struct reading *r, int64_t *to)
{
    if (json_peek(&r->scan) == JSON_NULL)
        return json_skip(&r->scan);
    if (!json_int(&r->scan, to))
        return false;
    return (*to >= 0 && *to <= TOKENS_MOST) ||
           json_refuse(&r->scan, "a count is out of bounds");
}

/* Unix seconds with a fraction: an instant, not money. */
static bool read_at(struct reading *r)
{
    char digits[32] = "";
    struct slice value;
    double seconds;

    if (!json_value(&r->scan, &value))
        return false;
    if (value.len >= sizeof(digits))
        return json_refuse(&r->scan, "\"at\" is too long");
    memcpy(digits, value.bytes, value.len);
    seconds = strtod(digits, NULL);
    if (!(seconds >= 0 && seconds < 4e9))
        return json_refuse(&r->scan, "\"at\" wants unix seconds");
    r->out->at_unix_ms = (int64_t)(seconds * SECOND_MS + .5);
    return true;
}

static bool read_thinking(struct reading *r)
{
    r->out->thinking = json_peek(&r->scan) == JSON_TRUE;
    return json_skip(&r->scan);
}

static uint64_t name_of(uint64_t x)
{
    x = (x + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return x | 1;
}

static bool read_prefix(struct reading *r)
{
    struct trace_line *t = r->out;
    int64_t name;

    if (json_peek(&r->scan) == JSON_NULL)
        return json_skip(&r->scan);
    if (!json_enter(&r->scan))
        return false;
    while (json_element(&r->scan)) {
        if (!json_int(&r->scan, &name))
            return false;
        if (t->n_names < PREFIX_BLOCKS_MOST)
            t->names[t->n_names++] = name_of((uint64_t)name);
    }
    return true;
}

static bool read_member(struct reading *r, struct json_text key)
{
    struct trace_line *t = r->out;

    if (json_text_is(key, "at"))
        return read_at(r);
    if (json_text_is(key, "id"))
        return read_text(r, t->id, sizeof(t->id));
    if (json_text_is(key, "team"))
        return read_text(r, t->team, sizeof(t->team));
    if (json_text_is(key, "model"))
        return read_text(r, t->asked, sizeof(t->asked));
    if (json_text_is(key, "text_class"))
        return read_text(r, t->text_class, sizeof(t->text_class));
    if (json_text_is(key, "input_tokens"))
        return read_count(r, &t->input);
    if (json_text_is(key, "output_tokens"))
        return read_count(r, &t->output);
    if (json_text_is(key, "max_tokens"))
        return read_count(r, &t->max_tokens);
    if (json_text_is(key, "block_tokens"))
        return read_count(r, &t->block_tokens);
    if (json_text_is(key, "thinking"))
        return read_thinking(r);
    if (json_text_is(key, "prefix"))
        return read_prefix(r);
    return json_skip(&r->scan);
}

/* A block ends where the next begins; the last with the prompt. */
static void set_ends(struct trace_line *t)
{
    int64_t block = t->block_tokens > 0 ? t->block_tokens : 512;

    for (uint32_t i = 0; i < t->n_names; i++) {
        int64_t end = block * (i + 1);

        t->ends[i] = (int32_t)(end < t->input ? end : t->input);
    }
}

bool trace_read(struct trace_line *out, struct slice text, const char **why)
{
    struct reading r = {.out = out};
    struct json_text key;

    out->text = text;
    out->id[0] = out->team[0] = out->asked[0] = '\0';
    memcpy(out->text_class, "en", sizeof("en"));
    out->at_unix_ms = -1;
    out->input = out->output = out->max_tokens = out->block_tokens = 0;
    out->thinking = false;
    out->n_names = 0;
    json_scan_init(&r.scan, text);
    if (json_enter(&r.scan))
        while (json_member(&r.scan, &key))
            if (!read_member(&r, key))
                break;
    if (!json_end(&r.scan)) {
        *why = r.scan.why ? r.scan.why : "it is no JSON object";
        return false;
    }
    *why = out->at_unix_ms < 0 ? "it has no \"at\"" : "it has no \"id\"";
    set_ends(out);
    return out->at_unix_ms >= 0 && out->id[0];
}

/* A million characters of a class; of words, with their letters. */
static void sample(struct text_count *out, const char *text_class)
{
    static const struct {
        const char *name;
        struct text_count count;
    } samples[] = {
        {"en", {.words = 1000000, .latin = 5000000}},
        {"zh", {.han = 1000000}},
        {"han", {.han = 1000000}},
        {"ja", {.kana = 1000000}},
        {"ko", {.hangul = 1000000}},
        {"digits", {.digits = 1000000}},
        {"code", {.punct = 1000000}},
    };

    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        if (strcmp(samples[i].name, text_class) == 0) {
            *out = samples[i].count;
            return;
        }
    *out = (struct text_count){.other = 1000000};
}

static int64_t share_of(int64_t count, double share)
{
    return (int64_t)((double)count * share + .5);
}

void trace_text(struct text_count *out, const char *text_class, int64_t tokens)
{
    double split[TOKEN_CLASSES], sum = 0, share;
    struct text_count one;

    sample(&one, text_class);
    tokenizer_split(split, tokenizer_find("generic"), &one, 0, 0);
    for (int k = 0; k < TOKEN_CLASSES; k++)
        sum += split[k];
    share = (double)tokens / sum;
    *out = (struct text_count){
        .han = share_of(one.han, share),
        .kana = share_of(one.kana, share),
        .hangul = share_of(one.hangul, share),
        .latin = share_of(one.latin, share),
        .words = share_of(one.words, share),
        .digits = share_of(one.digits, share),
        .punct = share_of(one.punct, share),
        .other = share_of(one.other, share),
    };
}
