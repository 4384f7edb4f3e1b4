/*
 * chat.c - the top of a request: one row a field.
 *
 *     chat_read -> field_read -> readers[key]: here, in chat_field.c,
 *                                or chat_messages_read in chat_message.c
 */
#include "vendors/chat.h"

#include <stdarg.h>
#include <stdio.h>

#include "vendors/chat_reader.h"

enum {
    BODY_MAX = 1 << 30, /* so that a span's 32 bits do */
    N_MAX = 128,
    KEY_MAX = 24, /* bytes of the longest key read, rounded up */
};

#define BIT(kind) (1u << (kind))
#define ANY       0xffu
#define NUMBER    (BIT(JSON_NUMBER) | BIT(JSON_NULL))
#define BOOL      (BIT(JSON_TRUE) | BIT(JSON_FALSE) | BIT(JSON_NULL))
#define OBJECT    (BIT(JSON_OBJECT) | BIT(JSON_NULL))
#define TEXT      (BIT(JSON_STRING) | BIT(JSON_NULL))
#define ARRAY     (BIT(JSON_ARRAY) | BIT(JSON_NULL))

/* clang-format off */
#define FIELDS(X, L) \
    X(L, MODEL, "model", BIT(JSON_STRING), "a text") \
    X(L, MESSAGES, "messages", BIT(JSON_ARRAY), "a list of messages") \
    X(L, STREAM, "stream", BOOL, "true or false") \
    X(L, STREAM_OPTIONS, "stream_options", OBJECT, "an object") \
    X(L, MAX_TOKENS, "max_tokens", NUMBER, "a whole number") \
    X(L, MAX_COMPLETION_TOKENS, "max_completion_tokens", NUMBER, "a whole number") \
    X(L, N, "n", NUMBER, "a whole number") \
    X(L, TEMPERATURE, "temperature", NUMBER, "a number") \
    X(L, TOP_P, "top_p", NUMBER, "a number") \
    X(L, STOP, "stop", TEXT | ARRAY, "a text or a list of texts") \
    X(L, TOOLS, "tools", ARRAY, "a list of tools") \
    X(L, TOOL_CHOICE, "tool_choice", TEXT | OBJECT, "a text or an object") \
    X(L, PARALLEL_TOOL_CALLS, "parallel_tool_calls", BOOL, "true or false") \
    X(L, RESPONSE_FORMAT, "response_format", OBJECT, "an object") \
    X(L, REASONING_EFFORT, "reasoning_effort", TEXT, "a text") \
    X(L, THINKING, "thinking", ANY, "") \
    X(L, ENABLE_THINKING, "enable_thinking", ANY, "") \
    X(L, FREQUENCY_PENALTY, "frequency_penalty", NUMBER, "a number") \
    X(L, PRESENCE_PENALTY, "presence_penalty", NUMBER, "a number") \
    X(L, SEED, "seed", ANY, "") \
    X(L, STORE, "store", ANY, "") \
    X(L, METADATA, "metadata", ANY, "") \
    X(L, LOGPROBS, "logprobs", ANY, "") \
    X(L, USER, "user", TEXT, "a text") \
    X(L, PROMPT_CACHE_KEY, "prompt_cache_key", ANY, "") \
    X(L, SERVICE_TIER, "service_tier", ANY, "")

#define NAME_ROW(L, NAME, word, kinds, want) [CHAT_##NAME] = KEY_NAME(word),
#define KIND_ROW(L, NAME, word, kinds, want) [CHAT_##NAME] = {kinds, want},
#define LEN_BIT(L, NAME, word, kinds, want) \
    | (sizeof(word) - 1 == (L) ? 1u << CHAT_##NAME : 0u)
#define OF_LEN(L) [L] = 0u FIELDS(LEN_BIT, L)
/* clang-format on */

static const struct slice names[] = {FIELDS(NAME_ROW, 0)};
static const struct key_set top = {names, CHAT_KEY_COUNT};

static const struct {
    unsigned kinds;
    const char *want;
} rows[] = {FIELDS(KIND_ROW, 0)};

/* Fields whose values are looked into while they pass. */
static void model_read(struct chat_reader *r);
static void n_read(struct chat_reader *r);
static void max_tokens_read(struct chat_reader *r);
static void max_completion_tokens_read(struct chat_reader *r);

static void (*const readers[CHAT_KEY_COUNT])(struct chat_reader *r) = {
    [CHAT_MODEL] = model_read,
    [CHAT_MESSAGES] = chat_messages_read,
    [CHAT_STREAM_OPTIONS] = chat_stream_options_read,
    [CHAT_MAX_TOKENS] = max_tokens_read,
    [CHAT_MAX_COMPLETION_TOKENS] = max_completion_tokens_read,
    [CHAT_N] = n_read,
    [CHAT_TOOLS] = chat_tools_read,
    [CHAT_RESPONSE_FORMAT] = chat_response_format_read,
};

/* The fields whose names have this length: a bit each. */
static const uint32_t of_len[KEY_MAX] = {
    OF_LEN(1),  OF_LEN(2),  OF_LEN(3),  OF_LEN(4),  OF_LEN(5),  OF_LEN(6),
    OF_LEN(7),  OF_LEN(8),  OF_LEN(9),  OF_LEN(10), OF_LEN(11), OF_LEN(12),
    OF_LEN(13), OF_LEN(14), OF_LEN(15), OF_LEN(16), OF_LEN(17), OF_LEN(18),
    OF_LEN(19), OF_LEN(20), OF_LEN(21), OF_LEN(22), OF_LEN(23),
};

_Static_assert(ARRAY_LEN(names) == CHAT_KEY_COUNT && CHAT_KEY_COUNT <= 32,
               "a field has no row, or no bit");

void chat_refuse(struct chat_reader *r, const char *param, const char *fmt, ...)
{
    va_list args;

    if (r->s.why) /* told already */
        return;
    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    vsnprintf(r->error->message, sizeof(r->error->message), fmt, args);
    va_end(args);
    snprintf(r->error->param, sizeof(r->error->param), "%s", param);
    r->refused = true;
    json_refuse(&r->s, "refused");
}

struct span chat_span(const struct chat_reader *r, const char *from,
                      const char *to)
{
    return (struct span){(uint32_t)(from - r->s.begin), (uint32_t)(to - from)};
}

static bool same_but_case(struct slice key, const char *name)
{
    for (size_t i = 0; i < key.len; i++)
        if ((key.bytes[i] | 0x20) != (name[i] | 0x20))
            return false;
    return true;
}

/* Which of `set` (of those in `mask`) is `key`, or differs by case only. */
static int find(const struct key_set *set, uint32_t mask, struct slice key,
                bool exact)
{
    for (; mask; mask &= mask - 1) {
        int i = __builtin_ctz(mask);
        struct slice name = set->names[i];

        if (name.len != key.len)
            continue;
        if (exact ? memcmp(name.bytes, key.bytes, key.len) == 0
                  : same_but_case(key, name.bytes))
            return i;
    }
    return KEY_OTHER;
}

int chat_key_find(struct chat_reader *r, const struct key_set *set,
                  const struct json_text *key, uint32_t *seen,
                  const char *where)
{
    char plain[KEY_MAX];
    struct slice word = key->raw;
    uint32_t mask;
    int i;

    if (key->escaped) {
        int64_t len = json_text_decode(*key, plain, sizeof(plain));

        if (len < 0)
            return KEY_OTHER;
        word = (struct slice){plain, (size_t)len};
    }
    if (word.len >= KEY_MAX)
        return KEY_OTHER;
    mask = set == &top ? of_len[word.len] : (uint32_t)((1ull << set->n) - 1);
    i = find(set, mask, word, true);
    if (i == KEY_OTHER) {
        i = find(set, mask, word, false);
        if (i != KEY_OTHER)
            chat_refuse(r, set->names[i].bytes, "'%.*s'%s must be spelt '%s'",
                        (int)word.len, word.bytes, where, set->names[i].bytes);
        return KEY_OTHER;
    }
    if (*seen >> i & 1)
        chat_refuse(r, set->names[i].bytes, "'%s'%s stands there twice",
                    set->names[i].bytes, where);
    *seen |= 1u << i;
    return i;
}

static void model_read(struct chat_reader *r)
{
    char name[CHAT_MODEL_MAX];
    struct json_text text = {{"", 0}, false};
    int64_t len;

    if (!json_text(&r->s, &text))
        return;
    len = json_text_decode(text, name, sizeof(name));
    if (len == 0)
        chat_refuse(r, "model", "'model' is empty");
    else if (len < 0)
        chat_refuse(r, "model", "'model' is longer than %d bytes",
                    CHAT_MODEL_MAX);
    else if (memchr(name, 0, (size_t)len))
        chat_refuse(r, "model", "'model' holds a NUL character");
    else
        r->chat->model = arena_strndup(r->arena, name, (size_t)len);
}

/* The whole number at r->s, or 0: refused. */
static int64_t whole_number_read(struct chat_reader *r, enum chat_key key,
                                 int64_t most)
{
    struct slice text = {"", 0};
    struct json_scan number;
    int64_t value = 0;

    if (!json_value(&r->s, &text))
        return 0;
    json_scan_init(&number, text);
    if (json_int(&number, &value) && value >= 1 && value <= most)
        return value;
    chat_refuse(r, names[key].bytes,
                "'%s' must be a whole number from 1 to %lld", names[key].bytes,
                (long long)most);
    return 0;
}

static void n_read(struct chat_reader *r)
{
    r->chat->n = whole_number_read(r, CHAT_N, N_MAX);
}

/* Of both spellings the newer counts. */
static void max_tokens_read(struct chat_reader *r)
{
    int64_t value = whole_number_read(r, CHAT_MAX_TOKENS, INT32_MAX);

    if (!r->chat->max_tokens)
        r->chat->max_tokens = value;
    if (r->chat->most_tokens < value)
        r->chat->most_tokens = value;
}

static void max_completion_tokens_read(struct chat_reader *r)
{
    r->chat->max_tokens =
        whole_number_read(r, CHAT_MAX_COMPLETION_TOKENS, INT32_MAX);
    if (r->chat->most_tokens < r->chat->max_tokens)
        r->chat->most_tokens = r->chat->max_tokens;
}

static void field_read(struct chat_reader *r, const struct json_text *name,
                       uint32_t *seen)
{
    int key = chat_key_find(r, &top, name, seen, "");
    enum json_kind kind = json_peek(&r->s);
    const char *start = r->s.at, *quote = name->raw.bytes - 1;
    struct chat_field *field;

    if (key == KEY_OTHER) {
        json_skip(&r->s);
        return;
    }
    if (kind != JSON_ABSENT && !(rows[key].kinds >> kind & 1)) {
        chat_refuse(r, names[key].bytes, "'%s' must be %s", names[key].bytes,
                    rows[key].want);
        return;
    }
    if (readers[key] && kind != JSON_NULL)
        readers[key](r);
    else
        json_skip(&r->s);
    field = &r->chat->field[key];
    field->kind = kind;
    field->key = chat_span(r, quote, quote + name->raw.len + 2);
    field->value = chat_span(r, start, r->s.at);
}

static int tell(struct chat_reader *r)
{
    if (!r->refused)
        snprintf(r->error->message, sizeof(r->error->message),
                 "The body is not valid JSON: %s, at byte %zu", r->s.why,
                 json_offset(&r->s));
    return -1;
}

int chat_read(struct chat *out, struct slice body, struct arena *a,
              struct chat_error *error)
{
    struct chat_reader r = {.chat = out, .arena = a, .error = error};
    struct json_text key;
    uint32_t seen = 0;

    *out = (struct chat){.body = body, .n = 1};
    *error = (struct chat_error){.param = ""};
    json_scan_init(&r.s, body);
    text_counter_init(&r.text);
    if (body.len > BODY_MAX)
        chat_refuse(&r, "", "The body is larger than %d bytes", BODY_MAX);
    else if (json_peek(&r.s) != JSON_OBJECT && json_skip(&r.s) &&
             json_end(&r.s))
        chat_refuse(&r, "", "The body must be a JSON object");
    for (json_enter(&r.s); json_member(&r.s, &key);)
        field_read(&r, &key, &seen);
    if (!json_end(&r.s))
        return tell(&r);
    chat_thinking_read(&r);
    if (!out->model)
        chat_refuse(&r, "model", "'model' is missing");
    if (!out->messages)
        chat_refuse(&r, "messages", "'messages' is missing");
    if (r.s.why)
        return tell(&r);
    out->stream = out->field[CHAT_STREAM].kind == JSON_TRUE;
    text_counter_end(&r.text, &out->text);
    return 0;
}
