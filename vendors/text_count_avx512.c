/* text_count_avx512.c - the masks of a block, all of it at once. */
#include "vendors/text_tally.h"

#ifdef __AVX512BW__

#    include <immintrin.h>

static inline __m512i all(int byte)
{
    return _mm512_set1_epi8((char)byte);
}

static inline uint64_t within(__m512i v, int lo, int width)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(v, all(lo)), all(width));
}

static inline __attribute__((always_inline)) struct masks masks_of(
    const char *p)
{
    __m512i v = _mm512_loadu_si512(p);

    return (struct masks){
        .wide = _mm512_movepi8_mask(v),
        .letters = within(_mm512_or_si512(v, all(0x20)), 'a', 25),
        .digits = within(v, '0', 9),
        .spaces = _mm512_cmple_epu8_mask(v, all(0x20)),
        .slashes = _mm512_cmpeq_epi8_mask(v, all('\\')),
    };
}

static inline uint64_t equal(__m512i v, int byte)
{
    return _mm512_cmpeq_epi8_mask(v, all(byte));
}

static inline __attribute__((always_inline)) uint64_t us_of(const char *p)
{
    return equal(_mm512_loadu_si512(p), 'u');
}

static inline __attribute__((always_inline)) struct wide_masks wide_masks_of(
    const char *p)
{
    __m512i v = _mm512_loadu_si512(p);
    uint64_t full = within(v, 0x80, 0x0f) | within(v, 0x9a, 0x06);

    return (struct wide_masks){
        .tails = within(v, 0x80, 0x3f),
        .han = within(v, 0xe4, 5),
        .puncts = (within(v, 0xe2, 1) & equal(v, 0x80) >> 1) |
                  (equal(v, 0xef) & equal(v, 0xbc) >> 1 & full >> 2),
    };
}

void tally_text_avx512(struct tally *t, struct json_text text)
{
    tally_text(t, text, (struct masker){masks_of, us_of, wide_masks_of});
}

#endif
