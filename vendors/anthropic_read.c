/*
 * anthropic_read.c - Claude's answer in OpenAI's words.
 *
 *     message_start, content_block_start, _delta, _stop, message_delta,
 *     message_stop: a stream; or one message with the same blocks, whole.
 *
 * A stream tells its usage at the head, and the end's in message_delta: of one
 * that was cut the former is half the truth, as settle.c knows.
 */
#include "vendors/anthropic.h"

static struct anthropic_reader *of(struct intake *in)
{
    return (struct anthropic_reader *)in;
}

static const struct {
    const char *word, *meaning;
} stops[] = {
    {"end_turn", "stop"},
    {"stop_sequence", "stop"},
    {"pause_turn", "stop"},
    {"max_tokens", "length"},
    {"model_context_window_exceeded", "length"},
    {"tool_use", "tool_calls"},
    {"refusal", "content_filter"},
};

static const char *finish_of(struct json_text reason)
{
    for (size_t i = 0; i < ARRAY_LEN(stops); i++)
        if (json_text_is(reason, stops[i].word))
            return stops[i].meaning;
    return "stop";
}

/* One event, or one message, as its members lie. len 0: not there. */
struct found {
    struct json_text type, id, model, text, thinking, partial, name, reason;
    struct slice message, block, delta, usage, content, input;
};

static void found_read(struct found *f, struct json_scan *s)
{
    const struct {
        const char *name;
        struct json_text *text;
        struct slice *value;
    } members[] = {
        {"type", &f->type, NULL},         {"id", &f->id, NULL},
        {"model", &f->model, NULL},       {"text", &f->text, NULL},
        {"thinking", &f->thinking, NULL}, {"partial_json", &f->partial, NULL},
        {"name", &f->name, NULL},         {"stop_reason", &f->reason, NULL},
        {"message", NULL, &f->message},   {"content_block", NULL, &f->block},
        {"delta", NULL, &f->delta},       {"usage", NULL, &f->usage},
        {"content", NULL, &f->content},   {"input", NULL, &f->input},
    };
    struct json_text key;

    *f = (struct found){0};
    for (json_enter(s); json_member(s, &key);) {
        size_t i = 0;

        while (i < ARRAY_LEN(members) && !json_text_is(key, members[i].name))
            i++;
        if (i < ARRAY_LEN(members) && members[i].value)
            json_value(s, members[i].value);
        else if (i < ARRAY_LEN(members) && json_peek(s) == JSON_STRING)
            json_text(s, members[i].text);
        else
            json_skip(s);
    }
}

/* The object `value`; false: it is none. */
static bool within(struct found *f, struct slice value)
{
    struct json_scan s;

    if (!value.len || *value.bytes != '{')
        return false;
    json_scan_init(&s, value);
    s.any_bytes = true;
    found_read(f, &s);
    return true;
}

static void usage_take(struct anthropic_reader *r, struct slice usage)
{
    struct json_scan s;

    if (!usage.len)
        return;
    json_scan_init(&s, usage);
    s.any_bytes = true;
    anthropic_usage_take(&r->usage, &s, &r->intake.reader.answer);
}

static void begin(struct anthropic_reader *r, const struct found *message)
{
    if (r->begun)
        return;
    r->begun = true;
    teller_begin(&r->teller, &r->intake, message->id.raw, message->model.raw);
}

static void block_begin(struct anthropic_reader *r, const struct found *block)
{
    r->in_call = json_text_is(block->type, "tool_use") ||
                 json_text_is(block->type, "server_tool_use");
    r->arguments = false;
    if (r->in_call)
        teller_call(&r->teller, block->id.raw, block->name.raw,
                    (struct slice){"", 0});
    else if (json_text_is(block->type, "text"))
        teller_text(&r->teller, block->text);
    else if (json_text_is(block->type, "thinking"))
        teller_thought(&r->teller, block->thinking);
}

static void delta_tell(struct anthropic_reader *r, const struct found *delta)
{
    if (json_text_is(delta->type, "text_delta")) {
        teller_text(&r->teller, delta->text);
    } else if (json_text_is(delta->type, "thinking_delta")) {
        teller_thought(&r->teller, delta->thinking);
    } else if (json_text_is(delta->type, "input_json_delta") && r->in_call) {
        r->arguments |= delta->partial.raw.len > 0;
        teller_arguments(&r->teller, delta->partial.raw);
    }
}

/* A call without arguments has none said: to OpenAI's clients that is {}. */
static void block_end(struct anthropic_reader *r)
{
    if (r->in_call && !r->arguments)
        teller_arguments(&r->teller, slice_of("{}"));
    r->in_call = false;
}

static void message_delta(struct anthropic_reader *r, const struct found *event)
{
    struct found delta;

    usage_take(r, event->usage);
    if (within(&delta, event->delta) && delta.reason.raw.len)
        teller_end(&r->teller, finish_of(delta.reason));
}

static void event_tell(struct anthropic_reader *r, const struct found *event)
{
    struct answer *answer = &r->intake.reader.answer;
    struct found inner;

    if (json_text_is(event->type, "message_start")) {
        if (!within(&inner, event->message))
            return;
        usage_take(r, inner.usage);
        begin(r, &inner);
        return;
    }
    if (json_text_is(event->type, "ping"))
        return;
    begin(r, event);
    if (json_text_is(event->type, "content_block_start")) {
        if (within(&inner, event->block))
            block_begin(r, &inner);
    } else if (json_text_is(event->type, "content_block_delta")) {
        if (within(&inner, event->delta))
            delta_tell(r, &inner);
    } else if (json_text_is(event->type, "content_block_stop")) {
        block_end(r);
    } else if (json_text_is(event->type, "message_delta")) {
        message_delta(r, event);
    } else if (json_text_is(event->type, "message_stop") && answer->finished) {
        teller_done(&r->teller);
    }
}

/* Is `json` an error? Then it is complained of. */
static bool complained(struct intake *in, struct slice json)
{
    struct complaint c = {.status = in->reader.status};

    if (!complaint_read(&c, json) || !c.stated)
        return false;
    intake_complain(in, &c);
    return true;
}

static enum intake_verdict event_read(struct intake *in,
                                      const struct sse_event *event)
{
    struct slice data = intake_trimmed(event->data);
    struct json_scan s;
    struct found found;

    if (!data.len)
        return INTAKE_HIDE;
    json_scan_init(&s, data);
    s.any_bytes = true;
    if (json_peek(&s) != JSON_OBJECT)
        return INTAKE_STOP;
    found_read(&found, &s);
    if (!json_end(&s))
        return INTAKE_STOP;
    if (json_text_is(found.type, "error") || !found.type.raw.len) {
        if (!complained(in, data))
            return found.type.raw.len ? INTAKE_STOP : INTAKE_HIDE;
        return INTAKE_STOP;
    }
    event_tell(of(in), &found);
    return INTAKE_HIDE;
}

static void stream_finish(struct intake *in)
{
    teller_done(&of(in)->teller);
}

static void blocks_tell(struct anthropic_reader *r, struct slice content)
{
    struct json_scan s;
    struct found block;

    json_scan_init(&s, content);
    s.any_bytes = true;
    if (json_peek(&s) != JSON_ARRAY)
        return;
    for (json_enter(&s); json_element(&s);) {
        if (json_peek(&s) != JSON_OBJECT) {
            json_skip(&s);
            continue;
        }
        found_read(&block, &s);
        block_begin(r, &block);
        if (r->in_call)
            teller_arguments(&r->teller,
                             teller_quoted(&r->teller, block.input));
        r->in_call = false;
    }
}

static enum fault whole_read(struct intake *in, struct slice text)
{
    struct anthropic_reader *r = of(in);
    struct json_scan s;
    struct found message;

    json_scan_init(&s, text);
    s.any_bytes = true;
    if (json_peek(&s) != JSON_OBJECT)
        return intake_fail(in, FAULT_GARBLED);
    found_read(&message, &s);
    if (!json_end(&s))
        return intake_fail(in, FAULT_GARBLED);
    if (!json_text_is(message.type, "message"))
        return complained(in, text) ? in->reader.answer.fault
                                    : intake_fail(in, FAULT_GARBLED);
    begin(r, &message);
    blocks_tell(r, message.content);
    usage_take(r, message.usage);
    teller_end(&r->teller, finish_of(message.reason));
    return in->reader.answer.fault;
}

static const struct intake_ops ops = {
    .event = event_read,
    .finish = stream_finish,
    .whole = whole_read,
};

enum fault anthropic_body(struct reader *reader, struct slice bytes)
{
    return intake_body((struct intake *)reader, &ops, bytes);
}

enum fault anthropic_end(struct reader *reader)
{
    return intake_end((struct intake *)reader, &ops);
}
