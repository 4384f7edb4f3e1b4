/*
 * chat.h - the client's request: its facts, and its bytes untouched.
 *
 * One pass over the body finds the spans that matter and counts the text by
 * class of character; the bytes themselves are never parsed and printed
 * again. An adapter says the request in its vendor's words as a list of
 * edits over these bytes (edit.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_scan.h"
#include "base/slice.h"

#include "vendors/text_count.h"

/* A JSON value (or key) inside the body: [at, at + len). len 0: absent. */
struct span {
    uint32_t at, len;
};

/* Top-level fields an adapter may have to change. One row each in chat.c. */
enum chat_key {
    CHAT_MODEL,
    CHAT_MESSAGES,
    CHAT_STREAM,
    CHAT_STREAM_OPTIONS,
    CHAT_MAX_TOKENS,
    CHAT_MAX_COMPLETION_TOKENS,
    CHAT_N,
    CHAT_TEMPERATURE,
    CHAT_TOP_P,
    CHAT_STOP,
    CHAT_TOOLS,
    CHAT_TOOL_CHOICE,
    CHAT_PARALLEL_TOOL_CALLS,
    CHAT_RESPONSE_FORMAT,
    CHAT_REASONING_EFFORT,
    CHAT_THINKING,
    CHAT_ENABLE_THINKING,
    CHAT_FREQUENCY_PENALTY,
    CHAT_PRESENCE_PENALTY,
    CHAT_SEED,
    CHAT_STORE,
    CHAT_METADATA,
    CHAT_LOGPROBS,
    CHAT_USER,
    CHAT_PROMPT_CACHE_KEY,
    CHAT_SERVICE_TIER,
    CHAT_KEY_COUNT, /* not a key */
};

struct chat_field {
    struct span key, value; /* quotes included */
    enum json_kind kind;    /* JSON_ABSENT: the client did not send it */
};

struct chat_message {
    struct span object, role, content;
    enum json_kind content_kind;
    char role_word; /* s)ystem d)eveloper u)ser a)ssistant t)ool f)unction */
    bool tool_calls, image;
    bool reasoning_content; /* and it is not empty */
};

struct chat {
    struct slice body;
    struct chat_field field[CHAT_KEY_COUNT];
    const struct chat_message *messages;
    size_t n_messages;
    const char *model;                /* decoded, NUL-terminated */
    bool stream, include_usage;       /* stream_options.include_usage */
    struct span stream_options_usage; /* its value, if it stands there */
    int64_t max_tokens;               /* of either spelling; 0: not asked */
    int64_t most_tokens;              /* the larger of the two spellings */
    int64_t bound_tokens;   /* ours, said to the vendor; 0: none. Only where the
                               client asked for no bound */
    int64_t n;              /* choices asked for, 1 unless told */
    uint32_t needs;         /* NEED_... */
    struct text_count text; /* messages and tools */
    int64_t n_images, image_bytes;
};

enum {
    NEED_TOOLS = 1 << 0,
    NEED_VISION = 1 << 1,
    NEED_JSON_SCHEMA = 1 << 2,
    NEED_JSON_OBJECT = 1 << 3,
    NEED_THINKING = 1 << 4,    /* asked for; an effort of low or more */
    NEED_NO_THINKING = 1 << 5, /* switched off; an effort of none */
};

enum {
    CHAT_MODEL_MAX = 120,      /* bytes of a model's name */
    CHAT_MESSAGES_MAX = 16384, /* messages of one request */
};

/* Why a body is not a chat request: for a 400 with the field's name. */
struct chat_error {
    char message[192];
    char param[64]; /* "" : none */
};

/* Reads `body`, which must outlive the chat, as must the arena. Strict
 * RFC 8259 and UTF-8, depth at most 64; a key we read may stand once only,
 * in its own spelling ("Model" is refused). Returns 0, or -1 and `error`. */
int chat_read(struct chat *out, struct slice body, struct arena *a,
              struct chat_error *error) MUST_CHECK;
