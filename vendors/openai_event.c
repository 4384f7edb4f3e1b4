/*
 * openai_event.c - one chunk of a stream, or one whole answer, as facts.
 *
 *     openai_event_read -> choices_read -> choice_read -> delta_read
 *                       -> usage_take, complaint_member
 *
 * Wrong kinds of values are stepped over: what cannot be understood is not
 * counted, but it still reaches the client.
 */
#include "vendors/openai.h"

struct event {
    struct openai_reader *r;
    struct json_scan s;
    struct complaint *complaint;
    size_t n_choices;
    bool usage, called;
};

/* A finish_reason by which a vendor admits that it failed. */
static const char *const failures[] = {
    "error",                        /* OpenRouter */
    "network_error",                /* Zhipu */
    "insufficient_system_resource", /* DeepSeek */
};

/* A whole answer nearly always tells its usage: there the text's length as
 * it is spelled, escapes and all, serves well enough. */
static void shown_add(struct event *e, struct json_text text)
{
    struct reader *r = &e->r->intake.reader;

    r->answer.shown_bytes +=
        (int64_t)(r->stream ? json_text_len(text) : text.raw.len);
}

/* A text that the client sees; anything else is skipped. */
static void shown_read(struct event *e)
{
    struct json_text text;

    if (json_peek(&e->s) != JSON_STRING)
        json_skip(&e->s);
    else if (json_text(&e->s, &text))
        shown_add(e, text);
}

/* Mistral: content as a list of parts. */
static void content_read(struct event *e)
{
    struct json_text key;

    if (json_peek(&e->s) != JSON_ARRAY) {
        shown_read(e);
        return;
    }
    for (json_enter(&e->s); json_element(&e->s);) {
        if (json_peek(&e->s) != JSON_OBJECT) {
            json_skip(&e->s);
            continue;
        }
        for (json_enter(&e->s); json_member(&e->s, &key);) {
            if (json_text_is(key, "text"))
                shown_read(e);
            else
                json_skip(&e->s);
        }
    }
}

/* {"name": ..., "arguments": ...}; arguments may be an object (MiniMax). */
static void function_read(struct event *e)
{
    struct json_text key;
    struct slice value;

    for (json_enter(&e->s); json_member(&e->s, &key);) {
        if (json_peek(&e->s) != JSON_OBJECT) {
            shown_read(e);
        } else if (json_value(&e->s, &value)) {
            shown_add(e, (struct json_text){value, false});
        }
    }
}

static void tool_calls_read(struct event *e)
{
    struct json_text key;

    if (json_peek(&e->s) != JSON_ARRAY) {
        json_skip(&e->s);
        return;
    }
    for (json_enter(&e->s); json_element(&e->s);) {
        if (json_peek(&e->s) != JSON_OBJECT) {
            json_skip(&e->s);
            continue;
        }
        e->called = true;
        for (json_enter(&e->s); json_member(&e->s, &key);) {
            if (json_text_is(key, "function") &&
                json_peek(&e->s) == JSON_OBJECT)
                function_read(e);
            else
                json_skip(&e->s);
        }
    }
}

/* A stream's delta or an answer's message. */
static void delta_read(struct event *e)
{
    struct json_text key;

    if (json_peek(&e->s) != JSON_OBJECT) {
        json_skip(&e->s);
        return;
    }
    for (json_enter(&e->s); json_member(&e->s, &key);) {
        if (json_text_is(key, "content"))
            content_read(e);
        else if (json_text_is(key, "reasoning_content") ||
                 json_text_is(key, "reasoning") || json_text_is(key, "refusal"))
            shown_read(e);
        else if (json_text_is(key, "tool_calls"))
            tool_calls_read(e);
        else
            json_skip(&e->s);
    }
}

/* The finish_reason at e->s: did the choice end? An empty one does not count:
 * some gateways send it with each chunk. */
static bool finish_read(struct event *e)
{
    struct json_text reason;

    if (json_peek(&e->s) != JSON_STRING) {
        json_skip(&e->s);
        return false;
    }
    if (!json_text(&e->s, &reason))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        if (!json_text_is(reason, failures[i]))
            continue;
        if (!e->complaint->code.raw.len)
            e->complaint->code = reason;
        e->complaint->stated = true;
    }
    return reason.raw.len > 0;
}

static void choice_read(struct event *e)
{
    struct openai_choices *c = &e->r->choices;
    int64_t index = (int64_t)e->n_choices;
    bool ended = false;
    struct json_text key;

    if (json_peek(&e->s) != JSON_OBJECT) {
        json_skip(&e->s);
        return;
    }
    e->called = false;
    for (json_enter(&e->s); json_member(&e->s, &key);) {
        if (json_text_is(key, "delta") || json_text_is(key, "message"))
            delta_read(e);
        else if (json_text_is(key, "finish_reason"))
            ended = finish_read(e);
        else if (json_text_is(key, "index") && json_peek(&e->s) == JSON_NUMBER)
            json_int(&e->s, &index);
        else
            json_skip(&e->s);
    }
    e->n_choices++;
    if (index < 0 || index >= OPENAI_CHOICES_MAX)
        return;
    c->seen[index / 64] |= UINT64_C(1) << index % 64;
    if (e->called)
        c->called[index / 64] |= UINT64_C(1) << index % 64;
    if (ended)
        c->ended[index / 64] |= UINT64_C(1) << index % 64;
}

static void choices_read(struct event *e)
{
    if (json_peek(&e->s) != JSON_ARRAY) {
        json_skip(&e->s);
        return;
    }
    for (json_enter(&e->s); json_element(&e->s);)
        choice_read(e);
}

/* The last one wins: some vendors send a first one without details. One that
 * cannot be is worse than none. */
static void usage_take(struct event *e)
{
    struct answer *answer = &e->r->intake.reader.answer;
    struct usage_reading reading;
    enum usage_found found;

    if (json_peek(&e->s) != JSON_OBJECT) {
        json_skip(&e->s);
        return;
    }
    found = usage_scan(&reading, &e->s);
    if (e->s.why)
        return;
    e->usage = true;
    if (found != USAGE_NONE) {
        answer->has_usage = found == USAGE_GOOD;
        answer->usage = found == USAGE_GOOD ? reading.usage : (struct usage){0};
    }
    if (reading.has_tier) {
        answer->has_tier = true;
        answer->tier = reading.usage.tier;
    }
    if (reading.has_stated_cost) {
        answer->has_stated_cost = true;
        answer->stated_cost_nanos = reading.stated_cost_nanos;
    }
}

/* The class of service that was used, whatever was asked for. */
static void tier_take(struct event *e)
{
    struct answer *answer = &e->r->intake.reader.answer;
    struct json_text text;

    if (json_peek(&e->s) != JSON_STRING)
        json_skip(&e->s);
    else if (json_text(&e->s, &text) &&
             service_tier_find(&answer->tier, text.raw))
        answer->has_tier = true;
}

/* Groq: {"usage": {...}} beside what it calls by its own name. */
static void x_groq_read(struct event *e)
{
    struct json_text key;

    if (json_peek(&e->s) != JSON_OBJECT) {
        json_skip(&e->s);
        return;
    }
    for (json_enter(&e->s); json_member(&e->s, &key);) {
        if (json_text_is(key, "usage"))
            usage_take(e);
        else
            json_skip(&e->s);
    }
}

static bool all_ended(const struct openai_choices *c)
{
    return (c->seen[0] | c->seen[1]) && !(c->seen[0] & ~c->ended[0]) &&
           !(c->seen[1] & ~c->ended[1]);
}

enum openai_kind openai_event_read(struct openai_reader *r, struct slice json,
                                   struct complaint *complaint)
{
    struct event e = {.r = r, .complaint = complaint};
    struct json_text key;

    *complaint = (struct complaint){.status = r->intake.reader.status};
    json_scan_init(&e.s, json);
    e.s.any_bytes = true;
    for (json_peek(&e.s) == JSON_OBJECT ? json_enter(&e.s)
                                        : json_refuse(&e.s, "not an object");
         json_member(&e.s, &key);) {
        if (json_text_is(key, "choices"))
            choices_read(&e);
        else if (json_text_is(key, "usage"))
            usage_take(&e);
        else if (json_text_is(key, "x_groq"))
            x_groq_read(&e);
        else if (json_text_is(key, "service_tier"))
            tier_take(&e);
        else if (!complaint_member(complaint, &key, &e.s))
            json_skip(&e.s);
    }
    if (!json_end(&e.s))
        return OPENAI_NOT_JSON;
    if (complaint->stated || (complaint->hinted && !e.n_choices))
        return OPENAI_COMPLAINT;
    r->intake.reader.answer.finished = all_ended(&r->choices);
    if (e.n_choices) {
        r->intake.reader.answer.began = true;
        return OPENAI_ANSWER;
    }
    return e.usage ? OPENAI_USAGE : OPENAI_EMPTY;
}
