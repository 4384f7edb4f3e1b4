#include "vendors/redact.h"

#include <stdint.h>
#include <strings.h>

enum {
    DECODE_MAX = 4096, /* bytes of a message that are looked at */
    MIXED_MIN = 16,    /* letters and digits in one run: too many for a name */
    UUID_LEN = 36,
};

static const char replacement[] = "[redacted]";

static bool is_letter(unsigned char c)
{
    return (unsigned)((c | 0x20) - 'a') < 26;
}

static bool is_digit(unsigned char c)
{
    return (unsigned)(c - '0') < 10;
}

static bool is_word(unsigned char c)
{
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.' ||
           c == '/' || c == '+' || c == '=' || c == '*';
}

static bool starts(const char *word, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);

    return len > n && strncasecmp(word, prefix, n) == 0;
}

static bool is_uuid(const char *word, size_t len)
{
    if (len != UUID_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)word[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = is_digit(c) || (unsigned)((c | 0x20) - 'a') < 6;

        if (dash ? c != '-' : !hex)
            return false;
    }
    return true;
}

/* A run of MIXED_MIN letters and digits, some of each? */
static bool is_random(const char *word, size_t len)
{
    size_t letters = 0, digits = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)word[i];

        if (is_letter(c))
            letters++;
        else if (is_digit(c))
            digits++;
        else
            letters = digits = 0;
        if (letters && digits && letters + digits >= MIXED_MIN)
            return true;
    }
    return false;
}

static bool is_secret(const char *word, size_t len)
{
    static const char *const prefixes[] = {
        "sk-",  "sk_",  "bj_",  "bce-v3/", "ALTAK-", "gsk_",
        "xai-", "AIza", "AKLT", "key-",    "pk-",    "eyJ",
    };

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (starts(word, len, prefixes[i]))
            return true;
    return is_uuid(word, len) || is_random(word, len) ||
           memchr(word, '*', len) != NULL;
}

struct out {
    char *bytes;
    size_t len, limit;
};

static void put(struct out *out, const char *bytes, size_t len)
{
    if (len > out->limit - out->len)
        len = out->limit - out->len;
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

/* Drops a character that was cut in its middle. */
static void trim(struct out *out)
{
    size_t at = out->len, need;
    unsigned char lead;

    while (at > 0 && ((unsigned char)out->bytes[at - 1] & 0xc0) == 0x80)
        at--;
    if (at == 0 || (unsigned char)out->bytes[at - 1] < 0xc0)
        return;
    lead = (unsigned char)out->bytes[--at];
    need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (out->len - at < need)
        out->len = at;
}

static void words(struct out *out, const char *p, const char *end)
{
    bool after_bearer = false;

    while (p < end && out->len < out->limit) {
        const char *word = p;

        while (p < end && is_word((unsigned char)*p))
            p++;
        if (p == word) {
            put(out, p++, 1);
            continue;
        }
        if (after_bearer || is_secret(word, (size_t)(p - word)))
            put(out, replacement, sizeof(replacement) - 1);
        else
            put(out, word, (size_t)(p - word));
        after_bearer = p - word == 6 && strncasecmp(word, "bearer", 6) == 0;
    }
}

struct slice redact(struct arena *a, struct json_text text, size_t limit)
{
    char plain[DECODE_MAX];
    struct out out = {arena_alloc(a, limit + 1), 0, limit};
    const char *p = text.raw.bytes, *end = p + text.raw.len;
    size_t len = 0;

    while (p < end && len + UTF8_MAX <= DECODE_MAX) {
        uint32_t c = json_character(&p, end);

        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            c = ' ';
        len += utf8_put(c, plain + len);
    }
    words(&out, plain, plain + len);
    trim(&out);
    return (struct slice){out.bytes, out.len};
}
