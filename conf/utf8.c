#include "conf/utf8.h"

#include "base/attr.h"

size_t utf8_take(uint32_t *out, const char *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char b = (unsigned char)*s;
    size_t n = b >= 0xf8   ? 0
               : b >= 0xf0 ? 4
               : b >= 0xe0 ? 3
               : b >= 0xc0 ? 2
               : b >= 0x80 ? 0
                           : 1;
    uint32_t c = n > 1 ? b & (0x7fu >> n) : b;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out = c;
    return n;
}

bool utf8_is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c >= 0xe0000;
}

bool utf8_is_blank(uint32_t c)
{
    return c == ' ' || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

int utf8_width(uint32_t c)
{
    static const struct {
        uint32_t from, to;
        int width;
    } ranges[] = {
        {0x300, 0x36f, 0},     {0x1100, 0x115f, 2},   {0x200b, 0x200f, 0},
        {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},
        {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff01, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2},
        {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return ranges[i].width;
    return 1;
}

static const char *wrong_char(size_t n, uint32_t c, bool newline_next)
{
    if (n == 0)
        return "not UTF-8: save the file as UTF-8";
    if (c == '\r')
        return newline_next ? NULL : "a lone carriage return";
    if (c == '\n' || c == '\t')
        return NULL;
    if (c == 0x85 || c == 0x2028 || c == 0x2029)
        return "an unusual line break: use a plain one";
    if (c == 0xfeff)
        return "a byte order mark in the middle of the file";
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff)
        return "a control character";
    return NULL;
}

const char *utf8_check(const char *bytes, size_t len, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t c = 0;
        const char *wrong;

        n = utf8_take(&c, bytes + i, len - i);
        wrong = wrong_char(n, c, i + 1 < len && bytes[i + 1] == '\n');
        if (wrong)
            return wrong;
        ++*column;
        if (c == '\n') {
            ++*line;
            *column = 1;
        }
    }
    return NULL;
}
