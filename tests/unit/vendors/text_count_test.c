#include "vendors/text_count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/cpu.h"

#include "vendors/text_tally.h"

/* In memory of its own size, so that ASan sees the first byte read too far. */
static struct text_count count_of(const char *raw)
{
    struct text_count c = {0};
    size_t len = strlen(raw);
    char *copy = memcpy(malloc(len + 1), raw, len);
    struct json_text text = {{copy, len}, strchr(raw, '\\') != NULL};

    copy = realloc(copy, len ? len : 1);
    text.raw.bytes = copy;
    text_count_add(&c, text, 0);
    free(copy);
    return c;
}

static void characters_are_counted_by_class(void **state)
{
    static const struct {
        const char *raw;
        struct text_count want;
    } rows[] = {
        {"", {0}},
        {"Hello world, 42!",
         {.latin = 10, .words = 2, .digits = 2, .punct = 2, .space = 2}},
        {"a  b\\n\\n c", {.latin = 3, .words = 3, .space = 2}},
        {"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82", {.han = 2, .punct = 1}},
        {"\\u4f60\\u597D\\uff0c\\u0061",
         {.han = 2, .punct = 1, .latin = 1, .words = 1}},
        {"\xe3\x81\x93\xe3\x83\x80", {.kana = 2}},
        {"\xed\x95\x9c\xea\xb5\xad", {.hangul = 2}},
        {"caf\xc3\xa9", {.latin = 4, .words = 1}},
        {"\xd0\x9f\xd1\x80", {.other = 2}},
        {"\xf0\x9f\x98\x80\\ud83d\\ude00", {.other = 2}},
        {"\xf0\xa0\x80\x80\xe3\x90\x80", {.han = 2}},
        {"\xef\xbc\x91\xef\xbc\xa1", {.digits = 1, .latin = 1, .words = 1}},
        {"{\\\"k\\\":1}", {.latin = 1, .words = 1, .digits = 1, .punct = 5}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct text_count got = count_of(rows[i].raw);

        if (memcmp(&got, &rows[i].want, sizeof(got)) != 0)
            fail_msg("row %zu: %s", i, rows[i].raw);
    }
}

static const char *const pieces[] = {
    "The quick brown fox ",
    "x",
    " ",
    "    ",
    "4711",
    ", ",
    "\\n",
    "\\\"",
    "\\u4f60",
    "\xe4\xbd\xa0\xe5\xa5\xbd",
    ("\xe4\xb8\xad\xe6\x96\x87\xe5\x88"
     "\x86\xe8\xaf\x8d\xef\xbc\x8c\xe7\xbb\x9f\xe8\xae\xa1\xe3\x80\x82"),
    "\xe3\x81\x93\xe3\x82\x8c",
    "\xc3\xa9",
    "\xf0\x9f\x98\x80",
    "getElementById(0)",
    "\xef\xbc\xa1",
    "\xe2\x80\x9c",
    "\xe2\x81\x82",
    "\xe3\x80\xbf",
    "\xef\xbc\x8f",
    "\xef\xbc\x90",
    "\xef\xbc\x9a",
    "\xef\xbc\xa0",
};

static size_t mixture(char *to, size_t size, size_t n_pieces)
{
    size_t len = 0;

    while (len + 64 < size)
        len += (size_t)sprintf(to + len, "%s",
                               pieces[(size_t)random() % n_pieces]);
    to[len] = '\0';
    return len;
}

/* One character a time goes the slow way; blocks must agree with it. */
static void check_blocks(unsigned seed)
{
    srandom(seed);
    for (int round = 0; round < 3000; round++) {
        char raw[400];
        size_t len = mixture(raw, 64 + (size_t)round % 330,
                             round % 2 ? 6 : ARRAY_LEN(pieces));
        struct text_count all = count_of(raw), one = {0};
        const char *p = raw, *end = raw + len;
        unsigned char before = 0;
        int64_t *sum = &one.han;

        while (p < end) {
            const char *from = p;
            struct text_count c = {0};
            uint32_t character = json_character(&p, end);
            struct json_text piece = {{from, (size_t)(p - from)}, true};
            const int64_t *add = &c.han;

            text_count_add(&c, piece, before);
            for (size_t i = 0; i < sizeof(c) / sizeof(*add); i++)
                sum[i] += add[i];
            before = character < 0x80 ? (unsigned char)character : 0x80;
            if (character >= 0xc0 && character < 0x250)
                before = 'a';
            if (character == 0xff21)
                before = 'a';
        }
        if (memcmp(&all, &one, sizeof(all)) != 0)
            fail_msg("round %d: %s", round, raw);
    }
}

static void blocks_count_as_single_characters_do(void **state)
{
    (void)state;
    check_blocks(3);
}

static void so_they_do_on_an_older_processor(void **state)
{
    enum cpu_level level = cpu_level;

    (void)state;
    for (cpu_level = CPU_PLAIN; cpu_level < level; cpu_level++)
        check_blocks(4);
    cpu_level = level;
}

/* Each kind of piece at each place of a block and the next. */
static void processors_count_alike_wherever_a_block_ends(void **state)
{
    static const char *const fillers[] = {
        "x", " ", "7", "\\\\", "\\n", "\xe4\xbd\xa0", "\\u4f60"};
    enum cpu_level level = cpu_level;

    (void)state;
    for (size_t f = 0; f < ARRAY_LEN(fillers); f++)
        for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
            for (size_t place = 0; place < 140; place++) {
                char raw[512] = "";
                size_t len = 0;
                struct text_count best, other;

                while (len < place % 7)
                    raw[len++] = 'a';
                while (len < place)
                    len += (size_t)sprintf(raw + len, "%s", fillers[f]);
                len += (size_t)sprintf(raw + len, "%s", pieces[i]);
                while (len < place * 2)
                    len += (size_t)sprintf(raw + len, "%s", fillers[f]);
                best = count_of(raw);
                while (cpu_level > CPU_PLAIN) {
                    cpu_level--;
                    other = count_of(raw);
                    if (memcmp(&best, &other, sizeof(best)) != 0)
                        fail_msg("%s", raw);
                }
                cpu_level = level;
            }
}

/* Whatever blocks know of three bytes is what the list of scripts says. */
static void each_character_is_of_its_script_in_a_block(void **state)
{
    enum cpu_level level = cpu_level;

    (void)state;
    for (uint32_t c = 0x800; c <= 0xffff; c++) {
        char raw[256];
        size_t len = 0;

        if (c >= 0xd800 && c < 0xe000)
            continue;
        while (len < 100)
            len += utf8_put(c, raw + len);
        raw[len] = '\0';
        for (; cpu_level >= CPU_PLAIN; cpu_level--) {
            struct text_count found = count_of(raw);
            int64_t n[SCRIPT_COUNT] = {
                [SCRIPT_HAN] = found.han,       [SCRIPT_KANA] = found.kana,
                [SCRIPT_HANGUL] = found.hangul, [SCRIPT_LATIN] = found.latin,
                [SCRIPT_DIGIT] = found.digits,  [SCRIPT_PUNCT] = found.punct,
                [SCRIPT_OTHER] = found.other,
            };

            assert_int_equal(n[script_of(c)], len / 3);
            if (cpu_level == CPU_PLAIN)
                break;
        }
        cpu_level = level;
    }
}

static int64_t off_by(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* A long text, cut into strings of any length, is counted by samples: within
 * a fifth for each such text of very uneven pieces, and without a bias. */
static void a_sample_speaks_for_the_whole(void **state)
{
    enum {
        SIZE = 1 << 20,
        TEXTS = 12
    };

    char *raw = malloc(SIZE);
    int64_t sampled = 0, counted = 0;

    (void)state;
    srandom(5);
    for (int i = 0; i < TEXTS; i++) {
        size_t len = mixture(raw, SIZE, i % 2 ? 6 : 11), at = 0, n;
        struct text_counter c;
        struct text_count whole = count_of(raw), got;

        text_counter_init(&c);
        for (; at < len; at += n) {
            n = (size_t)random() % 20000 + 1;
            n = n < len - at ? n : len - at;
            while (at + n < len && raw[at + n] != ' ')
                n++; /* not within a character or an escape */
            text_counter_add(&c, (struct json_text){{raw + at, n}, true});
        }
        text_counter_end(&c, &got);
        assert_true(off_by(got.latin, whole.latin) * 5 <= whole.latin);
        assert_true(off_by(got.words, whole.words) * 5 <= whole.words);
        assert_true(off_by(got.punct, whole.punct) * 5 <= whole.punct);
        assert_true(off_by(got.han, whole.han) * 5 <= whole.han);
        sampled += got.latin;
        counted += whole.latin;
    }
    assert_true(off_by(sampled, counted) * 50 <= counted);
    free(raw);
}

/* A document in one language after one in another: strata see both. */
static void samples_follow_a_change_of_language(void **state)
{
    enum {
        HALF = 256 * 1024
    };

    char *raw = malloc(2 * HALF);
    struct text_counter c;
    struct text_count got;

    (void)state;
    for (size_t i = 0; i < HALF; i++)
        raw[i] = "word "[i % 5];
    for (size_t i = 0; i < HALF - 2; i += 3)
        memcpy(raw + HALF + i, "\xe4\xbd\xa0", 3);
    text_counter_init(&c);
    text_counter_add(&c, (struct json_text){{raw, HALF}, false});
    text_counter_add(&c, (struct json_text){{raw + HALF, HALF - 1}, false});
    text_counter_end(&c, &got);
    assert_true(off_by(got.han, HALF / 3) < HALF / 3 / 50);
    assert_true(off_by(got.latin, HALF / 5 * 4) < HALF / 50);
    free(raw);
}

static void short_texts_are_exact_however_cut(void **state)
{
    struct text_counter c;
    struct text_count got;

    (void)state;
    text_counter_init(&c);
    for (int i = 0; i < 1000; i++)
        text_counter_add(&c, (struct json_text){slice_of("ab cd 12"), false});
    text_counter_end(&c, &got);
    assert_int_equal(got.latin, 4000);
    assert_int_equal(got.words, 2000);
    assert_int_equal(got.digits, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_counted_by_class),
        cmocka_unit_test(blocks_count_as_single_characters_do),
        cmocka_unit_test(so_they_do_on_an_older_processor),
        cmocka_unit_test(processors_count_alike_wherever_a_block_ends),
        cmocka_unit_test(each_character_is_of_its_script_in_a_block),
        cmocka_unit_test(a_sample_speaks_for_the_whole),
        cmocka_unit_test(samples_follow_a_change_of_language),
        cmocka_unit_test(short_texts_are_exact_however_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
