/*
 * chat_look.h - the parts of a request, one by one, for adapters that say it
 * in another language. Texts come out as they are spelled, escapes and all:
 * they can go into any JSON without being decoded.
 */
#pragma once

#include "vendors/chat.h"

struct slice chat_bytes(const struct chat *chat, struct span span);
struct slice chat_value(const struct chat *chat, enum chat_key key);
/* The field's text, or len 0: not there, not a text. */
struct json_text chat_text(const struct chat *chat, enum chat_key key);
bool chat_is(const struct chat *chat, enum chat_key key, const char *word);
/* A number's value; `other` if there is none that is sane. */
double chat_number(const struct chat *chat, enum chat_key key, double other);

bool chat_is_system(const struct chat_message *m); /* or developer */

enum part_kind {
    PART_END,   /* there is no next one */
    PART_TEXT,  /* or a refusal, which is one */
    PART_IMAGE, /* by a data: URL */
    PART_LINK,  /* an image, by another URL */
    PART_OTHER, /* audio, a file, what is wrong */
};

struct part {
    enum part_kind kind;
    struct json_text text; /* or the URL */
    struct slice media;    /* "image/png" */
    struct slice data;     /* base64 */
    struct slice cache;    /* the value of cache_control, or len 0 */
};

/* A message's content: parts, or one text as a part of its own. */
struct parts {
    struct json_scan s;
    bool list, over;
    struct json_text alone;
};

void parts_begin(struct parts *p, const struct chat *chat,
                 const struct chat_message *m);
bool parts_next(struct parts *p, struct part *out); /* false: PART_END */

/* Tool calls of an assistant's message. */
struct call {
    struct json_text id, name, arguments; /* arguments: JSON in a text */
    struct json_text signature; /* extra_content.google.thought_signature */
};

struct calls {
    struct json_scan s;
    bool any;
};

void calls_begin(struct calls *c, const struct chat *chat,
                 const struct chat_message *m);
bool calls_next(struct calls *c, struct call *out);

/* A call's arguments as the JSON object they are, decoded in `a`; "{}" for
 * none; len 0: they are no object. */
struct slice call_object(const struct call *call, struct arena *a);

/* Which call a tool's message answers, and a member of it as a text. */
struct json_text chat_member(const struct chat *chat,
                             const struct chat_message *m, const char *name);

/* Tools of the request. kind other than "function": name len 0. */
struct tool {
    struct json_text name;
    struct slice description, parameters; /* JSON values, or len 0 */
    struct slice cache;
};

struct tools {
    struct json_scan s;
    bool any;
};

void tools_begin(struct tools *t, const struct chat *chat);
bool tools_next(struct tools *t, struct tool *out);

/* The name a tool_choice of the form {"function":{"name":...}} forces. */
struct json_text chat_forced_tool(const struct chat *chat);
/* The schema of response_format, or len 0. */
struct slice chat_schema(const struct chat *chat);

/* What adapters without OpenAI's finer points refuse: several choices, parts
 * of other kinds, a conversation without the user, arguments that are no
 * object ... NULL, or the reason. */
const char *chat_look_refuse(const struct chat *chat);
