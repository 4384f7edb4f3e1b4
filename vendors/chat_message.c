/*
 * chat_message.c - the conversation: who speaks, what is text, what is not.
 *
 *     chat_messages_read -> message_read -> content_read -> part_read
 */
#include <stdio.h>

#include "vendors/chat_reader.h"

enum message_key {
    MESSAGE_ROLE,
    MESSAGE_CONTENT,
    MESSAGE_TOOL_CALLS,
    MESSAGE_REASONING_CONTENT,
};

enum part_key {
    PART_TYPE,
    PART_TEXT,
    PART_IMAGE_URL,
};

enum {
    WHERE_MAX = 48,
    FIRST_MESSAGES = 16, /* room for so many before it must grow */
};

static const struct slice message_words[] = {
    [MESSAGE_ROLE] = KEY_NAME("role"),
    [MESSAGE_CONTENT] = KEY_NAME("content"),
    [MESSAGE_TOOL_CALLS] = KEY_NAME("tool_calls"),
    [MESSAGE_REASONING_CONTENT] = KEY_NAME("reasoning_content"),
};
static const struct key_set message_keys = {message_words,
                                            ARRAY_LEN(message_words)};

static const struct slice part_words[] = {
    [PART_TYPE] = KEY_NAME("type"),
    [PART_TEXT] = KEY_NAME("text"),
    [PART_IMAGE_URL] = KEY_NAME("image_url"),
};
static const struct key_set part_keys = {part_words, ARRAY_LEN(part_words)};

/* A message while it is read. Its name is made up only to complain of it. */
struct place {
    struct chat_message *message;
    size_t index;
};

static void refuse(struct chat_reader *r, const struct place *place,
                   const char *member, const char *what)
{
    char param[WHERE_MAX];

    snprintf(param, sizeof(param), "messages[%zu]%s%s", place->index,
             *member ? "." : "", member);
    chat_refuse(r, param, "'%s' %s", param, what);
}

static void text_read(struct chat_reader *r)
{
    struct json_text text;

    if (json_text(&r->s, &text))
        text_counter_add(&r->text, text);
}

/* The first letter of one, which tells them apart; 0: no vendor knows it. */
static char role_word(struct json_text role)
{
    static const char *const words[] = {"user", "assistant", "system",
                                        "tool", "developer", "function"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (json_text_is(role, words[i]))
            return *words[i];
    return 0;
}

static void role_read(struct chat_reader *r, const struct place *place)
{
    struct json_text role;

    if (json_peek(&r->s) != JSON_STRING) {
        refuse(r, place, "role", "must be a text");
        return;
    }
    if (!json_text(&r->s, &role))
        return;
    place->message->role = chat_span(r, role.raw.bytes - 1, r->s.at);
    place->message->role_word = role_word(role);
    if (!place->message->role_word)
        refuse(r, place, "role",
               "must be one of system, developer, user, assistant, tool, "
               "function");
}

static void image_url(struct chat_reader *r, struct json_text url)
{
    const char *comma;

    r->chat->n_images++;
    if (url.raw.len < 5 || memcmp(url.raw.bytes, "data:", 5) != 0)
        return;
    comma = memchr(url.raw.bytes, ',', url.raw.len);
    if (comma) /* base64: three bytes of four characters */
        r->chat->image_bytes +=
            (int64_t)(url.raw.bytes + url.raw.len - comma - 1) * 3 / 4;
}

/* {"url": "..."}, or the text alone. */
static void image_read(struct chat_reader *r)
{
    struct json_text key, url;

    if (json_peek(&r->s) == JSON_STRING) {
        if (json_text(&r->s, &url))
            image_url(r, url);
        return;
    }
    if (json_peek(&r->s) != JSON_OBJECT) {
        json_skip(&r->s);
        return;
    }
    for (json_enter(&r->s); json_member(&r->s, &key);) {
        if (json_text_is(key, "url") && json_peek(&r->s) == JSON_STRING) {
            if (json_text(&r->s, &url))
                image_url(r, url);
        } else {
            json_skip(&r->s);
        }
    }
}

static void part_read(struct chat_reader *r, const struct place *place)
{
    struct json_text key, type = {{"", 0}, false};
    uint32_t seen = 0;

    for (json_enter(&r->s); json_member(&r->s, &key);) {
        int known = chat_key_find(r, &part_keys, &key, &seen, " in a part");

        if (known == PART_TYPE && json_peek(&r->s) == JSON_STRING)
            json_text(&r->s, &type);
        else if (known == PART_TEXT && json_peek(&r->s) == JSON_STRING)
            text_read(r);
        else if (known == PART_IMAGE_URL)
            image_read(r);
        else
            json_skip(&r->s);
    }
    if (seen >> PART_IMAGE_URL & 1 || json_text_is(type, "image_url") ||
        json_text_is(type, "input_image")) {
        place->message->image = true;
        r->chat->needs |= NEED_VISION;
    }
}

static void content_read(struct chat_reader *r, const struct place *place)
{
    struct chat_message *m = place->message;
    const char *start;

    m->content_kind = json_peek(&r->s);
    start = r->s.at;
    if (m->content_kind == JSON_STRING) {
        text_read(r);
    } else if (m->content_kind == JSON_ARRAY) {
        for (json_enter(&r->s); json_element(&r->s);) {
            if (json_peek(&r->s) == JSON_OBJECT)
                part_read(r, place);
            else
                refuse(r, place, "content", "must list objects");
        }
    } else if (m->content_kind == JSON_NULL) {
        json_skip(&r->s);
    } else {
        refuse(r, place, "content", "must be a text or a list of parts");
    }
    m->content = chat_span(r, start, r->s.at);
}

/* {"name": "...", "arguments": "..."}: both are text to the model. */
static void call_read(struct chat_reader *r)
{
    struct json_text key;

    for (json_enter(&r->s); json_member(&r->s, &key);) {
        if (json_peek(&r->s) == JSON_STRING)
            text_read(r);
        else
            json_skip(&r->s);
    }
}

static void tool_call_read(struct chat_reader *r)
{
    struct json_text key;

    for (json_enter(&r->s); json_member(&r->s, &key);) {
        if (json_text_is(key, "function") && json_peek(&r->s) == JSON_OBJECT)
            call_read(r);
        else
            json_skip(&r->s);
    }
}

static void tool_calls_read(struct chat_reader *r, const struct place *place)
{
    enum json_kind kind = json_peek(&r->s);

    if (kind == JSON_NULL) {
        json_skip(&r->s);
        return;
    }
    if (kind != JSON_ARRAY) {
        refuse(r, place, "tool_calls", "must be a list");
        return;
    }
    for (json_enter(&r->s); json_element(&r->s);) {
        place->message->tool_calls = true;
        if (json_peek(&r->s) == JSON_OBJECT)
            tool_call_read(r);
        else
            refuse(r, place, "tool_calls", "must list objects");
    }
}

static void reasoning_read(struct chat_reader *r, const struct place *place)
{
    struct json_text text;

    if (json_peek(&r->s) != JSON_STRING) {
        json_skip(&r->s);
        return;
    }
    if (!json_text(&r->s, &text))
        return;
    place->message->reasoning_content = text.raw.len > 0;
    text_counter_add(&r->text, text);
}

static void member_read(struct chat_reader *r, const struct place *place,
                        const struct json_text *key, uint32_t *seen)
{
    switch (chat_key_find(r, &message_keys, key, seen, " in a message")) {
    case MESSAGE_ROLE: role_read(r, place); break;
    case MESSAGE_CONTENT: content_read(r, place); break;
    case MESSAGE_TOOL_CALLS: tool_calls_read(r, place); break;
    case MESSAGE_REASONING_CONTENT: reasoning_read(r, place); break;
    default: json_skip(&r->s);
    }
}

static void message_read(struct chat_reader *r, const struct place *place)
{
    struct json_text key;
    uint32_t seen = 0;
    const char *start;

    if (json_peek(&r->s) != JSON_OBJECT) {
        refuse(r, place, "", "must be an object");
        return;
    }
    start = r->s.at;
    for (json_enter(&r->s); json_member(&r->s, &key);)
        member_read(r, place, &key, &seen);
    if (!r->s.why && !place->message->role.len)
        refuse(r, place, "role", "is missing");
    place->message->object = chat_span(r, start, r->s.at);
}

void chat_messages_read(struct chat_reader *r)
{
    struct chat_message *list = NULL;
    size_t n = 0, room = 0;

    for (json_enter(&r->s); json_element(&r->s); n++) {
        if (n == CHAT_MESSAGES_MAX) {
            chat_refuse(r, "messages", "'messages' has more than %d entries",
                        CHAT_MESSAGES_MAX);
            return;
        }
        if (n == room) {
            struct chat_message *old = list;

            room = room ? room * 4 : FIRST_MESSAGES;
            list = arena_alloc(r->arena, room * sizeof(*list));
            if (n)
                memcpy(list, old, n * sizeof(*list));
        }
        message_read(r, &(struct place){&list[n], n});
    }
    if (!n)
        chat_refuse(r, "messages", "'messages' is empty");
    r->chat->messages = list;
    r->chat->n_messages = n;
}
