#include "vendors/text_count.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum script {
    SCRIPT_HAN,
    SCRIPT_KANA,
    SCRIPT_HANGUL,
    SCRIPT_LATIN,
    SCRIPT_DIGIT,
    SCRIPT_PUNCT,
    SCRIPT_SPACE,
    SCRIPT_OTHER,
};

static enum script ascii_script(uint32_t c)
{
    if ((c | 0x20) - 'a' < 26)
        return SCRIPT_LATIN;
    if (c - '0' < 10)
        return SCRIPT_DIGIT;
    return c <= 0x20 ? SCRIPT_SPACE : SCRIPT_PUNCT;
}

/* Blocks of Unicode in ascending order, each up to its last character. */
static const struct {
    uint32_t last;
    enum script script;
} blocks[] = {
    {0x00bf, SCRIPT_PUNCT},  {0x024f, SCRIPT_LATIN},  {0x1dff, SCRIPT_OTHER},
    {0x1eff, SCRIPT_LATIN},  {0x1fff, SCRIPT_OTHER},  {0x206f, SCRIPT_PUNCT},
    {0x2fff, SCRIPT_OTHER},  {0x303f, SCRIPT_PUNCT},  {0x30ff, SCRIPT_KANA},
    {0x312f, SCRIPT_OTHER},  {0x318f, SCRIPT_HANGUL}, {0x31ef, SCRIPT_OTHER},
    {0x31ff, SCRIPT_KANA},   {0x33ff, SCRIPT_OTHER},  {0x4dbf, SCRIPT_HAN},
    {0x4dff, SCRIPT_OTHER},  {0x9fff, SCRIPT_HAN},    {0xabff, SCRIPT_OTHER},
    {0xd7a3, SCRIPT_HANGUL}, {0xf8ff, SCRIPT_OTHER},  {0xfaff, SCRIPT_HAN},
    {0xfeff, SCRIPT_OTHER},  {0xff0f, SCRIPT_PUNCT},  {0xff19, SCRIPT_DIGIT},
    {0xff20, SCRIPT_PUNCT},  {0xff3a, SCRIPT_LATIN},  {0xff40, SCRIPT_PUNCT},
    {0xff5a, SCRIPT_LATIN},  {0xff65, SCRIPT_PUNCT},  {0xff9f, SCRIPT_KANA},
    {0x1ffff, SCRIPT_OTHER}, {0x3ffff, SCRIPT_HAN},   {0x10ffff, SCRIPT_OTHER},
};

static enum script script_of(uint32_t c)
{
    size_t i = 0;

    if (c < 0x80)
        return ascii_script(c);
    if (c >= 0x4e00 && c <= 0x9fff)
        return SCRIPT_HAN;
    while (blocks[i].last < c)
        i++;
    return blocks[i].script;
}

static void count(struct text_count *c, enum script script, enum script before)
{
    switch (script) {
    case SCRIPT_HAN: c->han++; break;
    case SCRIPT_KANA: c->kana++; break;
    case SCRIPT_HANGUL: c->hangul++; break;
    case SCRIPT_LATIN:
        c->latin++;
        c->words += before != SCRIPT_LATIN;
        break;
    case SCRIPT_DIGIT: c->digits++; break;
    case SCRIPT_PUNCT: c->punct++; break;
    case SCRIPT_SPACE: c->space += before != SCRIPT_SPACE; break;
    case SCRIPT_OTHER: c->other++; break;
    }
}

#ifdef __SSE2__

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Where lo <= byte <= lo + width: 0xff, as -1 to be subtracted. */
static inline __m128i within(__m128i v, int lo, int width)
{
    __m128i from = _mm_sub_epi8(v, _mm_set1_epi8((char)lo));

    return _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8((char)width)), from);
}

static inline int64_t sum(__m128i bytes)
{
    __m128i s = _mm_sad_epu8(bytes, _mm_setzero_si128());

    return _mm_cvtsi128_si32(s) + _mm_extract_epi16(s, 4);
}

/* Counts blocks of sixteen ASCII characters at p; stops before a block with
 * anything else in it. `slash`: a backslash is something else. */
static const char *ascii_blocks(struct text_count *c, const char *p,
                                const char *end, bool slash,
                                enum script *before)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i last_latin = *before == SCRIPT_LATIN ? _mm_set1_epi8(-1) : zero;
    __m128i last_space = *before == SCRIPT_SPACE ? _mm_set1_epi8(-1) : zero;
    const char *start = p;

    while (end - p >= 16) {
        __m128i latins = zero, words = zero, digits = zero, spaces = zero,
                runs = zero;
        const char *from = p;

        for (int i = 0; i < 255 && end - p >= 16; i++, p += 16) {
            __m128i v = load(p), latin, space;
            __m128i odd = slash ? _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')) : zero;

            if (_mm_movemask_epi8(_mm_or_si128(v, odd)))
                break;
            latin = within(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 25);
            space = within(v, 0, 0x20);
            latins = _mm_sub_epi8(latins, latin);
            spaces = _mm_sub_epi8(spaces, space);
            digits = _mm_sub_epi8(digits, within(v, '0', 9));
            words = _mm_sub_epi8(
                words,
                _mm_andnot_si128(_mm_or_si128(_mm_slli_si128(latin, 1),
                                              _mm_srli_si128(last_latin, 15)),
                                 latin));
            runs = _mm_sub_epi8(
                runs,
                _mm_andnot_si128(_mm_or_si128(_mm_slli_si128(space, 1),
                                              _mm_srli_si128(last_space, 15)),
                                 space));
            last_latin = latin;
            last_space = space;
        }
        if (p == from)
            break;
        c->latin += sum(latins);
        c->words += sum(words);
        c->digits += sum(digits);
        c->space += sum(runs);
        c->punct += (p - from) - sum(latins) - sum(digits) - sum(spaces);
    }
    if (p > start)
        *before = ascii_script((unsigned char)p[-1]);
    return p;
}

/* Counts Han characters at p, five a step. */
static const char *han_blocks(struct text_count *c, const char *p,
                              const char *end)
{
    while (end - p >= 16) {
        int leads = _mm_movemask_epi8(within(load(p), 0xe4, 5));

        if ((leads & 0x7fff) != 0x1249) /* bytes 0, 3, 6, 9 and 12 */
            break;
        c->han += 5;
        p += 15;
    }
    return p;
}

#else

static const char *ascii_blocks(struct text_count *c, const char *p,
                                const char *end, bool slash,
                                enum script *before)
{
    while (p < end && (unsigned char)*p < 0x80 && !(slash && *p == '\\')) {
        enum script script = ascii_script((unsigned char)*p++);

        count(c, script, *before);
        *before = script;
    }
    return p;
}

static const char *han_blocks(struct text_count *c, const char *p,
                              const char *end)
{
    (void)c;
    (void)end;
    return p;
}

#endif

void text_count_add(struct text_count *c, struct json_text text,
                    unsigned char before)
{
    const char *p = text.raw.bytes, *end = p + text.raw.len;
    enum script last = before < 0x80 ? ascii_script(before) : SCRIPT_OTHER;

    if (!before)
        last = SCRIPT_OTHER;
    while (p < end) {
        const char *block;

        p = ascii_blocks(c, p, end, text.escaped, &last);
        block = end - p > 16 ? p + 16 : end;
        while (p < block) {
            enum script script;

            if ((unsigned char)*p >= 0x80) {
                const char *past = han_blocks(c, p, end);

                if (past > p)
                    last = SCRIPT_HAN;
                p = past;
                if (p == end)
                    break;
            }
            script = script_of(text.escaped || (unsigned char)*p >= 0x80
                                   ? json_character(&p, end)
                                   : (unsigned char)*p++);
            count(c, script, last);
            last = script;
        }
    }
}
