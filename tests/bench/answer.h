/*
 * answer.h - reads one HTTP/1.1 answer as it comes, in pieces of any size.
 *
 * Strict where a proxy could cheat: a body is framed by Content-Length or
 * by chunks, bytes after the end are an error, and so is an end too early.
 * The events of a stream are told apart by `struct sse`.
 */
#pragma once

#include <stdbool.h>

#include "tool.h"

enum answer_state {
    ANSWER_MORE,
    ANSWER_DONE,
    ANSWER_BROKEN
};

/* What was found in the events of one or many streams. */
struct sse_counts {
    unsigned long chunks;    /* with content */
    unsigned long others;    /* finish, usage */
    unsigned long done;      /* [DONE] */
    unsigned long bad;       /* errors, lines that are no event */
    struct samples delay_us; /* from the mock's writing to our reading */
};

/* A line that has not ended yet. */
struct sse {
    char line[1024];
    size_t len;
};

struct answer {
    int phase; /* private to answer.c */
    int status;
    bool chunked;
    bool closes; /* the server will end the connection */
    size_t left; /* of the body or of the chunk */
    struct text head;
    struct sse *sse; /* NULL: the body is only counted */
    struct sse_counts *counts;
    size_t body_bytes;
    char last; /* byte of the body */
};

/* Ready for the next answer; keeps `sse` and `counts`. */
void answer_reset(struct answer *a);
void answer_fini(struct answer *a);
enum answer_state answer_feed(struct answer *a, const char *data, size_t len);
