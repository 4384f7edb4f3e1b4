/* What is said of a price book: rows that are never used, gaps, age. */
#include "routing/review.h"

#include "unit/routing/fixture.h"

static const char vendors[] = "vendors:\n"
                              "  v:\n"
                              "    base_url: https://v.example\n"
                              "    currency: CNY\n"
                              "    auth: none\n"
                              "    models: {m: {context: 128000}, n: {}}\n";

static const char n_row[] = "    n: {input: 1, output: 1}\n";

/* What check says at noon of 2026-11-22, the warnings of the compiler
 * included. */
static const char *told(const char *head, const char *m_rows)
{
    static char text[4096];
    struct yaml y = {vendors, text, "currency: CNY\n", NULL};
    struct snapshot *s;

    snprintf(text, sizeof(text), "%s\nprices:\n  v:\n%s    m:\n%s", head, n_row,
             m_rows);
    s = snapshot_of(&y);
    price_review(s, instant("2026-11-22T12:00:00Z"), &fixture_diag);
    snapshot_release(s);
    return fixture_diag.text;
}

static const char windows[] = "calendars:\n"
                              "  y2026: {days: [2026-10-01]}\n"
                              "  y2025: {days: [2025-10-01]}\n"
                              "windows:\n"
                              "  a: {zone: UTC, hours: [09:00-12:00]}\n"
                              "  b: {zone: UTC, hours: [13:00-15:00]}\n"
                              "  old: {zone: UTC, except_calendar: y2025}\n"
                              "  ok: {zone: UTC, except_calendar: y2026}\n";

static void rows_that_are_never_used_are_pointed_at(void **state)
{
    static const struct {
        const char *rows, *wanted;
    } cases[] = {
        {"      - {input: 1, output: 1}\n      - {input: 2, output: 2}\n",
         "is never used: the one in line 14 holds before"},
        {"      - {input_at_most: 9, input: 1, output: 1}\n"
         "      - {input_below: 10, input: 2, output: 2}\n"
         "      - {input: 3, output: 3}\n",
         ":15:9: warning: this price of \"v/m\" is never used"},
        /* together they cover it all */
        {"      - {thinking: yes, input: 1, output: 1}\n"
         "      - {thinking: no, input: 2, output: 2}\n"
         "      - {input: 3, output: 3}\n",
         ":16:9: warning: this price of \"v/m\" is never used: the rows before "
         "it leave nothing"},
        {"      - {until: 2026-06-01, input: 1, output: 1}\n"
         "      - {from: 2026-03-01, input: 2, output: 2}\n"
         "      - {from: 2026-05-01, input: 3, output: 3}\n",
         ":16:9: warning: this price of \"v/m\" is never used"},
        {"      - {when: a, input: 1, output: 1}\n"
         "      - {when: a, input_at_most: 5, input: 2, output: 2}\n"
         "      - {input: 3, output: 3}\n",
         ":15:9: warning: this price of \"v/m\" is never used"},
        {"      - {when: a, input: 1, output: 1}\n"
         "      - {when: b, input: 2, output: 2}\n"
         "      - {output_at_most: 200, input: 3, output: 3}\n"
         "      - {input: 4, output: 4}\n",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = told(windows, cases[i].rows);

        if (cases[i].wanted ? !strstr(text, cases[i].wanted) : *text != '\0')
            fail_msg("case %zu: wanted %s, told:\n%s", i,
                     cases[i].wanted ? cases[i].wanted : "nothing", text);
    }
}

static void requests_that_no_row_foresees_are_told(void **state)
{
    static const struct {
        const char *rows, *wanted;
    } cases[] = {
        {"      - {input_at_most: 32000, input: 1, output: 1}\n",
         "no row of \"v/m\" holds for: prompts of 32001 tokens and more"},
        /* it cannot take longer ones */
        {"      - {input_at_most: 128000, input: 1, output: 1}\n", NULL},
        {"      - {output_below: 200, input: 1, output: 1}\n",
         "answers of 200 tokens and more"},
        {"      - {thinking: no, input: 1, output: 1}\n", "when it thinks"},
        {"      - {when: a, input: 1, output: 1}\n", "holds now"},
        {"      - {until: 2027-01-01, input: 1, output: 1}\n",
         "from 2027-01-01 on"},
        {"      - {until: 2026-11-22T12:00:00Z, input: 1, output: 1}\n",
         "no row of \"v/m\" holds now"},
        /* what is past is past */
        {"      - {from: 2026-09-01, input: 1, output: 1}\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = told(windows, cases[i].rows);

        if (cases[i].wanted ? !strstr(text, cases[i].wanted) : *text != '\0')
            fail_msg("case %zu: wanted %s, told:\n%s", i,
                     cases[i].wanted ? cases[i].wanted : "nothing", text);
    }
}

static void a_calendar_without_the_year_is_told_where_a_price_needs_it(
    void **state)
{
    const char *text;

    (void)state;
    text = told(windows, "      - {when: old, input: 1, output: 1}\n"
                         "      - {input: 2, output: 2}\n");
    assert_non_null(strstr(text, "the calendar \"y2025\" has no day in 2026, "
                                 "which is this year"));
    text = told(windows, "      - {when: ok, input: 1, output: 1}\n"
                         "      - {input: 2, output: 2}\n");
    assert_string_equal(text, "");
    text = told(windows, "      - {until: 2026-11-01, when: old, input: 1, "
                         "output: 1}\n      - {input: 2, output: 2}\n");
    assert_string_equal(text, "");
}

static void a_year_that_is_about_to_begin_counts_too(void **state)
{
    static const char text[] =
        "calendars:\n  c: {days: [2026-10-01]}\n"
        "windows:\n  w: {zone: Asia/Shanghai, except_calendar: c}\n"
        "prices:\n  v:\n    n: {input: 1, output: 1}\n"
        "    m: [{when: w, input: 1, output: 1}, {input: 2, output: 2}]\n";
    struct yaml y = {vendors, text, "currency: CNY\n", NULL};
    struct snapshot *s = snapshot_of(&y);

    (void)state;
    price_review(s, instant("2026-12-01T15:59:59Z"), &fixture_diag);
    assert_string_equal(fixture_diag.text, "");
    price_review(s, instant("2026-12-01T16:00:00Z"), &fixture_diag);
    assert_told("has no day in 2027, which begins within 30 days");
    snapshot_release(s);
}

static void old_prices_are_told_once_a_list(void **state)
{
    const char *text;

    (void)state;
    text = told("stale_after_days: 30",
                "      - {as_of: 2026-10-23, input: 1, output: 1}\n");
    assert_string_equal(text, "");
    text = told("stale_after_days: 30",
                "      - {as_of: 2026-10-22, input: 1, output: 1}\n");
    assert_non_null(strstr(text, "1 of 2 prices of \"v\" were read more than "
                                 "30 days ago, up to 31: m"));
    text = told("", "      - {as_of: 2026-07, input: 1, output: 1}\n");
    assert_non_null(strstr(text, "more than 120 days ago, up to 144: m"));
    /* of what has expired nobody wants to know */
    text = told("", "      - {as_of: 2020-01, until: 2021-01-01, input: 1, "
                    "output: 1}\n      - {input: 1, output: 1}\n");
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_are_never_used_are_pointed_at),
        cmocka_unit_test(requests_that_no_row_foresees_are_told),
        cmocka_unit_test(
            a_calendar_without_the_year_is_told_where_a_price_needs_it),
        cmocka_unit_test(a_year_that_is_about_to_begin_counts_too),
        cmocka_unit_test(old_prices_are_told_once_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
