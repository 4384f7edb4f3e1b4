#include "conf/quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/attr.h"

#include "conf/utf8.h"

enum {
    WINDOW_CHARS = 160,   /* of a long line, shown */
    BEFORE_CHARS = 100,   /* of these, before the column */
    SECRET_RUN = 16,      /* letters and digits mixed: hardly a word */
    CONTEXT_BYTES = 2048, /* before the window, read for secrets */
};

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool is_token(char c)
{
    return is_alnum(c) || (c && strchr("-_./+=", c));
}

/* An unbroken run of letters and digits, too long and too mixed for a name;
 * or a UUID, as some vendors' keys are. */
static bool is_random(const char *s, size_t len)
{
    size_t run = 0, digits = 0, longest_hex = 0, dashes = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_alnum(s[i])) {
            dashes += s[i] == '-';
            run = digits = 0;
            continue;
        }
        run++;
        digits += s[i] <= '9';
        if (run >= SECRET_RUN && digits >= 2 && digits + 4 <= run)
            return true;
        if (run > longest_hex)
            longest_hex = run;
    }
    return len == 36 && dashes == 4 && longest_hex == 12;
}

static bool is_secret(const char *s, size_t len)
{
    static const char *const begins[] = {"sk-",  "sk_", "gsk_",    "bj_",
                                         "AKIA", "ak-", "bce-v3/", "eyJ"};

    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        size_t n = strlen(begins[i]);

        if (len >= n + 4 && memcmp(s, begins[i], n) == 0)
            return true;
    }
    return is_random(s, len);
}

/* The word before a ':' promises that a secret follows. */
bool quote_names_secret(const char *s, size_t len)
{
    static const char *const ends[] = {"key",    "secret", "password",
                                       "passwd", "token",  "authorization"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(ends[i]);

        if (len >= n && strncasecmp(s + len - n, ends[i], n) == 0)
            return true;
    }
    return false;
}

/* The end of what stands behind "key:", up to a ',' or '}' or a comment. */
static size_t value_end(const char *s, size_t at, size_t len)
{
    while (at < len && s[at] != ',' && s[at] != '}' &&
           !(s[at] == '#' && s[at - 1] == ' '))
        at++;
    return at;
}

static void star(char *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '"' && s[i] != '\'')
            s[i] = '*';
}

static size_t token_end(const char *s, size_t at, size_t len)
{
    while (at < len && is_token(s[at]))
        at++;
    return at;
}

/* key=..., as in a URL's query. */
static void star_assigned(char *s, size_t from, size_t to)
{
    const char *equals = memchr(s + from, '=', to - from);

    if (equals && quote_names_secret(s + from, (size_t)(equals - s) - from))
        star(s, (size_t)(equals - s) + 1, to);
}

/* The user and password of a URL: all between "://" and '@'. */
static void star_users(char *s, size_t len)
{
    for (size_t i = 0; i + 3 < len; i++) {
        size_t end = i + 3;

        if (memcmp(s + i, "://", 3) != 0)
            continue;
        while (end < len && !strchr("/@ \t\"'", s[end]))
            end++;
        if (end < len && s[end] == '@')
            star(s, i + 3, end);
    }
}

/* Stars over the secrets of s, in place. */
static void mask(char *s, size_t len)
{
    star_users(s, len);
    for (size_t i = 0; i < len;) {
        size_t end = token_end(s, i, len), colon = end;

        if (end == i) {
            i++;
            continue;
        }
        if (colon < len && (s[colon] == '"' || s[colon] == '\''))
            colon++;
        if (colon < len && s[colon] == ':' &&
            quote_names_secret(s + i, end - i)) {
            size_t stop = value_end(s, colon + 1, len);

            star(s, colon + 1, stop);
            end = stop;
        } else if (is_secret(s + i, end - i)) {
            star(s, i, end);
        } else {
            star_assigned(s, i, end);
        }
        i = end;
    }
}

/* How many columns a terminal gives a character: 0, 1 or 2. */
static int width_of(uint32_t c)
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
    for (size_t i = head; i < used;) {
        size_t end = token_end(out, i, used);

        if (is_secret(out + i, end - i))
            star(out, i, end);
        i = end + 1;
    }
    star_users(out + head, used - head);
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
            width = width_of(c);
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
    mask(masked, to - start);
    if (from > 0)
        used = put(out, used, "...", 3);
    used += show(out + used, masked + from - start, to - from);
    used = put(out, used, to < n ? "...\n" : "\n", to < n ? 4 : 1);
    used = put(out, used, "   ", from > 0 ? 3 : 0);
    used += indent(out + used, text + from, n - from, column - 1 - first);
    return put(out, used, "^\n", 2);
}
