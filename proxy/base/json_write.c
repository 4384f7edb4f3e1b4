#include "base/json_write.h"

#include <stdint.h>
#include <stdio.h>

/* The length of the UTF-8 character at `s`, 0: none. Shortest forms only, no
 * surrogates. */
static size_t utf8_len(const char *bytes, size_t len)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (n == 1)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static const char *escape_of(unsigned char c, char hex[8])
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: snprintf(hex, 8, "\\u%04x", c); return hex;
    }
}

int json_add_text(struct buf *b, struct slice text)
{
    char hex[8];

    if (json_add_raw(b, "\"") != 0)
        return -1;
    for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
        const char *at = text.bytes + i;
        struct slice piece;

        n = utf8_len(at, text.len - i);
        if (n == 0)
            piece = slice_of("\xef\xbf\xbd");
        else if ((unsigned char)*at < ' ' || *at == '"' || *at == '\\' ||
                 *at == 127)
            piece = slice_of(escape_of((unsigned char)*at, hex));
        else
            piece = (struct slice){at, n};
        if (buf_add(b, piece) != 0)
            return -1;
    }
    return json_add_raw(b, "\"");
}

int json_add_raw(struct buf *b, const char *json)
{
    return buf_add(b, slice_of(json));
}
