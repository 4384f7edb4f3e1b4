#include "conf/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"

static struct diag diag;

static int clear(void **state)
{
    (void)state;
    diag = (struct diag){0};
    return 0;
}

static void lend(const char *file, const char *text)
{
    diag_source(&diag, file, text, strlen(text));
}

static void complain_at(const char *file, int line, int column)
{
    struct place place = {file, line, column};

    diag_error(&diag, &place, "no");
}

static void a_complaint_quotes_its_line_with_a_caret_below(void **state)
{
    (void)state;
    lend("a.yaml", "one\n  two: x\n");
    complain_at("a.yaml", 2, 8);
    assert_string_equal(diag.text, "a.yaml:2:8: error: no\n"
                                   "  two: x\n"
                                   "       ^\n");
    assert_int_equal(diag.errors, 1);
}

static void a_line_that_is_not_there_is_not_quoted(void **state)
{
    (void)state;
    lend("a.yaml", "one\n");
    complain_at("a.yaml", 2, 1);
    complain_at("b.yaml", 1, 1);
    assert_string_equal(diag.text, "a.yaml:2:1: error: no\n"
                                   "b.yaml:1:1: error: no\n");
}

static void the_caret_may_stand_behind_the_line(void **state)
{
    (void)state;
    lend("a.yaml", "one");
    complain_at("a.yaml", 1, 6);
    assert_string_equal(diag.text, "a.yaml:1:6: error: no\none\n     ^\n");
}

static void the_caret_stands_under_the_character_also_behind_wide_ones(
    void **state)
{
    static const struct {
        const char *line;
        int column;
        const char *below;
    } cases[] = {
        {"é: x", 4, "   ^"},       /* two bytes, one column */
        {"模型: x", 5, "      ^"}, /* three bytes, two columns */
        {"e\u0301: x", 5, "   ^"}, /* a combining accent: none */
        {"\ta:\tb", 5, "\t  \t^"}, /* tabs stay tabs */
        {"😀: x", 4, "    ^"},      /* four bytes, two columns */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char wanted[128];

        clear(state);
        lend("a", cases[i].line);
        complain_at("a", 1, cases[i].column);
        snprintf(wanted, sizeof(wanted), "a:1:%d: error: no\n%s\n%s\n",
                 cases[i].column, cases[i].line, cases[i].below);
        assert_string_equal(diag.text, wanted);
    }
}

static void an_earlier_file_can_still_be_quoted(void **state)
{
    (void)state;
    lend("a.yaml", "first\n");
    lend("b.yaml", "second\n");
    complain_at("a.yaml", 1, 1);
    complain_at("b.yaml", 1, 2);
    assert_string_equal(diag.text, "a.yaml:1:1: error: no\nfirst\n^\n"
                                   "b.yaml:1:2: error: no\nsecond\n ^\n");
}

static void what_finds_no_room_is_counted_and_said(void **state)
{
    char tail[64];

    (void)state;
    lend("a.yaml", "a line that takes some room in the text\n");
    for (int i = 0; i < 5000; i++)
        complain_at("a.yaml", 1, 1);
    assert_int_equal(diag.errors, 5000);
    assert_true(diag_full(&diag));
    assert_in_range(diag.untold, 1, 4999);
    snprintf(tail, sizeof(tail), "^\n... and %d more\n", diag.untold);
    assert_non_null(strstr(diag.text, tail));
    assert_string_equal(strstr(diag.text, tail), tail);
}

static void a_complaint_too_long_for_any_room_does_no_harm(void **state)
{
    static char text[5000];
    struct place place = {"a.yaml", 1, 1};

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    diag_error(&diag, &place, "%s", text);
    assert_int_equal(diag.untold, 0);
    assert_in_range(diag.len, 500, 2100);
    assert_int_equal(diag.text[diag.len - 1], '\n');
}

static void a_warning_is_told_and_is_no_error(void **state)
{
    struct place place = {"a.yaml", 1, 1};

    (void)state;
    diag_warning(&diag, &place, "hm");
    assert_string_equal(diag.text, "a.yaml:1:1: warning: hm\n");
    assert_int_equal(diag.errors, 0);
    assert_int_equal(diag.warnings, 1);
}

static void the_line_of_a_secret_is_not_quoted(void **state)
{
    struct place place = {"a.yaml", 1, 1};

    (void)state;
    lend("a.yaml", "hush\n");
    diag_secret(&diag, &place, "never here");
    assert_string_equal(diag.text, "a.yaml:1:1: error: never here\n");
    assert_int_equal(diag.errors, 1);
}

static void what_looks_like_a_secret_becomes_stars(void **state)
{
    static const char *const secrets[] = {
        "sk-hunter2",
        "bj_0123abcd",
        "bce-v3/ALTAK-x/y",
        "gsk_abcd",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef.Qwertz",
        "5f0c9b1e-1111-2222-3333-444455556666",
        "eyJhbGciOi.J9",
    };

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        struct place place = {"a", 1, 1};
        char line[128];

        clear(state);
        snprintf(line, sizeof(line), "word: [%s]\n", secrets[i]);
        lend("a", line);
        diag_error(&diag, &place, "found \"%s\"", secrets[i]);
        assert_null(strstr(diag.text, secrets[i]));
        assert_non_null(strstr(diag.text, "word: [****"));
        assert_non_null(strstr(diag.text, "found \"****"));
    }
}

static void the_value_of_a_word_that_promises_a_secret_becomes_stars(
    void **state)
{
    static const char *const lines[] = {
        "api_key: hunter2",
        "password: 'hunter2 x'",
        "{\"token\": hunter2, a: b}",
        "Authorization: Bearer hunter2",
        "url: https://me:hunter2@host/",
        "url: http://host/?api_key=hunter2",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        clear(state);
        lend("a", lines[i]);
        complain_at("a", 1, 1);
        assert_null(strstr(diag.text, "hunter2"));
        assert_non_null(strstr(diag.text, "***"));
    }
}

static void names_urls_and_dates_are_shown_as_they_are(void **state)
{
    static const char *const lines[] = {
        "doubao-seed-2-0-mini-260428: {context: 256000}",
        "base_url: https://dashscope.aliyuncs.com/compatible-mode/v1",
        "from: 2026-09-10T12:00:00+08:00",
        "keys: [{env: DEEPSEEK_API_KEY}]",
        "meta-llama/llama-3.3-70b-instruct:free",
        "tokenizer: deepseek",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        clear(state);
        lend("a", lines[i]);
        complain_at("a", 1, 1);
        assert_non_null(strstr(diag.text, lines[i]));
    }
}

static void nothing_that_a_terminal_obeys_is_passed_on(void **state)
{
    struct place place = {"a", 1, 1};

    (void)state;
    lend("a", "x\x1b[31m\xff\u202ey\n");
    diag_error(&diag, &place, "found \"%s\"", "\x1b]0;x\a\nnext\xc3");
    assert_string_equal(diag.text, "a:1:1: error: found \"?]0;x??next?\"\n"
                                   "x?[31m??y\n^\n");
}

static void of_a_long_line_only_the_part_around_the_column_is_shown(
    void **state)
{
    static char line[3000];
    const char *shown, *below;

    (void)state;
    for (size_t i = 0; i < sizeof(line) - 1; i++)
        line[i] = i % 5 == 4 ? ' ' : '-';
    line[2000] = 'X';
    lend("a", line);
    complain_at("a", 1, 2001);
    assert_in_range(diag.len, 200, 400);
    shown = strchr(diag.text, '\n') + 1;
    below = strchr(shown, '\n') + 1;
    assert_int_equal(strchr(shown, 'X') - shown, strchr(below, '^') - below);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_complaint_quotes_its_line_with_a_caret_below,
                               clear),
        cmocka_unit_test_setup(a_line_that_is_not_there_is_not_quoted, clear),
        cmocka_unit_test_setup(the_caret_may_stand_behind_the_line, clear),
        cmocka_unit_test(
            the_caret_stands_under_the_character_also_behind_wide_ones),
        cmocka_unit_test_setup(an_earlier_file_can_still_be_quoted, clear),
        cmocka_unit_test_setup(what_finds_no_room_is_counted_and_said, clear),
        cmocka_unit_test_setup(a_complaint_too_long_for_any_room_does_no_harm,
                               clear),
        cmocka_unit_test_setup(a_warning_is_told_and_is_no_error, clear),
        cmocka_unit_test_setup(the_line_of_a_secret_is_not_quoted, clear),
        cmocka_unit_test(what_looks_like_a_secret_becomes_stars),
        cmocka_unit_test(
            the_value_of_a_word_that_promises_a_secret_becomes_stars),
        cmocka_unit_test(names_urls_and_dates_are_shown_as_they_are),
        cmocka_unit_test_setup(nothing_that_a_terminal_obeys_is_passed_on,
                               clear),
        cmocka_unit_test_setup(
            of_a_long_line_only_the_part_around_the_column_is_shown, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
