#include "vendors/text_count.h"

#include "base/attr.h"
#include "base/cpu.h"

#include "vendors/text_tally.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

static inline enum script ascii_script(uint32_t c)
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
    {0x00bf, SCRIPT_PUNCT},   {0x024f, SCRIPT_LATIN},  {0x1dff, SCRIPT_OTHER},
    {0x1eff, SCRIPT_LATIN},   {0x1fff, SCRIPT_OTHER},  {0x206f, SCRIPT_PUNCT},
    {0x2fff, SCRIPT_OTHER},   {0x303f, SCRIPT_PUNCT},  {0x30ff, SCRIPT_KANA},
    {0x312f, SCRIPT_OTHER},   {0x318f, SCRIPT_HANGUL}, {0x31ef, SCRIPT_OTHER},
    {0x31ff, SCRIPT_KANA},    {0x33ff, SCRIPT_OTHER},  {0x9fff, SCRIPT_HAN},
    {0xabff, SCRIPT_OTHER},   {0xd7a3, SCRIPT_HANGUL}, {0xf8ff, SCRIPT_OTHER},
    {0xfaff, SCRIPT_HAN},     {0xfeff, SCRIPT_OTHER},  {0xff0f, SCRIPT_PUNCT},
    {0xff19, SCRIPT_DIGIT},   {0xff20, SCRIPT_PUNCT},  {0xff3a, SCRIPT_LATIN},
    {0xff40, SCRIPT_PUNCT},   {0xff5a, SCRIPT_LATIN},  {0xff65, SCRIPT_PUNCT},
    {0xff9f, SCRIPT_KANA},    {0x1ffff, SCRIPT_OTHER}, {0x3ffff, SCRIPT_HAN},
    {0x10ffff, SCRIPT_OTHER},
};

/* The commonest first; then by halves. */
enum script script_of(uint32_t c)
{
    size_t low = 0, high = ARRAY_LEN(blocks) - 1;

    if (c < 0x80)
        return ascii_script(c);
    if (c >= 0x3400 && c <= 0x9fff)
        return SCRIPT_HAN;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (blocks[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return blocks[low].script;
}

/* What stands for one character of ASCII: \n, \", \t ... */
static enum script escape_script(char c)
{
    return c == 'n' || c == 't' || c == 'r' || c == 'b' || c == 'f'
               ? SCRIPT_SPACE
               : SCRIPT_PUNCT;
}

const char *tally_character(struct tally *t, const char *p, const char *end,
                            bool escaped)
{
    unsigned char c = (unsigned char)*p;
    enum script script;

    if (c < 0x80 && !(escaped && c == '\\')) {
        script = ascii_script(c);
        p++;
    } else if (c == '\\' && end - p >= 2 && p[1] != 'u') {
        script = escape_script(p[1]);
        p += 2;
    } else {
        script = script_of(json_character(&p, end));
    }
    t->of[script]++;
    t->words += script == SCRIPT_LATIN && !t->latin;
    t->runs += script == SCRIPT_SPACE && !t->space;
    t->latin = script == SCRIPT_LATIN;
    t->space = script == SCRIPT_SPACE;
    return p;
}

/* --- the masks of a block ----------------------------------------------- */

#ifdef __SSE2__

enum {
    QUARTER = TALLY_BLOCK / 4,
};

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Where lo <= byte <= lo + width. */
static inline uint64_t within(__m128i v, int lo, int width)
{
    __m128i from = _mm_sub_epi8(v, _mm_set1_epi8((char)lo));

    return (uint64_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8((char)width)), from));
}

static inline struct masks masks_of(const char *p)
{
    struct masks m = {0};

    for (int at = 0; at < TALLY_BLOCK; at += QUARTER) {
        __m128i v = load(p + at);
        __m128i small = _mm_or_si128(v, _mm_set1_epi8(0x20));

        m.wide |= (uint64_t)_mm_movemask_epi8(v) << at;
        m.letters |= within(small, 'a', 25) << at;
        m.digits |= within(v, '0', 9) << at;
        m.spaces |= within(v, 0, 0x20) << at;
        m.slashes |= within(v, '\\', 0) << at;
    }
    return m;
}

static inline uint64_t us_of(const char *p)
{
    uint64_t mask = 0;

    for (int at = 0; at < TALLY_BLOCK; at += QUARTER)
        mask |= within(load(p + at), 'u', 0) << at;
    return mask;
}

static inline struct wide_masks wide_masks_of(const char *p)
{
    struct wide_masks m = {0};
    uint64_t e2 = 0, is_80 = 0, ef = 0, bc = 0, full = 0;

    for (int at = 0; at < TALLY_BLOCK; at += QUARTER) {
        __m128i v = load(p + at);

        m.tails |= within(v, 0x80, 0x3f) << at;
        m.han |= within(v, 0xe4, 5) << at;
        e2 |= within(v, 0xe2, 1) << at;
        is_80 |= within(v, 0x80, 0) << at;
        ef |= within(v, 0xef, 0) << at;
        bc |= within(v, 0xbc, 0) << at;
        full |= (within(v, 0x80, 0x0f) | within(v, 0x9a, 0x06)) << at;
    }
    m.puncts = (e2 & is_80 >> 1) | (ef & bc >> 1 & full >> 2);
    return m;
}

#else

static inline struct masks masks_of(const char *p)
{
    struct masks m = {0};

    for (int i = 0; i < TALLY_BLOCK; i++) {
        unsigned char c = (unsigned char)p[i];
        enum script script = ascii_script(c);

        m.wide |= (uint64_t)(c >= 0x80) << i;
        if (c >= 0x80)
            continue;
        m.letters |= (uint64_t)(script == SCRIPT_LATIN) << i;
        m.digits |= (uint64_t)(script == SCRIPT_DIGIT) << i;
        m.spaces |= (uint64_t)(script == SCRIPT_SPACE) << i;
        m.slashes |= (uint64_t)(c == '\\') << i;
    }
    return m;
}

static inline uint64_t us_of(const char *p)
{
    uint64_t mask = 0;

    for (int i = 0; i < TALLY_BLOCK; i++)
        mask |= (uint64_t)(p[i] == 'u') << i;
    return mask;
}

static inline struct wide_masks wide_masks_of(const char *p)
{
    struct wide_masks m = {0};

    for (int i = 0; i < TALLY_BLOCK; i++) {
        unsigned char c = (unsigned char)p[i];

        m.tails |= (uint64_t)((c & 0xc0) == 0x80) << i;
        m.han |= (uint64_t)(c >= 0xe4 && c <= 0xe9) << i;
    }
    return m;
}

#endif

void text_count_add(struct text_count *c, struct json_text text,
                    unsigned char before)
{
    const struct masker masker = {masks_of, us_of, wide_masks_of};
    struct tally t = {0};

    t.latin = before && before < 0x80 && ascii_script(before) == SCRIPT_LATIN;
    t.space = before && before < 0x80 && ascii_script(before) == SCRIPT_SPACE;
#ifdef __x86_64__
    if (cpu_level >= CPU_AVX512)
        tally_text_avx512(&t, text);
    else if (cpu_level >= CPU_AVX2)
        tally_text_avx2(&t, text);
    else
#endif
        tally_text(&t, text, masker);
    c->han += t.of[SCRIPT_HAN];
    c->kana += t.of[SCRIPT_KANA];
    c->hangul += t.of[SCRIPT_HANGUL];
    c->latin += t.of[SCRIPT_LATIN];
    c->words += t.words;
    c->digits += t.of[SCRIPT_DIGIT];
    c->punct += t.of[SCRIPT_PUNCT];
    c->space += t.runs;
    c->other += t.of[SCRIPT_OTHER];
}
