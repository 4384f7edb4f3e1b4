/*
 * openai_mend_calls.c - tool calls as the SDKs put them together: each with an
 * index, its id and name once, its arguments as text.
 */
#include <stdio.h>

#include "vendors/openai_mend.h"

enum {
    ID_TEXT = 48,
};

/* One entry of tool_calls, as it came. Slices with len 0: not said. */
struct entry {
    int64_t index; /* -1: not said */
    struct json_text id, name;
    struct slice arguments; /* the JSON value */
    enum json_kind kind;    /* of it */
};

static void function_read(struct json_scan *s, struct entry *e)
{
    struct json_text key;

    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "name") && json_peek(s) == JSON_STRING) {
            json_text(s, &e->name);
        } else if (json_text_is(key, "arguments")) {
            e->kind = json_peek(s);
            json_value(s, &e->arguments);
        } else {
            json_skip(s);
        }
    }
}

static void entry_read(struct json_scan *s, struct entry *e)
{
    struct json_text key;

    *e = (struct entry){.index = -1};
    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "index") && json_peek(s) == JSON_NUMBER)
            json_int(s, &e->index);
        else if (json_text_is(key, "id") && json_peek(s) == JSON_STRING)
            json_text(s, &e->id);
        else if (json_text_is(key, "function") && json_peek(s) == JSON_OBJECT)
            function_read(s, e);
        else
            json_skip(s);
    }
}

/* Which call of the answer the entry at `place` of its list belongs to. */
static int64_t call_of(const struct mend_choice *c, const struct entry *e,
                       int64_t place, bool alone)
{
    uint64_t id = e->id.raw.len ? mend_digest(e->id.raw) : 0;

    for (int i = 0; id && i < c->n_calls; i++)
        if (c->calls[i].id_digest == id)
            return i;
    if (e->index >= 0 && e->index < MEND_CALLS_MAX) {
        const struct mend_call *there = &c->calls[e->index];

        return id && there->id_digest ? c->n_calls : e->index; /* another's */
    }
    if (id)
        return c->n_calls;
    if (e->name.raw.len)
        return c->calls[place].named ? c->n_calls : place;
    return alone && c->n_calls > 0 ? c->n_calls - 1 : place;
}

/* The text of arguments encoded twice, "\"{...}\"": what is within; or NULL
 * bytes: it is not that. */
static struct slice decoded_once(struct mend *m, struct slice quoted)
{
    struct json_text text = {{quoted.bytes + 1, quoted.len - 2}, true}, inner;
    struct json_scan s;
    struct slice plain;
    char *room;

    if (text.raw.len < 4 || memcmp(text.raw.bytes, "\\\"", 2) != 0)
        return (struct slice){NULL, 0};
    room = arena_alloc(m->in->reader.arena, text.raw.len);
    plain = (struct slice){room, 0};
    plain.len = (size_t)json_text_decode(text, room, text.raw.len);
    json_scan_init(&s, plain);
    if (json_peek(&s) != JSON_STRING || !json_text(&s, &inner) ||
        !json_end(&s) || !inner.raw.len || *inner.raw.bytes != '{')
        return (struct slice){NULL, 0};
    return plain;
}

static struct slice arguments_of(struct mend *m, const struct entry *e)
{
    struct slice once;

    switch (e->kind) {
    case JSON_STRING:
        once = decoded_once(m, e->arguments);
        return once.bytes ? once : e->arguments;
    case JSON_OBJECT:
    case JSON_ARRAY: return json_quote(m->in->reader.arena, e->arguments);
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NUMBER: break;
    }
    return slice_of("\"\"");
}

static void text_add(struct mend *m, const char *before, struct slice raw,
                     const char *after)
{
    mend_add(m, slice_of(before));
    mend_add(m, raw);
    mend_add(m, slice_of(after));
}

static void id_add(struct mend *m, const struct entry *e, int64_t index)
{
    char made[ID_TEXT];

    snprintf(made, sizeof(made), "call_%016llx%02d%02d",
             (unsigned long long)m->r->mending->seed, m->choice->index,
             (int)index);
    text_add(m, "\"id\":\"", e->id.raw.len ? e->id.raw : slice_of(made),
             "\",\"type\":\"function\",");
}

static void entry_add(struct mend *m, const struct entry *e, int64_t index)
{
    struct mend_call *call = &m->choice->calls[index];
    char number[32];
    bool first = !call->begun;

    mend_add(m, slice_of("{"));
    if (m->stream) {
        snprintf(number, sizeof(number), "\"index\":%d,", (int)index);
        mend_add(m, slice_of(number));
    }
    if (first)
        id_add(m, e, index);
    mend_add(m, slice_of("\"function\":{"));
    if (!call->named && (e->name.raw.len || !m->stream))
        text_add(m, "\"name\":\"", e->name.raw, "\",");
    text_add(m, "\"arguments\":", arguments_of(m, e), "}}");
    call->begun = true;
    call->named |= e->name.raw.len > 0;
    if (e->id.raw.len)
        call->id_digest = mend_digest(e->id.raw);
    else if (!call->id_digest)
        call->id_digest = 1; /* it has the one we made */
    if (m->choice->n_calls <= index)
        m->choice->n_calls = (int)index + 1;
}

void mend_calls(struct mend *m)
{
    struct json_scan count = m->s;
    struct entry e;
    const char *at;
    int64_t n = 0, place = 0;

    if (json_peek(&m->s) != JSON_ARRAY) {
        json_skip(&m->s);
        return;
    }
    at = m->s.at;
    for (json_enter(&count); json_element(&count); n++)
        json_skip(&count);
    mend_put(m, at, at, slice_of("["));
    for (json_enter(&m->s); json_element(&m->s); place++) {
        int64_t index;

        entry_read(&m->s, &e);
        index = place < MEND_CALLS_MAX ? call_of(m->choice, &e, place, n == 1)
                                       : MEND_CALLS_MAX;
        if (index >= MEND_CALLS_MAX)
            continue;
        if (place)
            mend_add(m, slice_of(","));
        entry_add(m, &e, index);
    }
    mend_add(m, slice_of("]"));
    m->from = m->s.at;
}
