/*
 * fields.h - what requests' and answers' heads have in common: the classes of
 * characters, a reader of header lines, and the judgement of their framing.
 * Only parse.c uses it, and reply.c what says where a text ends.
 */
#pragma once

#include "http/parse.h"

enum char_kind {
    TOKEN = 1,
    TARGET = 2, /* of a path or query */
    HOST = 4,
    BLANK = 8,
};

/* The fields that frame a message, and how often each came. */
struct framing {
    struct slice host, length, coding, expect;
    int hosts, lengths, codings, expects;
    bool close;
};

struct reader {
    const char *at, *end;
    const char *why;
};

/* `at` never passes `end`: every head ends with CR LF CR LF, and no kind of
 * character holds CR. */
bool char_is(char c, unsigned kind);
struct slice reader_take(struct reader *r, unsigned kind);
bool reader_skip(struct reader *r, const char *text, size_t len);

/* `lower` holds small letters, digits and '-' only. */
bool word_is(struct slice s, const char *lower, size_t len);
#define WORD_IS(s, lower) word_is(s, lower, sizeof(lower) - 1)

/* The first control character but tab, or `end`. */
const char *text_end(const char *at, const char *end);

/* All of these: 0, or the status to refuse with. */
int reader_refuse(struct reader *r, int status, const char *why);
/* The rest of the line, without the blanks around it. */
int reader_text(struct reader *r, struct slice *out) MUST_CHECK;
/* All header lines and the empty one, into out->headers. */
int reader_fields(struct reader *r, struct http_head *out, size_t most,
                  struct framing *f) MUST_CHECK;
/* out->body_len; `otherwise` if nothing tells it. */
int framing_judge(struct reader *r, const struct framing *f,
                  struct http_head *out, int64_t otherwise) MUST_CHECK;
