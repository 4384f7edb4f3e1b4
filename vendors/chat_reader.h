/* chat_reader.h - what chat.c and chat_message.c share while reading. */
#pragma once

#include "vendors/chat.h"

struct chat_reader {
    struct json_scan s;
    struct chat *chat;
    struct arena *arena;
    struct chat_error *error;
    struct text_counter text;
    bool refused; /* *error is told */
};

#define KEY_NAME(word)           \
    {                            \
        (word), sizeof(word) - 1 \
    }

/* Names that are read of one kind of object. At most 32. */
struct key_set {
    const struct slice *names;
    size_t n;
};

enum {
    KEY_OTHER = -1,
};

/* Which of `set` the key is. A second one of the same, or one that differs by
 * case only, is refused: *seen holds a bit for each that came. */
int chat_key_find(struct chat_reader *r, const struct key_set *set,
                  const struct json_text *key, uint32_t *seen,
                  const char *where);

/* Ends the reading with a 400 that blames `param`; a later one is ignored. */
void chat_refuse(struct chat_reader *r, const char *param, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

struct span chat_span(const struct chat_reader *r, const char *from,
                      const char *to);

/* The array at r->s: all of the conversation, counted on the way. */
void chat_messages_read(struct chat_reader *r);

/* Each reads the value at r->s, which is of the kind it should be. */
void chat_stream_options_read(struct chat_reader *r);
void chat_tools_read(struct chat_reader *r);
void chat_response_format_read(struct chat_reader *r);

/* After all fields: what is wanted of thinking. */
void chat_thinking_read(struct chat_reader *r);
