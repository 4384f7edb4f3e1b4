#include "routing/prefix_steps.h"

#ifdef __AVX2__

#    include <immintrin.h>

static inline __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

void prefix_steps_avx2(struct prefix_sums *s, const char *bytes, size_t n_steps)
{
    const __m256i step = _mm256_set1_epi64x((int64_t)PREFIX_KEY_STEP);
    __m256i sum = load(s->sum), key = load(s->key);

    for (; n_steps > 0; n_steps--, bytes += PREFIX_STEP_BYTES) {
        __m256i words = load(bytes), mixed = _mm256_xor_si256(words, key);
        __m256i swapped = _mm256_shuffle_epi32(words, _MM_SHUFFLE(1, 0, 3, 2));

        mixed = _mm256_mul_epu32(mixed, _mm256_srli_epi64(mixed, 32));
        sum = _mm256_add_epi64(sum, _mm256_add_epi64(mixed, swapped));
        key = _mm256_add_epi64(key, step);
    }
    _mm256_storeu_si256((__m256i *)(void *)s->sum, sum);
    _mm256_storeu_si256((__m256i *)(void *)s->key, key);
}

#endif
