/*
 * teller.h - tells an answer in OpenAI's words, for adapters that hear it in
 * others.
 *
 * The adapter calls as it understands: teller_text, teller_call ... A stream
 * becomes chunks, anything else one body at teller_end(). Texts are given as
 * the insides of JSON strings and go out as they are.
 */
#pragma once

#include "vendors/intake.h"

enum {
    TELLER_CALLS_MAX = 1024, /* of one answer; more is not believed */
};

struct teller {
    struct intake *in;
    struct slice id, model;          /* insides of JSON strings */
    struct buf text, thought, calls; /* of an answer that is not a stream */
    int n_calls;                     /* the open one is the last */
    bool begun;                      /* the role was told */
    bool in_call;                    /* its arguments are being told */
};

/* Once, before anything is told; id and model are copied. */
void teller_begin(struct teller *t, struct intake *in, struct slice id,
                  struct slice model);

void teller_text(struct teller *t, struct json_text text);
void teller_thought(struct teller *t, struct json_text text);

/* A tool call begins: then its arguments in as many pieces as they come, each
 * the inside of a JSON string. `extra`: a further member's JSON with a comma
 * before it, or len 0. An id of len 0 gets one of our own making. */
void teller_call(struct teller *t, struct slice id, struct slice name,
                 struct slice extra);
void teller_arguments(struct teller *t, struct slice raw);

/* JSON as the inside of a JSON string, in the arena; "{}" for nothing. */
struct slice teller_quoted(const struct teller *t, struct slice json);

/* The end: "stop", or "tool_calls" in its place if there were some. Sets
 * answer.finished. The usage must be known by then, but for streams. */
void teller_end(struct teller *t, const char *finish);
/* A stream's usage, if it is to be shown, and [DONE]. Sets answer.done. */
void teller_done(struct teller *t);
