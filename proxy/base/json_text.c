/* json_text.c - what a JSON string says, once its escapes are undone. */
#include "base/json_scan.h"
#include "base/json_string.h"

enum {
    REPLACEMENT = 0xfffd,
    ESCAPE_MAX = 6, /* bytes of \u001f */
};

/* The value of a hexadecimal digit, which is known to be one. */
static inline unsigned hex(char c)
{
    return ((unsigned char)c & 15u) + ((unsigned char)c >> 6) * 9u;
}

static inline unsigned hex4(const char *p)
{
    return hex(p[0]) << 12 | hex(p[1]) << 8 | hex(p[2]) << 4 | hex(p[3]);
}

/* The character of the escape at p, which moves past it. */
static uint32_t escape(const char **at, const char *end)
{
    static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *p = *at;
    const char *letter;
    uint32_t c;

    if (p[1] != 'u') {
        *at = p + 2;
        letter = memchr(letters, p[1], sizeof(letters) - 1);
        return letter ? (unsigned char)values[letter - letters]
                      : (unsigned char)p[1];
    }
    c = hex4(p + 2);
    *at = p += 6;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    if (c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        uint32_t low = hex4(p + 2);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *at = p + 6;
            return 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00);
        }
    }
    return REPLACEMENT;
}

uint32_t json_character(const char **at, const char *end)
{
    const unsigned char *u = (const unsigned char *)*at;
    ptrdiff_t left = end - *at;
    uint32_t c;

    if (u[0] == '\\' && left >= 2)
        return escape(at, end);
    if (u[0] >= 0xe0 && u[0] < 0xf0 && left >= 3) {
        *at += 3;
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    }
    if (u[0] >= 0xc0 && u[0] < 0xe0 && left >= 2) {
        *at += 2;
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    }
    if (u[0] >= 0xf0 && left >= 4) {
        *at += 4;
        c = (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12;
        return c | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    }
    *at += 1;
    return u[0] < 0x80 ? u[0] : REPLACEMENT;
}

size_t utf8_put(uint32_t c, char out[UTF8_MAX])
{
    if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        c = REPLACEMENT;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Writes at most `size` bytes to `out`, which may be NULL; -1: too small. */
static int64_t decode(struct json_text text, char *out, size_t size)
{
    const char *p = text.raw.bytes, *end = p + text.raw.len;
    size_t len = 0;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash ? slash : end) - p), n;
        char bytes[UTF8_MAX];

        if (plain > size - len)
            return -1;
        if (out)
            memcpy(out + len, p, plain);
        len += plain;
        p += plain;
        if (!slash)
            break;
        n = utf8_put(escape(&p, end), bytes);
        if (n > size - len)
            return -1;
        if (out)
            memcpy(out + len, bytes, n);
        len += n;
    }
    return (int64_t)len;
}

int64_t json_text_decode(struct json_text text, char *out, size_t size)
{
    return decode(text, out, size);
}

size_t json_text_len(struct json_text text)
{
    return text.escaped ? (size_t)decode(text, NULL, SIZE_MAX) : text.raw.len;
}

bool json_text_decodes_to(struct json_text text, const char *word)
{
    const char *p = text.raw.bytes, *end = p + text.raw.len;

    for (; p < end && *word; word++)
        if (json_character(&p, end) != (unsigned char)*word)
            return false;
    return p == end && !*word;
}

/* The byte or character at *at as it stands in a string; the length. */
static size_t quote(const char **at, const char *end, char *out)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
    unsigned char c = (unsigned char)**at;
    const char *value = memchr(values, c, sizeof(values) - 1), *past;
    size_t len;

    if (c >= 0x80) {
        past = utf8_end(*at, end);
        if (!past) {
            *at += 1;
            return utf8_put(REPLACEMENT, out);
        }
        len = (size_t)(past - *at);
        memcpy(out, *at, len);
        *at = past;
        return len;
    }
    *at += 1;
    if (c >= 0x20 && c != '"' && c != '\\') {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = value ? letters[value - values] : (char)c;
    if (value || c >= 0x20)
        return 2;
    memcpy(out + 1, "u00", 3);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    return ESCAPE_MAX;
}

struct slice json_quote(struct arena *a, struct slice text)
{
    char *out = arena_alloc(a, text.len * ESCAPE_MAX + 2);
    const char *p = text.bytes, *end = p + text.len;
    size_t len = 0;

    out[len++] = '"';
    while (p < end)
        len += quote(&p, end, out + len);
    out[len++] = '"';
    return (struct slice){out, len};
}
