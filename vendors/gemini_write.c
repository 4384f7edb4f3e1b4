/*
 * gemini_write.c - the client's request as a body of generateContent. Texts
 * and schemas are pointed at where they lie; what has no word there (user,
 * store, metadata ...) is left out.
 */
#include <inttypes.h>

#include "vendors/gemini.h"
#include "vendors/quirk.h"

enum {
    STOPS_MOST = 5,
};

struct writer {
    struct pieces *out;
    const struct manner *manner;
    const struct chat *chat;
    const char *before; /* the next member of generationConfig */
};

static void put(struct writer *w, const char *text)
{
    pieces_text(w->out, text);
}

static void config_put(struct writer *w, const char *member)
{
    put(w, w->before);
    put(w, member);
    w->before = ",";
}

/* Puts every stop sequence, unless `w` is NULL; how many there are. */
static int stops_walk(const struct chat *chat, struct writer *w)
{
    enum json_kind kind = chat->field[CHAT_STOP].kind;
    struct json_scan s;
    struct json_text text;
    int n = 0;

    json_scan_init(&s, chat_value(chat, CHAT_STOP));
    if (kind != JSON_STRING && kind != JSON_ARRAY)
        return 0;
    if (kind == JSON_ARRAY)
        json_enter(&s);
    while (kind == JSON_STRING ? n == 0 : json_element(&s)) {
        if (json_peek(&s) != JSON_STRING) {
            json_skip(&s);
            continue;
        }
        if (!json_text(&s, &text))
            break;
        if (w) {
            put(w, n ? ",\"" : "\"");
            pieces_add(w->out, text.raw);
            put(w, "\"");
        }
        n++;
    }
    return n;
}

static const char *parts_refuse(const struct chat *chat)
{
    struct parts parts;
    struct part part;

    if (!(chat->needs & NEED_VISION))
        return NULL;
    for (size_t i = 0; i < chat->n_messages; i++) {
        if (!chat->messages[i].image)
            continue;
        parts_begin(&parts, chat, &chat->messages[i]);
        while (parts_next(&parts, &part))
            if (part.kind == PART_LINK)
                return "it takes images by their data, not by a link";
    }
    return NULL;
}

const char *gemini_refuses(const struct manner *manner, const struct chat *chat)
{
    const char *why;

    (void)manner;
    if ((chat->needs & NEED_TOOLS) &&
        chat->field[CHAT_PARALLEL_TOOL_CALLS].kind == JSON_FALSE)
        return "it cannot be held to one tool call at a time";
    if (stops_walk(chat, NULL) > STOPS_MOST)
        return "it takes five stop sequences at most";
    why = parts_refuse(chat);
    return why ? why : chat_look_refuse(chat);
}

/* Efforts in OpenAI's words. */
static const struct {
    const char *word, *level, *of_two; /* where there are two levels only */
    int budget;
} efforts[] = {
    {"minimal", "low", "low", 512},     {"low", "low", "low", 1024},
    {"medium", "medium", "high", 8192}, {"high", "high", "high", 24576},
    {"xhigh", "high", "high", 24576},   {"max", "high", "high", 24576},
    {"ultra", "high", "high", 24576},
};

static void thinking_put(struct writer *w)
{
    const struct chat *chat = w->chat;
    bool budget = quirk_has(w->manner, QUIRK_THINKING_BUDGET);
    size_t i = 2; /* medium, if only told to think */
    const char *level;

    if (chat->needs & NEED_NO_THINKING) {
        config_put(w, "\"thinkingConfig\":{\"thinkingBudget\":0}");
        return;
    }
    for (size_t k = 0; k < ARRAY_LEN(efforts); k++)
        if (chat_is(chat, CHAT_REASONING_EFFORT, efforts[k].word))
            i = k;
    if (i > 0 && !(chat->needs & NEED_THINKING))
        return;
    level = quirk_has(w->manner, QUIRK_EFFORT_LOW_HIGH) ? efforts[i].of_two
                                                        : efforts[i].level;
    config_put(w, "\"thinkingConfig\":{\"includeThoughts\":true,");
    put(w, budget ? arena_printf(w->out->arena, "\"thinkingBudget\":%d}",
                                 efforts[i].budget)
                  : arena_printf(w->out->arena, "\"thinkingLevel\":\"%s\"}",
                                 level));
}

static void numbers_put(struct writer *w)
{
    static const struct {
        enum chat_key key;
        const char *member;
    } rows[] = {
        {CHAT_TEMPERATURE, "\"temperature\":"},
        {CHAT_TOP_P, "\"topP\":"},
        {CHAT_SEED, "\"seed\":"},
        {CHAT_PRESENCE_PENALTY, "\"presencePenalty\":"},
        {CHAT_FREQUENCY_PENALTY, "\"frequencyPenalty\":"},
    };

    int64_t most =
        w->chat->max_tokens ? w->chat->max_tokens : w->chat->bound_tokens;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (w->chat->field[rows[i].key].kind != JSON_NUMBER)
            continue;
        config_put(w, rows[i].member);
        pieces_add(w->out, chat_value(w->chat, rows[i].key));
    }
    if (most)
        config_put(w, arena_printf(w->out->arena,
                                   "\"maxOutputTokens\":%" PRId64, most));
}

static void format_put(struct writer *w)
{
    struct slice schema = chat_schema(w->chat);

    if (!(w->chat->needs & (NEED_JSON_OBJECT | NEED_JSON_SCHEMA)))
        return;
    config_put(w, "\"responseMimeType\":\"application/json\"");
    if (!schema.len)
        return;
    config_put(w, "\"responseJsonSchema\":");
    pieces_add(w->out, schema);
}

static void generation_put(struct writer *w)
{
    put(w, "\"generationConfig\":{");
    w->before = "";
    numbers_put(w);
    if (stops_walk(w->chat, NULL)) {
        config_put(w, "\"stopSequences\":[");
        stops_walk(w->chat, w);
        put(w, "]");
    }
    format_put(w);
    thinking_put(w);
    put(w, "}");
}

static void tools_put(struct writer *w)
{
    struct tools tools;
    struct tool tool;
    const char *before = "\"tools\":[{\"functionDeclarations\":[{\"name\":\"";

    if (!(w->chat->needs & NEED_TOOLS))
        return;
    for (tools_begin(&tools, w->chat); tools_next(&tools, &tool);) {
        put(w, before);
        pieces_add(w->out, tool.name.raw);
        put(w, "\"");
        if (tool.description.len) {
            put(w, ",\"description\":");
            pieces_add(w->out, tool.description);
        }
        if (tool.parameters.len) {
            put(w, ",\"parametersJsonSchema\":");
            pieces_add(w->out, tool.parameters);
        }
        before = "},{\"name\":\"";
    }
    put(w, "}]}],");
}

static void choice_put(struct writer *w)
{
    const struct chat *chat = w->chat;
    struct json_text name = chat_forced_tool(chat);
    const char *mode = NULL;

    if (!(chat->needs & NEED_TOOLS))
        return;
    if (name.raw.len || chat_is(chat, CHAT_TOOL_CHOICE, "required"))
        mode = "ANY\"";
    else if (chat_is(chat, CHAT_TOOL_CHOICE, "none"))
        mode = "NONE\"";
    else if (chat_is(chat, CHAT_TOOL_CHOICE, "auto"))
        mode = "AUTO\"";
    else
        return;
    put(w, "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"");
    put(w, mode);
    if (name.raw.len) {
        put(w, ",\"allowedFunctionNames\":[\"");
        pieces_add(w->out, name.raw);
        put(w, "\"]");
    }
    put(w, "}},");
}

enum fault gemini_write(struct wire *out, const struct manner *manner,
                        const char *model, const struct chat *chat,
                        struct arena *a, const char **why)
{
    struct pieces pieces;
    struct writer w = {.out = &pieces, .manner = manner, .chat = chat};

    (void)model; /* it stands in the path */
    *why = gemini_refuses(manner, chat);
    if (*why)
        return FAULT_BAD_REQUEST;
    pieces_init(&pieces, a);
    put(&w, "{");
    tools_put(&w);
    choice_put(&w);
    *why = gemini_contents_add(&pieces, manner, chat);
    if (*why)
        return FAULT_BAD_REQUEST;
    generation_put(&w);
    put(&w, "}");
    out->path = chat->stream && manner->stream_path ? manner->stream_path
                                                    : manner->chat_path;
    out->headers = "";
    out->body = pieces_slices(&pieces, &out->n_body, &out->body_len);
    return FAULT_NONE;
}
