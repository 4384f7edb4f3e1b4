/*
 * openai.h - what the files of the openai adapter share.
 *
 *     openai_write.c     the request's top level: one function a quirk
 *     openai_messages.c  the conversation's quirks
 *     openai_read.c      the answer as bytes: stream, whole body or error
 *     openai_event.c     the answer as facts: one chunk or one body
 */
#pragma once

#include "base/buf.h"

#include "vendors/adapter.h"
#include "vendors/complaint.h"
#include "vendors/edit.h"
#include "vendors/sse.h"

enum fault openai_write(struct wire *out, const struct manner *manner,
                        const char *model, const struct chat *chat,
                        struct arena *a, const char **why);
const char *openai_refuses(const struct manner *manner,
                           const struct chat *chat);

/* Why the conversation cannot be said in this manner, or NULL. */
const char *openai_messages_refuse(const struct manner *manner,
                                   const struct chat *chat);
/* Adds what the manner asks for within `messages`. */
void openai_messages_edit(struct edits *e, const struct manner *manner,
                          const struct chat *chat);

enum {
    OPENAI_CHOICES_MAX = 128, /* as many as `n` may ask for */
};

/* Which choices came, and which of them ended: a bit each. */
struct openai_choices {
    uint64_t seen[2], ended[2];
};

struct openai_reader {
    struct reader reader;
    struct sse sse;
    struct buf whole; /* an unstreamed answer, or an error's body */
    bool ready;       /* the two above are */
    bool over;        /* end() was called, or a fault came: no more is said */
    bool passed;      /* the last event was said */
    struct openai_choices choices;
};

/* What one chunk, or one whole answer, turned out to be. */
enum openai_kind {
    OPENAI_NOT_JSON,
    OPENAI_COMPLAINT, /* an error: *complaint is told */
    OPENAI_ANSWER,    /* has choices */
    OPENAI_USAGE,     /* has none, but usage */
    OPENAI_EMPTY,     /* neither */
};

/* Reads `json`, updating answer and choices. A finish_reason that admits a
 * failure counts as a complaint. */
enum openai_kind openai_event_read(struct openai_reader *r, struct slice json,
                                   struct complaint *complaint);

enum fault openai_body(struct reader *reader, struct slice bytes);
enum fault openai_end(struct reader *reader);
