/*
 * incoming.h - a vendor's answer taken from bytes, one piece at a time.
 *
 * Knows framing alone, no sockets. What it yields does not depend on how the
 * bytes were cut. Bytes are copied only while a head comes in pieces.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#include "vendors/fault.h"

#include "http/parse.h"

enum {
    INCOMING_HEADERS_MOST = 128,
    INCOMING_INTERIM_MOST = 8, /* 1xx heads before the one that counts */
};

enum incoming_step {
    INCOMING_WANTS,   /* all of the input is taken: more, please */
    INCOMING_HEAD,    /* the head is in *head */
    INCOMING_BODY,    /* some body is in *body, pointing into the input */
    INCOMING_WHOLE,   /* the end; what is left of the input is not ours */
    INCOMING_GARBLED, /* *why says what was wrong */
};

struct incoming {
    struct buf held; /* a head's first pieces */
    size_t head_limit, seen;
    int64_t left; /* HTTP_UNTIL_CLOSE, HTTP_CHUNKED, or body bytes to come */
    struct http_chunks chunks;
    uint8_t n_interim;
    bool any; /* a byte has come */
    bool has_head, keep_alive;
};

void incoming_init(struct incoming *a, size_t head_limit_bytes);
void incoming_fini(struct incoming *a);

struct incoming_piece {
    struct http_head head;
    struct http_header headers[INCOMING_HEADERS_MOST];
    struct slice body;
    const char *why;
};

/* Takes a prefix of *in, which shrinks. The piece's slices stay until the
 * next call, or the end of the input's life. */
enum incoming_step incoming_next(struct incoming *a, struct slice *in,
                                 struct incoming_piece *out) MUST_CHECK;

/* The connection has ended (`clean`: properly) and all input was taken: what
 * does that make of the answer? */
enum fault incoming_end(const struct incoming *a, bool clean, const char **why);
