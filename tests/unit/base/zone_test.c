#include "base/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/time.h"

static int64_t instant(const char *text)
{
    int64_t ms = 0;

    assert_true(time_parse(&ms, text));
    return ms;
}

static const struct zone *load(const char *name, struct arena *a)
{
    const char *why = "";
    const struct zone *z = zone_load(name, a, &why);

    if (!z)
        fail_msg("%s %s", name, why);
    return z;
}

/* libc is the judge: it reads the same files with code of its own. */
static void clocks_agree_with_libc_from_1970_to_2099(void **state)
{
    static const char *const names[] = {
        "Asia/Shanghai",       "America/New_York",    "Europe/London",
        "Asia/Kolkata",        "Australia/Lord_Howe", "America/St_Johns",
        "Asia/Tehran",         "Africa/Casablanca",   "Pacific/Apia",
        "Asia/Tokyo",          "America/Sao_Paulo",   "Europe/Dublin",
        "Pacific/Chatham",     "Asia/Gaza",           "Antarctica/Troll",
        "America/Los_Angeles", "Europe/Berlin",       "Asia/Singapore",
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct zone *z = load(names[i], a);

        setenv("TZ", names[i], 1);
        tzset();
        for (time_t t = 0; t < INT64_C(4102444800); t += 40009) {
            struct tm tm;

            localtime_r(&t, &tm);
            if (zone_offset_ms(z, (int64_t)t * 1000) !=
                (int64_t)tm.tm_gmtoff * 1000)
                fail_msg("%s at %lld", names[i], (long long)t);
        }
    }
    arena_free(a);
}

static void a_change_holds_from_its_very_millisecond(void **state)
{
    struct arena *a = arena_new();
    const struct zone *z = load("America/New_York", a);
    int64_t at = instant("2026-03-08T07:00:00Z"), hour = 3600000;

    (void)state;
    assert_int_equal(zone_offset_ms(z, at - 1), -5 * hour);
    assert_int_equal(zone_offset_ms(z, at), -4 * hour);
    assert_int_equal(zone_offset_ms(z, instant("2026-11-01T06:00:00Z") - 1),
                     -4 * hour);
    assert_int_equal(zone_offset_ms(z, instant("2026-11-01T06:00:00Z")),
                     -5 * hour);
    /* beyond the file's own list, by its rule */
    assert_int_equal(zone_offset_ms(z, instant("2077-07-01")), -4 * hour);
    arena_free(a);
}

static void fixed_offsets_need_no_database(void **state)
{
    static const struct {
        const char *name;
        int64_t minutes;
    } rows[] = {{"UTC", 0},       {"Z", 0},      {"+08:00", 480},
                {"-03:30", -210}, {"+00:00", 0}, {"+14:00", 840}};
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(zone_offset_ms(load(rows[i].name, a), 0),
                         rows[i].minutes * 60000);
    arena_free(a);
}

static void what_is_no_zone_is_refused_and_leads_out_of_no_folder(void **state)
{
    static const char *const names[] = {"",
                                        "+8",
                                        "+08:0",
                                        "+25:00",
                                        "+08:60",
                                        "+08:00x",
                                        "/etc/passwd",
                                        "../../../etc/passwd",
                                        "Asia",
                                        "Asia/",
                                        "Asia//Tokyo",
                                        "Asia/Shanghia",
                                        "Asia/.x",
                                        "zone.tab/../x",
                                        "tzdata.zi",
                                        "\xe4\xb8\xad"};
    struct arena *a = arena_new();
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_null(zone_load(names[i], a, &why));
        assert_non_null(why);
    }
    arena_free(a);
}

static void a_day_begins_when_clocks_first_show_it(void **state)
{
    static const struct {
        const char *zone, *date, *begins;
    } rows[] = {
        {"Asia/Shanghai", "2026-11-22", "2026-11-21T16:00:00Z"},
        {"UTC", "2026-11-22", "2026-11-22T00:00:00Z"},
        {"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z"},
        {"America/New_York", "2026-03-09", "2026-03-09T04:00:00Z"},
        /* clocks go from 23:59:59 to 01:00 */
        {"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"},
        /* and from 00:59:59 back to 00:00: the first of two midnights */
        {"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct zone *z = load(rows[i].zone, a);
        int64_t day = instant(rows[i].date) / DAY_MS;
        int64_t at = zone_midnight(z, day);
        char text[TIME_TEXT];

        if (at != instant(rows[i].begins))
            fail_msg("%s %s: %s", rows[i].zone, rows[i].date,
                     time_text(at, text));
        assert_int_equal(zone_local(z, at).day, day);
        assert_int_equal(zone_local(z, at - 1).day, day - 1);
    }
    arena_free(a);
}

static void days_months_and_weekdays_agree_with_libc(void **state)
{
    (void)state;
    for (int64_t day = -800; day < 60000; day++) {
        time_t t = (time_t)(day * 86400);
        struct tm tm;
        int64_t month;

        gmtime_r(&t, &tm);
        month = ((int64_t)tm.tm_year - 70) * 12 + tm.tm_mon;
        assert_int_equal(day_month(day), month);
        assert_int_equal(month_day(month), day - tm.tm_mday + 1);
        assert_int_equal(day_weekday(day), (tm.tm_wday + 6) % 7);
    }
}

/* Whatever a file holds, reading it ends and stays within it. */
static void a_damaged_file_is_refused_or_read_within_its_bounds(void **state)
{
    FILE *f = fopen("/usr/share/zoneinfo/America/New_York", "rb");
    char bytes[8192], copy[8192];
    size_t len = f ? fread(bytes, 1, sizeof(bytes), f) : 0;
    uint64_t random = 88172645463325252u;
    struct arena *a = arena_new();

    (void)state;
    assert_true(len > 100 && len < sizeof(bytes));
    fclose(f);
    for (size_t cut = 0; cut < len; cut++) {
        char *exact = test_malloc(cut + 1);
        const struct zone *z;

        memcpy(exact, bytes, cut);
        z = zone_read("cut", (struct slice){exact, cut}, a);
        if (z)
            (void)zone_local(z, INT64_C(1790000000000));
        test_free(exact);
        if (cut % 64 == 0)
            arena_reset(a);
    }
    for (int i = 0; i < 20000; i++) {
        const struct zone *z;

        memcpy(copy, bytes, len);
        for (int k = 0; k < 3; k++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            copy[random % (k ? len : 44)] = (char)(random >> 32);
        }
        z = zone_read("damaged", (struct slice){copy, len}, a);
        if (z)
            (void)zone_midnight(z, 20000 + i % 500);
        arena_reset(a);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_agree_with_libc_from_1970_to_2099),
        cmocka_unit_test(a_change_holds_from_its_very_millisecond),
        cmocka_unit_test(fixed_offsets_need_no_database),
        cmocka_unit_test(what_is_no_zone_is_refused_and_leads_out_of_no_folder),
        cmocka_unit_test(a_day_begins_when_clocks_first_show_it),
        cmocka_unit_test(days_months_and_weekdays_agree_with_libc),
        cmocka_unit_test(a_damaged_file_is_refused_or_read_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
