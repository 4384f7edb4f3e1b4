/*
 * openai_read.c - what of the vendor's answer the client is told.
 *
 *     intake -> event_judge -> openai_event_read -> pass, hide or mend
 *            -> whole_read
 *
 * Of a stream the client is told the vendor's own bytes, whole events only,
 * neighbours in one piece. Not told are: the usage chunk of a client that did
 * not ask for it, events without any data (SDKs fail on them), an error (the
 * exchange tells it), and whatever follows the end. Comments pass, and do not
 * count as a beginning. Where a quirk asks for it, a chunk is mended first.
 */
#include "vendors/openai.h"

static struct openai_reader *of(struct intake *in)
{
    return (struct openai_reader *)in;
}

static enum intake_verdict answer_judge(struct intake *in, struct slice data)
{
    if (!openai_mends(in->reader.manner))
        return INTAKE_PASS;
    intake_add(in, slice_of("data: "));
    openai_mend(of(in), data);
    intake_add(in, slice_of("\n\n"));
    return INTAKE_HIDE;
}

static enum intake_verdict event_judge(struct intake *in,
                                       const struct sse_event *event)
{
    struct reader *r = &in->reader;
    struct complaint complaint;
    struct slice data = intake_trimmed(event->data);

    if (!event->has_data)
        return INTAKE_PASS;
    if (!data.len)
        return INTAKE_HIDE;
    if (slice_is(data, "[DONE]")) {
        r->answer.done = true;
        return INTAKE_PASS;
    }
    switch (openai_event_read(of(in), data, &complaint)) {
    case OPENAI_NOT_JSON: return INTAKE_STOP;
    case OPENAI_COMPLAINT: intake_complain(in, &complaint); return INTAKE_STOP;
    case OPENAI_USAGE: return r->show_usage ? INTAKE_PASS : INTAKE_HIDE;
    case OPENAI_ANSWER:
        if (!slice_is(event->name, "error"))
            return answer_judge(in, data);
        break;
    case OPENAI_EMPTY: break;
    }
    if (!slice_is(event->name, "error"))
        return INTAKE_PASS;
    complaint.hinted = true;
    intake_complain(in, &complaint);
    return INTAKE_STOP;
}

static void stream_finish(struct intake *in)
{
    intake_add(in, slice_of("data: [DONE]\n\n"));
}

static enum fault whole_read(struct intake *in, struct slice text)
{
    struct complaint complaint;

    switch (openai_event_read(of(in), text, &complaint)) {
    case OPENAI_COMPLAINT: return intake_complain(in, &complaint);
    case OPENAI_NOT_JSON:
    case OPENAI_USAGE:
    case OPENAI_EMPTY: return intake_fail(in, FAULT_GARBLED);
    case OPENAI_ANSWER: break;
    }
    if (in->reader.stream_asked) /* not what the client can read */
        return intake_fail(in, FAULT_GARBLED);
    in->reader.answer.finished = in->reader.answer.done = true;
    if (openai_mends(in->reader.manner))
        openai_mend(of(in), text);
    else
        in->reader.say(in->reader.listener, text);
    return in->reader.answer.fault;
}

static const struct intake_ops ops = {
    .event = event_judge,
    .finish = stream_finish,
    .whole = whole_read,
};

enum fault openai_body(struct reader *reader, struct slice bytes)
{
    return intake_body((struct intake *)reader, &ops, bytes);
}

enum fault openai_end(struct reader *reader)
{
    return intake_end((struct intake *)reader, &ops);
}
