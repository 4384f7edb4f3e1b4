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
    SCRIPT_COUNT, /* not a script */
};

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
static inline enum script script_of(uint32_t c)
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

/* Counts as they grow: by script, and the runs apart. */
struct tally {
    int64_t of[SCRIPT_COUNT];
    int64_t words, runs;
    enum script last;
};

static inline void count(struct tally *t, enum script script)
{
    t->of[script]++;
    t->words += script == SCRIPT_LATIN && t->last != SCRIPT_LATIN;
    t->runs += script == SCRIPT_SPACE && t->last != SCRIPT_SPACE;
    t->last = script;
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

/* Bytes that are set where a run begins: `now` without what follows on. */
static inline __m128i starts(__m128i now, __m128i before)
{
    return _mm_andnot_si128(
        _mm_or_si128(_mm_slli_si128(now, 1), _mm_srli_si128(before, 15)), now);
}

static inline __m128i all_if(bool set)
{
    return _mm_set1_epi8(set ? -1 : 0);
}

/* Counts blocks of sixteen ASCII characters at p; stops before a block with
 * anything else in it. `slash`: a backslash is something else. */
static const char *ascii_blocks(struct tally *t, const char *p, const char *end,
                                bool slash)
{
    enum {
        ROUND = 255 * 16 /* bytes until a byte that counts is full */
    };

    const __m128i zero = _mm_setzero_si128();
    __m128i latin = all_if(t->last == SCRIPT_LATIN), was_latin;
    __m128i space = all_if(t->last == SCRIPT_SPACE), was_space;
    const char *from;

    do {
        __m128i latins = zero, words = zero, digits = zero, spaces = zero,
                runs = zero;

        for (from = p; end - p >= 16 && p - from < ROUND; p += 16) {
            __m128i v = load(p);
            __m128i odd = slash ? _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')) : zero;

            if (_mm_movemask_epi8(_mm_or_si128(v, odd)))
                break;
            was_latin = latin;
            was_space = space;
            latin = within(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 25);
            space = within(v, 0, 0x20);
            latins = _mm_sub_epi8(latins, latin);
            spaces = _mm_sub_epi8(spaces, space);
            digits = _mm_sub_epi8(digits, within(v, '0', 9));
            words = _mm_sub_epi8(words, starts(latin, was_latin));
            runs = _mm_sub_epi8(runs, starts(space, was_space));
        }
        if (p == from)
            break;
        t->of[SCRIPT_LATIN] += sum(latins);
        t->of[SCRIPT_DIGIT] += sum(digits);
        t->of[SCRIPT_SPACE] += sum(spaces);
        t->of[SCRIPT_PUNCT] +=
            (p - from) - sum(latins) - sum(digits) - sum(spaces);
        t->words += sum(words);
        t->runs += sum(runs);
        t->last = ascii_script((unsigned char)p[-1]);
    } while (p - from == ROUND);
    return p;
}

/*
 * Counts three-byte characters at p, five a step: Han among them at once, the
 * others (punctuation, kana) one by one.
 */
static const char *triple_blocks(struct tally *t, const char *p,
                                 const char *end)
{
    enum {
        LEADS = 0x1249, /* bytes 0, 3, 6, 9 and 12 */
        ROUND = 255 * 15
    };

    const __m128i lead =
        _mm_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, 0);
    const char *from;

    do {
        __m128i hans = _mm_setzero_si128();

        for (from = p; end - p >= 16 && p - from < ROUND; p += 15) {
            __m128i v = load(p);
            __m128i han = _mm_and_si128(within(v, 0xe4, 5), lead);
            unsigned triples = (unsigned)_mm_movemask_epi8(within(v, 0xe0, 15));
            unsigned known = (unsigned)_mm_movemask_epi8(han);

            if ((triples & LEADS) != LEADS)
                break;
            hans = _mm_sub_epi8(hans, han);
            for (unsigned rest = LEADS & ~known; rest; rest &= rest - 1) {
                int at = __builtin_ctz(rest);
                const char *q = p + at;

                if (at > 0 && known >> (at - 3) & 1)
                    t->last = SCRIPT_HAN;
                count(t, script_of(json_character(&q, end)));
            }
            if (known >> 12 & 1)
                t->last = SCRIPT_HAN;
        }
        t->of[SCRIPT_HAN] += sum(hans);
    } while (p - from == ROUND);
    return p;
}

#else

static const char *ascii_blocks(struct tally *t, const char *p, const char *end,
                                bool slash)
{
    while (p < end && (unsigned char)*p < 0x80 && !(slash && *p == '\\'))
        count(t, ascii_script((unsigned char)*p++));
    return p;
}

static const char *triple_blocks(struct tally *t, const char *p,
                                 const char *end)
{
    (void)t;
    (void)end;
    return p;
}

#endif

/* What an ASCII character at p is, an escape undone unless it is of hex
 * digits: then, and for other characters, 0. *past is set behind it. */
static inline unsigned simple_at(const char *p, const char *end, bool escaped,
                                 const char **past)
{
    unsigned char c = (unsigned char)*p;

    *past = p + 1;
    if (c >= 0x80)
        return 0;
    if (c != '\\' || !escaped || end - p < 2)
        return c;
    *past = p + 2;
    c = (unsigned char)p[1];
    if (c == 'u')
        return 0;
    return c >= 'a' ? ' ' : c; /* b, f, n, r and t are white space */
}

/* Counts ASCII characters one by one, without branches on what they are: up
 * to as many as make it worth a look for a block of them. */
static const char *simple_run(struct tally *t, const char *p, const char *end,
                              bool escaped)
{
    const char *stop = end - p > 64 ? p + 64 : end, *past;
    unsigned was_latin = t->last == SCRIPT_LATIN;
    unsigned was_space = t->last == SCRIPT_SPACE;
    unsigned latins = 0, words = 0, digits = 0, spaces = 0, runs = 0, all = 0;
    unsigned c, last = 0;

    for (; p < stop && (c = simple_at(p, end, escaped, &past)) != 0; p = past) {
        unsigned latin = (c | 0x20) - 'a' < 26, space = c <= 0x20;

        latins += latin;
        words += latin & ~was_latin;
        digits += c - '0' < 10;
        spaces += space;
        runs += space & ~was_space;
        was_latin = latin;
        was_space = space;
        last = c;
        all++;
    }
    if (all)
        t->last = ascii_script(last);
    t->of[SCRIPT_LATIN] += latins;
    t->of[SCRIPT_DIGIT] += digits;
    t->of[SCRIPT_SPACE] += spaces;
    t->of[SCRIPT_PUNCT] += all - latins - digits - spaces;
    t->words += words;
    t->runs += runs;
    return p;
}

/* Counts what blocks of ASCII left: at least one character. */
static const char *mixed(struct tally *t, const char *p, const char *end,
                         bool escaped)
{
    const char *past = simple_run(t, p, end, escaped);

    if (past > p)
        return past;
    past = triple_blocks(t, p, end);
    if (past > p)
        return past;
    do /* Chinese that was sent as ASCII is all escapes */
        count(t, script_of(json_character(&p, end)));
    while (escaped && end - p > 1 && p[0] == '\\' && p[1] == 'u');
    return p;
}

void text_count_add(struct text_count *c, struct json_text text,
                    unsigned char before)
{
    const char *p = text.raw.bytes, *end = p + text.raw.len;
    struct tally t = {.last = SCRIPT_OTHER};

    if (before && before < 0x80)
        t.last = ascii_script(before);
    while (p < end) {
        p = ascii_blocks(&t, p, end, text.escaped);
        if (p < end)
            p = mixed(&t, p, end, text.escaped);
    }
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
