#include "base/json_string.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

/* What ends a run of plain bytes: a quote, a backslash, a control character,
 * and unless told otherwise a byte of 0x80 or more. */
static bool is_plain(unsigned char c, bool any_bytes)
{
    return c != '"' && c != '\\' && c >= 0x20 && (c < 0x80 || any_bytes);
}

#ifdef __SSE2__

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* The high bit of each byte: set where it is not plain. */
static inline __m128i special(__m128i v, bool any_bytes)
{
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i bad = _mm_or_si128(_mm_or_si128(quote, slash), control);

    return any_bytes ? bad : _mm_or_si128(bad, v);
}

static inline const char *plain_end(const char *p, const char *end,
                                    bool any_bytes)
{
    while (end - p >= 16) {
        int mask;

        while (end - p >= 64) {
            __m128i a = special(load(p), any_bytes);
            __m128i b = special(load(p + 16), any_bytes);
            __m128i c = special(load(p + 32), any_bytes);
            __m128i d = special(load(p + 48), any_bytes);

            if (_mm_movemask_epi8(
                    _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))))
                break;
            p += 64;
        }
        if (end - p < 16)
            break;
        mask = _mm_movemask_epi8(special(load(p), any_bytes));
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
    while (p < end && is_plain((unsigned char)*p, any_bytes))
        p++;
    return p;
}

/* Past the three-byte characters at p, in steps of five. Those that begin
 * with E0 or ED have rules of their own and are left to character_end(). */
static inline const char *triples_end(const char *p, const char *end)
{
    const __m128i mask = _mm_setr_epi8(-16, -64, -64, -16, -64, -64, -16, -64,
                                       -64, -16, -64, -64, -16, -64, -64, 0);
    const __m128i want =
        _mm_setr_epi8(-32, -128, -128, -32, -128, -128, -32, -128, -128, -32,
                      -128, -128, -32, -128, -128, 0);

    while (end - p >= 16) {
        __m128i v = load(p);
        __m128i good = _mm_cmpeq_epi8(_mm_and_si128(v, mask), want);
        __m128i odd =
            _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xe0)),
                         _mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xed)));

        if ((_mm_movemask_epi8(_mm_andnot_si128(odd, good)) | 0x8000) != 0xffff)
            break;
        p += 15;
    }
    return p;
}

#else

static inline const char *plain_end(const char *p, const char *end,
                                    bool any_bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones * 0x80;

    while (end - p >= 8) {
        uint64_t v, quote, slash, control;

        memcpy(&v, p, 8);
        quote = v ^ ones * '"';
        slash = v ^ ones * '\\';
        control = (v - ones * 0x20) & ~v;
        quote = (quote - ones) & ~quote;
        slash = (slash - ones) & ~slash;
        if ((quote | slash | control | (any_bytes ? 0 : v)) & highs)
            break;
        p += 8;
    }
    while (p < end && is_plain((unsigned char)*p, any_bytes))
        p++;
    return p;
}

static inline const char *triples_end(const char *p, const char *end)
{
    (void)end;
    return p;
}

#endif

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Past the character of two to four bytes at p, or NULL: not UTF-8. */
static inline const char *character_end(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    ptrdiff_t left = end - p;

    if (u[0] >= 0xe1 && u[0] <= 0xef && u[0] != 0xed)
        return left >= 3 && is_tail(u[1]) && is_tail(u[2]) ? p + 3 : NULL;
    if (u[0] >= 0xc2 && u[0] <= 0xdf)
        return left >= 2 && is_tail(u[1]) ? p + 2 : NULL;
    if (u[0] == 0xe0 || u[0] == 0xed) /* overlong; surrogates */
        return left >= 3 && is_tail(u[1]) && is_tail(u[2]) &&
                       (u[1] >= 0xa0) == (u[0] == 0xe0)
                   ? p + 3
                   : NULL;
    if (u[0] < 0xf0 || u[0] > 0xf4 || left < 4)
        return NULL;
    if ((u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] >= 0x90))
        return NULL;
    return is_tail(u[1]) && is_tail(u[2]) && is_tail(u[3]) ? p + 4 : NULL;
}

const char *utf8_end(const char *p, const char *end)
{
    return character_end(p, end);
}

/* Past the characters at p that are not ASCII; NULL, and *bad where. */
static const char *wide_end(const char *p, const char *end, const char **bad)
{
    while (p < end && (unsigned char)*p >= 0x80) {
        const char *next = character_end(p, end);

        if (!next) {
            *bad = p;
            return NULL;
        }
        p = triples_end(next, end);
    }
    return p;
}

static bool is_hex(unsigned char c)
{
    return (unsigned)(c - '0') < 10 || (unsigned)((c | 0x20) - 'a') < 6;
}

/* Past the escape at p, or NULL. */
static inline const char *escape_end(const char *p, const char *end)
{
    static const unsigned char simple[256] = {
        ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1,
        ['f'] = 1, ['n'] = 1,  ['r'] = 1, ['t'] = 1,
    };

    if (end - p < 2)
        return NULL;
    if (simple[(unsigned char)p[1]])
        return p + 2;
    if (p[1] != 'u' || end - p < 6)
        return NULL;
    for (int i = 2; i < 6; i++)
        if (!is_hex((unsigned char)p[i]))
            return NULL;
    return p + 6;
}

static bool fail(struct json_string *out, const char *where, const char *why)
{
    out->end = where;
    out->why = why;
    return false;
}

bool json_string_end(struct json_string *out, const char *p, const char *end,
                     bool any_bytes)
{
    const char *next = p;

    out->escaped = false;
    p++;
    for (;;) {
        p = plain_end(p, end, any_bytes);
        if (p == end)
            return fail(out, p, "a string does not end");
        if (*p == '"') {
            out->end = p + 1;
            return true;
        }
        if (*p == '\\') {
            out->escaped = true;
            for (; p < end && *p == '\\'; p = next) {
                next = escape_end(p, end);
                if (!next)
                    return fail(out, p, "a bad escape");
            }
        } else if ((unsigned char)*p < 0x20) {
            return fail(out, p, "a control character in a string");
        } else {
            p = wide_end(p, end, &next);
            if (!p)
                return fail(out, next, "not UTF-8");
        }
    }
}
