#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void instants_are_read_as_unix_ms(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_ms; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01", 0},
        {"2026-09-10T04:00:00Z", 1789012800000},
        {"2026-09-10T12:00:00+08:00", 1789012800000},
        {"2026-09-09t23:30:00-04:30", 1789012800000},
        {"2026-09-10 04:00:00Z", 1789012800000},
        {"2026-09-10T04:00:00.25Z", 1789012800250},
        {"2026-09-10T04:00:00.0019999Z", 1789012800001},
        {"2024-02-29", 1709164800000},
        {"2000-02-29", 951782400000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"2023-02-29", -1},
        {"2100-02-29", -1},
        {"2026-13-01", -1},
        {"2026-00-01", -1},
        {"2026-04-31", -1},
        {"1969-12-31", -1},
        {"1970-01-01T00:00:00+00:01", -1},
        {"9999-12-31T23:59:59-00:01", -1},
        {"2026-09-10T24:00:00Z", -1},
        {"2026-09-10T23:59:60Z", -1},
        {"2026-09-10T04:00:00", -1},
        {"2026-09-10T04:00Z", -1},
        {"2026-09-10T04:00:00.Z", -1},
        {"2026-09-10T04:00:00Zjunk", -1},
        {"2026-9-10", -1},
        {"20260910", -1},
        {"+026-09-10", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t unix_ms = -1;

        assert_int_equal(time_parse(&unix_ms, rows[i].text),
                         rows[i].unix_ms >= 0);
        assert_int_equal(unix_ms, rows[i].unix_ms);
    }
}

static void what_is_written_is_read_back(void **state)
{
    char text[TIME_TEXT];
    int64_t back;

    (void)state;
    for (int64_t ms = 0; ms < 253402300799999; ms += 7654321012347) {
        assert_true(time_parse(&back, time_text(ms, text)));
        assert_int_equal(back, ms);
    }
    assert_string_equal(time_text(1789012800123, text),
                        "2026-09-10T04:00:00.123Z");
    assert_string_equal(time_text(-5, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(time_text(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_read_as_unix_ms),
        cmocka_unit_test(what_is_written_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
