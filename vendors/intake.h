/*
 * intake.h - an answer's bytes as they come, whatever the language.
 *
 *     body -> (a stream) sse_next -> ops->event -> say
 *          -> (else) kept whole
 *     end  -> ops->event for what lacks its blank line, ops->finish
 *          -> ops->whole | the complaint of a refusal
 *
 * What all adapters share: limits, the end, cuts, and refusals. An adapter's
 * own reader begins with a struct intake, which begins with a struct reader.
 */
#pragma once

#include "base/buf.h"

#include "vendors/adapter.h"
#include "vendors/complaint.h"
#include "vendors/sse.h"

struct intake {
    struct reader reader;
    struct sse sse;
    struct buf whole; /* an unstreamed answer, or an error's body */
    struct slice run; /* of the vendor's own bytes, yet to be said */
    struct buf out;   /* of our own, the same; never both */
    bool ready;       /* sse or whole is */
    bool over;        /* end() was called, or a fault came: no more is said */
    bool passed;      /* the last event was said */
};

enum intake_verdict {
    INTAKE_PASS, /* the event's own bytes are said */
    INTAKE_HIDE, /* they are not; others may have been */
    INTAKE_STOP, /* answer.fault says why, or is NONE: not an event at all */
};

struct intake_ops {
    enum intake_verdict (*event)(struct intake *in,
                                 const struct sse_event *event);
    /* The stream ended in good order, all choices finished, but nothing said
     * that it is the end: says that. */
    void (*finish)(struct intake *in);
    /* An unstreamed answer, without blanks around it, never empty: says it, or
     * fails. */
    enum fault (*whole)(struct intake *in, struct slice text);
};

enum fault intake_body(struct intake *in, const struct intake_ops *ops,
                       struct slice bytes);
enum fault intake_end(struct intake *in, const struct intake_ops *ops);

/* Adds to what will be said bytes that are not the vendor's own: behind all
 * that passed before, at the latest when body() or end() returns. Too many end
 * the reading as garbled. */
void intake_add(struct intake *in, struct slice bytes);

/* Ends the reading. Both return the fault. */
enum fault intake_fail(struct intake *in, enum fault fault);
enum fault intake_complain(struct intake *in, const struct complaint *c);

struct slice intake_trimmed(struct slice s); /* without blanks around it */

/* A buffer that is given back with the arena. */
void intake_buf(struct intake *in, struct buf *buf, size_t limit);
