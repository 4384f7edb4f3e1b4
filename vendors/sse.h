/*
 * sse.h - takes a stream apart into server-sent events, wherever it is cut.
 *
 * Lines end by LF, CRLF or CR; a blank line ends an event. An event that lies
 * whole in the bytes given is handed out where it lies; only the beginning of
 * an unfinished one is kept. What stands between events (comments, stray
 * blank lines) comes out as events without data, so that the raw bytes of all
 * events, one after the other, are the stream; but for a byte order mark at
 * its head, which belongs to none.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

struct sse_event {
    struct slice raw;  /* with its blank line */
    struct slice data; /* of all data: lines, joined by LF */
    struct slice name; /* of the event: line, or len 0 */
    bool has_data;
    bool kept; /* raw lies in the splitter: only good until the next call */
    bool rest; /* the LF of the CRLF that ended the event before */
};

struct sse {
    struct buf tail;   /* an event's beginning */
    struct buf joined; /* the data of an event of several data: lines */
    bool begun;        /* past a byte order mark */
    bool in_line;      /* the last byte did not end a line */
    bool after_cr;     /* the last byte was a CR that ended a line */
    bool owed_lf;      /* ... and an event */
    bool used;         /* the tail was handed out */
};

/* An event longer than `limit` bytes is refused. Memory goes with the arena. */
void sse_init(struct sse *s, size_t limit, struct arena *a);

/* The next event of *bytes, which is shortened by it: 1. 0: *bytes is used
 * up, its rest is kept. -1: an event is too long. */
int sse_next(struct sse *s, struct slice *bytes, struct sse_event *out);

/* At the end of the stream: what lacks its blank line. 1, or 0: nothing. */
int sse_last(struct sse *s, struct sse_event *out);
