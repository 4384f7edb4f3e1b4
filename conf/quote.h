/*
 * quote.h - a line of a file as a complaint shows it, a caret under the
 * column, and no secret in it.
 *
 * Columns count characters; the caret stands under the right one also behind
 * tabs and behind characters that a terminal draws two columns wide. Of a
 * long line only the part around the column is shown. Nothing a terminal would
 * obey or hide is passed on.
 */
#pragma once

#include <stddef.h>

enum {
    QUOTE_BYTES = 2048, /* room for a quoted line and its caret */
};

/* Writes the line and the caret's line, or nothing if `bytes` has no such
 * line. `line` and `column` count from 1. Returns the length written. */
size_t quote_line(char out[QUOTE_BYTES], const char *bytes, size_t len,
                  int line, int column);

/* Copies a message, whose first `head` bytes (the place) are left as they are;
 * in the rest what looks like a secret becomes stars, and what cannot be shown
 * '?'. `out` has room for len + 1 bytes. Returns the length written. */
size_t quote_text(char *out, const char *text, size_t len, size_t head);
