/*
 * openai_read.c - the vendor's answer, as its bytes come.
 *
 *     body -> stream_read -> sse_next -> judge -> openai_event_read -> say
 *          -> (kept whole)
 *     end  -> stream_end | whole_end | refusal_end
 *
 * Of a stream the client is told the vendor's own bytes, whole events only,
 * neighbours in one piece. Not told are: the usage chunk of a client that did
 * not ask for it, events without any data (SDKs fail on them), an error (the
 * exchange tells it), and whatever follows the end. Comments pass, and do not
 * count as a beginning.
 */
#include "vendors/openai.h"

static const char done_event[] = "data: [DONE]\n\n";

static struct openai_reader *of(struct reader *r)
{
    return (struct openai_reader *)r;
}

static void say(struct reader *r, struct slice bytes)
{
    if (bytes.len)
        r->say(r->listener, bytes);
}

static enum fault fail(struct reader *r, enum fault fault)
{
    r->answer.fault = fault;
    of(r)->over = true;
    return fault;
}

static enum fault complain(struct reader *r, const struct complaint *c)
{
    complaint_tell(c, r);
    of(r)->over = true;
    return r->answer.fault;
}

static void fini(void *arg)
{
    buf_fini(arg);
}

/* The limits are the caller's, who sets them after reader_new(). */
static void get_ready(struct openai_reader *r)
{
    bool good = r->reader.status < 300;

    r->ready = true;
    if (good && r->reader.stream) {
        sse_init(&r->sse, r->reader.event_limit, r->reader.arena);
        return;
    }
    buf_init(&r->whole, good ? r->reader.answer_limit : COMPLAINT_BODY_MAX);
    arena_defer(r->reader.arena, fini, &r->whole);
}

static struct slice trimmed(struct slice s)
{
    while (s.len && strchr(" \t\r\n", *s.bytes))
        s = (struct slice){s.bytes + 1, s.len - 1};
    while (s.len && strchr(" \t\r\n", s.bytes[s.len - 1]))
        s.len--;
    return s;
}

enum verdict {
    PASS,
    HIDE,
    STOP, /* r->answer.fault says why, or is NONE: not an event at all */
};

static enum verdict judge(struct reader *r, const struct sse_event *event)
{
    struct complaint complaint;
    struct slice data = trimmed(event->data);

    if (!event->has_data)
        return PASS;
    if (!data.len)
        return HIDE;
    if (slice_is(data, "[DONE]")) {
        r->answer.done = true;
        return PASS;
    }
    switch (openai_event_read(of(r), data, &complaint)) {
    case OPENAI_NOT_JSON: return STOP;
    case OPENAI_COMPLAINT: complain(r, &complaint); return STOP;
    case OPENAI_USAGE: return r->show_usage ? PASS : HIDE;
    case OPENAI_ANSWER:
    case OPENAI_EMPTY: break;
    }
    if (!slice_is(event->name, "error"))
        return PASS;
    complaint.hinted = true;
    complain(r, &complaint);
    return STOP;
}

/* Adds what passes to the run of bytes to be said in one piece. */
static void run_add(struct reader *r, struct slice *run, struct slice raw)
{
    if (run->len && run->bytes + run->len == raw.bytes) {
        run->len += raw.len;
        return;
    }
    say(r, *run);
    *run = raw;
}

static enum fault stream_read(struct openai_reader *r, struct slice bytes)
{
    struct reader *reader = &r->reader;
    struct slice run = {NULL, 0};
    struct sse_event event;
    int more = 0;

    if (reader->answer.done) { /* all that may come is the end's own LF */
        if (r->sse.owed_lf && sse_next(&r->sse, &bytes, &event) > 0 &&
            event.rest)
            say(reader, event.raw);
        return reader->answer.fault;
    }
    while (!reader->answer.done &&
           (more = sse_next(&r->sse, &bytes, &event)) > 0) {
        enum verdict verdict =
            event.rest ? r->passed ? PASS : HIDE : judge(reader, &event);

        if (verdict == STOP)
            break;
        r->passed = verdict == PASS;
        if (r->passed)
            run_add(reader, &run, event.raw);
        if (event.kept) {
            say(reader, run);
            run.len = 0;
        }
    }
    say(reader, run);
    if (more < 0 || (more > 0 && !reader->answer.done && !r->over))
        return fail(reader, FAULT_GARBLED);
    return reader->answer.fault;
}

enum fault openai_body(struct reader *reader, struct slice bytes)
{
    struct openai_reader *r = of(reader);

    if (!r->ready)
        get_ready(r);
    if (r->over)
        return reader->answer.fault;
    if (reader->status < 300 && reader->stream)
        return stream_read(r, bytes);
    if (reader->status < 300) {
        if (!r->whole.len && reader->length_hint > bytes.len &&
            reader->length_hint <= r->whole.limit &&
            !buf_room(&r->whole, reader->length_hint))
            return fail(reader, FAULT_GARBLED);
        return buf_add(&r->whole, bytes) ? fail(reader, FAULT_GARBLED)
                                         : FAULT_NONE;
    }
    if (bytes.len > COMPLAINT_BODY_MAX - r->whole.len)
        bytes.len = COMPLAINT_BODY_MAX - r->whole.len;
    return buf_add(&r->whole, bytes) ? fail(reader, FAULT_GARBLED) : FAULT_NONE;
}

static enum fault unfinished(struct reader *r)
{
    return fail(r, r->answer.began ? FAULT_CUT_SHORT : FAULT_HUNG_UP);
}

/* An event that lacks only its blank line is one, if the vendor closed in
 * good order and it can be read; else it was cut. */
static bool last_read(struct openai_reader *r)
{
    struct sse_event event;

    if (!sse_last(&r->sse, &event) || !event.has_data)
        return true;
    switch (judge(&r->reader, &event)) {
    case PASS:
        say(&r->reader, event.raw);
        say(&r->reader, slice_of("\n\n"));
        return true;
    case HIDE: return true;
    case STOP: break;
    }
    return false;
}

static enum fault stream_end(struct openai_reader *r)
{
    struct reader *reader = &r->reader;

    if (reader->answer.done)
        return FAULT_NONE;
    if (reader->cut || !last_read(r))
        return r->over ? reader->answer.fault : unfinished(reader);
    if (reader->answer.done)
        return FAULT_NONE;
    if (!reader->answer.finished)
        return unfinished(reader);
    reader->answer.done = true;
    say(reader, slice_of(done_event));
    return FAULT_NONE;
}

/* Spaces before the answer (DeepSeek, to keep alive) are not passed on. */
static enum fault whole_end(struct openai_reader *r)
{
    struct reader *reader = &r->reader;
    struct slice text = trimmed((struct slice){r->whole.bytes, r->whole.len});
    struct complaint complaint;

    if (!text.len)
        return fail(reader, FAULT_HUNG_UP);
    if (reader->cut)
        return fail(reader, FAULT_CUT_SHORT);
    switch (openai_event_read(r, text, &complaint)) {
    case OPENAI_COMPLAINT: return complain(reader, &complaint);
    case OPENAI_NOT_JSON:
    case OPENAI_USAGE:
    case OPENAI_EMPTY: return fail(reader, FAULT_GARBLED);
    case OPENAI_ANSWER: break;
    }
    if (reader->stream_asked) /* not what the client can read */
        return fail(reader, FAULT_GARBLED);
    reader->answer.finished = reader->answer.done = true;
    say(reader, text);
    return FAULT_NONE;
}

/* A status of 300 or more. What cannot be read is judged by the status. */
static enum fault refusal_end(struct openai_reader *r)
{
    struct complaint c = {.status = r->reader.status};

    if (!complaint_read(&c, (struct slice){r->whole.bytes, r->whole.len}))
        c = (struct complaint){.status = r->reader.status};
    return complain(&r->reader, &c);
}

enum fault openai_end(struct reader *reader)
{
    struct openai_reader *r = of(reader);
    enum fault fault;

    if (!r->ready)
        get_ready(r);
    if (r->over)
        return reader->answer.fault;
    if (reader->status >= 300)
        fault = refusal_end(r);
    else if (reader->stream)
        fault = stream_end(r);
    else
        fault = whole_end(r);
    r->over = true;
    return fault;
}
