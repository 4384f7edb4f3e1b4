#include "base/json_scan.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/cpu.h"

/* Each text stands alone in memory of its own size, so that ASan sees the
 * first byte read too far. */
static bool is_json(const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    struct json_scan s;
    bool good;

    memcpy(copy, bytes, len);
    json_scan_init(&s, (struct slice){copy, len});
    good = json_skip(&s) && json_end(&s);
    assert_int_equal(good, s.why == NULL);
    assert_true(json_offset(&s) <= len);
    free(copy);
    return good;
}

static const char *const valid[] = {
    "{}",
    "[]",
    " {\t\"a\"\r:\n1 } ",
    "0",
    "-0",
    "-0.0e+0",
    "1E-99",
    "123456789012345678901234567890",
    "\"\"",
    "\"\\u0000\\ud800\\\"\"",
    "null",
    "true",
    "false",
    "[[[]],{\"\":{}}]",
    "{\"a\":1,\"a\":2}",
    "\"\x7f\"",
    ("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
     "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
};
static const char *const invalid[] = {
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "{]",
    "[}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{'a':1}",
    "{\"a\" 1}",
    "{1:1}",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "NaN",
    "Infinity",
    "nul",
    "nulll",
    "True",
    "\"",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\u123\"",
    "\"\n\"",
    "\"\x1f\"",
    "{}{}",
    "1 1",
    "[] x",
    "\xef\xbb\xbf{}",
    "\v1",
    "\"\x80\"",
    "\"\xc1\x81\"",
    "\"\xc2\"",
    "\"\xe0\x9f\xbf\"",
    "\"\xed\xa0\x80\"",
    "\"\xe4\xbd\"",
    "\"\xf0\x8f\xbf\xbf\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xff\"",
    "/**/1",
    "[1]//",
};

static void json_is_told_from_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(valid); i++)
        if (!is_json(valid[i], strlen(valid[i])))
            fail_msg("refused: %s", valid[i]);
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
        if (is_json(invalid[i], strlen(invalid[i])))
            fail_msg("taken: %s", invalid[i]);
    assert_false(is_json("\"\0\"", 3));
    assert_false(is_json("1\0", 2));
}

/* y_* and n_* were judged by Python's json, strict and of UTF-8. */
static void pythons_judgement_is_shared(void **state)
{
    static char bytes[1 << 16];
    const char *dir = TESTS_DIR "/data/json";
    DIR *d = opendir(dir);
    int n = 0;

    (void)state;
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        char path[512];
        FILE *f;
        size_t len;

        if (e->d_name[1] != '_')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        f = fopen(path, "rb");
        assert_non_null(f);
        len = fread(bytes, 1, sizeof(bytes), f);
        fclose(f);
        if (is_json(bytes, len) != (e->d_name[0] == 'y'))
            fail_msg("%s", e->d_name);
        n++;
    }
    closedir(d);
    assert_true(n > 100);
}

static void nesting_ends_at_the_limit(void **state)
{
    char deep[2 * JSON_DEPTH_MAX + 2];

    (void)state;
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_true(is_json(deep + 1, 2 * JSON_DEPTH_MAX));
    assert_false(is_json(deep, 2 * JSON_DEPTH_MAX + 2));
}

/* The slow and plain way to read a string's inside. */
static bool naive_string(const unsigned char *p, size_t n, size_t *len)
{
    for (size_t i = 0; i < n;) {
        size_t more = 0;
        unsigned low = 0x80, high = 0xbf;

        if (p[i] == '"') {
            *len = i;
            return true;
        }
        if (p[i] < 0x20)
            return false;
        if (p[i] == '\\') {
            if (i + 1 >= n)
                return false;
            if (p[i + 1] == 'u') {
                for (size_t k = 2; k < 6; k++)
                    if (i + k >= n ||
                        !strchr("0123456789abcdefABCDEF", p[i + k]) ||
                        !p[i + k])
                        return false;
                i += 6;
            } else if (p[i + 1] && strchr("\"\\/bfnrt", p[i + 1])) {
                i += 2;
            } else {
                return false;
            }
            continue;
        }
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        if (p[i] >= 0xc2 && p[i] <= 0xdf)
            more = 1;
        else if (p[i] >= 0xe0 && p[i] <= 0xef)
            more = 2;
        else if (p[i] >= 0xf0 && p[i] <= 0xf4)
            more = 3;
        else
            return false;
        if (p[i] == 0xe0)
            low = 0xa0;
        if (p[i] == 0xed)
            high = 0x9f;
        if (p[i] == 0xf0)
            low = 0x90;
        if (p[i] == 0xf4)
            high = 0x8f;
        for (size_t k = 1; k <= more; k++) {
            if (i + k >= n || p[i + k] < (k == 1 ? low : 0x80u) ||
                p[i + k] > (k == 1 ? high : 0xbfu))
                return false;
        }
        i += more + 1;
    }
    return false;
}

/* Pieces that make blocks of every kind meet. */
static const char *const pieces[] = {
    "a",
    "0123456789abcdef",
    "\\\"",
    "\\\\",
    "\\n",
    "\\u4f60",
    "\\ud83d\\ude00",
    "\xe4\xbd\xa0",
    ("\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\xad\xe6\x96"
     "\x87\xe3\x80\x82"),
    "\xc3\xa9",
    "\xf0\x9f\x98\x80",
    "\xed\x9f\xbf",
    "\xe0\xa0\x80",
    " ",
    "\x7f",
};
static const char *const faults[] = {
    "\"",
    "\x01",
    "\x1f",
    "\\",
    "\\x",
    "\\u12",
    "\\u00zz",
    "\x80",
    "\xc0\x80",
    "\xe4\xbd",
    "\xed\xa0\x80",
    "\xe0\x80\x80",
    "\xf4\x90\x80\x80",
    "\xff",
    "\xbd\xa0",
};

static void strings_end_where_the_naive_reader_says(unsigned seed)
{
    for (int round = 0; round < 60000; round++) {
        char text[600] = "\"";
        size_t len = 1, naive = 0;
        int n = rand_r(&seed) % 20;
        struct json_scan s;
        struct json_text got;
        char *copy;
        bool good, want;

        for (int i = 0; i < n; i++)
            len += (size_t)sprintf(
                text + len, "%s",
                pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
        if (rand_r(&seed) % 3 == 0)
            len += (size_t)sprintf(
                text + len, "%s",
                faults[(size_t)rand_r(&seed) % ARRAY_LEN(faults)]);
        for (int i = 0; i < n % 3; i++)
            len += (size_t)sprintf(
                text + len, "%s",
                pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
        if (rand_r(&seed) % 8)
            text[len++] = '"';
        for (int i = rand_r(&seed) % 40; i > 0; i--)
            text[len++] = ' ';
        want = naive_string((const unsigned char *)text + 1, len - 1, &naive);
        copy = malloc(len);
        memcpy(copy, text, len);
        json_scan_init(&s, (struct slice){copy, len});
        good = json_text(&s, &got);
        if (good != want || (good && got.raw.len != naive))
            fail_msg("round %d: %.*s", round, (int)len, text);
        if (good)
            assert_int_equal(got.escaped,
                             memchr(text + 1, '\\', naive) != NULL);
        free(copy);
    }
}

static void a_string_ends_where_the_naive_reader_says(void **state)
{
    (void)state;
    strings_end_where_the_naive_reader_says(1);
}

static void so_it_does_on_an_older_processor(void **state)
{
    enum cpu_level level = cpu_level;

    (void)state;
    cpu_level = CPU_PLAIN;
    strings_end_where_the_naive_reader_says(2);
    cpu_level = level;
}

/* What reading the text comes to, at which place, and why. */
struct verdict {
    bool good, escaped;
    size_t at;
    const char *why;
};

static struct verdict verdict_of(const char *text, size_t len, bool any_bytes,
                                 enum cpu_level level)
{
    enum cpu_level before = cpu_level;
    char *copy = malloc(len);
    struct verdict v = {0};
    struct json_text got = {0};
    struct json_scan s;

    memcpy(copy, text, len);
    json_scan_init(&s, (struct slice){copy, len});
    s.any_bytes = any_bytes;
    cpu_level = level;
    v.good = json_text(&s, &got);
    cpu_level = before;
    v.escaped = got.escaped;
    v.at = json_offset(&s);
    v.why = s.why;
    free(copy);
    return v;
}

static void check_level(const char *text, size_t len, bool any_bytes,
                        enum cpu_level level)
{
    struct verdict plain = verdict_of(text, len, any_bytes, CPU_PLAIN);
    struct verdict better = verdict_of(text, len, any_bytes, level);

    if (plain.good != better.good || plain.escaped != better.escaped ||
        plain.at != better.at || plain.why != better.why)
        fail_msg("at %zu and %zu: %.*s", plain.at, better.at, (int)len, text);
}

static void check_levels(const char *text, size_t len)
{
    for (enum cpu_level level = CPU_AVX2; level <= cpu_level; level++) {
        check_level(text, len, false, level);
        check_level(text, len, true, level);
    }
}

/* Each row at each place of a block and the next, among text of each kind;
 * then the text cut off at each of its places. */
static void processors_agree_wherever_a_block_ends(void **state)
{
    static const char *const fillers[] = {"x", "\\", "\xe4\xbd\xa0", "\\u4f60",
                                          "\xf0\x9f\x98\x80"};

    enum {
        SIZE = 512,
        PLACES = 16 + 64 + 64
    };

    (void)state;
    for (size_t f = 0; f < ARRAY_LEN(fillers); f++)
        for (size_t i = 0; i < ARRAY_LEN(pieces) + ARRAY_LEN(faults); i++)
            for (size_t place = 0; place < PLACES; place++) {
                const char *piece = i < ARRAY_LEN(pieces)
                                        ? pieces[i]
                                        : faults[i - ARRAY_LEN(pieces)];
                char text[SIZE] = "\"";
                size_t len = 1;

                while (len <= place % 7)
                    text[len++] = 'a';
                while (len <= place)
                    len += (size_t)sprintf(text + len, "%s", fillers[f]);
                len += (size_t)sprintf(text + len, "%s", piece);
                while (len < place + 160)
                    len += (size_t)sprintf(text + len, "%s", fillers[f]);
                text[len++] = '"';
                check_levels(text, len);
                check_levels(text, place + 1);
                check_levels(text, place + 70);
            }
}

/* Bytes drawn from those that matter, all kinds of sense and nonsense. */
static void processors_agree_on_any_bytes(void **state)
{
    static const char bytes[] = "\\\\\"unr40aFx /\x01\x7f\x80\x8f\x90\x9f\xa0"
                                "\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf1"
                                "\xf4\xf5\xff";
    unsigned seed = 3;

    (void)state;
    for (int round = 0; round < 40000; round++) {
        char text[300] = "\"";
        size_t len = 1;

        while (len < 250) {
            int kind = rand_r(&seed) % 40;

            if (kind == 0)
                text[len++] = bytes[(size_t)rand_r(&seed) % sizeof(bytes)];
            else
                len += (size_t)sprintf(
                    text + len, "%s",
                    pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)]);
        }
        check_levels(text, len);
        text[(size_t)rand_r(&seed) % len] ^= (char)(1 << rand_r(&seed) % 8);
        check_levels(text, 1 + (size_t)rand_r(&seed) % len);
    }
}

static void members_and_elements_are_walked(void **state)
{
    struct json_scan s;
    struct json_text key = {{"", 0}, false}, text = key;
    struct slice raw = {"", 0};
    int64_t number = 0;
    char seen[64] = "";

    (void)state;
    json_scan_init(&s, slice_of(" { \"a\" : [ 1 , -2 , {} ] , \"b\" : "
                                "\"x\\n\" , \"c\" : { \"d\" : [ ] } } "));
    assert_true(json_enter(&s));
    assert_true(json_member(&s, &key) && json_text_is(key, "a"));
    for (json_enter(&s); json_element(&s);) {
        if (json_peek(&s) == JSON_NUMBER) {
            assert_true(json_int(&s, &number));
            sprintf(seen + strlen(seen), "%lld ", (long long)number);
        } else {
            assert_true(json_value(&s, &raw));
            assert_true(slice_is(raw, "{}"));
        }
    }
    assert_string_equal(seen, "1 -2 ");
    assert_true(json_member(&s, &key) && json_text(&s, &text));
    assert_true(text.escaped && json_text_is(text, "x\n"));
    assert_true(json_member(&s, &key) && json_value(&s, &raw));
    assert_true(slice_is(raw, "{ \"d\" : [ ] }"));
    assert_false(json_member(&s, &key));
    assert_true(json_end(&s));
}

static void after_a_fault_loops_end(void **state)
{
    struct json_scan s;
    struct json_text key;
    int turns = 0;

    (void)state;
    json_scan_init(&s, slice_of("{\"a\":[1,[2,x]],\"b\":1}"));
    for (json_enter(&s); json_member(&s, &key); turns++)
        for (json_enter(&s); json_element(&s);)
            json_skip(&s);
    assert_int_equal(turns, 1);
    assert_false(json_end(&s));
    assert_string_equal(s.why, "not a value");
    assert_int_equal(json_offset(&s), 11);
}

static void whole_numbers_are_exact_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"01", false, 0},
        {"\"1\"", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_scan s;
        int64_t value = 0;

        json_scan_init(&s, slice_of(rows[i].text));
        assert_int_equal(json_int(&s, &value) && json_end(&s), rows[i].good);
        assert_true(value == rows[i].value || !rows[i].good);
    }
}

static void escapes_are_undone(void **state)
{
    static const struct {
        const char *raw, *plain;
    } rows[] = {
        {"", ""},
        {"abc", "abc"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"\\u0041\\u00e9\\u4f60", "A\xc3\xa9\xe4\xbd\xa0"},
        {"\\uD83D\\uDE00!", "\xf0\x9f\x98\x80!"},
        {"\\ud83d", "\xef\xbf\xbd"},
        {"\\ude00\\ud83d\\u0041", "\xef\xbf\xbd\xef\xbf\xbd"
                                  "A"},
        {"x\\nyz\xe4\xbd\xa0", "x\nyz\xe4\xbd\xa0"},
    };

    char out[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_text text = {slice_of(rows[i].raw), true};
        size_t len = strlen(rows[i].plain);

        assert_int_equal(json_text_decode(text, out, sizeof(out)), len);
        assert_memory_equal(out, rows[i].plain, len);
        assert_int_equal(json_text_len(text), len);
        if (len)
            assert_int_equal(json_text_decode(text, out, len - 1), -1);
    }
}

static void a_quoted_text_reads_as_itself(void **state)
{
    unsigned seed = 7;
    struct arena *a = arena_new();

    (void)state;
    for (int round = 0; round < 5000; round++) {
        char in[40], out[400];
        size_t len = (size_t)rand_r(&seed) % sizeof(in);
        struct slice quoted;
        struct json_scan s;
        struct json_text text;
        int64_t got;

        for (size_t i = 0; i < len; i++)
            in[i] = (char)(rand_r(&seed) % (round % 2 ? 128 : 256));
        quoted = json_quote(a, (struct slice){in, len});
        json_scan_init(&s, quoted);
        assert_true(json_text(&s, &text) && json_end(&s));
        got = json_text_decode(text, out, sizeof(out));
        if (round % 2) {
            assert_int_equal(got, len);
            assert_memory_equal(in, out, len);
        }
        arena_reset(a);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_told_from_what_is_not),
        cmocka_unit_test(pythons_judgement_is_shared),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(a_string_ends_where_the_naive_reader_says),
        cmocka_unit_test(so_it_does_on_an_older_processor),
        cmocka_unit_test(processors_agree_wherever_a_block_ends),
        cmocka_unit_test(processors_agree_on_any_bytes),
        cmocka_unit_test(members_and_elements_are_walked),
        cmocka_unit_test(after_a_fault_loops_end),
        cmocka_unit_test(whole_numbers_are_exact_or_refused),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(a_quoted_text_reads_as_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
