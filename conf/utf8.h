/* utf8.h - is it text that a line of configuration may hold? */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One character: its bytes' number, 0 if they are not UTF-8. */
size_t utf8_take(uint32_t *out, const char *s, size_t len);

/* Control characters, and those that are not seen or turn the line round: a
 * name must not hold them. Blanks are another matter. */
bool utf8_is_hidden(uint32_t c);
bool utf8_is_blank(uint32_t c);

/* How many columns a terminal gives it: 0, 1 or 2. */
int utf8_width(uint32_t c);

/* What is wrong with a file's bytes, and where; NULL: nothing. libyaml knows
 * more line breaks than an editor shows, and cannot say where bad bytes stand;
 * of a file that passes, both count the same lines and columns. */
const char *utf8_check(const char *bytes, size_t len, int *line, int *column);
