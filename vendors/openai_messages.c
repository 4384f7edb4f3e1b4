/*
 * openai_messages.c - what quirks ask for within the conversation. One walk
 * from front to back, so that edits arrive in order.
 */
#include <ctype.h>

#include "vendors/openai_write.h"

struct walk {
    struct edits *edits;
    const struct manner *manner;
    const struct chat *chat;
};

static void put(struct walk *w, size_t from, size_t to, const char *insert)
{
    edits_add(w->edits, from, to - from, slice_of(insert));
}

static size_t end_of(struct span span)
{
    return span.at + span.len;
}

static void scan_span(struct json_scan *s, const struct chat *chat,
                      struct span span)
{
    json_scan_init(s, (struct slice){chat->body.bytes + span.at, span.len});
}

static size_t place_of(const struct walk *w, const char *p)
{
    return (size_t)(p - w->chat->body.bytes);
}

static bool is_system(const struct chat_message *m)
{
    return m->role_word == 's' || m->role_word == 'd';
}

/* Must system messages be put together: several, or one that does not lead? */
static bool must_merge(const struct manner *manner, const struct chat *chat)
{
    if (!quirk_has(manner, QUIRK_MERGE_SYSTEM))
        return false;
    for (size_t i = 1; i < chat->n_messages; i++)
        if (is_system(&chat->messages[i]))
            return true;
    return false;
}

/*
 * The next part of a list of parts, entered already: its text. 1: a text
 * part; 0: the list ends; -1: a part of another kind.
 */
static int part_next(struct json_scan *s, struct json_text *text)
{
    struct json_text key, type = {{"", 0}, false};
    bool found = false;

    if (!json_element(s))
        return 0;
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "type") && json_peek(s) == JSON_STRING)
            json_text(s, &type);
        else if (json_text_is(key, "text") && json_peek(s) == JSON_STRING)
            found = json_text(s, text);
        else
            json_skip(s);
    }
    return found && json_text_is(type, "text") ? 1 : -1;
}

static bool is_all_text(const struct chat *chat, const struct chat_message *m)
{
    struct json_scan s;
    struct json_text text;
    int next;

    if (m->content_kind != JSON_ARRAY)
        return m->content_kind == JSON_STRING;
    scan_span(&s, chat, m->content);
    json_enter(&s);
    while ((next = part_next(&s, &text)) > 0)
        continue;
    return next == 0;
}

const char *openai_messages_refuse(const struct manner *manner,
                                   const struct chat *chat)
{
    if (!must_merge(manner, chat))
        return NULL;
    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        if (is_system(m) && !is_all_text(chat, m))
            return "it takes one system message, of text only";
    }
    return NULL;
}

/* Puts the insides of a message's texts at `at`, all before it removed. */
static void texts_put(struct walk *w, const struct chat_message *m, size_t at)
{
    struct json_scan s;
    struct json_text text;

    scan_span(&s, w->chat, m->content);
    if (m->content_kind == JSON_STRING) {
        json_text(&s, &text);
        edits_add(w->edits, at, 0, text.raw);
        return;
    }
    for (json_enter(&s); part_next(&s, &text) > 0;)
        edits_add(w->edits, at, 0, text.raw);
}

/* All system messages' texts as one message before the first; they stay
 * escaped as they are. */
static void merged_put(struct walk *w)
{
    const struct chat_message *list = w->chat->messages;
    size_t at = list[0].object.at, end = end_of(list[0].object);
    const char *before = "{\"role\":\"system\",\"content\":\"";

    for (size_t i = 0; i < w->chat->n_messages; i++) {
        if (!is_system(&list[i]))
            continue;
        put(w, at, at, before);
        texts_put(w, &list[i], at);
        before = "\\n\\n";
    }
    if (is_system(&list[0]))
        put(w, at, end, "\"}");
    else
        put(w, at, at, "\"},");
}

/* Leaves of a list of text parts the texts' insides between two quotes. */
static void flatten(struct walk *w, const struct chat_message *m)
{
    struct json_scan s;
    struct json_text text;
    size_t from = m->content.at;
    const char *quote = "\"";

    scan_span(&s, w->chat, m->content);
    for (json_enter(&s); part_next(&s, &text) > 0; quote = "") {
        put(w, from, place_of(w, text.raw.bytes), quote);
        from = place_of(w, text.raw.bytes + text.raw.len);
    }
    put(w, from, end_of(m->content), *quote ? "\"\"" : "\"");
}

/* A reasoning_content of one space: in the place of an empty one, or first. */
static void reasoning_put(struct walk *w, const struct chat_message *m)
{
    struct json_scan s;
    struct json_text key;
    struct slice value;

    scan_span(&s, w->chat, m->object);
    for (json_enter(&s); json_member(&s, &key);) {
        if (!json_value(&s, &value) || !json_text_is(key, "reasoning_content"))
            continue;
        put(w, place_of(w, value.bytes), place_of(w, value.bytes + value.len),
            "\" \"");
        return;
    }
    put(w, m->object.at + 1, m->object.at + 1, "\"reasoning_content\":\" \",");
}

enum {
    NINE = 9,
};

/* A tool call's id as Mistral takes it: of the same id always the same. */
static void id_put(struct walk *w, struct json_text id)
{
    static const char letters[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t hash = 14695981039346656037ULL;
    char *nine = arena_alloc(w->edits->arena, NINE);
    bool good = id.raw.len == NINE && !id.escaped;

    for (size_t i = 0; i < id.raw.len; i++) {
        hash = (hash ^ (unsigned char)id.raw.bytes[i]) * 1099511628211ULL;
        good &= isalnum((unsigned char)id.raw.bytes[i]) != 0;
    }
    if (good)
        return;
    hash ^= hash >> 29;
    for (int i = 0; i < NINE; i++, hash /= 62)
        nine[i] = letters[hash % 62];
    edits_add(w->edits, place_of(w, id.raw.bytes), id.raw.len,
              (struct slice){nine, NINE});
}

static void ids_put(struct walk *w, const struct chat_message *m)
{
    struct calls calls;
    struct call call;
    struct json_text id = chat_member(w->chat, m, "tool_call_id");

    if (m->role_word == 't' && id.raw.len)
        id_put(w, id);
    if (!m->tool_calls)
        return;
    for (calls_begin(&calls, w->chat, m); calls_next(&calls, &call);)
        if (call.id.raw.len)
            id_put(w, call.id);
}

/* Of one message: `drops` for edits_drop_members(). */
struct member_rule {
    const struct manner *manner;
    const struct chat_message *message;
};

static bool member_drops(void *self, const struct json_text *key,
                         enum json_kind kind)
{
    static const char *const of_mistral[] = {"role", "content", "tool_calls",
                                             "prefix", "tool_call_id"};
    const struct member_rule *rule = self;
    bool name = json_text_is(*key, "name");

    if (name && quirk_has(rule->manner, QUIRK_NO_MESSAGE_NAME))
        return true;
    if (!quirk_has(rule->manner, QUIRK_MISTRAL_FIELDS))
        return false;
    if (name)
        return rule->message->role_word != 't';
    for (size_t i = 0; i < ARRAY_LEN(of_mistral); i++)
        if (json_text_is(*key, of_mistral[i]))
            return kind == JSON_NULL && !json_text_is(*key, "content");
    return true;
}

static void message_edit(struct walk *w, const struct chat_message *m)
{
    struct member_rule rule = {w->manner, m};

    if (quirk_has(w->manner, QUIRK_NO_MESSAGE_NAME) ||
        quirk_has(w->manner, QUIRK_MISTRAL_FIELDS))
        edits_drop_members(w->edits, m->object, member_drops, &rule);
    if (quirk_has(w->manner, QUIRK_TOOL_IDS_NINE))
        ids_put(w, m);
    if (m->role_word == 'a' && !m->reasoning_content &&
        quirk_has(w->manner, QUIRK_NEEDS_REASONING_CONTENT) &&
        !quirk_has(w->manner, QUIRK_MISTRAL_FIELDS))
        reasoning_put(w, m);
    if (m->role_word == 'd' && quirk_has(w->manner, QUIRK_NO_DEVELOPER_ROLE))
        put(w, m->role.at, end_of(m->role), "\"system\"");
    if (m->content_kind == JSON_ARRAY && !m->image &&
        quirk_has(w->manner, QUIRK_FLATTEN_TEXT) && is_all_text(w->chat, m))
        flatten(w, m);
}

void openai_messages_edit(struct edits *e, const struct manner *manner,
                          const struct chat *chat)
{
    const uint64_t any = UINT64_C(1) << QUIRK_MERGE_SYSTEM |
                         UINT64_C(1) << QUIRK_NO_DEVELOPER_ROLE |
                         UINT64_C(1) << QUIRK_FLATTEN_TEXT |
                         UINT64_C(1) << QUIRK_NO_MESSAGE_NAME |
                         UINT64_C(1) << QUIRK_MISTRAL_FIELDS |
                         UINT64_C(1) << QUIRK_TOOL_IDS_NINE |
                         UINT64_C(1) << QUIRK_NEEDS_REASONING_CONTENT;
    struct walk w = {e, manner, chat};
    bool merge = must_merge(manner, chat);

    if (!(manner->quirks & any))
        return;
    if (merge)
        merged_put(&w);
    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        if (!merge || !is_system(m))
            message_edit(&w, m);
        else if (i > 0) /* with the comma before it */
            put(&w, end_of(chat->messages[i - 1].object), end_of(m->object),
                "");
    }
}
