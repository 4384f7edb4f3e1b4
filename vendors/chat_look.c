#include "vendors/chat_look.h"

#include <stdlib.h>

enum {
    NUMBER_MAX = 64, /* bytes of a number that is looked at */
};

struct slice chat_bytes(const struct chat *chat, struct span span)
{
    return (struct slice){chat->body.bytes + span.at, span.len};
}

struct slice chat_value(const struct chat *chat, enum chat_key key)
{
    return chat_bytes(chat, chat->field[key].value);
}

static struct json_text text_in(struct slice quoted)
{
    struct json_scan s;
    struct json_text text = {{"", 0}, false};

    json_scan_init(&s, quoted);
    if (json_peek(&s) == JSON_STRING)
        json_text(&s, &text);
    return text;
}

struct json_text chat_text(const struct chat *chat, enum chat_key key)
{
    if (chat->field[key].kind != JSON_STRING)
        return (struct json_text){{"", 0}, false};
    return text_in(chat_value(chat, key));
}

bool chat_is(const struct chat *chat, enum chat_key key, const char *word)
{
    return json_text_is(chat_text(chat, key), word);
}

double chat_number(const struct chat *chat, enum chat_key key, double other)
{
    struct slice value = chat_value(chat, key);
    char text[NUMBER_MAX] = "";

    if (chat->field[key].kind != JSON_NUMBER || value.len >= sizeof(text))
        return other;
    memcpy(text, value.bytes, value.len);
    return strtod(text, NULL);
}

bool chat_is_system(const struct chat_message *m)
{
    return m->role_word == 's' || m->role_word == 'd';
}

/* --- contents ------------------------------------------------------------- */

void parts_begin(struct parts *p, const struct chat *chat,
                 const struct chat_message *m)
{
    struct slice content = chat_bytes(chat, m->content);

    *p = (struct parts){.list = m->content_kind == JSON_ARRAY};
    json_scan_init(&p->s, content);
    if (p->list)
        json_enter(&p->s);
    else if (m->content_kind == JSON_STRING)
        p->alone = text_in(content);
    else
        p->over = true;
}

/* "https://..." or {"url": "..."}. */
static struct json_text url_read(struct json_scan *s)
{
    struct json_text key, url = {{"", 0}, false};

    if (json_peek(s) == JSON_STRING) {
        json_text(s, &url);
        return url;
    }
    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return url;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "url") && json_peek(s) == JSON_STRING)
            json_text(s, &url);
        else
            json_skip(s);
    }
    return url;
}

/* data:image/png;base64,AAAA */
static void url_sort(struct part *out)
{
    static const char data[] = "data:", base64[] = ";base64,";
    struct slice url = out->text.raw;
    const char *end;

    out->kind = url.len ? PART_LINK : PART_OTHER;
    if (url.len < 5 || memcmp(url.bytes, data, 5) != 0)
        return;
    end = memmem(url.bytes, url.len < 256 ? url.len : 256, base64, 8);
    if (!end) {
        out->kind = PART_OTHER;
        return;
    }
    out->kind = PART_IMAGE;
    out->media = (struct slice){url.bytes + 5, (size_t)(end - url.bytes) - 5};
    out->data =
        (struct slice){end + 8, (size_t)(url.bytes + url.len - end) - 8};
}

static void part_read(struct json_scan *s, struct part *out)
{
    struct json_text key, type = {{"", 0}, false}, text = {{NULL, 0}, false},
                          url = {{NULL, 0}, false};

    for (json_enter(s); json_member(s, &key);) {
        bool is_text = json_peek(s) == JSON_STRING;

        if (json_text_is(key, "type") && is_text)
            json_text(s, &type);
        else if ((json_text_is(key, "text") || json_text_is(key, "refusal")) &&
                 is_text)
            json_text(s, &text);
        else if (json_text_is(key, "image_url"))
            url = url_read(s);
        else if (json_text_is(key, "cache_control") &&
                 json_peek(s) == JSON_OBJECT)
            json_value(s, &out->cache);
        else
            json_skip(s);
    }
    if (text.raw.bytes &&
        (json_text_is(type, "text") || json_text_is(type, "refusal"))) {
        out->kind = PART_TEXT;
        out->text = text;
    } else if (url.raw.bytes && json_text_is(type, "image_url")) {
        out->text = url;
        url_sort(out);
    }
}

bool parts_next(struct parts *p, struct part *out)
{
    *out = (struct part){.kind = PART_END};
    if (p->over)
        return false;
    if (!p->list) {
        p->over = true;
        out->kind = PART_TEXT;
        out->text = p->alone;
        return true;
    }
    if (!json_element(&p->s)) {
        p->over = true;
        return false;
    }
    out->kind = PART_OTHER;
    if (json_peek(&p->s) == JSON_OBJECT)
        part_read(&p->s, out);
    else
        json_skip(&p->s);
    return true;
}

/* --- tool calls ----------------------------------------------------------- */

/* The value of the member called `name` of the object at `s`, which is left
 * behind it; false: it has none, or it is no object. */
static bool member_find(struct json_scan *s, const char *name,
                        struct slice *value)
{
    struct json_text key;
    bool found = false;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return false;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, name))
            found = json_value(s, value);
        else
            json_skip(s);
    }
    return found;
}

static struct slice within(struct slice object, const char *name)
{
    struct json_scan s;
    struct slice value = {"", 0};

    json_scan_init(&s, object);
    return member_find(&s, name, &value) ? value : (struct slice){"", 0};
}

struct json_text chat_member(const struct chat *chat,
                             const struct chat_message *m, const char *name)
{
    return text_in(within(chat_bytes(chat, m->object), name));
}

void calls_begin(struct calls *c, const struct chat *chat,
                 const struct chat_message *m)
{
    struct slice list = within(chat_bytes(chat, m->object), "tool_calls");

    json_scan_init(&c->s, list);
    c->any = json_peek(&c->s) == JSON_ARRAY;
    if (c->any)
        json_enter(&c->s);
}

bool calls_next(struct calls *c, struct call *out)
{
    struct slice object, function, extra;

    *out = (struct call){0};
    if (!c->any || !json_element(&c->s) || !json_value(&c->s, &object)) {
        c->any = false;
        return false;
    }
    out->id = text_in(within(object, "id"));
    function = within(object, "function");
    out->name = text_in(within(function, "name"));
    out->arguments = text_in(within(function, "arguments"));
    extra = within(within(object, "extra_content"), "google");
    out->signature = text_in(within(extra, "thought_signature"));
    return true;
}

struct slice call_object(const struct call *call, struct arena *a)
{
    struct slice raw = call->arguments.raw, plain = raw;
    struct json_scan s;

    if (call->arguments.escaped) {
        char *room = arena_alloc(a, raw.len + 1);
        int64_t len = json_text_decode(call->arguments, room, raw.len);

        plain = (struct slice){room, len < 0 ? 0 : (size_t)len};
    }
    json_scan_init(&s, plain);
    if (json_peek(&s) == JSON_ABSENT)
        return slice_of("{}");
    if (json_peek(&s) != JSON_OBJECT || !json_skip(&s) || !json_end(&s))
        return (struct slice){"", 0};
    return plain;
}

/* --- tools ---------------------------------------------------------------- */

void tools_begin(struct tools *t, const struct chat *chat)
{
    json_scan_init(&t->s, chat_value(chat, CHAT_TOOLS));
    t->any = chat->field[CHAT_TOOLS].kind == JSON_ARRAY;
    if (t->any)
        json_enter(&t->s);
}

bool tools_next(struct tools *t, struct tool *out)
{
    struct slice object, function;

    *out = (struct tool){0};
    if (!t->any || !json_element(&t->s) || !json_value(&t->s, &object)) {
        t->any = false;
        return false;
    }
    if (!json_text_is(text_in(within(object, "type")), "function"))
        return true;
    function = within(object, "function");
    out->name = text_in(within(function, "name"));
    out->description = within(function, "description");
    out->parameters = within(function, "parameters");
    out->cache = within(object, "cache_control");
    if (out->description.len && *out->description.bytes != '"')
        out->description.len = 0;
    if (out->parameters.len && *out->parameters.bytes != '{')
        out->parameters.len = 0;
    return true;
}

struct json_text chat_forced_tool(const struct chat *chat)
{
    struct slice choice = {"", 0};

    if (chat->field[CHAT_TOOL_CHOICE].kind == JSON_OBJECT)
        choice = within(chat_value(chat, CHAT_TOOL_CHOICE), "function");
    return text_in(within(choice, "name"));
}

struct slice chat_schema(const struct chat *chat)
{
    struct slice format = {"", 0};

    if (chat->field[CHAT_RESPONSE_FORMAT].kind == JSON_OBJECT)
        format = within(chat_value(chat, CHAT_RESPONSE_FORMAT), "json_schema");
    return within(format, "schema");
}

/* --- what cannot be said -------------------------------------------------- */

static const char *parts_refuse(const struct chat *chat,
                                const struct chat_message *m)
{
    struct parts parts;
    struct part part;

    if (m->content_kind != JSON_ARRAY)
        return NULL;
    for (parts_begin(&parts, chat, m); parts_next(&parts, &part);) {
        if (part.kind == PART_OTHER)
            return "it cannot be sent content of such a kind";
        if (part.kind != PART_TEXT && m->role_word != 'u')
            return "it takes images from the user only";
    }
    return NULL;
}

/* Decodes nothing: a brace is enough, the rest is looked at when writing. */
static bool may_be_object(struct json_text arguments)
{
    const char *p = arguments.raw.bytes, *end = p + arguments.raw.len;

    while (p < end && (*p == ' ' || *p == '\\' || *p == 'n' || *p == 't'))
        p++;
    return p == end || *p == '{';
}

static const char *calls_refuse(const struct chat *chat,
                                const struct chat_message *m)
{
    struct calls calls;
    struct call call;

    for (calls_begin(&calls, chat, m); calls_next(&calls, &call);)
        if (!call.name.raw.len || !call.id.raw.len)
            return "a tool call in the conversation lacks its id or name";
        else if (!may_be_object(call.arguments))
            return "a tool call's arguments are no JSON object";
    return NULL;
}

static const char *tools_refuse(const struct chat *chat)
{
    struct tools tools;
    struct tool tool;

    for (tools_begin(&tools, chat); tools_next(&tools, &tool);)
        if (!tool.name.raw.len)
            return "it takes tools of the type function only";
    return NULL;
}

const char *chat_look_refuse(const struct chat *chat)
{
    const struct chat_message *first = NULL;
    const char *why;

    if (chat->n > 1)
        return "it gives one choice only";
    if (chat->field[CHAT_LOGPROBS].kind == JSON_TRUE)
        return "it tells no logprobs";
    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        if (m->role_word == 'f')
            return "it does not know the role function";
        if (!first && !chat_is_system(m))
            first = m;
        why = parts_refuse(chat, m);
        if (!why && m->tool_calls)
            why = calls_refuse(chat, m);
        if (why)
            return why;
    }
    if (!first || first->role_word != 'u')
        return "its conversations begin with the user";
    return tools_refuse(chat);
}
