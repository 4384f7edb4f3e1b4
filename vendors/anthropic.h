/*
 * anthropic.h - what the files of the anthropic adapter share: Claude's own
 * Messages API.
 *
 *     anthropic_write.c     the request: its top level
 *     anthropic_messages.c  the conversation, in blocks
 *     anthropic_read.c      the answer: events, or one body
 *     anthropic_usage.c     what was consumed
 */
#pragma once

#include "vendors/chat_look.h"
#include "vendors/pieces.h"
#include "vendors/teller.h"

enum fault anthropic_write(struct wire *out, const struct manner *manner,
                           const char *model, const struct chat *chat,
                           struct arena *a, const char **why);
const char *anthropic_refuses(const struct manner *manner,
                              const struct chat *chat);

/* Adds "system" and "messages" as members, with a comma behind each. NULL, or
 * why they cannot be said. */
const char *anthropic_messages_add(struct pieces *p, const struct chat *chat);

/* The figures as they came last: the answer's parts tell some of them each. */
struct anthropic_usage {
    int64_t input, cached, written, written_1h, output, thinking;
    bool bad, any;
    bool has_tier;
    enum service_tier tier;
};

/* Takes what the usage object at `s` says; the sum goes to `answer`. */
void anthropic_usage_take(struct anthropic_usage *u, struct json_scan *s,
                          struct answer *answer);

struct anthropic_reader {
    struct intake intake;
    struct teller teller;
    struct anthropic_usage usage;
    bool begun;     /* the teller was told id and model */
    bool arguments; /* of the open call came */
    bool in_call;   /* the open block is one */
};

enum fault anthropic_body(struct reader *reader, struct slice bytes);
enum fault anthropic_end(struct reader *reader);
