/*
 * json_string_avx2.c - the inside of a JSON string by blocks of 64 bytes.
 *
 * Of each block a mask says where quotes, backslashes, control characters and
 * wide characters are, and all is done with these masks: which bytes are
 * escaped, whether they may be, whether what must be hexadecimal is. UTF-8 is
 * checked by the pairs of bytes that cannot stand together (Keiser and Lemire,
 * "Validating UTF-8 in less than one instruction per byte"): three lookups by
 * half bytes, each of which names faults; a fault that all three name is one.
 *
 * It finds the end of what is well, never a fault: before the block with the
 * first one it stops, and json_string.c tells which it is.
 */
#include "base/json_string.h"

#ifdef __AVX2__

#    include <immintrin.h>
#    include <stddef.h>
#    include <stdint.h>

enum {
    HALF = 32,
    BLOCK = 2 * HALF,
};

struct block {
    __m256i low, high;
};

/* What a block leaves to the next. */
struct rest {
    uint64_t escaped; /* 1: its first byte is */
    uint64_t hex;     /* of its first four bytes, those that must be */
    uint64_t wide;    /* the last three bytes were, or some of them */
};

static inline __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline uint64_t mask_of(__m256i low, __m256i high)
{
    uint32_t l = (uint32_t)_mm256_movemask_epi8(low);
    uint32_t h = (uint32_t)_mm256_movemask_epi8(high);

    return l | (uint64_t)h << HALF;
}

static inline uint64_t mask_of_byte(const struct block *b, char byte)
{
    __m256i v = _mm256_set1_epi8(byte);

    return mask_of(_mm256_cmpeq_epi8(b->low, v), _mm256_cmpeq_epi8(b->high, v));
}

/* The bytes that a table holds at the place of their lower half. */
static inline __m256i known(__m256i v, __m256i table)
{
    return _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, v), v);
}

static inline __m256i quote_or_slash(__m256i v)
{
    const __m256i table =
        _mm256_setr_epi8(1, 0, '"', 0, 0, 0, 0, 0, 0, 0, 0, 0, '\\', 0, 0, 0, 1,
                         0, '"', 0, 0, 0, 0, 0, 0, 0, 0, 0, '\\', 0, 0, 0);

    return known(v, table);
}

/* Controls, and as numbers with a sign all from 0x80 on. */
static inline __m256i low_or_wide(__m256i v)
{
    return _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v);
}

/* What stands alone behind a backslash, but for these two themselves. */
static inline __m256i escape_letter(__m256i v)
{
    const __m256i table = _mm256_setr_epi8(
        1, 0, 'b', 0, 't', 0, 'f', 0, 0, 0, 0, 0, 0, 0, 'n', '/', 1, 0, 'b', 0,
        't', 0, 'f', 0, 0, 0, 0, 0, 0, 0, 'n', '/');

    return _mm256_or_si256(known(v, table),
                           _mm256_cmpeq_epi8(v, _mm256_set1_epi8('r')));
}

static inline __m256i within(__m256i v, char from, char width)
{
    __m256i above = _mm256_sub_epi8(v, _mm256_set1_epi8(from));

    return _mm256_cmpeq_epi8(_mm256_min_epu8(above, _mm256_set1_epi8(width)),
                             above);
}

static inline __m256i hexadecimal(__m256i v)
{
    __m256i small = _mm256_or_si256(v, _mm256_set1_epi8(0x20));

    return _mm256_or_si256(within(v, '0', 9), within(small, 'a', 5));
}

/* Which bytes have an odd number of backslashes before them. */
static inline uint64_t escaped_by(uint64_t slashes, struct rest *r)
{
    uint64_t escaped = r->escaped;

    slashes &= ~escaped;
    if (!(slashes & slashes << 1)) {
        r->escaped = slashes >> 63;
        return escaped | slashes << 1;
    }
    r->escaped = 0;
    while (slashes) {
        uint64_t next = (slashes & -slashes) << 1;

        r->escaped = next == 0;
        escaped |= next;
        slashes &= slashes - 1;
        slashes &= ~next;
    }
    return escaped;
}

/* Bits where four hexadecimal digits must stand and do not. */
static uint64_t hex_faults(const struct block *b, uint64_t us, struct rest *r)
{
    uint64_t want = r->hex | us << 1 | us << 2 | us << 3 | us << 4;

    r->hex = us >> 63 | us >> 62 | us >> 61 | us >> 60;
    return want & ~mask_of(hexadecimal(b->low), hexadecimal(b->high));
}

/* Faults of two bytes, each by its bit. */
enum {
    SHORT = 1,       /* a leading byte, then no tail */
    STRAY = 2,       /* ASCII, then a tail */
    OVERLONG_2 = 4,  /* C0 or C1 */
    OVERLONG_3 = 8,  /* E0, then below A0 */
    SURROGATE = 16,  /* ED, then A0 and above */
    BEYOND = 32,     /* F4, then 90 and above; F5 and above */
    OVERLONG_4 = 64, /* F0, then 80 to 8F; F5 and above, then the same */
    TAIL_TAIL = 128, /* two tails: right behind a long one's start only */
    ALWAYS = SHORT | STRAY | TAIL_TAIL, /* by the upper halves alone */
};

#    define TABLE(...)               \
        _mm256_broadcastsi128_si256( \
            _mm_setr_epi8(__VA_ARGS__)) /* the same for both lanes */

/* Nonzero where the byte does not go with those before it. */
static inline __m256i utf8_faults(const char *p)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i by_first_upper = TABLE(
        STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, (char)TAIL_TAIL,
        (char)TAIL_TAIL, (char)TAIL_TAIL, (char)TAIL_TAIL, SHORT | OVERLONG_2,
        SHORT, SHORT | OVERLONG_3 | SURROGATE, SHORT | BEYOND | OVERLONG_4);
    const char above = (char)(ALWAYS | BEYOND), far = above | OVERLONG_4;
    const __m256i by_first_lower = TABLE(
        (char)(ALWAYS | OVERLONG_2 | OVERLONG_3 | OVERLONG_4),
        (char)(ALWAYS | OVERLONG_2), (char)ALWAYS, (char)ALWAYS, above, far,
        far, far, far, far, far, far, far, far | SURROGATE, far, far);
    const char tail = (char)(STRAY | TAIL_TAIL | OVERLONG_2);
    const __m256i by_second =
        TABLE(SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT,
              tail | OVERLONG_3 | OVERLONG_4, tail | OVERLONG_3 | BEYOND,
              tail | SURROGATE | BEYOND, tail | SURROGATE | BEYOND, SHORT,
              SHORT, SHORT, SHORT);
    __m256i v = load(p), first = load(p - 1), must;
    __m256i first_upper = _mm256_and_si256(_mm256_srli_epi16(first, 4), nibble);
    __m256i first_lower = _mm256_and_si256(first, nibble);
    __m256i second = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
    __m256i faults = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(by_first_upper, first_upper),
                         _mm256_shuffle_epi8(by_first_lower, first_lower)),
        _mm256_shuffle_epi8(by_second, second));

    /* behind E0 and above, two back, or F0 and above, three back, there must
     * be a second tail; nowhere else may there be */
    must = _mm256_or_si256(
        _mm256_subs_epu8(load(p - 2), _mm256_set1_epi8(0xe0 - 0x80)),
        _mm256_subs_epu8(load(p - 3), _mm256_set1_epi8(0xf0 - 0x80)));
    must = _mm256_and_si256(must, _mm256_set1_epi8((char)TAIL_TAIL));
    return _mm256_xor_si256(must, faults);
}

static uint64_t utf8_fault_mask(const char *p)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i low = utf8_faults(p), high = utf8_faults(p + HALF);

    if (_mm256_testz_si256(_mm256_or_si256(low, high),
                           _mm256_or_si256(low, high)))
        return 0;
    return ~mask_of(_mm256_cmpeq_epi8(low, zero),
                    _mm256_cmpeq_epi8(high, zero));
}

/* What is found in a block. */
struct found {
    uint64_t quotes; /* that may end the string */
    uint64_t slashes, faults;
};

/* Where a fault is, and all unescaped quotes. `marks`: quotes and backslashes;
 * `low`: controls and wide characters. */
static inline struct found block_read(const char *p, const struct block *b,
                                      uint64_t marks, uint64_t low,
                                      bool any_bytes, struct rest *r)
{
    uint64_t wide = mask_of(b->low, b->high), escaped, simple, us;
    struct found f = {.slashes = mask_of_byte(b, '\\'), .faults = low & ~wide};

    f.quotes = marks & ~f.slashes;
    if (f.slashes | r->escaped | r->hex) {
        escaped = escaped_by(f.slashes, r);
        f.quotes &= ~escaped;
        simple = marks | mask_of(escape_letter(b->low), escape_letter(b->high));
        us = escaped & ~simple;
        if (us | r->hex) {
            f.faults |= us & ~mask_of_byte(b, 'u');
            f.faults |= hex_faults(b, us, r);
        }
    }
    if (!any_bytes && (wide | r->wide))
        f.faults |= utf8_fault_mask(p);
    r->wide = wide >> (BLOCK - 3);
    return f;
}

/* The start of what is not complete at p. */
static const char *boundary(const char *from, const char *p, struct rest r)
{
    enum {
        UNICODE = 6 /* bytes of \u4f60 */
    };

    if (p == from)
        return p;
    if (r.escaped)
        return p - 1;
    if (r.hex)
        return p - (UNICODE - __builtin_popcountll(r.hex));
    for (int back = 1; back <= 3; back++)
        if ((unsigned char)p[-back] >= (0xff00 >> (back + 1) & 0xff))
            return p - back;
    return p;
}

const char *json_string_avx2(struct json_string *out, const char *p,
                             const char *end, bool any_bytes)
{
    const char *from = p;
    struct rest r = {0}, before;

    for (; end - p >= BLOCK; p += BLOCK) {
        struct block b = {load(p), load(p + HALF)};
        __m256i marks[] = {quote_or_slash(b.low), quote_or_slash(b.high)};
        __m256i low[] = {low_or_wide(b.low), low_or_wide(b.high)};
        __m256i any = _mm256_or_si256(_mm256_or_si256(marks[0], marks[1]),
                                      _mm256_or_si256(low[0], low[1]));
        struct found f;

        if (_mm256_testz_si256(any, any) && !(r.escaped | r.hex | r.wide))
            continue;
        before = r;
        f = block_read(p, &b, mask_of(marks[0], marks[1]),
                       mask_of(low[0], low[1]), any_bytes, &r);
        if (f.quotes) { /* what lies behind the first is not ours */
            uint64_t ours = f.quotes ^ (f.quotes - 1);

            f.faults &= ours;
            f.slashes &= ours;
            if (!f.faults)
                out->end = p + __builtin_ctzll(f.quotes) + 1;
        }
        if (f.faults)
            return boundary(from, p, before);
        out->escaped |= f.slashes != 0;
        if (f.quotes)
            return NULL;
    }
    return boundary(from, p, r);
}

#endif
