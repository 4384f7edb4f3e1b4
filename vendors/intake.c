#include "vendors/intake.h"

enum {
    OUT_BYTES = 64 * 1024, /* of a stream, put off at most */
    GROWS_MOST = 8,        /* times: six for \\u0000, and some brackets */
};

static void fini(void *arg)
{
    buf_fini(arg);
}

void intake_buf(struct intake *in, struct buf *buf, size_t limit)
{
    buf_init(buf, limit);
    arena_defer(in->reader.arena, fini, buf);
}

static void say_run(struct intake *in)
{
    struct slice run = in->run;

    in->run.len = 0;
    if (run.len)
        in->reader.say(in->reader.listener, run);
}

static void say_out(struct intake *in)
{
    if (in->out.len)
        in->reader.say(in->reader.listener,
                       (struct slice){in->out.bytes, in->out.len});
    buf_drop(&in->out, in->out.len);
}

/* Has its memory only while there is something in it: a stream may last. */
static void out_fini(struct intake *in)
{
    say_out(in);
    if (in->out.size)
        buf_fini(&in->out);
}

void intake_add(struct intake *in, struct slice bytes)
{
    say_run(in);
    if (in->over || !bytes.len)
        return;
    if (in->reader.stream && in->out.len > OUT_BYTES)
        say_out(in);
    if (buf_add(&in->out, bytes))
        intake_fail(in, FAULT_GARBLED);
}

enum fault intake_fail(struct intake *in, enum fault fault)
{
    in->reader.answer.fault = fault;
    in->over = true;
    return fault;
}

enum fault intake_complain(struct intake *in, const struct complaint *c)
{
    complaint_tell(c, &in->reader);
    in->over = true;
    return in->reader.answer.fault;
}

struct slice intake_trimmed(struct slice s)
{
    while (s.len && strchr(" \t\r\n", *s.bytes))
        s = (struct slice){s.bytes + 1, s.len - 1};
    while (s.len && strchr(" \t\r\n", s.bytes[s.len - 1]))
        s.len--;
    return s;
}

/* The limits are the caller's, who sets them after reader_new(). */
static void get_ready(struct intake *in)
{
    const struct reader *r = &in->reader;
    bool good = r->status < 300;

    in->ready = true;
    intake_buf(in, &in->out,
               OUT_BYTES +
                   GROWS_MOST * (r->stream ? r->event_limit : r->answer_limit));
    if (good && r->stream)
        sse_init(&in->sse, r->event_limit, r->arena);
    else
        intake_buf(in, &in->whole, good ? r->answer_limit : COMPLAINT_BODY_MAX);
}

/* Adds what passes to the run of bytes to be said in one piece. */
static void run_add(struct intake *in, struct slice raw)
{
    if (in->run.len && in->run.bytes + in->run.len == raw.bytes) {
        in->run.len += raw.len;
        return;
    }
    say_run(in);
    say_out(in);
    in->run = raw;
}

static enum fault stream_read(struct intake *in, const struct intake_ops *ops,
                              struct slice bytes)
{
    const struct answer *answer = &in->reader.answer;
    struct sse_event event;
    int more = 0;

    if (answer->done) { /* all that may come is the end's own LF */
        if (in->sse.owed_lf && sse_next(&in->sse, &bytes, &event) > 0 &&
            event.rest && in->passed)
            in->reader.say(in->reader.listener, event.raw);
        return answer->fault;
    }
    while (!answer->done && (more = sse_next(&in->sse, &bytes, &event)) > 0) {
        enum intake_verdict verdict = INTAKE_HIDE;

        if (!event.rest)
            verdict = ops->event(in, &event);
        else if (in->passed)
            verdict = INTAKE_PASS;
        if (verdict == INTAKE_STOP || in->over)
            break;
        in->passed = verdict == INTAKE_PASS;
        if (in->passed)
            run_add(in, event.raw);
        if (event.kept)
            say_run(in);
    }
    say_run(in);
    out_fini(in);
    if (more < 0 || (more > 0 && !answer->done && !in->over))
        return intake_fail(in, FAULT_GARBLED);
    return answer->fault;
}

enum fault intake_body(struct intake *in, const struct intake_ops *ops,
                       struct slice bytes)
{
    const struct reader *r = &in->reader;

    if (!in->ready)
        get_ready(in);
    if (in->over)
        return r->answer.fault;
    if (r->status < 300 && r->stream)
        return stream_read(in, ops, bytes);
    if (r->status < 300) {
        if (!in->whole.len && r->length_hint > bytes.len &&
            r->length_hint <= in->whole.limit &&
            !buf_room(&in->whole, r->length_hint))
            return intake_fail(in, FAULT_GARBLED);
        return buf_add(&in->whole, bytes) ? intake_fail(in, FAULT_GARBLED)
                                          : FAULT_NONE;
    }
    if (bytes.len > COMPLAINT_BODY_MAX - in->whole.len)
        bytes.len = COMPLAINT_BODY_MAX - in->whole.len;
    return buf_add(&in->whole, bytes) ? intake_fail(in, FAULT_GARBLED)
                                      : FAULT_NONE;
}

static enum fault unfinished(struct intake *in)
{
    return intake_fail(in, in->reader.answer.began ? FAULT_CUT_SHORT
                                                   : FAULT_HUNG_UP);
}

/* An event that lacks only its blank line is one, if the vendor closed in
 * good order and it can be read; else it was cut. */
static bool last_read(struct intake *in, const struct intake_ops *ops)
{
    struct sse_event event;

    if (!sse_last(&in->sse, &event) || !event.has_data)
        return true;
    switch (ops->event(in, &event)) {
    case INTAKE_PASS:
        intake_add(in, event.raw);
        intake_add(in, slice_of("\n\n"));
        return true;
    case INTAKE_HIDE: return !in->over;
    case INTAKE_STOP: break;
    }
    return false;
}

static enum fault stream_end(struct intake *in, const struct intake_ops *ops)
{
    struct answer *answer = &in->reader.answer;

    if (answer->done)
        return FAULT_NONE;
    if (in->reader.cut || !last_read(in, ops))
        return in->over ? answer->fault : unfinished(in);
    if (!answer->done && !answer->finished)
        return unfinished(in);
    if (!answer->done)
        ops->finish(in);
    answer->done = true;
    return FAULT_NONE;
}

/* Spaces before the answer (DeepSeek, to keep alive) are not passed on. */
static enum fault whole_end(struct intake *in, const struct intake_ops *ops)
{
    struct slice text =
        intake_trimmed((struct slice){in->whole.bytes, in->whole.len});

    if (!text.len)
        return intake_fail(in, FAULT_HUNG_UP);
    if (in->reader.cut)
        return intake_fail(in, FAULT_CUT_SHORT);
    return ops->whole(in, text);
}

/* A status of 300 or more. What cannot be read is judged by the status. */
static enum fault refusal_end(struct intake *in)
{
    struct complaint c = {.status = in->reader.status};

    if (in->whole.len &&
        !complaint_read(&c, (struct slice){in->whole.bytes, in->whole.len}))
        c = (struct complaint){.status = in->reader.status};
    return intake_complain(in, &c);
}

enum fault intake_end(struct intake *in, const struct intake_ops *ops)
{
    enum fault fault;

    if (!in->ready)
        get_ready(in);
    if (in->over)
        return in->reader.answer.fault;
    if (in->reader.status >= 300) {
        fault = refusal_end(in);
    } else if (in->reader.stream) {
        fault = stream_end(in, ops);
        out_fini(in);
    } else {
        fault = whole_end(in, ops);
        if (!fault && in->reader.stream_asked)
            fault = intake_fail(in, FAULT_GARBLED);
        if (!fault && in->out.len) /* stays with the arena */
            in->reader.say(in->reader.listener,
                           (struct slice){in->out.bytes, in->out.len});
    }
    in->over = true;
    return fault;
}
