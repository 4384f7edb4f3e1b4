/* text_count_avx2.c - the masks of a block, half a block at once. */
#include "vendors/text_tally.h"

#ifdef __AVX2__

#    include <immintrin.h>

enum {
    HALF = TALLY_BLOCK / 2,
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

static inline __m256i within(__m256i v, int lo, int width)
{
    __m256i from = _mm256_sub_epi8(v, _mm256_set1_epi8((char)lo));

    return _mm256_cmpeq_epi8(
        _mm256_min_epu8(from, _mm256_set1_epi8((char)width)), from);
}

static inline struct masks masks_of(const char *p)
{
    const __m256i bit = _mm256_set1_epi8(0x20), slash = _mm256_set1_epi8('\\');
    __m256i a = load(p), b = load(p + HALF);

    return (struct masks){
        .wide = mask_of(a, b),
        .letters = mask_of(within(_mm256_or_si256(a, bit), 'a', 25),
                           within(_mm256_or_si256(b, bit), 'a', 25)),
        .digits = mask_of(within(a, '0', 9), within(b, '0', 9)),
        .spaces = mask_of(within(a, 0, 0x20), within(b, 0, 0x20)),
        .slashes =
            mask_of(_mm256_cmpeq_epi8(a, slash), _mm256_cmpeq_epi8(b, slash)),
    };
}

static inline uint64_t between(const char *p, int lo, int width)
{
    return mask_of(within(load(p), lo, width),
                   within(load(p + HALF), lo, width));
}

static inline uint64_t us_of(const char *p)
{
    return between(p, 'u', 0);
}

static inline struct wide_masks wide_masks_of(const char *p)
{
    uint64_t full = between(p, 0x80, 0x0f) | between(p, 0x9a, 0x06);

    return (struct wide_masks){
        .tails = between(p, 0x80, 0x3f),
        .han = between(p, 0xe4, 5),
        .puncts = (between(p, 0xe2, 1) & between(p, 0x80, 0) >> 1) |
                  (between(p, 0xef, 0) & between(p, 0xbc, 0) >> 1 & full >> 2),
    };
}

void tally_text_avx2(struct tally *t, struct json_text text)
{
    tally_text(t, text, (struct masker){masks_of, us_of, wide_masks_of});
}

#endif
