#include "routing/window.h"

#include "unit/routing/fixture.h"

static const char book[] =
    "calendars:\n"
    "  some: {days: [2026-03-02, 2026-03-07..2026-03-09, 2026-10-24]}\n"
    "windows:\n"
    "  day: {zone: America/New_York, days: Mon-Fri, hours: [09:00-17:30]}\n"
    "  late: {zone: Europe/London, days: [Sat, Sun], hours: [22:00-02:30]}\n"
    "  all: {zone: UTC}\n"
    "  only: {zone: Asia/Shanghai, only_calendar: some}\n"
    "  not: {zone: Australia/Lord_Howe, except_calendar: some,\n"
    "        hours: [01:45-02:15, 20:00-24:00]}\n"
    "  around: {zone: Asia/Shanghai, days: Sat-Mon, hours: [06:00-06:00]}\n"
    "quotas:\n"
    "  month: {tokens: 5, per: month, zone: America/New_York,\n"
    "          from: 2026-03-05, until: 2026-07-20T12:00:00Z}\n"
    "  day: {tokens: 5, per: day}\n"
    "  once: {tokens: 5, per: once, from: 2026-01-01}\n";

static const struct conf *conf_of(struct arena *a)
{
    const struct conf_file files[] = {
        {"bijia.yaml", "{}", 2},
        {"vendors.yaml", "{}", 2},
        {"prices.yaml", book, sizeof(book) - 1},
        {"policy.yaml", "{}", 2},
    };
    const struct conf *c = NULL;

    memset(&fixture_diag, 0, sizeof(fixture_diag));
    if (conf_read(&c, files, ARRAY_LEN(files), a, &fixture_diag) != 0)
        fail_msg("%s", fixture_diag.text);
    return c;
}

static const struct conf_window *find(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_windows; i++)
        if (strcmp(c->windows[i].name, name) == 0)
            return &c->windows[i];
    fail_msg("no window %s", name);
    return NULL;
}

static void windows_open_by_the_clocks_and_days_of_their_place(void **state)
{
    static const struct {
        const char *window, *at;
        bool open;
    } rows[] = {
        /* New York's clocks change on 2026-03-08 and 2026-11-01 */
        {"day", "2026-03-06T13:59:59.999Z", false},
        {"day", "2026-03-06T14:00:00Z", true},
        {"day", "2026-03-06T22:29:59.999Z", true},
        {"day", "2026-03-06T22:30:00Z", false},
        {"day", "2026-03-09T13:00:00Z", true},
        {"day", "2026-03-09T12:59:59.999Z", false},
        {"day", "2026-03-08T15:00:00Z", false},
        /* Saturday 22:00 to Sunday 2:30 over the end of summer time: the
         * hour from 1:00 comes twice */
        {"late", "2026-10-24T20:59:59.999Z", false},
        {"late", "2026-10-24T21:00:00Z", true},
        {"late", "2026-10-25T02:29:59.999Z", true},
        {"late", "2026-10-25T02:30:00Z", false},
        {"late", "2026-10-26T02:29:59.999Z", true}, /* of Sunday's */
        {"late", "2026-10-26T23:00:00Z", false},
        {"all", "1970-01-01T00:00:00Z", true},
        {"all", "2026-06-15T12:34:56.789Z", true},
        {"only", "2026-03-01T15:59:59.999Z", false},
        {"only", "2026-03-01T16:00:00Z", true},
        {"only", "2026-03-02T15:59:59.999Z", true},
        {"only", "2026-03-02T16:00:00Z", false},
        {"around", "2026-11-20T21:59:59.999Z", false}, /* Saturday 6:00 */
        {"around", "2026-11-20T22:00:00Z", true},
        {"around", "2026-11-23T21:59:59.999Z", true},
        {"around", "2026-11-23T22:00:00Z", false},
    };
    struct arena *a = arena_new();
    const struct conf *c = conf_of(a);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (window_open(find(c, rows[i].window), instant(rows[i].at)) !=
            rows[i].open)
            fail_msg("%s at %s", rows[i].window, rows[i].at);
    arena_free(a);
}

/* Looks at each minute of 60 days: edges stand at whole minutes here. */
static void watch(const struct conf_window *w, int64_t at)
{
    enum {
        MINUTE = 60000,
        MINUTES = 60 * 24 * 60,
    };

    int64_t end = at + (int64_t)MINUTES * MINUTE;
    int64_t next = window_next(w, at);
    bool open = window_open(w, at);

    for (at += MINUTE; at < end; at += MINUTE) {
        bool now = window_open(w, at);

        if (now == open)
            continue;
        if (next != at)
            fail_msg("%s: %lld, not %lld", w->name, (long long)next,
                     (long long)at);
        open = now;
        next = window_next(w, at);
    }
    assert_true(next >= end);
}

static void the_next_change_is_the_first_that_a_patient_watcher_sees(
    void **state)
{
    struct arena *a = arena_new();
    const struct conf *c = conf_of(a);

    (void)state;
    for (size_t w = 0; w < c->n_windows; w++) {
        watch(&c->windows[w], instant("2026-02-20"));
        watch(&c->windows[w], instant("2026-09-20"));
    }
    assert_int_equal(window_next(find(c, "all"), 0), INT64_MAX);
    arena_free(a);
}

static void a_quotas_period_is_a_day_or_month_there_within_its_dates(
    void **state)
{
    static const struct {
        size_t quota;
        const char *at, *begins, *ends;
        uint32_t number;
    } rows[] = {
        {0, "2026-03-05T00:00:00Z", "2026-03-05", "2026-04-01T04:00:00Z", 675},
        {0, "2026-04-01T03:59:59.999Z", "2026-03-05", "2026-04-01T04:00:00Z",
         675},
        {0, "2026-04-01T04:00:00Z", "2026-04-01T04:00:00Z",
         "2026-05-01T04:00:00Z", 676},
        {0, "2026-07-10T00:00:00Z", "2026-07-01T04:00:00Z",
         "2026-07-20T12:00:00Z", 679},
        {0, "2026-03-04T23:59:59.999Z", NULL, NULL, 0},
        {0, "2026-07-20T12:00:00Z", NULL, NULL, 0},
        {1, "2026-11-22T23:59:59.999Z", "2026-11-22", "2026-11-23", 20780},
    };
    struct arena *a = arena_new();
    const struct conf *c = conf_of(a);
    int64_t begins, ends;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct conf_quota *q = &c->quotas[rows[i].quota];
        bool given = quota_period(q, instant(rows[i].at), &begins, &ends);

        assert_int_equal(given, rows[i].begins != NULL);
        assert_int_equal(quota_period_number(q, instant(rows[i].at)),
                         rows[i].number);
        if (!given)
            continue;
        assert_int_equal(begins, instant(rows[i].begins));
        assert_int_equal(ends, instant(rows[i].ends));
    }
    assert_true(
        quota_period(&c->quotas[2], instant("2030-01-01"), &begins, &ends));
    assert_int_equal(begins, instant("2026-01-01"));
    assert_int_equal(ends, INT64_MAX);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_open_by_the_clocks_and_days_of_their_place),
        cmocka_unit_test(
            the_next_change_is_the_first_that_a_patient_watcher_sees),
        cmocka_unit_test(
            a_quotas_period_is_a_day_or_month_there_within_its_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
