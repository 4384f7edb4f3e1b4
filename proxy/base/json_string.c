#include "base/json_string.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

/* Plain is what is no quote, no backslash, no control character, and unless
 * told otherwise below 0x80. */
#ifdef __SSE2__

enum {
    BLOCK = 16, /* bytes looked at together */
};

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

/* A bit for each byte of the block that may not be plain. */
static inline unsigned special_mask(const char *p, bool any_bytes)
{
    return (unsigned)_mm_movemask_epi8(special(load(p), any_bytes));
}

/* The same of four blocks. */
static inline uint64_t special_masks(const char *p, bool any_bytes)
{
    uint64_t low = special_mask(p, any_bytes) |
                   special_mask(p + BLOCK, any_bytes) << BLOCK;
    uint64_t high = special_mask(p + 2 * BLOCK, any_bytes) |
                    special_mask(p + 3 * BLOCK, any_bytes) << BLOCK;

    return low | high << 2 * BLOCK;
}

/*
 * Past the three-byte characters at p, sixteen or five at a time. Those that
 * begin with E0 or ED have rules of their own and end the stretch. In `lead`
 * a byte is set where a character begins.
 */
static inline __m128i not_triples(const char *p, __m128i lead)
{
    __m128i v = load(p);
    __m128i mask = _mm_or_si128(_mm_set1_epi8(-64),
                                _mm_and_si128(lead, _mm_set1_epi8(-16)));
    __m128i want = _mm_or_si128(_mm_set1_epi8(-128),
                                _mm_and_si128(lead, _mm_set1_epi8(-32)));
    __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(-32)),
                               _mm_cmpeq_epi8(v, _mm_set1_epi8(-19)));

    return _mm_or_si128(_mm_xor_si128(_mm_and_si128(v, mask), want), odd);
}

static inline int are_zero(__m128i v)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128()));
}

static inline const char *triples_end(const char *p, const char *end)
{
    const __m128i a =
        _mm_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1);
    const __m128i b = _mm_slli_si128(a, 2), c = _mm_slli_si128(a, 1);

    while (end - p >= 3 * BLOCK) {
        __m128i bad = _mm_or_si128(
            _mm_or_si128(not_triples(p, a), not_triples(p + BLOCK, b)),
            not_triples(p + 2 * BLOCK, c));

        if (are_zero(bad) != 0xffff)
            break;
        p += 3 * BLOCK;
    }
    while (end - p >= BLOCK && (are_zero(not_triples(p, a)) | 0x8000) == 0xffff)
        p += BLOCK - 1;
    return p;
}

#else

enum {
    BLOCK = 8,
};

/* The same in eight bytes of one number. A byte above a special one may be
 * taken for special, too. */
static inline unsigned special_mask(const char *p, bool any_bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v, quote, slash, control, bad;

    memcpy(&v, p, sizeof(v));
#    if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#    endif
    quote = v ^ ones * '"';
    slash = v ^ ones * '\\';
    bad = (quote - ones) & ~quote;
    bad |= (slash - ones) & ~slash;
    control = (v - ones * 0x20) & ~v;
    bad |= any_bytes ? control : control | v;
    return (unsigned)((bad >> 7 & ones) * UINT64_C(0x0102040810204080) >> 56);
}

static inline uint64_t special_masks(const char *p, bool any_bytes)
{
    uint64_t mask = 0;

    for (int i = 3; i >= 0; i--)
        mask = mask << BLOCK | special_mask(p + i * BLOCK, any_bytes);
    return mask;
}

static inline const char *triples_end(const char *p, const char *end)
{
    (void)end;
    return p;
}

#endif

/* Some blocks side by side, and which of their bytes are special. */
struct stretch {
    uint64_t mask;
    int size; /* bytes */
};

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

/* What may follow a backslash: 1 alone, 2 before four hexadecimal digits. */
static const unsigned char escapes[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1,
    ['n'] = 1, ['r'] = 1,  ['t'] = 1, ['u'] = 2,
};

static const unsigned char hex[256] = {
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1,
    ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1,
    ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['A'] = 1, ['B'] = 1,
    ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
};

/* Past the escape at p, or NULL. */
static inline const char *escape_end(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;

    if (end - p < 2)
        return NULL;
    if (escapes[u[1]] == 1)
        return p + 2;
    if (!escapes[u[1]] || end - p < 6 ||
        !(hex[u[2]] & hex[u[3]] & hex[u[4]] & hex[u[5]]))
        return NULL;
    return p + 6;
}

static const char *fail(struct json_string *out, const char *where,
                        const char *why)
{
    out->end = where;
    out->why = why;
    return NULL;
}

/* Past the byte, escape or characters at p, which is no quote. NULL: *out
 * is told why not. */
static inline const char *special_end(struct json_string *out, const char *p,
                                      const char *end, bool any_bytes)
{
    const char *past, *bad = p;

    if (*p == '\\') {
        out->escaped = true;
        past = escape_end(p, end);
        return past ? past : fail(out, p, "a bad escape");
    }
    if ((unsigned char)*p < 0x20)
        return fail(out, p, "a control character in a string");
    if (any_bytes || (unsigned char)*p < 0x80)
        return p + 1;
    past = wide_end(p, end, &bad);
    return past ? past : fail(out, bad, "not UTF-8");
}

/* Past the `size` bytes at p, whose special ones are set in `mask`; NULL: the
 * string ends in them, well or not. */
static inline const char *stretch_end(struct json_string *out, const char *p,
                                      const char *end, bool any_bytes,
                                      struct stretch s)
{
    while (s.mask) {
        const char *q = p + __builtin_ctzll(s.mask);

        if (*q == '"') {
            out->end = q + 1;
            return NULL;
        }
        q = special_end(out, q, end, any_bytes);
        if (!q || q - p >= s.size)
            return q;
        s.mask &= ~UINT64_C(0) << (q - p);
    }
    return p + s.size;
}

/* One block first, since most strings are short; then four at a time. */
static const char *blocks_end(struct json_string *out, const char *p,
                              const char *end, bool any_bytes)
{
    struct stretch s = {0, BLOCK};

    if (end - p >= BLOCK) {
        s.mask = special_mask(p, any_bytes);
        p = stretch_end(out, p, end, any_bytes, s);
    }
    s.size = 4 * BLOCK;
#ifdef __x86_64__
    if (cpu_level >= CPU_AVX2 && p && end - p >= s.size)
        p = cpu_level >= CPU_AVX512 ? json_string_avx512(out, p, end, any_bytes)
                                    : json_string_avx2(out, p, end, any_bytes);
#endif
    while (p && end - p >= s.size) {
        s.mask = special_masks(p, any_bytes);
        p = stretch_end(out, p, end, any_bytes, s);
    }
    for (s.size = BLOCK; p && end - p >= s.size;) {
        s.mask = special_mask(p, any_bytes);
        p = stretch_end(out, p, end, any_bytes, s);
    }
    return p;
}

bool json_string_end(struct json_string *out, const char *p, const char *end,
                     bool any_bytes)
{
    out->escaped = false;
    out->why = NULL;
    p = blocks_end(out, p + 1, end, any_bytes);
    if (!p)
        return !out->why;
    while (p < end && *p != '"') {
        p = special_end(out, p, end, any_bytes);
        if (!p)
            return false;
    }
    if (p == end)
        return fail(out, p, "a string does not end") != NULL;
    out->end = p + 1;
    return true;
}
