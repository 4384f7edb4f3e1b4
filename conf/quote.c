#include "conf/quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "conf/mask.h"
#include "conf/utf8.h"

enum {
    WINDOW_CHARS = 160,   /* of a long line, shown */
    BEFORE_CHARS = 100,   /* of these, before the column */
    CONTEXT_BYTES = 2048, /* before the window, read for secrets */
};

/* One character; a byte that is none stands for itself. */
static size_t char_at(uint32_t *c, const char *s, size_t len)
{
    size_t n = utf8_take(c, s, len);

    if (n > 0)
        return n;
    *c = (unsigned char)*s;
    return 1;
}

/* Copies what can be shown; the rest becomes '?', tabs stay. */
static size_t show(char *out, const char *s, size_t len)
{
    size_t used = 0;
    uint32_t c = 0;

    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_take(&c, s + i, len - i);
        if (n == 0 || (utf8_is_hidden(c) && c != '\t')) {
            out[used++] = '?';
            n = n ? n : 1;
            continue;
        }
        memcpy(out + used, s + i, n);
        used += n;
    }
    return used;
}

size_t quote_text(char *out, const char *text, size_t len, size_t head)
{
    size_t used;

    memcpy(out, text, head);
    used = head + show(out + head, text + head, len - head);
    mask_message(out + head, used - head);
    out[used] = '\0';
    return used;
}

static size_t find_line(const char **line, const char *bytes, size_t len,
                        int number)
{
    const char *end = bytes + len, *stop;

    for (int i = 1; i < number && bytes; i++) {
        bytes = memchr(bytes, '\n', (size_t)(end - bytes));
        bytes = bytes ? bytes + 1 : NULL;
    }
    if (!bytes || bytes >= end)
        return 0;
    stop = memchr(bytes, '\n', (size_t)(end - bytes));
    stop = stop ? stop : end;
    if (stop > bytes && stop[-1] == '\r')
        stop--;
    *line = bytes;
    return (size_t)(stop - bytes);
}

/* Moves over `chars` characters; returns how many bytes they are. */
static size_t skip(const char *s, size_t len, int chars)
{
    size_t at = 0;
    uint32_t c;

    for (; chars > 0 && at < len; chars--)
        at += char_at(&c, s + at, len - at);
    return at;
}

/* Blanks (tabs kept) as wide as the first `chars` characters of s. */
static size_t indent(char *out, const char *s, size_t len, int chars)
{
    size_t at = 0, n = 0;
    uint32_t c;

    for (int i = 0; i < chars; i++) {
        int width = 1;

        if (at < len) {
            at += char_at(&c, s + at, len - at);
            if (c == '\t') {
                out[n++] = '\t';
                continue;
            }
            width = utf8_width(c);
        }
        while (width-- > 0)
            out[n++] = ' ';
    }
    return n;
}

static size_t put(char *out, size_t used, const char *text, size_t len)
{
    memcpy(out + used, text, len);
    return used + len;
}

size_t quote_line(char out[QUOTE_BYTES], const char *bytes, size_t len,
                  int line, int column)
{
    int first = column > BEFORE_CHARS ? column - 1 - BEFORE_CHARS : 0;
    const char *text = NULL;
    size_t n = find_line(&text, bytes, len, line), from, to, used = 0;
    char masked[CONTEXT_BYTES + QUOTE_BYTES];
    size_t start; /* whether a byte is secret depends on those before it */

    if (!text || column < 1)
        return 0;
    from = skip(text, n, first);
    to = from + skip(text + from, n - from, WINDOW_CHARS);
    start = from > CONTEXT_BYTES ? from - CONTEXT_BYTES : 0;
    memcpy(masked, text + start, to - start);
    mask_line(masked, to - start);
    if (from > 0)
        used = put(out, used, "...", 3);
    used += show(out + used, masked + from - start, to - from);
    used = put(out, used, to < n ? "...\n" : "\n", to < n ? 4 : 1);
    used = put(out, used, "   ", from > 0 ? 3 : 0);
    used += indent(out + used, text + from, n - from, column - 1 - first);
    return put(out, used, "^\n", 2);
}
