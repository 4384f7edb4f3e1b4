/*
 * reply.h - what the mock upstream says: one JSON completion of about
 * 1.05 KB, or server-sent events of about 210 bytes each.
 *
 * A client asks for a stream's shape in the body, since a proxy forwards
 * the body but not every header: "user":"chunks=200,interval_us=50000".
 * Every chunk carries the moment of its writing (`t=` and now_ns()), so
 * that the reader can tell how long it was under way.
 */
#pragma once

#include <stdbool.h>

#include "tool.h"

/* What a request body asked for. */
struct ask {
    bool stream;
    bool include_usage;
    long chunks;      /* content chunks, >= 1 */
    long interval_us; /* between two of them */
};

/* Reads what matters from a chat request; never fails, has defaults. */
struct ask ask_read(const char *body, size_t len);

/* The whole non-streamed answer with its head; built once. */
const struct text *reply_completion(void);

/* Appends to `to`: the head of a stream; one content chunk; the end. */
void reply_stream_head(struct text *to);
void reply_stream_chunk(struct text *to, long index);
void reply_stream_end(struct text *to, const struct ask *ask);

/* An answer for a request that the mock does not understand. */
const char *reply_refusal(void);
