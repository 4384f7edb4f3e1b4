/*
 * parse.h - one strict HTTP/1.1 grammar for both sides (RFC 9112, without
 * its leniencies: no bare LF, no folding, no blank before a colon, no
 * control character, one framing only).
 *
 * Parsing does not depend on how the bytes were cut: a head is parsed when
 * it is whole; http_head_end() finds its end without rescanning.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/slice.h"

enum {
    HTTP_HEADERS_MOST = 128,
    HTTP_UNTIL_CLOSE = -1, /* body_len: the answer ends with the connection */
    HTTP_CHUNKED = -2,
};

struct http_header {
    struct slice name, value;
};

struct http_head {
    /* a request's */
    struct slice method, path, query;
    bool expect_continue;
    /* an answer's */
    int status;
    /* both */
    bool version_0; /* HTTP/1.0 */
    bool keep_alive;
    int64_t body_len;            /* >= 0, or HTTP_UNTIL_CLOSE, HTTP_CHUNKED */
    struct http_header *headers; /* the caller's, see http_parse_request() */
    size_t n_headers;
};

/* Bytes up to and with the empty line, or 0: not there yet. `*seen` (0 at
 * first) remembers how far earlier calls have looked. */
size_t http_head_end(const char *bytes, size_t len, size_t *seen);

/* The whole head, empty line included. Slices point into `bytes`; before the
 * call out->headers is set to room for `headers_most` (<= HTTP_HEADERS_MOST)
 * of them. 0, or the status to refuse a request with (400, 414, 417, 431,
 * 501, 505); for an answer any non-zero is nonsense. *why is a constant
 * sentence. */
int http_parse_request(struct http_head *out, struct slice bytes,
                       size_t headers_most, const char **why) MUST_CHECK;
/* Statuses 1xx, 204 and 304 have no body; we never send HEAD. */
int http_parse_answer(struct http_head *out, struct slice bytes,
                      size_t headers_most, const char **why) MUST_CHECK;

/* The value of the first header called `name` (any case), or len 0. */
struct slice http_find(const struct http_head *head, const char *name);

/* A chunked body being read; all zero at its start. */
struct http_chunks {
    uint64_t left; /* of the chunk at hand */
    uint32_t line_bytes, extra_bytes, n_chunks;
    uint8_t state;
    bool done; /* the last chunk and its trailers are read */
};

/* Takes one step: consumes a prefix of `*in` (which shrinks) and puts body
 * bytes, if any, into *out (pointing into the input). Call until *in is
 * empty or c->done. -1: not chunked coding. */
int http_chunks_next(struct http_chunks *c, struct slice *in,
                     struct slice *out) MUST_CHECK;
