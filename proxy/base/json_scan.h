/*
 * json_scan.h - reads JSON where it lies: no tree, no copies, one pass.
 *
 * A cursor that the reader pulls along. It is strict (RFC 8259, UTF-8 checked
 * inside strings, depth at most JSON_DEPTH_MAX) and never recurses. The reader
 * walks the members it knows and skips, still checked, those it does not:
 *
 *     json_scan_init(&s, text);
 *     for (json_enter(&s); json_member(&s, &key);)
 *         ... each member's value: json_text, json_int, json_enter or json_skip
 *     if (!json_end(&s)) ... s.why, json_offset(&s)
 *
 * After a fault every call fails or says that there is nothing more, so loops
 * end by themselves and one check at the end suffices. The text must not
 * change and must outlive the cursor and what it handed out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

enum {
    JSON_DEPTH_MAX = 64,
    UTF8_MAX = 4, /* bytes of a character */
};

enum json_kind {
    JSON_ABSENT,
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_scan {
    const char *at, *end, *begin;
    const char *why; /* NULL, or what was wrong: a constant sentence */
    const char *where;
    unsigned depth;
    bool any_bytes; /* strings may hold bytes that are not UTF-8 */
};

/* A string's inside, without its quotes. */
struct json_text {
    struct slice raw;
    bool escaped; /* has a backslash: decode before use */
};

void json_scan_init(struct json_scan *s, struct slice text);

/* The next value's kind by its first byte; JSON_ABSENT: no value there. */
enum json_kind json_peek(struct json_scan *s);

/* Steps into the object or array that comes next; false: a fault. */
bool json_enter(struct json_scan *s);

/* The next member's key: its value is read next. False: the end of the object
 * entered last, which is left, or a fault. */
bool json_member(struct json_scan *s, struct json_text *key) MUST_CHECK;
/* Is there a next element (then read it), or was that the array's end? */
bool json_element(struct json_scan *s) MUST_CHECK;

/* Each reads one value. False: it is not that, which is a fault. */
bool json_text(struct json_scan *s, struct json_text *out);
bool json_int(struct json_scan *s, int64_t *out); /* no fraction, exponent */
bool json_skip(struct json_scan *s);              /* whatever it is */
bool json_value(struct json_scan *s,
                struct slice *out); /* skipped: its bytes */

/* No fault, and nothing but space is left. */
bool json_end(struct json_scan *s) MUST_CHECK;

/* A fault of the reader's own finding. */
bool json_refuse(struct json_scan *s, const char *why); /* false */
size_t json_offset(const struct json_scan *s); /* of the fault, from 0 */

/* Is the text `word`, escapes undone? `word`: printable ASCII. Inline, since
 * to a constant word it comes down to a length and a compare. */
bool json_text_decodes_to(struct json_text text, const char *word);

static inline bool json_text_is(struct json_text text, const char *word)
{
    return text.escaped ? json_text_decodes_to(text, word)
                        : slice_is(text.raw, word);
}

/* Writes the text as UTF-8 and returns its length, or -1: it would not fit
 * `size`. A lone surrogate becomes U+FFFD. */
int64_t json_text_decode(struct json_text text, char *out, size_t size);
/* The length that json_text_decode() would write. */
size_t json_text_len(struct json_text text);

/* One character of an escaped text: what *at stands for; *at moves past it,
 * a surrogate pair as one. `at` < end, inside a text that was checked. */
uint32_t json_character(const char **at, const char *end);

/* Writes `c` as UTF-8, what is no character as U+FFFD; the length. */
size_t utf8_put(uint32_t c, char out[UTF8_MAX]);

/* The other way: `text` as a JSON string with its quotes, in the arena. Bytes
 * that are not UTF-8 become U+FFFD, so that the result is always valid. */
struct slice json_quote(struct arena *a, struct slice text);
