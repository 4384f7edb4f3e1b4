/* openai_refuse.c - what cannot be said to a vendor of such quirks. */
#include "base/json_scan.h"

#include "vendors/openai_write.h"

enum {
    STOPS_OPENAI = 4,
    STOPS_MOONSHOT = 5,
    STOP_BYTES_MOONSHOT = 32,
};

static bool forces_a_tool(const struct chat *chat)
{
    return chat->field[CHAT_TOOL_CHOICE].kind == JSON_OBJECT ||
           chat_is(chat, CHAT_TOOL_CHOICE, "required");
}

static bool names_a_tool(const struct chat *chat)
{
    return chat->field[CHAT_TOOL_CHOICE].kind == JSON_OBJECT;
}

static bool forbids_tools(const struct chat *chat)
{
    return (chat->needs & NEED_TOOLS) &&
           chat_is(chat, CHAT_TOOL_CHOICE, "none");
}

static bool is_function(struct json_scan *s)
{
    struct json_text key, type = {{"function", 8}, false};

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return false;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "type") && json_peek(s) == JSON_STRING)
            json_text(s, &type);
        else
            json_skip(s);
    }
    return json_text_is(type, "function");
}

static bool other_tools(const struct chat *chat)
{
    struct json_scan s;
    bool any = false;

    if (chat->field[CHAT_TOOLS].kind != JSON_ARRAY)
        return false;
    json_scan_init(&s, chat_value(chat, CHAT_TOOLS));
    for (json_enter(&s); json_element(&s);)
        any = !is_function(&s) || any;
    return any;
}

static bool one_call_at_a_time(const struct chat *chat)
{
    return (chat->needs & NEED_TOOLS) &&
           chat->field[CHAT_PARALLEL_TOOL_CALLS].kind == JSON_FALSE;
}

static bool several_choices(const struct chat *chat)
{
    return chat->n > 1;
}

static bool stops(const struct chat *chat)
{
    return chat->field[CHAT_STOP].kind == JSON_STRING ||
           chat->field[CHAT_STOP].kind == JSON_ARRAY;
}

/* How many, and how long the longest is, as written. */
static int64_t count_stops(const struct chat *chat, size_t *longest)
{
    struct json_scan s;
    struct json_text text;
    int64_t n = 0;

    *longest = 0;
    if (chat->field[CHAT_STOP].kind != JSON_ARRAY)
        return stops(chat);
    json_scan_init(&s, chat_value(chat, CHAT_STOP));
    for (json_enter(&s); json_element(&s); n++) {
        if (json_peek(&s) != JSON_STRING)
            json_skip(&s);
        else if (json_text(&s, &text) && text.raw.len > *longest)
            *longest = text.raw.len;
    }
    return n;
}

static bool more_than_four_stops(const struct chat *chat)
{
    size_t longest;

    return count_stops(chat, &longest) > STOPS_OPENAI;
}

static bool more_than_five_stops(const struct chat *chat)
{
    size_t longest;

    return count_stops(chat, &longest) > STOPS_MOONSHOT ||
           longest > STOP_BYTES_MOONSHOT;
}

static bool schema_in_stream(const struct chat *chat)
{
    return chat->stream && (chat->needs & NEED_JSON_SCHEMA);
}

static bool thinking_without_stream(const struct chat *chat)
{
    return !chat->stream && (chat->needs & NEED_THINKING);
}

static bool tools_and_thinking(const struct chat *chat)
{
    return (chat->needs & NEED_TOOLS) && (chat->needs & NEED_THINKING);
}

static bool user_after_tool(const struct chat *chat)
{
    for (size_t i = 1; i < chat->n_messages; i++)
        if (chat->messages[i].role_word == 'u' &&
            chat->messages[i - 1].role_word == 't')
            return true;
    return false;
}

/* --- the order of messages: the system's have no place in it ---------------
 */

static bool is_spoken(const struct chat_message *m)
{
    return m->role_word != 's' && m->role_word != 'd';
}

static bool speaks_twice(const struct chat *chat)
{
    char before = 0;

    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        if (!is_spoken(m))
            continue;
        if (m->role_word == before && before != 't')
            return true;
        before = m->role_word;
    }
    return false;
}

static bool another_begins(const struct chat *chat)
{
    for (size_t i = 0; i < chat->n_messages; i++)
        if (is_spoken(&chat->messages[i]))
            return chat->messages[i].role_word != 'u';
    return true;
}

static bool assistant_ends(const struct chat *chat)
{
    for (size_t i = chat->n_messages; i-- > 0;)
        if (is_spoken(&chat->messages[i]))
            return chat->messages[i].role_word == 'a';
    return true;
}

/* Between the quotes. */
static bool is_blank(const struct chat *chat, struct span text)
{
    for (size_t i = 1; i + 1 < text.len; i++)
        if (chat->body.bytes[text.at + i] != ' ')
            return false;
    return true;
}

static bool has_blanks(const struct chat *chat)
{
    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        if (!m->tool_calls &&
            (m->content_kind == JSON_NULL ||
             (m->content_kind == JSON_STRING && is_blank(chat, m->content))))
            return true;
    }
    return false;
}

static const struct {
    enum quirk quirk;
    bool (*wants)(const struct chat *chat);
    const char *why;
} rules[] = {
    {QUIRK_NO_N, several_choices, "it gives one choice only"},
    {QUIRK_NO_TOOL_CHOICE_REQUIRED, forces_a_tool,
     "it cannot be made to call a tool"},
    {QUIRK_NO_TOOL_CHOICE_NAMED, names_a_tool,
     "no tool can be named as the one to call"},
    {QUIRK_NO_TOOL_CHOICE_NONE, forbids_tools,
     "it cannot be told tools and kept from calling them"},
    {QUIRK_FUNCTIONS_ONLY, other_tools, "its tools are functions only"},
    {QUIRK_NO_PARALLEL_TOOL_CALLS, one_call_at_a_time,
     "it cannot be held to one tool call at a time"},
    {QUIRK_NO_STOP, stops, "it takes no stop sequences"},
    {QUIRK_STOP_AT_MOST_FOUR, more_than_four_stops,
     "it takes four stop sequences at most"},
    {QUIRK_STOP_AT_MOST_FIVE, more_than_five_stops,
     "it takes five stop sequences of 32 bytes at most"},
    {QUIRK_NO_SCHEMA_IN_STREAMS, schema_in_stream,
     "it does not stream answers to a JSON schema"},
    {QUIRK_THINKS_IN_STREAMS, thinking_without_stream,
     "it thinks in streams only"},
    {QUIRK_TOOLS_WITHOUT_THINKING, tools_and_thinking,
     "it takes tools only while it does not think"},
    {QUIRK_ANSWER_AFTER_TOOL, user_after_tool,
     "it wants an answer between a tool's result and the user"},
    {QUIRK_ROLES_ALTERNATE, speaks_twice,
     "it wants user and assistant to speak by turns"},
    {QUIRK_USER_FIRST, another_begins, "it wants the user to begin"},
    {QUIRK_USER_LAST, assistant_ends, "it does not go on for the assistant"},
    {QUIRK_NO_BLANKS, has_blanks, "it takes no blank messages"},
};

const char *openai_refuses(const struct manner *manner, const struct chat *chat)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (quirk_has(manner, rules[i].quirk) && rules[i].wants(chat))
            return rules[i].why;
    return openai_messages_refuse(manner, chat);
}
