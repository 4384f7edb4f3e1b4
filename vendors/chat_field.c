/* chat_field.c - the fields of a request that are looked into. */
#include "vendors/chat_reader.h"

void chat_stream_options_read(struct chat_reader *r)
{
    static const struct slice words[] = {KEY_NAME("include_usage")};
    const struct key_set set = {words, ARRAY_LEN(words)};
    struct json_text key;
    uint32_t seen = 0;

    for (json_enter(&r->s); json_member(&r->s, &key);) {
        bool usage =
            chat_key_find(r, &set, &key, &seen, " in 'stream_options'") == 0;
        enum json_kind kind = json_peek(&r->s);
        struct slice value = {r->s.at, 0};

        if (json_value(&r->s, &value) && usage) {
            r->chat->include_usage = kind == JSON_TRUE;
            r->chat->stream_options_usage =
                chat_span(r, value.bytes, value.bytes + value.len);
            if (kind != JSON_TRUE && kind != JSON_FALSE && kind != JSON_NULL)
                chat_refuse(r, "stream_options.include_usage",
                            "'stream_options.include_usage' must be true or "
                            "false");
        }
    }
}

/* The `type` of the object at r->s: NULL raw bytes if it has none. */
static struct json_text type_read(struct chat_reader *r, const char *where)
{
    static const struct slice words[] = {KEY_NAME("type")};
    const struct key_set set = {words, ARRAY_LEN(words)};
    struct json_text key, type = {{NULL, 0}, false};
    uint32_t seen = 0;

    for (json_enter(&r->s); json_member(&r->s, &key);) {
        if (chat_key_find(r, &set, &key, &seen, where) == 0 &&
            json_peek(&r->s) == JSON_STRING)
            json_text(&r->s, &type);
        else
            json_skip(&r->s);
    }
    return type;
}

void chat_response_format_read(struct chat_reader *r)
{
    struct json_text type = type_read(r, " in 'response_format'");

    if (!type.raw.bytes)
        chat_refuse(r, "response_format",
                    "'response_format' must have a 'type' that is a text");
    else if (json_text_is(type, "json_schema"))
        r->chat->needs |= NEED_JSON_SCHEMA;
    else if (json_text_is(type, "json_object"))
        r->chat->needs |= NEED_JSON_OBJECT;
}

static void thinking_read(struct chat_reader *r)
{
    struct json_text type = type_read(r, " in 'thinking'");

    if (!type.raw.bytes)
        return;
    if (json_text_is(type, "enabled"))
        r->chat->needs |= NEED_THINKING;
    else if (json_text_is(type, "disabled"))
        r->chat->needs |= NEED_NO_THINKING;
}

/* Effort `minimal` is neither: with thinking or without will do. */
static void effort_read(struct chat_reader *r)
{
    struct json_text effort = {{"", 0}, false};

    if (!json_text(&r->s, &effort))
        return;
    r->chat->needs &= ~(uint32_t)(NEED_THINKING | NEED_NO_THINKING);
    if (json_text_is(effort, "none"))
        r->chat->needs |= NEED_NO_THINKING;
    else if (!json_text_is(effort, "minimal"))
        r->chat->needs |= NEED_THINKING;
}

/* Tools reach the model as the JSON they are, so all of it counts as text. */
void chat_tools_read(struct chat_reader *r)
{
    const char *start;
    struct json_text all;

    json_peek(&r->s);
    start = r->s.at;
    for (json_enter(&r->s); json_element(&r->s);) {
        if (json_peek(&r->s) != JSON_OBJECT)
            chat_refuse(r, "tools", "each of 'tools' must be an object");
        else
            json_skip(&r->s);
        r->chat->needs |= NEED_TOOLS;
    }
    if (r->s.why || !(r->chat->needs & NEED_TOOLS))
        return;
    all.raw = (struct slice){start, (size_t)(r->s.at - start)};
    all.escaped = memchr(start, '\\', all.raw.len) != NULL;
    text_counter_add(&r->text, all);
}

/* What the client wants of thinking, in any of the three spellings: those of
 * vendors first, so that OpenAI's own overrules them. */
void chat_thinking_read(struct chat_reader *r)
{
    static const struct {
        enum chat_key key;
        enum json_kind kind;
        void (*read)(struct chat_reader *r);
    } spellings[] = {
        {CHAT_THINKING, JSON_OBJECT, thinking_read},
        {CHAT_REASONING_EFFORT, JSON_STRING, effort_read},
    };
    struct json_scan whole = r->s;
    enum json_kind plain = r->chat->field[CHAT_ENABLE_THINKING].kind;

    if (plain == JSON_TRUE)
        r->chat->needs |= NEED_THINKING;
    else if (plain == JSON_FALSE)
        r->chat->needs |= NEED_NO_THINKING;
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        const struct chat_field *f = &r->chat->field[spellings[i].key];

        if (f->kind != spellings[i].kind)
            continue;
        r->s.at = whole.begin + f->value.at;
        spellings[i].read(r);
    }
    if (!r->s.why)
        r->s = whole;
}
