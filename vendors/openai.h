/*
 * openai.h - what the files of the openai adapter share.
 *
 *     openai_write.c     the request's top level: one function a quirk
 *     openai_messages.c  the conversation's quirks
 *     openai_read.c      the answer as bytes: what is told, what is not
 *     openai_event.c     the answer as facts: one chunk or one body
 *     openai_mend.c      the answer put right where a quirk asks for it
 */
#pragma once

#include "base/buf.h"

#include "vendors/adapter.h"
#include "vendors/edit.h"
#include "vendors/intake.h"

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

/* Which choices came, which of them called a tool, and which ended: a bit
 * each. */
struct openai_choices {
    uint64_t seen[2], called[2], ended[2];
};

struct mending; /* of openai_mend.c */

struct openai_reader {
    struct intake intake;
    struct openai_choices choices;
    struct mending *mending;
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

/* Does a quirk ask that chunks are looked over? */
bool openai_mends(const struct manner *manner);
/* Adds to what is said the chunk or answer `json`, which openai_event_read()
 * took for one, put right. */
void openai_mend(struct openai_reader *r, struct slice json);

enum fault openai_body(struct reader *reader, struct slice bytes);
enum fault openai_end(struct reader *reader);
