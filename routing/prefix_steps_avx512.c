/* prefix_steps_avx512.c - two steps at once; sums do not mind the order. */
#include "routing/prefix_steps.h"

#ifdef __AVX512F__

#    include <immintrin.h>

static inline __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* What these words add to the sums. */
static inline __m512i terms(__m512i words, __m512i key)
{
    __m512i mixed = _mm512_xor_si512(words, key);
    __m512i swapped = _mm512_shuffle_epi32(words, _MM_PERM_BADC);

    mixed = _mm512_mul_epu32(mixed, _mm512_srli_epi64(mixed, 32));
    return _mm512_add_epi64(mixed, swapped);
}

void prefix_steps_avx512(struct prefix_sums *s, const char *bytes,
                         size_t n_steps)
{
    const __m256i step = _mm256_set1_epi64x((int64_t)PREFIX_KEY_STEP);
    const __m512i two = _mm512_set1_epi64((int64_t)(2 * PREFIX_KEY_STEP));
    __m256i first = load(s->key), sums;
    __m512i key = _mm512_inserti64x4(_mm512_castsi256_si512(first),
                                     _mm256_add_epi64(first, step), 1);
    __m512i sum = _mm512_zextsi256_si512(load(s->sum));

    for (; n_steps >= 2; n_steps -= 2, bytes += 2 * PREFIX_STEP_BYTES) {
        sum = _mm512_add_epi64(sum, terms(_mm512_loadu_si512(bytes), key));
        key = _mm512_add_epi64(key, two);
    }
    if (n_steps > 0) {
        __m512i last = terms(_mm512_zextsi256_si512(load(bytes)), key);

        sum = _mm512_mask_add_epi64(sum, 0x0f, sum, last);
        key =
            _mm512_mask_add_epi64(key, 0x0f, key, _mm512_castsi256_si512(step));
    }
    sums = _mm256_add_epi64(_mm512_castsi512_si256(sum),
                            _mm512_extracti64x4_epi64(sum, 1));
    _mm256_storeu_si256((__m256i *)(void *)s->sum, sums);
    _mm256_storeu_si256((__m256i *)(void *)s->key, _mm512_castsi512_si256(key));
}

#endif
