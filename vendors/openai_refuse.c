/* openai_refuse.c - what cannot be said to a vendor of such quirks. */
#include "vendors/openai_write.h"

static bool forces_a_tool(const struct chat *chat)
{
    return chat->field[CHAT_TOOL_CHOICE].kind == JSON_OBJECT ||
           chat_is(chat, CHAT_TOOL_CHOICE, "required");
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

static const struct {
    enum quirk quirk;
    bool (*wants)(const struct chat *chat);
    const char *why;
} rules[] = {
    {QUIRK_NO_N, several_choices, "it gives one choice only"},
    {QUIRK_NO_TOOL_CHOICE_REQUIRED, forces_a_tool,
     "it cannot be made to call a tool"},
    {QUIRK_NO_PARALLEL_TOOL_CALLS, one_call_at_a_time,
     "it cannot be held to one tool call at a time"},
    {QUIRK_NO_STOP, stops, "it takes no stop sequences"},
    {QUIRK_NO_SCHEMA_IN_STREAMS, schema_in_stream,
     "it does not stream answers to a JSON schema"},
    {QUIRK_THINKS_IN_STREAMS, thinking_without_stream,
     "it thinks in streams only"},
    {QUIRK_TOOLS_WITHOUT_THINKING, tools_and_thinking,
     "it takes tools only while it does not think"},
    {QUIRK_ANSWER_AFTER_TOOL, user_after_tool,
     "it wants an answer between a tool's result and the user"},
};

const char *openai_refuses(const struct manner *manner, const struct chat *chat)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (quirk_has(manner, rules[i].quirk) && rules[i].wants(chat))
            return rules[i].why;
    return openai_messages_refuse(manner, chat);
}
