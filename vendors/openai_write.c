/*
 * openai_write.c - the client's body with the vendor's model in it, and what
 * the vendor's quirks ask for at the top level.
 *
 *     openai_write -> openai_refuses
 *                  -> TOP[]: one function a trait, each notes what to change
 *                  -> openai_messages_edit
 *                  -> put: additions, drops, edits become slices
 */
#include "vendors/openai_write.h"

void writer_replace(struct writer *w, struct span span, struct slice by)
{
    edits_add(&w->edits, span.at, span.len, by);
}

void writer_add(struct writer *w, const char *member)
{
    w->added = arena_printf(w->arena, "%s%s,", w->added, member);
}

void writer_drop(struct writer *w, enum chat_key key)
{
    w->drop[key] = writer_is_there(w, key);
}

static void rename_to(struct writer *w, enum chat_key from, enum chat_key to,
                      const char *quoted)
{
    if (w->chat->field[from].kind != JSON_NUMBER) {
        writer_drop(w, from); /* null says nothing */
        return;
    }
    writer_drop(w, to);
    writer_replace(w, w->chat->field[from].key, slice_of(quoted));
}

/* Neither spelling holds a number: what is there says nothing. */
static void bound(struct writer *w)
{
    writer_drop(w, CHAT_MAX_TOKENS);
    writer_drop(w, CHAT_MAX_COMPLETION_TOKENS);
    writer_add(w, arena_printf(w->arena, "\"%s\":%lld",
                               writer_has(w, QUIRK_MAX_COMPLETION_TOKENS)
                                   ? "max_completion_tokens"
                                   : "max_tokens",
                               (long long)w->chat->bound_tokens));
}

static void max_tokens(struct writer *w)
{
    if (w->chat->bound_tokens > 0)
        bound(w);
    else if (writer_has(w, QUIRK_MAX_TOKENS))
        rename_to(w, CHAT_MAX_COMPLETION_TOKENS, CHAT_MAX_TOKENS,
                  "\"max_tokens\"");
    else if (writer_has(w, QUIRK_MAX_COMPLETION_TOKENS) &&
             w->chat->field[CHAT_MAX_COMPLETION_TOKENS].kind == JSON_NUMBER)
        writer_drop(w, CHAT_MAX_TOKENS);
    else if (writer_has(w, QUIRK_MAX_COMPLETION_TOKENS))
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

    if (writer_has(w, QUIRK_NO_STREAM_OPTIONS) ||
        writer_has(w, QUIRK_MISTRAL_FIELDS)) {
        writer_drop(w, CHAT_STREAM_OPTIONS);
        return;
    }
    if (!chat->stream || chat->include_usage)
        return;
    if (chat->stream_options_usage.len) {
        writer_replace(w, chat->stream_options_usage, slice_of("true"));
        return;
    }
    if (f->kind != JSON_OBJECT) {
        writer_drop(w, CHAT_STREAM_OPTIONS);
        writer_add(w, "\"stream_options\":{\"include_usage\":true}");
        return;
    }
    json_scan_init(&s, chat_value(chat, CHAT_STREAM_OPTIONS));
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
        {QUIRK_TOP_P_ONE, CHAT_TOP_P},
        {QUIRK_NO_PENALTIES, CHAT_FREQUENCY_PENALTY},
        {QUIRK_NO_PENALTIES, CHAT_PRESENCE_PENALTY},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (writer_has(w, rows[i].quirk))
            writer_drop(w, rows[i].key);
}

/* tool_choice in the vendor's words. */
static void tool_choice(struct writer *w)
{
    const struct chat_field *f = &w->chat->field[CHAT_TOOL_CHOICE];

    if (writer_has(w, QUIRK_NO_TOOL_CHOICE_AUTO) &&
        chat_is(w->chat, CHAT_TOOL_CHOICE, "auto"))
        writer_drop(w, CHAT_TOOL_CHOICE);
    if (writer_has(w, QUIRK_TOOL_CHOICE_ANY) &&
        chat_is(w->chat, CHAT_TOOL_CHOICE, "required"))
        writer_replace(w, f->value, slice_of("\"any\""));
}

static void further(struct writer *w)
{
    const struct chat_field *seed = &w->chat->field[CHAT_SEED];

    if (writer_has(w, QUIRK_TOOL_STREAM) && w->chat->stream &&
        (w->chat->needs & NEED_TOOLS))
        writer_add(w, "\"tool_stream\":true");
    if (writer_has(w, QUIRK_REASONING_SPLIT))
        writer_add(w, "\"reasoning_split\":true");
    if (!writer_has(w, QUIRK_RANDOM_SEED))
        return;
    if (seed->kind == JSON_NUMBER)
        writer_replace(w, seed->key, slice_of("\"random_seed\""));
    else
        writer_drop(w, CHAT_SEED);
}

static void temperature(struct writer *w)
{
    const struct chat_field *f = &w->chat->field[CHAT_TEMPERATURE];
    bool one = writer_has(w, QUIRK_TEMPERATURE_AT_MOST_ONE);
    bool two = writer_has(w, QUIRK_TEMPERATURE_BELOW_TWO);
    bool zero = writer_has(w, QUIRK_TEMPERATURE_ABOVE_ZERO);
    double value;

    if (f->kind != JSON_NUMBER || w->drop[CHAT_TEMPERATURE] ||
        !(one || two || zero))
        return;
    value = chat_number(w->chat, CHAT_TEMPERATURE, 1);
    if (one && value > 1)
        writer_replace(w, f->value, slice_of("1"));
    else if (two && value >= 2)
        writer_replace(w, f->value, slice_of("1.99"));
    else if (zero && value <= 0)
        writer_replace(w, f->value, slice_of("0.01"));
}

static void top_p(struct writer *w)
{
    const struct chat_field *f = w->chat->field;

    if (writer_has(w, QUIRK_TOP_P_OPEN) && f[CHAT_TOP_P].kind == JSON_NUMBER &&
        !w->drop[CHAT_TOP_P]) {
        double value = chat_number(w->chat, CHAT_TOP_P, 0.5);

        if (value >= 1)
            writer_drop(w, CHAT_TOP_P);
        else if (value <= 0)
            writer_replace(w, f[CHAT_TOP_P].value, slice_of("0.001"));
    }
}

/* What Mistral's reference lists; what is renamed to one of them, too. */
static const char *const mistral_fields[] = {
    "model",
    "messages",
    "stream",
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "random_seed",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "safe_prompt",
    "prompt_mode",
    "reasoning_effort",
    "metadata",
    "guardrails",
    "prompt_cache_key",
    "max_completion_tokens",
    "seed",
};

static bool is_dropped(void *self, const struct json_text *key,
                       enum json_kind kind)
{
    const struct writer *w = self;
    size_t at = (size_t)(key->raw.bytes - 1 - w->chat->body.bytes);

    for (int i = 0; i < CHAT_KEY_COUNT; i++)
        if (w->drop[i] && w->chat->field[i].key.at == at)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(mistral_fields); i++)
        if (json_text_is(*key, mistral_fields[i]))
            return kind == JSON_NULL;
    return true;
}

/* Drops from front to back. */
static void drop_all(struct writer *w)
{
    const struct chat_field *f = w->chat->field;
    size_t gone = 0;

    if (writer_has(w, QUIRK_MISTRAL_FIELDS)) {
        edits_drop_members(&w->edits,
                           (struct span){0, (uint32_t)w->chat->body.len},
                           is_dropped, w);
        return;
    }
    for (;;) {
        int first = -1;

        for (int i = 0; i < CHAT_KEY_COUNT; i++)
            if (w->drop[i] && (first < 0 || f[i].key.at < f[first].key.at))
                first = i;
        if (first < 0)
            return;
        gone = edits_drop_member(&w->edits, f[first].key.at,
                                 f[first].value.at + f[first].value.len, gone);
        w->drop[first] = false;
    }
}

enum fault openai_write(struct wire *out, const struct manner *manner,
                        const char *model, const struct chat *chat,
                        struct arena *a, const char **why)
{
    static void (*const top[])(struct writer * w) = {
        max_tokens, stream_options, dropped,         temperature,
        top_p,      tool_choice,    writer_thinking, further,
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
    writer_replace(&w, chat->field[CHAT_MODEL].value,
                   json_quote(a, slice_of(model)));
    drop_all(&w);
    openai_messages_edit(&w.edits, manner, chat);
    out->path = chat->stream && manner->stream_path ? manner->stream_path
                                                    : manner->chat_path;
    out->headers = "";
    out->body = edits_slices(&w.edits, &out->n_body, &out->body_len);
    return FAULT_NONE;
}
