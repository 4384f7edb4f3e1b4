/*
 * gemini_read.c - Gemini's answer in OpenAI's words.
 *
 * A stream is plain data: objects and simply ends; each holds candidates with
 * parts, and the usage so far. An unstreamed answer is one such object, and so
 * is the refusal of a prompt: then without candidates.
 */
#include "vendors/gemini.h"

static struct gemini_reader *of(struct intake *in)
{
    return (struct gemini_reader *)in;
}

static const struct {
    const char *word, *meaning;
} finishes[] = {
    {"STOP", "stop"},
    {"MAX_TOKENS", "length"},
    {"SAFETY", "content_filter"},
    {"RECITATION", "content_filter"},
    {"LANGUAGE", "content_filter"},
    {"BLOCKLIST", "content_filter"},
    {"PROHIBITED_CONTENT", "content_filter"},
    {"SPII", "content_filter"},
    {"IMAGE_SAFETY", "content_filter"},
};

static const char *finish_of(struct json_text reason)
{
    for (size_t i = 0; i < ARRAY_LEN(finishes); i++)
        if (json_text_is(reason, finishes[i].word))
            return finishes[i].meaning;
    return "stop";
}

/* Members looked for in one object, and what was found of them. */
struct wanted {
    const char *name;
    enum json_kind kind;
    struct slice value; /* as it lies; len 0: not there, or of another kind */
};

/* Fills the rows from the object at `s`, and steps behind it. */
static void members_read(struct json_scan *s, struct wanted *rows, size_t n)
{
    struct json_text key;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);) {
        size_t i = 0;

        while (i < n && (!json_text_is(key, rows[i].name) ||
                         json_peek(s) != rows[i].kind))
            i++;
        if (i == n)
            json_skip(s);
        else
            json_value(s, &rows[i].value);
    }
}

static void scan(struct json_scan *s, struct slice value)
{
    json_scan_init(s, value);
    s->any_bytes = true;
}

/* A string's inside; len 0 for none. */
static struct json_text text_of(struct slice quoted)
{
    struct json_text text = {{"", 0}, false};
    struct json_scan s;

    if (!quoted.len)
        return text;
    scan(&s, quoted);
    json_text(&s, &text);
    return text;
}

/* The signature comes back to us with the call, where Google's own clients
 * of this language look for it. */
static void call_tell(struct gemini_reader *r, struct slice call,
                      struct slice signature)
{
    struct wanted f[] = {{.name = "name", .kind = JSON_STRING},
                         {.name = "args", .kind = JSON_OBJECT},
                         {.name = "id", .kind = JSON_STRING}};
    struct slice extra = {"", 0};
    struct json_scan s;

    scan(&s, call);
    members_read(&s, f, ARRAY_LEN(f));
    if (signature.len) {
        const struct slice parts[] = {
            slice_of(",\"extra_content\":{\"google\":{\"thought_signature\":"),
            signature, slice_of("}}")};

        extra = arena_join(r->intake.reader.arena, parts, ARRAY_LEN(parts));
    }
    teller_call(&r->teller, text_of(f[2].value).raw, text_of(f[0].value).raw,
                extra);
    teller_arguments(&r->teller, teller_quoted(&r->teller, f[1].value));
}

static void part_tell(struct gemini_reader *r, struct json_scan *s)
{
    struct wanted f[] = {{.name = "text", .kind = JSON_STRING},
                         {.name = "thought", .kind = JSON_TRUE},
                         {.name = "functionCall", .kind = JSON_OBJECT},
                         {.name = "thoughtSignature", .kind = JSON_STRING}};

    members_read(s, f, ARRAY_LEN(f));
    if (f[2].value.len)
        call_tell(r, f[2].value, f[3].value);
    else if (f[1].value.len)
        teller_thought(&r->teller, text_of(f[0].value));
    else
        teller_text(&r->teller, text_of(f[0].value));
}

static void candidate_tell(struct gemini_reader *r, struct json_scan *s)
{
    struct wanted f[] = {{.name = "content", .kind = JSON_OBJECT},
                         {.name = "finishReason", .kind = JSON_STRING}},
                  parts = {.name = "parts", .kind = JSON_ARRAY};
    struct json_scan inner;

    members_read(s, f, ARRAY_LEN(f));
    if (f[0].value.len) {
        scan(&inner, f[0].value);
        members_read(&inner, &parts, 1);
    }
    if (parts.value.len) {
        scan(&inner, parts.value);
        for (json_enter(&inner); json_element(&inner);)
            part_tell(r, &inner);
    }
    if (f[1].value.len)
        teller_end(&r->teller, finish_of(text_of(f[1].value)));
}

static void usage_take(struct answer *answer, struct slice object)
{
    struct usage_reading reading;
    enum usage_found found;

    if (!object.len)
        return;
    found = usage_read(&reading, object);
    if (found == USAGE_NONE)
        return;
    answer->has_usage = found == USAGE_GOOD;
    answer->usage = found == USAGE_GOOD ? reading.usage : (struct usage){0};
}

/* The prompt was blocked: that stands in a 200. */
static bool blocked(struct intake *in, struct slice feedback)
{
    struct wanted reason = {.name = "blockReason", .kind = JSON_STRING};
    struct complaint c = {.status = in->reader.status};
    struct json_scan s;

    if (!feedback.len)
        return false;
    scan(&s, feedback);
    members_read(&s, &reason, 1);
    if (!reason.value.len)
        return false;
    c.code = (struct json_text){slice_of("content_filter"), false};
    c.message = text_of(reason.value);
    intake_complain(in, &c);
    return true;
}

static bool complained(struct intake *in, struct slice json)
{
    struct complaint c = {.status = in->reader.status};

    if (!complaint_read(&c, json) || !c.stated)
        return false;
    intake_complain(in, &c);
    return true;
}

/* One object of the answer. False: `json` is none, or a fault was told. */
static bool object_tell(struct intake *in, struct slice json)
{
    enum {
        CANDIDATES,
        USAGE,
        FEEDBACK,
        ID,
        MODEL,
        ERROR,
        N
    };
    struct wanted f[N] = {
        [CANDIDATES] = {.name = "candidates", .kind = JSON_ARRAY},
        [USAGE] = {.name = "usageMetadata", .kind = JSON_OBJECT},
        [FEEDBACK] = {.name = "promptFeedback", .kind = JSON_OBJECT},
        [ID] = {.name = "responseId", .kind = JSON_STRING},
        [MODEL] = {.name = "modelVersion", .kind = JSON_STRING},
        [ERROR] = {.name = "error", .kind = JSON_OBJECT},
    };
    struct gemini_reader *r = of(in);
    struct json_scan s;

    scan(&s, json);
    if (json_peek(&s) == JSON_ARRAY)
        return complained(in, json) && false;
    if (json_peek(&s) != JSON_OBJECT)
        return false;
    members_read(&s, f, N);
    if (!json_end(&s) || (f[ERROR].value.len && complained(in, json)))
        return false;
    if (!f[CANDIDATES].value.len && blocked(in, f[FEEDBACK].value))
        return false;
    if (!r->begun)
        teller_begin(&r->teller, in, text_of(f[ID].value).raw,
                     text_of(f[MODEL].value).raw);
    r->begun = true;
    usage_take(&in->reader.answer, f[USAGE].value);
    if (!f[CANDIDATES].value.len)
        return true;
    scan(&s, f[CANDIDATES].value);
    for (json_enter(&s); json_element(&s);)
        candidate_tell(r, &s);
    return true;
}

static enum intake_verdict event_read(struct intake *in,
                                      const struct sse_event *event)
{
    struct slice data = intake_trimmed(event->data);

    if (!data.len)
        return INTAKE_HIDE;
    return object_tell(in, data) ? INTAKE_HIDE : INTAKE_STOP;
}

static void stream_finish(struct intake *in)
{
    teller_done(&of(in)->teller);
}

static enum fault whole_read(struct intake *in, struct slice text)
{
    const struct answer *answer = &in->reader.answer;

    if (!object_tell(in, text))
        return in->over ? answer->fault : intake_fail(in, FAULT_GARBLED);
    if (!answer->finished) /* cut off, or nothing was said */
        return intake_fail(in, FAULT_GARBLED);
    return answer->fault;
}

static const struct intake_ops ops = {
    .event = event_read,
    .finish = stream_finish,
    .whole = whole_read,
};

enum fault gemini_body(struct reader *reader, struct slice bytes)
{
    return intake_body((struct intake *)reader, &ops, bytes);
}

enum fault gemini_end(struct reader *reader)
{
    return intake_end((struct intake *)reader, &ops);
}
