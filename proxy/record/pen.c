#include "record/pen.h"

#include <stdbool.h>
#include <string.h>

#include "base/fatal.h"

enum {
    DIGITS_MOST = 20,
};

void pen_bytes(struct pen *p, const char *bytes, size_t len)
{
    ENSURE((size_t)(p->end - p->at) >= len);
    memcpy(p->at, bytes, len);
    p->at += len;
}

/* Bytes of the UTF-8 character at `s`, 0 if there is none. The text ends in
 * a NUL, which no continuation byte is. */
static size_t utf8_len(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80                    ? 1
               : u[0] >= 0xc2 && u[0] < 0xe0  ? 2
               : u[0] >= 0xe0 && u[0] < 0xf0  ? 3
               : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4
                                              : 0;

    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] >= 0xa0) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] >= 0x90))
        return 0;
    return n;
}

/* One character of `*text`, spelt so that JSON and terminals read it as
 * such; moves past it. */
static size_t spell(char out[8], const char **text)
{
    static const char hex[] = "0123456789abcdef";
    static const char unknown[] = "\\ufffd", control[] = "\\u00";
    unsigned char c = (unsigned char)**text;
    size_t n = utf8_len(*text);

    if (n == 0) {
        memcpy(out, unknown, sizeof(unknown));
        (*text)++;
        return sizeof(unknown) - 1;
    }
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        (*text)++;
        return 2;
    }
    if (c == 0xc2 && (unsigned char)(*text)[1] < 0xa0)
        c = (unsigned char)(*text)[1]; /* a C1 control */
    else if (c >= 0x20 && c != 0x7f) {
        memcpy(out, *text, n);
        *text += n;
        return n;
    }
    memcpy(out, control, sizeof(control));
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    *text += n;
    return 6;
}

/* Each byte the same. */
static uint64_t all(uint8_t byte)
{
    return byte * 0x0101010101010101ULL;
}

/* One of eight bytes is not as nearly all are: a control, a quote, a backslash,
 * DEL, or beyond ASCII. */
static bool is_special(uint64_t eight)
{
    uint64_t quote = eight ^ all('"'), slash = eight ^ all('\\');

    return (((eight - all(' ')) | (eight + all(1)) | eight | (quote - all(1)) |
             (slash - all(1))) &
            all(0x80)) != 0;
}

/* How many of the first `len` bytes stand for themselves. */
static size_t plain_run(const char *s, size_t len)
{
    size_t n = 0;
    uint64_t eight;

    for (; n + sizeof(eight) <= len; n += sizeof(eight)) {
        memcpy(&eight, s + n, sizeof(eight));
        if (is_special(eight))
            break;
    }
    while (n < len && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

void pen_text(struct pen *p, const char *text, size_t most)
{
    size_t used, n;
    char c[8];

    if (!text) {
        PEN(p, "null");
        return;
    }
    PEN(p, "\"");
    used = plain_run(text, strnlen(text, most));
    pen_bytes(p, text, used);
    for (text += used; *text && used < most; used += n) {
        n = spell(c, &text);
        if (used + n > most)
            break;
        pen_bytes(p, c, n);
    }
    PEN(p, "\"");
}

void pen_int(struct pen *p, int64_t v)
{
    /* two digits at a time */
    static const char pairs[] = "00010203040506070809101112131415161718192021"
                                "22232425262728293031323334353637383940414243"
                                "44454647484950515253545556575859606162636465"
                                "66676869707172737475767778798081828384858687"
                                "888990919293949596979899";
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char digits[DIGITS_MOST + 1];
    size_t at = sizeof(digits);

    for (; rest >= 100; rest /= 100)
        memcpy(digits + (at -= 2), pairs + 2 * (rest % 100), 2);
    if (rest >= 10)
        memcpy(digits + (at -= 2), pairs + 2 * rest, 2);
    else
        digits[--at] = (char)('0' + rest);
    if (v < 0)
        digits[--at] = '-';
    pen_bytes(p, digits + at, sizeof(digits) - at);
}
