#include "vendors/text_count.h"

#include "base/attr.h"

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

#ifdef __SSE2__
/* Counts of ASCII by blocks of sixteen: a byte for each lane. */
struct lanes {
    __m128i latins, words, digits, spaces, runs;
    int64_t bytes; /* that went through */
    int adds;      /* until a lane might be full */
};
#endif

/* Counts as they grow: by script, and the runs apart. */
struct tally {
    int64_t of[SCRIPT_COUNT];
    int64_t words, runs;
    enum script last;
#ifdef __SSE2__
    struct lanes lanes;
#endif
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

/* What the lanes hold becomes part of the tally. */
static void lanes_settle(struct tally *t)
{
    struct lanes *l = &t->lanes;
    int64_t latins = sum(l->latins), digits = sum(l->digits),
            spaces = sum(l->spaces);

    t->of[SCRIPT_LATIN] += latins;
    t->of[SCRIPT_DIGIT] += digits;
    t->of[SCRIPT_SPACE] += spaces;
    t->of[SCRIPT_PUNCT] += l->bytes - latins - digits - spaces;
    t->words += sum(l->words);
    t->runs += sum(l->runs);
    *l = (struct lanes){.adds = 0};
}

/* The first n bytes of a block. */
static inline __m128i first_bytes(int n)
{
    static const signed char keep[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                         -1, -1, -1, -1, -1, -1, -1, -1};

    return load((const char *)keep + 16 - n);
}

/* The bytes of a block before the first that is no ASCII, or an escape that is
 * not simply a backslash and one character within the block. */
static inline int simple_bytes(__m128i v, unsigned slashes)
{
    unsigned stop = (unsigned)_mm_movemask_epi8(v);

    if (slashes) {
        unsigned hex =
            (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('u')));

        stop |= slashes & (hex >> 1 | slashes >> 1 | 0x8000);
    }
    return stop ? __builtin_ctz(stop) : 16;
}

/* Counts ASCII characters at p by blocks of sixteen; stops at what is not
 * simple, or near the end. `escaped`: a backslash stands with the next byte
 * for one character, white space if that is a letter. */
static const char *ascii_blocks(struct tally *t, const char *p, const char *end,
                                bool escaped)
{
    const __m128i slash =
        escaped ? _mm_set1_epi8('\\') : _mm_set1_epi8(-128); /* never */
    __m128i latin = all_if(t->last == SCRIPT_LATIN), was_latin;
    __m128i space = all_if(t->last == SCRIPT_SPACE), was_space;
    struct lanes *l = &t->lanes;
    const char *from = p;
    int n = 16;

    for (; n == 16 && end - p >= 16; p += n) {
        __m128i v = load(p), valid, letters, after, spaces;
        __m128i slashes = _mm_cmpeq_epi8(v, slash);
        unsigned backslashes = (unsigned)_mm_movemask_epi8(slashes);

        n = simple_bytes(v, backslashes);
        if (n == 0)
            break;
        if (++l->adds == 255)
            lanes_settle(t);
        valid = n == 16 ? _mm_set1_epi8(-1) : first_bytes(n);
        was_latin = latin;
        was_space = space;
        letters = within(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 25);
        letters = _mm_and_si128(letters, valid);
        after = _mm_slli_si128(slashes, 1);
        latin = _mm_andnot_si128(after, letters);
        after = _mm_and_si128(after, letters);
        spaces = _mm_or_si128(_mm_and_si128(within(v, 0, 0x20), valid), after);
        space = _mm_or_si128(spaces, _mm_srli_si128(after, 1));
        l->latins = _mm_sub_epi8(l->latins, latin);
        l->spaces = _mm_sub_epi8(l->spaces, spaces);
        l->digits =
            _mm_sub_epi8(l->digits, _mm_and_si128(within(v, '0', 9), valid));
        l->words = _mm_sub_epi8(l->words, starts(latin, was_latin));
        l->runs = _mm_sub_epi8(l->runs, starts(space, was_space));
        l->bytes += n;
        if (backslashes)
            l->bytes -= __builtin_popcount(backslashes & ((1u << n) - 1));
    }
    if (p > from) {
        int last = (n > 0 ? n : 16) - 1;

        t->last = SCRIPT_OTHER;
        if (_mm_movemask_epi8(latin) >> last & 1)
            t->last = SCRIPT_LATIN;
        else if (_mm_movemask_epi8(space) >> last & 1)
            t->last = SCRIPT_SPACE;
    }
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

static void lanes_settle(struct tally *t)
{
    (void)t;
}

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

/* What stands for one character of ASCII: \n, \", \t ... */
static inline enum script escape_script(char c)
{
    return c == 'n' || c == 't' || c == 'r' || c == 'b' || c == 'f'
               ? SCRIPT_SPACE
               : SCRIPT_PUNCT;
}

/* Counts what ascii_blocks() stopped at: an escape, wide characters, or the
 * last bytes of the text. */
static const char *others(struct tally *t, const char *p, const char *end,
                          bool escaped)
{
    do {
        unsigned char c = (unsigned char)*p;
        const char *past = p;

        if (c < 0x80 && !(escaped && c == '\\')) {
            count(t, ascii_script(c));
            p++;
        } else if (c == '\\' && end - p >= 2 && p[1] != 'u') {
            count(t, escape_script(p[1]));
            p += 2;
        } else {
            if (c >= 0xe0)
                past = triple_blocks(t, p, end);
            if (past == p)
                count(t, script_of(json_character(&past, end)));
            p = past;
        }
    } while (p < end && (end - p < 16 || (unsigned char)*p >= 0x80));
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
            p = others(&t, p, end, text.escaped);
    }
    lanes_settle(&t);
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
