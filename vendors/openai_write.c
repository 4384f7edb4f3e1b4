/*
 * openai_write.c - the client's body with the vendor's model in it, and what
 * the vendor's quirks ask for at the top level.
 *
 *     openai_write -> openai_refuses
 *                  -> TOP[]: one function a trait, each notes what to change
 *                  -> openai_messages_edit
 *                  -> put: additions, drops, edits become slices
 */
#include <stdlib.h>

#include "vendors/openai.h"
#include "vendors/quirk.h"

enum {
    NUMBER_MAX = 64, /* bytes of a number that is looked at */
};

struct writer {
    struct edits edits;
    const struct manner *manner;
    const struct chat *chat;
    struct arena *arena;
    const char *added; /* members to come first: each ends in a comma */
    bool drop[CHAT_KEY_COUNT];
};

static bool has(const struct writer *w, enum quirk quirk)
{
    return quirk_has(w->manner, quirk);
}

static bool is_there(const struct writer *w, enum chat_key key)
{
    return w->chat->field[key].kind != JSON_ABSENT;
}

static struct slice value_of(const struct chat *chat, enum chat_key key)
{
    struct span value = chat->field[key].value;

    return (struct slice){chat->body.bytes + value.at, value.len};
}

static bool value_is(const struct chat *chat, enum chat_key key,
                     const char *word)
{
    struct slice value = value_of(chat, key);
    struct json_text text = {{"", 0}, true};

    if (chat->field[key].kind != JSON_STRING)
        return false;
    text.raw = (struct slice){value.bytes + 1, value.len - 2};
    return json_text_is(text, word);
}

static void replace(struct writer *w, struct span span, struct slice by)
{
    edits_add(&w->edits, span.at, span.len, by);
}

static void add(struct writer *w, const char *member)
{
    w->added = arena_printf(w->arena, "%s%s,", w->added, member);
}

static void drop(struct writer *w, enum chat_key key)
{
    w->drop[key] = is_there(w, key);
}

static void rename_to(struct writer *w, enum chat_key from, enum chat_key to,
                      const char *quoted)
{
    if (w->chat->field[from].kind != JSON_NUMBER) {
        drop(w, from); /* null says nothing */
        return;
    }
    drop(w, to);
    replace(w, w->chat->field[from].key, slice_of(quoted));
}

/* Neither spelling holds a number: what is there says nothing. */
static void bound(struct writer *w)
{
    drop(w, CHAT_MAX_TOKENS);
    drop(w, CHAT_MAX_COMPLETION_TOKENS);
    add(w, arena_printf(w->arena, "\"%s\":%lld",
                        has(w, QUIRK_MAX_COMPLETION_TOKENS)
                            ? "max_completion_tokens"
                            : "max_tokens",
                        (long long)w->chat->bound_tokens));
}

static void max_tokens(struct writer *w)
{
    if (w->chat->bound_tokens > 0)
        bound(w);
    else if (has(w, QUIRK_MAX_TOKENS))
        rename_to(w, CHAT_MAX_COMPLETION_TOKENS, CHAT_MAX_TOKENS,
                  "\"max_tokens\"");
    else if (has(w, QUIRK_MAX_COMPLETION_TOKENS) &&
             w->chat->field[CHAT_MAX_COMPLETION_TOKENS].kind == JSON_NUMBER)
        drop(w, CHAT_MAX_TOKENS);
    else if (has(w, QUIRK_MAX_COMPLETION_TOKENS))
        rename_to(w, CHAT_MAX_TOKENS, CHAT_MAX_COMPLETION_TOKENS,
                  "\"max_completion_tokens\"");
}

/* Usage is always asked for; what else the client wrote there stays. */
static void stream_options(struct writer *w)
{
    const struct chat *chat = w->chat;
    const struct chat_field *f = &chat->field[CHAT_STREAM_OPTIONS];
    struct json_scan s;
    struct json_text key;

    if (has(w, QUIRK_NO_STREAM_OPTIONS)) {
        drop(w, CHAT_STREAM_OPTIONS);
        return;
    }
    if (!chat->stream || chat->include_usage)
        return;
    if (chat->stream_options_usage.len) {
        replace(w, chat->stream_options_usage, slice_of("true"));
        return;
    }
    if (f->kind != JSON_OBJECT) {
        drop(w, CHAT_STREAM_OPTIONS);
        add(w, "\"stream_options\":{\"include_usage\":true}");
        return;
    }
    json_scan_init(&s, value_of(chat, CHAT_STREAM_OPTIONS));
    json_enter(&s);
    edits_add(&w->edits, f->value.at + 1, 0,
              json_member(&s, &key) ? slice_of("\"include_usage\":true,")
                                    : slice_of("\"include_usage\":true"));
}

static void dropped(struct writer *w)
{
    static const struct {
        enum quirk quirk;
        enum chat_key key;
    } rows[] = {
        {QUIRK_DROP_STORE, CHAT_STORE},
        {QUIRK_DROP_STORE, CHAT_METADATA},
        {QUIRK_NO_PARALLEL_TOOL_CALLS, CHAT_PARALLEL_TOOL_CALLS},
        {QUIRK_NO_N, CHAT_N},
        {QUIRK_TEMPERATURE_ONE, CHAT_TEMPERATURE},
        {QUIRK_NO_PENALTIES, CHAT_FREQUENCY_PENALTY},
        {QUIRK_NO_PENALTIES, CHAT_PRESENCE_PENALTY},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (has(w, rows[i].quirk))
            drop(w, rows[i].key);
}

/* The number there; a longer spelling than any sane one is 0. */
static double number_of(const struct writer *w, enum chat_key key)
{
    struct slice value = value_of(w->chat, key);
    char text[NUMBER_MAX] = "";

    if (value.len < sizeof(text))
        memcpy(text, value.bytes, value.len);
    return strtod(text, NULL);
}

static void sampling(struct writer *w)
{
    const struct chat_field *f = w->chat->field;

    if (has(w, QUIRK_TEMPERATURE_BELOW_TWO) && !w->drop[CHAT_TEMPERATURE] &&
        f[CHAT_TEMPERATURE].kind == JSON_NUMBER &&
        number_of(w, CHAT_TEMPERATURE) >= 2)
        replace(w, f[CHAT_TEMPERATURE].value, slice_of("1.99"));
    if (has(w, QUIRK_TOP_P_OPEN) && f[CHAT_TOP_P].kind == JSON_NUMBER) {
        double top_p = number_of(w, CHAT_TOP_P);

        if (top_p >= 1)
            drop(w, CHAT_TOP_P);
        else if (top_p <= 0)
            replace(w, f[CHAT_TOP_P].value, slice_of("0.001"));
    }
}

static void effort(struct writer *w, bool off)
{
    static const char *const nearest[][2] = {
        {"none", "\"low\""},    {"minimal", "\"low\""}, {"low", "\"low\""},
        {"medium", "\"high\""}, {"high", "\"high\""},   {"xhigh", "\"high\""},
        {"ultra", "\"max\""},   {"max", "\"max\""},
    };
    bool elsewhere =
        has(w, QUIRK_THINKING_TYPE) || has(w, QUIRK_ENABLE_THINKING);

    if (!has(w, QUIRK_EFFORT_LOW_HIGH_MAX) || (off && elsewhere)) {
        drop(w, CHAT_REASONING_EFFORT);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(nearest); i++)
        if (value_is(w->chat, CHAT_REASONING_EFFORT, nearest[i][0]))
            replace(w, w->chat->field[CHAT_REASONING_EFFORT].value,
                    slice_of(nearest[i][1]));
}

/* Thinking, in the vendor's spelling. The client's own use of that very
 * spelling stays as it is. */
static void thinking(struct writer *w)
{
    bool on = w->chat->needs & NEED_THINKING;
    bool off = w->chat->needs & NEED_NO_THINKING;

    if (!has(w, QUIRK_THINKING_TYPE) && !has(w, QUIRK_ENABLE_THINKING) &&
        !has(w, QUIRK_EFFORT_LOW_HIGH_MAX))
        return;
    if (value_is(w->chat, CHAT_REASONING_EFFORT, "minimal") &&
        !has(w, QUIRK_EFFORT_LOW_HIGH_MAX))
        off = true;
    if (has(w, QUIRK_THINKING_TYPE)) {
        drop(w, CHAT_ENABLE_THINKING);
        if (!is_there(w, CHAT_THINKING) && (on || off))
            add(w, off ? "\"thinking\":{\"type\":\"disabled\"}"
                       : "\"thinking\":{\"type\":\"enabled\"}");
    }
    if (has(w, QUIRK_ENABLE_THINKING)) {
        drop(w, CHAT_THINKING);
        if (!is_there(w, CHAT_ENABLE_THINKING) && (on || off))
            add(w,
                off ? "\"enable_thinking\":false" : "\"enable_thinking\":true");
    }
    effort(w, off);
}

static size_t space_start(const char *b, size_t at)
{
    while (b[at - 1] == ' ' || b[at - 1] == '\t' || b[at - 1] == '\n' ||
           b[at - 1] == '\r')
        at--;
    return at;
}

/*
 * Takes the member out, with the comma before it; with the one behind it, if
 * it comes first or all before it went: `gone` is where the last one ended.
 */
static size_t member_drop(struct writer *w, const struct chat_field *f,
                          size_t gone)
{
    const char *b = w->chat->body.bytes;
    size_t from = f->key.at, to = f->value.at + f->value.len;
    size_t comma = space_start(b, from) - 1;

    if (b[comma] == ',' && comma >= gone) {
        from = comma;
    } else {
        while (b[to] == ' ' || b[to] == '\t' || b[to] == '\n' || b[to] == '\r')
            to++;
        if (b[to] == ',')
            to++;
    }
    edits_add(&w->edits, from, to - from, (struct slice){"", 0});
    return to;
}

/* Drops from front to back. */
static void drop_all(struct writer *w)
{
    const struct chat_field *f = w->chat->field;
    size_t gone = 0;

    for (;;) {
        int first = -1;

        for (int i = 0; i < CHAT_KEY_COUNT; i++)
            if (w->drop[i] && (first < 0 || f[i].key.at < f[first].key.at))
                first = i;
        if (first < 0)
            return;
        gone = member_drop(w, &f[first], gone);
        w->drop[first] = false;
    }
}

static bool forces_a_tool(const struct chat *chat)
{
    return chat->field[CHAT_TOOL_CHOICE].kind == JSON_OBJECT ||
           value_is(chat, CHAT_TOOL_CHOICE, "required");
}

const char *openai_refuses(const struct manner *manner, const struct chat *chat)
{
    if (chat->n > 1 && quirk_has(manner, QUIRK_NO_N))
        return "it gives one choice only";
    if (forces_a_tool(chat) && quirk_has(manner, QUIRK_NO_TOOL_CHOICE_REQUIRED))
        return "it cannot be made to call a tool";
    return openai_messages_refuse(manner, chat);
}

enum fault openai_write(struct wire *out, const struct manner *manner,
                        const char *model, const struct chat *chat,
                        struct arena *a, const char **why)
{
    static void (*const top[])(struct writer * w) = {
        max_tokens, stream_options, dropped, sampling, thinking,
    };
    struct writer w = {.manner = manner, .chat = chat, .arena = a, .added = ""};
    const char *brace = memchr(chat->body.bytes, '{', chat->body.len);
    struct edit *additions;

    *why = openai_refuses(manner, chat);
    if (*why)
        return FAULT_BAD_REQUEST;
    edits_init(&w.edits, chat->body, a);
    additions = edits_add(&w.edits, (size_t)(brace - chat->body.bytes) + 1, 0,
                          slice_of("")); /* before any change of that place */
    for (size_t i = 0; i < ARRAY_LEN(top); i++)
        top[i](&w);
    additions->insert = slice_of(w.added);
    replace(&w, chat->field[CHAT_MODEL].value, json_quote(a, slice_of(model)));
    drop_all(&w);
    openai_messages_edit(&w.edits, manner, chat);
    out->path = manner->chat_path;
    out->headers = "";
    out->body = edits_slices(&w.edits, &out->n_body, &out->body_len);
    return FAULT_NONE;
}
