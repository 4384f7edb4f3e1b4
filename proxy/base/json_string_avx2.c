/* json_string_avx2.c - the masks of a block, half a block at once. */
#include "base/json_string_blocks.h"

#ifdef __AVX2__

#    include <immintrin.h>

enum {
    HALF = STRING_BLOCK / 2,
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

static inline uint64_t mask_of_byte(const char *p, char byte)
{
    __m256i v = _mm256_set1_epi8(byte);

    return mask_of(_mm256_cmpeq_epi8(load(p), v),
                   _mm256_cmpeq_epi8(load(p + HALF), v));
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

static inline bool plain(const char *p)
{
    __m256i low = load(p), high = load(p + HALF);
    __m256i marks = _mm256_or_si256(quote_or_slash(low), quote_or_slash(high));
    __m256i odd = _mm256_or_si256(low_or_wide(low), low_or_wide(high));
    __m256i any = _mm256_or_si256(marks, odd);

    return _mm256_testz_si256(any, any);
}

/* Not zero where half a block is not simple. */
static inline __m256i not_simple(const char *p, __m256i escaped)
{
    const __m256i letters = _mm256_setr_epi8(
        1, 0, '"', 0, 't', 0, 'f', 0, 0, 0, 0, 0, 0, 0, 'n', '/', 1, 0, '"', 0,
        't', 0, 'f', 0, 0, 0, 0, 0, 0, 0, 'n', '/');
    __m256i v = load(p);
    __m256i quotes = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i bad = _mm256_andnot_si256(known(v, letters), escaped);

    bad = _mm256_or_si256(bad, _mm256_andnot_si256(escaped, quotes));
    return _mm256_or_si256(
        bad, _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v));
}

static inline bool simple(const char *p, struct simple *is)
{
    const __m256i slash = _mm256_set1_epi8('\\');
    __m256i low = _mm256_cmpeq_epi8(load(p - 1), slash);
    __m256i high = _mm256_cmpeq_epi8(load(p + HALF - 1), slash);
    __m256i bad =
        _mm256_or_si256(not_simple(p, low), not_simple(p + HALF, high));

    is->escapes = (unsigned)_mm256_movemask_epi8(_mm256_or_si256(low, high));
    is->wide = mask_of(load(p), load(p + HALF));
    return _mm256_testz_si256(bad, bad);
}

static inline struct string_masks look(const char *p)
{
    __m256i low = load(p), high = load(p + HALF);
    uint64_t marks = mask_of(quote_or_slash(low), quote_or_slash(high));
    struct string_masks m = {.slashes = mask_of_byte(p, '\\'),
                             .wide = mask_of(low, high)};

    m.quotes = marks & ~m.slashes;
    m.controls = mask_of(low_or_wide(low), low_or_wide(high)) & ~m.wide;
    return m;
}

/* But for 'u', which does not stand alone. */
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

static inline uint64_t escape_letters(const char *p)
{
    return mask_of(escape_letter(load(p)), escape_letter(load(p + HALF)));
}

static inline uint64_t hexadecimals(const char *p)
{
    return mask_of(hexadecimal(load(p)), hexadecimal(load(p + HALF)));
}

/* The same 16 bytes for both lanes. */
static inline __m256i table(const unsigned char bytes[16])
{
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)bytes));
}

/* Nonzero where the byte does not go with those before it. */
static inline __m256i faults_of(const char *p)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i v = load(p), first = load(p - 1), must;
    __m256i first_upper = _mm256_and_si256(_mm256_srli_epi16(first, 4), nibble);
    __m256i first_lower = _mm256_and_si256(first, nibble);
    __m256i second = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
    __m256i faults = _mm256_and_si256(
        _mm256_and_si256(
            _mm256_shuffle_epi8(table(by_first_upper), first_upper),
            _mm256_shuffle_epi8(table(by_first_lower), first_lower)),
        _mm256_shuffle_epi8(table(by_second_upper), second));

    /* behind E0 and above, two back, or F0 and above, three back, there must
     * be a second tail; nowhere else may there be */
    must = _mm256_or_si256(
        _mm256_subs_epu8(load(p - 2), _mm256_set1_epi8(0xe0 - 0x80)),
        _mm256_subs_epu8(load(p - 3), _mm256_set1_epi8(0xf0 - 0x80)));
    must = _mm256_and_si256(must, _mm256_set1_epi8((char)TAIL_TAIL));
    return _mm256_xor_si256(must, faults);
}

static inline uint64_t utf8_faults(const char *p)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i low = faults_of(p), high = faults_of(p + HALF);
    __m256i any = _mm256_or_si256(low, high);

    if (_mm256_testz_si256(any, any))
        return 0;
    return ~mask_of(_mm256_cmpeq_epi8(low, zero),
                    _mm256_cmpeq_epi8(high, zero));
}

const char *json_string_avx2(struct json_string *out, const char *p,
                             const char *end, bool any_bytes)
{
    static const struct string_masker masker = {
        plain,        simple,       look,       escape_letters,
        hexadecimals, mask_of_byte, utf8_faults};

    return string_blocks_end(out, p, end, any_bytes, &masker);
}

#endif
