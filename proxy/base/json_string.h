/*
 * json_string.h - finds the end of a JSON string, checking all of it.
 *
 * The inner loop of everything that reads JSON: sixteen bytes a step while
 * they are plain ASCII, and fifteen while they are three-byte characters
 * (Chinese text); where the processor can, 64 of any (json_string_blocks.h).
 * Used by json_scan.c only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

#include "base/attr.h"

struct json_string {
    const char *end; /* behind the closing quote; or where it went wrong */
    const char *why; /* a constant sentence */
    bool escaped;
};

/* Past the string at p, its opening quote, if it is of few bytes and nothing
 * but plain ASCII, as nearly all keys are; else NULL, which says nothing. */
static inline const char *json_string_short(const char *p, const char *end)
{
#ifdef __SSE2__
    __m128i v, quote, odd;
    unsigned quotes, odds;

    if (end - p <= (ptrdiff_t)sizeof(v))
        return NULL;
    v = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
    quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    odd = _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x20), v),
                       _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    quotes = (unsigned)_mm_movemask_epi8(quote);
    odds = (unsigned)_mm_movemask_epi8(odd);
    /* up to the first quote, or all */
    return quotes && !(odds & (quotes ^ (quotes - 1)))
               ? p + 2 + __builtin_ctz(quotes)
               : NULL;
#else
    (void)p;
    (void)end;
    return NULL;
#endif
}

/* Past the character of two to four bytes at p < end, or NULL: not UTF-8. */
const char *utf8_end(const char *p, const char *end);

/* `p`: at the opening quote, before `end`. */
bool json_string_end(struct json_string *out, const char *p, const char *end,
                     bool any_bytes) MUST_CHECK;

/* Reads on at p, in the middle of a string but between two characters, behind
 * its quote and at least three bytes more. NULL: it ended well, and *out says
 * where. Else how far all is well, at most until something is not complete or
 * not right. Only if cpu_level is that or above. */
const char *json_string_avx2(struct json_string *out, const char *p,
                             const char *end, bool any_bytes) MUST_CHECK;
const char *json_string_avx512(struct json_string *out, const char *p,
                               const char *end, bool any_bytes) MUST_CHECK;
