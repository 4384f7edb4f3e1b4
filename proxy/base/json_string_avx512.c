/* json_string_avx512.c - the masks of a block, all of it at once. */
#include "base/json_string_blocks.h"

#ifdef __AVX512BW__

#    include <immintrin.h>

static inline __m512i load(const char *p)
{
    return _mm512_loadu_si512(p);
}

static inline __m512i all(int byte)
{
    return _mm512_set1_epi8((char)byte);
}

static inline uint64_t mask_of_byte(const char *p, char byte)
{
    return _mm512_cmpeq_epi8_mask(load(p), all(byte));
}

/* Controls, and 0x80 and above. */
static inline __mmask64 odd(__m512i v)
{
    return _mm512_cmpge_epu8_mask(_mm512_sub_epi8(v, all(0x20)), all(0x60));
}

static inline bool plain(const char *p)
{
    __m512i v = load(p);
    __mmask64 is = _mm512_cmpneq_epi8_mask(v, all('"'));

    is = _mm512_mask_cmpneq_epi8_mask(is, v, all('\\'));
    return !(odd(v) | ~is);
}

/* The same 16 bytes for all lanes. */
static inline __m512i table(const void *bytes)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)bytes));
}

static inline bool simple(const char *p, struct simple *is)
{
    /* each at the place of its lower half */
    static const char letters[16] = {1, 0, '"', 0, 't', 0, 'f', 0,
                                     0, 0, 0,   0, 0,   0, 'n', '/'};
    __m512i v = load(p), before = load(p - 1);
    __mmask64 escaped = _mm512_cmpeq_epi8_mask(before, all('\\'));
    __mmask64 quotes = _mm512_cmpeq_epi8_mask(v, all('"'));
    __mmask64 bad = _mm512_mask_cmpneq_epi8_mask(
        escaped, _mm512_shuffle_epi8(table(letters), v), v);
    __mmask64 free = _mm512_mask_cmpneq_epi8_mask(quotes, before, all('\\'));

    *is = (struct simple){escaped, _mm512_movepi8_mask(v)};
    return !(_mm512_cmplt_epu8_mask(v, all(0x20)) | bad | free);
}

static inline struct string_masks look(const char *p)
{
    __m512i v = load(p);

    return (struct string_masks){
        .quotes = _mm512_cmpeq_epi8_mask(v, all('"')),
        .slashes = _mm512_cmpeq_epi8_mask(v, all('\\')),
        .controls = _mm512_cmplt_epu8_mask(v, all(0x20)),
        .wide = _mm512_movepi8_mask(v),
    };
}

/* But for 'u', which does not stand alone. */
static inline uint64_t escape_letters(const char *p)
{
    /* those that a table holds at the place of their lower half, and 'r' */
    static const char letters[16] = {1, 0, 'b', 0, 't', 0, 'f', 0,
                                     0, 0, 0,   0, 0,   0, 'n', '/'};
    __m512i v = load(p);

    return _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(table(letters), v), v) |
           _mm512_cmpeq_epi8_mask(v, all('r'));
}

static inline uint64_t within(__m512i v, int from, int width)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(v, all(from)), all(width));
}

static inline uint64_t hexadecimals(const char *p)
{
    __m512i v = load(p);

    return within(v, '0', 9) | within(_mm512_or_si512(v, all(0x20)), 'a', 5);
}

static inline __m512i upper_halves(__m512i v)
{
    return _mm512_and_si512(_mm512_srli_epi16(v, 4), all(15));
}

static inline uint64_t utf8_faults(const char *p)
{
    __m512i first = load(p - 1), faults, must;

    faults = _mm512_and_si512(
        _mm512_shuffle_epi8(table(by_first_upper), upper_halves(first)),
        _mm512_shuffle_epi8(table(by_first_lower),
                            _mm512_and_si512(first, all(15))));
    faults =
        _mm512_and_si512(faults, _mm512_shuffle_epi8(table(by_second_upper),
                                                     upper_halves(load(p))));
    /* behind E0 and above, two back, or F0 and above, three back, there must
     * be a second tail; nowhere else may there be */
    must = _mm512_or_si512(_mm512_subs_epu8(load(p - 2), all(0xe0 - 0x80)),
                           _mm512_subs_epu8(load(p - 3), all(0xf0 - 0x80)));
    must = _mm512_and_si512(must, all(TAIL_TAIL));
    return _mm512_cmpneq_epi8_mask(must, faults);
}

const char *json_string_avx512(struct json_string *out, const char *p,
                               const char *end, bool any_bytes)
{
    static const struct string_masker masker = {
        plain,        simple,       look,       escape_letters,
        hexadecimals, mask_of_byte, utf8_faults};

    return string_blocks_end(out, p, end, any_bytes, &masker);
}

#endif
