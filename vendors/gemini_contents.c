/*
 * gemini_contents.c - the conversation as Gemini takes it: user and model in
 * turns, everything in parts, none of them empty. A turn is opened by its
 * first part, so that neighbours of one side become one turn: all results of
 * a turn's calls must stand in one.
 */
#include "vendors/gemini.h"
#include "vendors/quirk.h"

struct talk {
    struct pieces *out;
    const struct manner *manner;
    const struct chat *chat;
    const struct chat_message *asked; /* whose calls await their results */
    char side;                        /* of the open turn: 'u', 'm' or 0 */
    const char *why;
};

static void put(struct talk *t, const char *text)
{
    pieces_text(t->out, text);
}

static void part_begin(struct talk *t, char side)
{
    if (t->side == side) {
        put(t, ",");
        return;
    }
    if (t->side)
        put(t, "]},");
    put(t, side == 'u' ? "{\"role\":\"user\",\"parts\":["
                       : "{\"role\":\"model\",\"parts\":[");
    t->side = side;
}

static void part_put(struct talk *t, char side, const struct part *part)
{
    if (part->kind == PART_TEXT && part->text.raw.len) {
        part_begin(t, side);
        put(t, "{\"text\":\"");
        pieces_add(t->out, part->text.raw);
        put(t, "\"}");
    } else if (part->kind == PART_IMAGE) {
        part_begin(t, side);
        put(t, "{\"inlineData\":{\"mimeType\":\"");
        pieces_add(t->out, part->media);
        put(t, "\",\"data\":\"");
        pieces_add(t->out, part->data);
        put(t, "\"}}");
    }
}

/* The first call of a turn carries the signature of the thoughts that led to
 * it; where the client did not keep it, Google's own word for that. */
static void signature_put(struct talk *t, const struct call *call, bool first)
{
    if (call->signature.raw.len) {
        put(t, ",\"thoughtSignature\":\"");
        pieces_add(t->out, call->signature.raw);
        put(t, "\"");
    } else if (first && !quirk_has(t->manner, QUIRK_THINKING_BUDGET)) {
        put(t, ",\"thoughtSignature\":\"skip_thought_signature_validator\"");
    }
}

static void calls_put(struct talk *t, const struct chat_message *m)
{
    struct calls calls;
    struct call call;
    bool first = true;

    t->asked = m;
    for (calls_begin(&calls, t->chat, m); calls_next(&calls, &call);) {
        struct slice args = call_object(&call, t->out->arena);

        if (!args.len)
            t->why = "a tool call's arguments are no JSON object";
        part_begin(t, 'm');
        put(t, "{\"functionCall\":{\"name\":\"");
        pieces_add(t->out, call.name.raw);
        put(t, "\",\"args\":");
        pieces_add(t->out, args);
        put(t, "}");
        signature_put(t, &call, first);
        put(t, "}");
        first = false;
    }
}

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

/* The name of the call that a tool's message answers; len 0: of none. */
static struct slice answered(struct talk *t, const struct chat_message *m)
{
    struct slice id = chat_member(t->chat, m, "tool_call_id").raw;
    struct calls calls;
    struct call call;

    if (!t->asked)
        return (struct slice){"", 0};
    for (calls_begin(&calls, t->chat, t->asked); calls_next(&calls, &call);)
        if (same(call.id.raw, id))
            return call.name.raw;
    return (struct slice){"", 0};
}

/* The texts of a tool's message as the result it gave. */
static void result_put(struct talk *t, const struct chat_message *m)
{
    struct slice name = answered(t, m);
    struct parts parts;
    struct part part;

    if (!name.len) {
        t->why = "a tool's result answers no call before it";
        return;
    }
    part_begin(t, 'u');
    put(t, "{\"functionResponse\":{\"name\":\"");
    pieces_add(t->out, name);
    put(t, "\",\"response\":{\"result\":\"");
    for (parts_begin(&parts, t->chat, m); parts_next(&parts, &part);)
        if (part.kind == PART_TEXT)
            pieces_add(t->out, part.text.raw);
    put(t, "\"}}}");
}

static void message_put(struct talk *t, const struct chat_message *m)
{
    char side = m->role_word == 'a' ? 'm' : 'u';
    struct parts parts;
    struct part part;

    if (m->role_word == 't') {
        result_put(t, m);
        return;
    }
    for (parts_begin(&parts, t->chat, m); parts_next(&parts, &part);)
        part_put(t, side, &part);
    if (m->tool_calls)
        calls_put(t, m);
}

static void system_put(struct talk *t)
{
    const char *before = "\"systemInstruction\":{\"parts\":[{\"text\":\"";

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
            pieces_add(t->out, part.text.raw);
            before = "\"},{\"text\":\"";
        }
    }
    if (before[1] == '}')
        put(t, "\"}]},");
}

const char *gemini_contents_add(struct pieces *p, const struct manner *manner,
                                const struct chat *chat)
{
    struct talk t = {.out = p, .manner = manner, .chat = chat};

    system_put(&t);
    put(&t, "\"contents\":[");
    for (size_t i = 0; i < chat->n_messages && !t.why; i++)
        if (!chat_is_system(&chat->messages[i]))
            message_put(&t, &chat->messages[i]);
    if (!t.side && !t.why)
        t.why = "nothing is said in it";
    put(&t, "]}],");
    return t.why;
}
