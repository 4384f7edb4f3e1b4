/* utf8.h - is it text that a line of configuration may hold? */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One character: its bytes' number, 0 if they are not UTF-8. */
size_t utf8_take(uint32_t *out, const char *s, size_t len);

/* Control characters, and those that are not seen or turn the line round: a
 * name must not hold them. Blanks are another matter. */
int utf8_is_hidden(uint32_t c);
int utf8_is_blank(uint32_t c);
