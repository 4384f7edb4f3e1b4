/*
 * anthropic_write.c - the client's request as a body of the Messages API.
 *
 * Every text and schema is pointed at where it lies in the client's body.
 * What the API has no word for (penalties, seed, store ...) is left out; what
 * would change the answer's form is refused instead.
 */
#include <inttypes.h>

#include "vendors/anthropic.h"
#include "vendors/quirk.h"

enum {
    MAX_TOKENS_DEFAULT = 8192, /* where neither client nor model says more */
    BUDGET_LEAST = 1024,
};

struct writer {
    struct pieces *out;
    const struct manner *manner;
    const struct chat *chat;
    int64_t max_tokens;
    bool thinks;
};

static void put(struct writer *w, const char *text)
{
    pieces_text(w->out, text);
}

static bool wants_thinking(const struct chat *chat)
{
    return chat->needs & NEED_THINKING;
}

static bool forces_a_tool(const struct chat *chat)
{
    return (chat->needs & NEED_TOOLS) &&
           (chat->field[CHAT_TOOL_CHOICE].kind == JSON_OBJECT ||
            chat_is(chat, CHAT_TOOL_CHOICE, "required"));
}

const char *anthropic_refuses(const struct manner *manner,
                              const struct chat *chat)
{
    if (chat->needs & (NEED_JSON_SCHEMA | NEED_JSON_OBJECT))
        return "it has no response_format";
    if (forces_a_tool(chat) && quirk_has(manner, QUIRK_NO_TOOL_CHOICE_REQUIRED))
        return "it cannot be made to call a tool";
    if (forces_a_tool(chat) && wants_thinking(chat))
        return "it cannot be made to call a tool while it thinks";
    if (wants_thinking(chat) && quirk_has(manner, QUIRK_THINKING_BUDGET) &&
        chat->max_tokens && chat->max_tokens <= BUDGET_LEAST)
        return "its thinking takes more tokens than max_tokens leaves";
    return chat_look_refuse(chat);
}

static void limit_put(struct writer *w)
{
    int64_t most = w->manner->max_output_tokens;

    w->max_tokens =
        w->chat->max_tokens ? w->chat->max_tokens : w->chat->bound_tokens;
    if (!w->max_tokens)
        w->max_tokens = most ? most : MAX_TOKENS_DEFAULT;
    put(w, arena_printf(w->out->arena, "\"max_tokens\":%" PRId64 ",",
                        w->max_tokens));
}

/* Efforts in OpenAI's words. */
static const struct {
    const char *word, *effort;
    int64_t budget;
} efforts[] = {
    {"minimal", "low", 1024},   {"low", "low", 1024},
    {"medium", "medium", 4096}, {"high", "high", 16384},
    {"xhigh", "xhigh", 32768},  {"max", "max", 65536},
    {"ultra", "max", 65536},
};

static void thinking_put(struct writer *w)
{
    const struct chat *chat = w->chat;
    size_t i = 2; /* medium, if only told to think */
    int64_t budget;

    if (chat->field[CHAT_REASONING_EFFORT].kind != JSON_STRING &&
        chat->field[CHAT_THINKING].kind == JSON_OBJECT) {
        put(w, "\"thinking\":");
        pieces_add(w->out, chat_value(chat, CHAT_THINKING));
        put(w, ",");
        return;
    }
    if (chat->needs & NEED_NO_THINKING)
        put(w, "\"thinking\":{\"type\":\"disabled\"},");
    if (!w->thinks)
        return;
    for (size_t k = 0; k < ARRAY_LEN(efforts); k++)
        if (chat_is(chat, CHAT_REASONING_EFFORT, efforts[k].word))
            i = k;
    budget = w->max_tokens * 3 / 4; /* the rest is for the answer */
    budget = budget < efforts[i].budget ? budget : efforts[i].budget;
    budget = budget > BUDGET_LEAST ? budget : BUDGET_LEAST;
    if (quirk_has(w->manner, QUIRK_THINKING_BUDGET))
        put(w, arena_printf(w->out->arena,
                            "\"thinking\":{\"type\":\"enabled\","
                            "\"budget_tokens\":%" PRId64 "},",
                            budget));
    else
        put(w, arena_printf(w->out->arena,
                            "\"thinking\":{\"type\":\"adaptive\","
                            "\"display\":\"summarized\"},"
                            "\"output_config\":{\"effort\":\"%s\"},",
                            efforts[i].effort));
}

/* While it thinks, neither can be chosen; and never both of them. */
static void sampling_put(struct writer *w)
{
    const struct chat *chat = w->chat;

    if (w->thinks || quirk_has(w->manner, QUIRK_TEMPERATURE_ONE))
        return;
    if (chat->field[CHAT_TEMPERATURE].kind == JSON_NUMBER) {
        put(w, "\"temperature\":");
        if (chat_number(chat, CHAT_TEMPERATURE, 1) > 1)
            put(w, "1");
        else
            pieces_add(w->out, chat_value(chat, CHAT_TEMPERATURE));
        put(w, ",");
    } else if (chat->field[CHAT_TOP_P].kind == JSON_NUMBER) {
        put(w, "\"top_p\":");
        pieces_add(w->out, chat_value(chat, CHAT_TOP_P));
        put(w, ",");
    }
}

/* Of nothing but blanks: such a sequence would be refused. */
static bool is_blank(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.bytes[i] == '\\' && i + 1 < raw.len &&
            strchr("nrt", raw.bytes[i + 1]))
            i++;
        else if (raw.bytes[i] != ' ')
            return false;
    }
    return true;
}

static void stop_put(struct writer *w)
{
    struct json_scan s;
    struct json_text text;
    enum json_kind kind = w->chat->field[CHAT_STOP].kind;
    const char *before = "\"stop_sequences\":[\"";

    if (kind != JSON_STRING && kind != JSON_ARRAY)
        return;
    json_scan_init(&s, chat_value(w->chat, CHAT_STOP));
    if (kind == JSON_ARRAY)
        json_enter(&s);
    while (kind == JSON_STRING || json_element(&s)) {
        if (json_peek(&s) != JSON_STRING)
            json_skip(&s);
        else if (json_text(&s, &text) && !is_blank(text.raw)) {
            put(w, before);
            pieces_add(w->out, text.raw);
            before = "\",\"";
        }
        if (kind == JSON_STRING)
            break;
    }
    if (*before == '"' && before[1] == ',')
        put(w, "\"],");
}

/* A schema whose root has no type is one of an object all the same. */
static void schema_put(struct writer *w, struct slice parameters)
{
    struct json_scan s;
    struct json_text key;
    bool typed = false, any = false;

    json_scan_init(&s, parameters);
    if (parameters.len)
        for (json_enter(&s); json_member(&s, &key); json_skip(&s)) {
            any = true;
            typed |= json_text_is(key, "type");
        }
    if (typed) {
        pieces_add(w->out, parameters);
        return;
    }
    put(w, any ? "{\"type\":\"object\"," : "{\"type\":\"object\"}");
    if (any)
        pieces_add(w->out,
                   (struct slice){parameters.bytes + 1, parameters.len - 1});
}

static void tools_put(struct writer *w)
{
    struct tools tools;
    struct tool tool;
    const char *before = "\"tools\":[{\"name\":\"";

    if (!(w->chat->needs & NEED_TOOLS))
        return;
    for (tools_begin(&tools, w->chat); tools_next(&tools, &tool);) {
        put(w, before);
        pieces_add(w->out, tool.name.raw);
        put(w, "\",");
        if (tool.description.len) {
            put(w, "\"description\":");
            pieces_add(w->out, tool.description);
            put(w, ",");
        }
        put(w, "\"input_schema\":");
        schema_put(w, tool.parameters);
        if (tool.cache.len) {
            put(w, ",\"cache_control\":");
            pieces_add(w->out, tool.cache);
        }
        before = "},{\"name\":\"";
    }
    put(w, "}],");
}

static void choice_put(struct writer *w)
{
    const struct chat *chat = w->chat;
    bool one = chat->field[CHAT_PARALLEL_TOOL_CALLS].kind == JSON_FALSE;
    struct json_text name = chat_forced_tool(chat);
    const char *end = one ? ",\"disable_parallel_tool_use\":true}," : "},";

    if (!(chat->needs & NEED_TOOLS))
        return;
    if (name.raw.len) {
        put(w, "\"tool_choice\":{\"type\":\"tool\",\"name\":\"");
        pieces_add(w->out, name.raw);
        put(w, "\"");
    } else if (chat_is(chat, CHAT_TOOL_CHOICE, "none")) {
        put(w, "\"tool_choice\":{\"type\":\"none\"},");
        return;
    } else if (chat_is(chat, CHAT_TOOL_CHOICE, "required")) {
        put(w, "\"tool_choice\":{\"type\":\"any\"");
    } else if (one || chat_is(chat, CHAT_TOOL_CHOICE, "auto")) {
        put(w, "\"tool_choice\":{\"type\":\"auto\"");
    } else {
        return;
    }
    put(w, end);
}

static void user_put(struct writer *w)
{
    struct json_text user = chat_text(w->chat, CHAT_USER);

    if (!user.raw.len)
        return;
    put(w, "\"metadata\":{\"user_id\":\"");
    pieces_add(w->out, user.raw);
    put(w, "\"},");
}

enum fault anthropic_write(struct wire *out, const struct manner *manner,
                           const char *model, const struct chat *chat,
                           struct arena *a, const char **why)
{
    static void (*const top[])(struct writer * w) = {
        limit_put, thinking_put, sampling_put, stop_put,
        tools_put, choice_put,   user_put,
    };
    struct pieces pieces;
    struct writer w = {.out = &pieces,
                       .manner = manner,
                       .chat = chat,
                       .thinks = wants_thinking(chat)};

    *why = anthropic_refuses(manner, chat);
    if (*why)
        return FAULT_BAD_REQUEST;
    pieces_init(&pieces, a);
    put(&w, "{\"model\":");
    pieces_add(&pieces, json_quote(a, slice_of(model)));
    put(&w, ",");
    for (size_t i = 0; i < ARRAY_LEN(top); i++)
        top[i](&w);
    *why = anthropic_messages_add(&pieces, chat);
    if (*why)
        return FAULT_BAD_REQUEST;
    put(&w, chat->stream ? "\"stream\":true}" : "\"stream\":false}");
    out->path = manner->chat_path;
    if (chat->stream && manner->stream_path)
        out->path = manner->stream_path;
    out->headers = "";
    out->body = pieces_slices(&pieces, &out->n_body, &out->body_len);
    return FAULT_NONE;
}
