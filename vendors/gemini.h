/*
 * gemini.h - what the files of the gemini adapter share: Google's own
 * generateContent.
 *
 *     gemini_write.c     the request: its configuration and tools
 *     gemini_contents.c  the conversation, in parts
 *     gemini_read.c      the answer: chunks, or one body
 */
#pragma once

#include "vendors/chat_look.h"
#include "vendors/pieces.h"
#include "vendors/teller.h"

enum fault gemini_write(struct wire *out, const struct manner *manner,
                        const char *model, const struct chat *chat,
                        struct arena *a, const char **why);
const char *gemini_refuses(const struct manner *manner,
                           const struct chat *chat);

/* Adds "systemInstruction" and "contents" as members, with a comma behind
 * each. NULL, or why they cannot be said. */
const char *gemini_contents_add(struct pieces *p, const struct manner *manner,
                                const struct chat *chat);

struct gemini_reader {
    struct intake intake;
    struct teller teller;
    bool begun; /* the teller was told id and model */
};

enum fault gemini_body(struct reader *reader, struct slice bytes);
enum fault gemini_end(struct reader *reader);
