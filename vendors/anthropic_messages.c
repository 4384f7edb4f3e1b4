/*
 * anthropic_messages.c - the conversation as Claude takes it: system apart,
 * user and assistant in turns, everything in blocks, none of them empty. A
 * turn is opened by its first block, so that neighbours of one side become
 * one turn and what says nothing leaves no trace.
 */
#include "vendors/anthropic.h"

struct talk {
    struct pieces *out;
    const struct chat *chat;
    char side; /* of the open turn: 'u', 'a' or 0 */
    const char *why;
};

static void put(struct talk *t, const char *text)
{
    pieces_text(t->out, text);
}

static void block_begin(struct talk *t, char side)
{
    if (t->side == side) {
        put(t, ",");
        return;
    }
    if (t->side)
        put(t, "]},");
    put(t, side == 'u' ? "{\"role\":\"user\",\"content\":["
                       : "{\"role\":\"assistant\",\"content\":[");
    t->side = side;
}

static void block_end(struct talk *t, const struct part *part)
{
    if (part->cache.len) {
        put(t, ",\"cache_control\":");
        pieces_add(t->out, part->cache);
    }
    put(t, "}");
}

static void text_put(struct talk *t, char side, const struct part *part)
{
    if (!part->text.raw.len)
        return;
    block_begin(t, side);
    put(t, "{\"type\":\"text\",\"text\":\"");
    pieces_add(t->out, part->text.raw);
    put(t, "\"");
    block_end(t, part);
}

static void image_put(struct talk *t, const struct part *part)
{
    block_begin(t, 'u');
    if (part->kind == PART_LINK) {
        put(t, "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"");
        pieces_add(t->out, part->text.raw);
    } else {
        put(t, "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
               "\"media_type\":\"");
        pieces_add(t->out, part->media);
        put(t, "\",\"data\":\"");
        pieces_add(t->out, part->data);
    }
    put(t, "\"}");
    block_end(t, part);
}

static void contents_put(struct talk *t, const struct chat_message *m,
                         char side)
{
    struct parts parts;
    struct part part;

    for (parts_begin(&parts, t->chat, m); parts_next(&parts, &part);) {
        if (part.kind == PART_TEXT)
            text_put(t, side, &part);
        else if (part.kind == PART_IMAGE || part.kind == PART_LINK)
            image_put(t, &part);
    }
}

static void call_put(struct talk *t, const struct call *call)
{
    struct slice input = call_object(call, t->out->arena);

    if (!input.len) {
        t->why = "a tool call's arguments are no JSON object";
        return;
    }
    block_begin(t, 'a');
    put(t, "{\"type\":\"tool_use\",\"id\":\"");
    pieces_add(t->out, call->id.raw);
    put(t, "\",\"name\":\"");
    pieces_add(t->out, call->name.raw);
    put(t, "\",\"input\":");
    pieces_add(t->out, input);
    put(t, "}");
}

/* All texts of a tool's message as one. */
static void result_put(struct talk *t, const struct chat_message *m)
{
    struct parts parts;
    struct part part;

    block_begin(t, 'u');
    put(t, "{\"type\":\"tool_result\",\"tool_use_id\":\"");
    pieces_add(t->out, chat_member(t->chat, m, "tool_call_id").raw);
    put(t, "\",\"content\":\"");
    for (parts_begin(&parts, t->chat, m); parts_next(&parts, &part);)
        if (part.kind == PART_TEXT)
            pieces_add(t->out, part.text.raw);
    put(t, "\"}");
}

static void message_put(struct talk *t, const struct chat_message *m)
{
    struct calls calls;
    struct call call;

    if (m->role_word == 't') {
        result_put(t, m);
        return;
    }
    contents_put(t, m, m->role_word == 'a' ? 'a' : 'u');
    if (!m->tool_calls)
        return;
    for (calls_begin(&calls, t->chat, m); calls_next(&calls, &call);)
        call_put(t, &call);
}

static void system_put(struct talk *t)
{
    const char *before = "\"system\":[";

    for (size_t i = 0; i < t->chat->n_messages; i++) {
        struct parts parts;
        struct part part;

        if (!chat_is_system(&t->chat->messages[i]))
            continue;
        parts_begin(&parts, t->chat, &t->chat->messages[i]);
        while (parts_next(&parts, &part)) {
            if (part.kind != PART_TEXT || !part.text.raw.len)
                continue;
            put(t, before);
            put(t, "{\"type\":\"text\",\"text\":\"");
            pieces_add(t->out, part.text.raw);
            put(t, "\"");
            block_end(t, &part);
            before = ",";
        }
    }
    if (*before == ',')
        put(t, "],");
}

const char *anthropic_messages_add(struct pieces *p, const struct chat *chat)
{
    struct talk t = {.out = p, .chat = chat};

    system_put(&t);
    put(&t, "\"messages\":[");
    for (size_t i = 0; i < chat->n_messages && !t.why; i++)
        if (!chat_is_system(&chat->messages[i]))
            message_put(&t, &chat->messages[i]);
    if (!t.side)
        t.why = "nothing is said in it";
    put(&t, "]}],");
    return t.why;
}
