/* window.c - of prices.yaml: calendars of days, windows of time. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#include "conf/check.h"
#include "conf/files.h"

enum {
    DAYS_A_WEEK = 7,
    RANGE_DAYS_MOST = 366,
    SPANS_MOST = 24,
    CALENDAR_WORDS_MOST = 1000,
};

/* --- dates ---------------------------------------------------------------- */

bool as_of_parse(int64_t *out_unix_ms, const char *text)
{
    char day[] = "2026-11-01";

    if (strlen(text) == strlen("2026-11")) {
        memcpy(day, text, strlen("2026-11"));
        text = day;
    }
    return strlen(text) == strlen(day) && time_parse(out_unix_ms, text);
}

const char *check_as_of(const char *text)
{
    int64_t unused;

    return as_of_parse(&unused, text)
               ? NULL
               : "wants a date such as 2026-11-15 or 2026-11";
}

/* "2026-10-01", or "2026-10-01..2026-10-07" with both ends in it. */
static bool days_parse(int64_t *first, int64_t *last, const char *text)
{
    static const char date[] = "2026-10-01";
    size_t len = strlen(date);
    char begin[sizeof(date)] = "";
    int64_t from, to;

    strncpy(begin, text, len);
    if (strlen(begin) < len || !time_parse(&from, begin))
        return false;
    to = from;
    if (text[len] &&
        (strncmp(text + len, "..", 2) != 0 || strlen(text + len + 2) != len ||
         !time_parse(&to, text + len + 2)))
        return false;
    *first = from / DAY_MS;
    *last = to / DAY_MS;
    return *first <= *last && *last - *first < RANGE_DAYS_MOST;
}

static const char *check_days(const char *text)
{
    int64_t first, last;

    return days_parse(&first, &last, text)
               ? NULL
               : "wants days such as 2026-05-01 or 2026-10-01..2026-10-07";
}

/* --- calendars ------------------------------------------------------------ */

struct calendar_words {
    struct conf_words days;
    const char *source, *as_of;
};

static const struct field calendar_rows[] = {
    FIELD(calendar_words, "days", days, .kind = FIELD_WORDS, .min = 1,
          .max = CALENDAR_WORDS_MOST, .check = check_days, .live = true,
          .help = "2026-05-01, or 2026-10-01..2026-10-07 with both ends"),
    FIELD(calendar_words, "source", source, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "where it was read"),
    FIELD(calendar_words, "as_of", as_of, .kind = FIELD_TEXT, .init = "",
          .max = 32, .check = check_as_of, .live = true,
          .help = "when it was read"),
};

const struct field_table calendar_fields = FIELD_TABLE(calendar_rows);

static int by_day(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;

    return a < b ? -1 : a > b;
}

static void spread_days(const struct load *l, struct conf_calendar *c,
                        const struct conf_words *words)
{
    size_t n = 0;
    int64_t first, last;
    int32_t *days;

    for (size_t i = 0; i < words->n; i++)
        if (days_parse(&first, &last, words->items[i].text))
            n += (size_t)(last - first) + 1;
    days = arena_alloc(l->arena, n * sizeof(*days));
    c->days = days;
    for (size_t i = 0; i < words->n; i++)
        if (days_parse(&first, &last, words->items[i].text))
            for (; first <= last; first++)
                days[c->n_days++] = (int32_t)first;
    if (n > 0)
        qsort(days, n, sizeof(*days), by_day);
}

void calendars_read(const struct load *l, const struct node *map)
{
    size_t n;
    const struct node *entry = children(l, map, NODE_MAP, "\"calendars\"", &n);
    struct conf_calendar *c = arena_alloc(l->arena, n * sizeof(*c));

    l->conf->calendars = c;
    l->conf->n_calendars = n;
    for (; entry; entry = entry->next, c++) {
        struct calendar_words words = {.source = NULL};

        c->place = entry->key_place;
        c->name = arena_strndup(l->arena, entry->key, strlen(entry->key));
        if (!check_key(entry, check_name, "a calendar", l->diag))
            continue;
        fields_read(&calendar_fields, entry, &words, l->arena, l->diag);
        c->source = words.source;
        c->as_of = words.as_of;
        spread_days(l, c, &words.days);
    }
}

static const struct conf_calendar *find_calendar(const struct load *l,
                                                 const struct node *window,
                                                 const char *word,
                                                 const char *name)
{
    if (!name)
        return NULL;
    for (size_t i = 0; i < l->conf->n_calendars; i++)
        if (strcmp(l->conf->calendars[i].name, name) == 0)
            return &l->conf->calendars[i];
    diag_error(l->diag, &node_find(window, word)->place,
               "\"%s\": there is no calendar \"%.64s\"", word, name);
    return NULL;
}

/* --- windows -------------------------------------------------------------- */

static const char weekday_names[DAYS_A_WEEK][4] = {"Mon", "Tue", "Wed", "Thu",
                                                   "Fri", "Sat", "Sun"};

static int weekday_find(const char *text, size_t len)
{
    for (int i = 0; i < DAYS_A_WEEK; i++)
        if (len == 3 && memcmp(weekday_names[i], text, len) == 0)
            return i;
    return -1;
}

/* "Mon", or "Mon-Fri" with both ends in it; adds to *mask. */
static bool weekdays_parse(uint8_t *mask, const char *text)
{
    size_t len = strcspn(text, "-");
    int first = weekday_find(text, len), last = first;

    if (text[len])
        last = weekday_find(text + len + 1, strlen(text + len + 1));
    if (first < 0 || last < 0)
        return false;
    for (int day = first;; day = (day + 1) % DAYS_A_WEEK) {
        *mask |= (uint8_t)(1 << day);
        if (day == last)
            return true;
    }
}

static const char *check_weekdays(const char *text)
{
    uint8_t unused = 0;

    return weekdays_parse(&unused, text) ? NULL
                                         : "wants days such as Mon or Mon-Fri";
}

/* "09:30"; "24:00" ends a day. */
static bool clock_parse(int32_t *out_ms, const char *text, size_t len)
{
    int hours, minutes;

    for (size_t i = 0; i < len; i++)
        if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return false;
    if (len != 5)
        return false;
    hours = (text[0] - '0') * 10 + text[1] - '0';
    minutes = (text[3] - '0') * 10 + text[4] - '0';
    *out_ms = (hours * 60 + minutes) * 60000;
    return minutes < 60 && *out_ms <= DAY_MS;
}

static bool span_parse(struct conf_span *out, const char *text)
{
    size_t len = strcspn(text, "-");

    return text[len] && clock_parse(&out->from_ms, text, len) &&
           clock_parse(&out->to_ms, text + len + 1, strlen(text + len + 1)) &&
           out->from_ms < DAY_MS;
}

static const char *check_span(const char *text)
{
    struct conf_span unused;

    return span_parse(&unused, text)
               ? NULL
               : "wants hours such as 09:00-12:00 or 22:00-06:00";
}

struct window_words {
    const char *zone, *except, *only, *source;
    struct conf_words days, hours;
};

static const struct field window_rows[] = {
    FIELD(window_words, "zone", zone, .kind = FIELD_TEXT, .max = 64,
          .live = true, .help = "whose clocks: Asia/Shanghai, UTC, +08:00"),
    FIELD(window_words, "days", days, .kind = FIELD_WORDS, .init = "Mon-Sun",
          .min = 1, .max = DAYS_A_WEEK, .check = check_weekdays, .live = true,
          .help = "Mon, or Mon-Fri"),
    FIELD(window_words, "hours", hours, .kind = FIELD_WORDS,
          .init = "00:00-24:00", .min = 1, .max = SPANS_MOST,
          .check = check_span, .live = true,
          .help = "09:00-12:00, the end not in it; 22:00-06:00 goes on into "
                  "the next day and counts as of the first"),
    FIELD(window_words, "except_calendar", except, .kind = FIELD_TEXT,
          .init = "", .live = true, .help = "not on the days of this calendar"),
    FIELD(window_words, "only_calendar", only, .kind = FIELD_TEXT, .init = "",
          .live = true, .help = "on the days of this calendar alone"),
    FIELD(window_words, "source", source, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "where it was read"),
};

const struct field_table window_fields = FIELD_TABLE(window_rows);

const struct zone *zone_of_entry(const struct load *l, const struct node *entry,
                                 const char *name)
{
    const char *why = "";
    const struct zone *z = name ? zone_load(name, l->arena, &why)
                                : zone_load("UTC", l->arena, &why);
    const struct node *at = node_find(entry, "zone");

    if (!z)
        diag_error(l->diag, at ? &at->place : &entry->place,
                   "\"zone\": \"%.64s\" %s", name, why);
    return z;
}

static void read_window(const struct load *l, struct conf_window *w,
                        const struct node *entry)
{
    struct window_words words = {0};
    struct conf_span *spans;

    fields_read(&window_fields, entry, &words, l->arena, l->diag);
    if (words.zone)
        w->zone = zone_of_entry(l, entry, words.zone);
    w->source = words.source;
    w->except = find_calendar(l, entry, "except_calendar", words.except);
    w->only = find_calendar(l, entry, "only_calendar", words.only);
    for (size_t i = 0; i < words.days.n; i++)
        (void)!weekdays_parse(&w->weekdays, words.days.items[i].text);
    spans = arena_alloc(l->arena, words.hours.n * sizeof(*spans));
    w->spans = spans;
    for (size_t i = 0; i < words.hours.n; i++)
        w->n_spans += span_parse(&spans[w->n_spans], words.hours.items[i].text);
}

void windows_read(const struct load *l, const struct node *map)
{
    size_t n;
    const struct node *entry = children(l, map, NODE_MAP, "\"windows\"", &n);
    struct conf_window *w = arena_alloc(l->arena, n * sizeof(*w));

    l->conf->windows = w;
    l->conf->n_windows = n;
    for (; entry; entry = entry->next, w++) {
        w->place = entry->key_place;
        w->name = arena_strndup(l->arena, entry->key, strlen(entry->key));
        if (check_key(entry, check_name, "a window", l->diag))
            read_window(l, w, entry);
    }
}
