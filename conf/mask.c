#include "conf/mask.h"

#include <string.h>
#include <strings.h>

#include "base/attr.h"

enum {
    SECRET_RUN = 16, /* letters and digits mixed: hardly a word */
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
bool mask_names_secret(const char *s, size_t len)
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

    if (equals && mask_names_secret(s + from, (size_t)(equals - s) - from))
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

void mask_line(char *s, size_t len)
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
            mask_names_secret(s + i, end - i)) {
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

void mask_message(char *s, size_t len)
{
    star_users(s, len);
    for (size_t i = 0; i < len; i++) {
        size_t end = token_end(s, i, len);

        if (is_secret(s + i, end - i))
            star(s, i, end);
        i = end;
    }
}
