#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/zone_rule.h"

#define DATABASE "/usr/share/zoneinfo/"

enum {
    FILE_BYTES_MOST = 64 * 1024,
    NAME_BYTES_MOST = 64,
    HEAD_BYTES = 44,
    COUNTS_AT = 20, /* of six counts in the head */
    TYPE_BYTES = 6,
    OFFSET_MOST_S = 26 * 3600,
    MONTHS_A_YEAR = 12,
    FIRST_YEAR = 1970,
};

/* --- days ----------------------------------------------------------------- */

int day_weekday(int64_t day)
{
    int64_t rest = (day + 3) % 7; /* 1970-01-01 was a Thursday */

    return (int)(rest < 0 ? rest + 7 : rest);
}

/* Counted in eras of 400 years whose years start in March, so that a leap day
 * is the last of its year. */
int64_t month_day(int64_t month)
{
    int64_t year = month >= 0 ? month / 12 : (month - 11) / 12;
    int64_t m = month - year * MONTHS_A_YEAR; /* 0 is January */
    int64_t y = year + FIRST_YEAR - (m < 2);
    int64_t era = y >= 0 ? y / 400 : (y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m < 2 ? m + 10 : m - 2) + 2) / 5;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

int64_t day_month(int64_t day)
{
    int64_t month = day * MONTHS_A_YEAR * 400 / 146097; /* off by one at most */

    while (month_day(month) > day)
        month--;
    while (month_day(month + 1) <= day)
        month++;
    return month;
}

/* --- lookups -------------------------------------------------------------- */

int64_t zone_offset_ms(const struct zone *z, int64_t unix_ms)
{
    size_t low = 0, high = z->n;

    if (z->n == 0 || unix_ms < z->at_ms[0])
        return z->first_offset_ms;
    if (unix_ms >= z->at_ms[z->n - 1])
        return z->offset_ms[z->n - 1];
    while (high - low > 1) { /* at_ms[low] <= unix_ms < at_ms[high] */
        size_t middle = low + (high - low) / 2;

        if (z->at_ms[middle] <= unix_ms)
            low = middle;
        else
            high = middle;
    }
    return z->offset_ms[low];
}

struct local_time zone_local(const struct zone *z, int64_t unix_ms)
{
    int64_t local = unix_ms + zone_offset_ms(z, unix_ms);
    int64_t day = local / DAY_MS;

    if (local < day * DAY_MS)
        day--;
    return (struct local_time){day, (int32_t)(local - day * DAY_MS)};
}

int64_t zone_midnight(const struct zone *z, int64_t day)
{
    int64_t local = day * DAY_MS;
    int64_t before = zone_offset_ms(z, local - DAY_MS),
            after = zone_offset_ms(z, local + DAY_MS);
    int64_t early = local - (before > after ? before : after),
            late = local - (before > after ? after : before);

    if (zone_local(z, early).day >= day)
        return early;
    for (size_t i = 0; i < z->n; i++) /* midnight is skipped */
        if (z->at_ms[i] > early && z->at_ms[i] <= late &&
            zone_local(z, z->at_ms[i]).day >= day)
            return z->at_ms[i];
    return late;
}

/* --- reading -------------------------------------------------------------- */

struct tzif {
    const unsigned char *head, *body;
    uint32_t n_utc, n_std, n_leaps, n_times, n_types, n_chars;
    int time_bytes; /* 4, and 8 in the second part */
};

static uint32_t take_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static int64_t take_time(const struct tzif *t, uint32_t i)
{
    const unsigned char *p = t->body + (size_t)i * (size_t)t->time_bytes;

    if (t->time_bytes == 4)
        return (int32_t)take_u32(p);
    return (int64_t)((uint64_t)take_u32(p) << 32 | take_u32(p + 4));
}

static size_t body_bytes(const struct tzif *t)
{
    size_t time = (size_t)t->time_bytes;

    return (size_t)t->n_times * (time + 1) + (size_t)t->n_types * TYPE_BYTES +
           t->n_chars + (size_t)t->n_leaps * (time + 4) + t->n_std + t->n_utc;
}

/* The part whose head stands at `at`; false: it is none, or is cut. */
static bool part_read(struct tzif *out, struct slice file, size_t at,
                      int time_bytes)
{
    uint32_t *counts[] = {&out->n_utc,   &out->n_std,   &out->n_leaps,
                          &out->n_times, &out->n_types, &out->n_chars};

    if (at > file.len || file.len - at < HEAD_BYTES ||
        memcmp(file.bytes + at, "TZif", 4) != 0)
        return false;
    out->head = (const unsigned char *)file.bytes + at;
    out->body = out->head + HEAD_BYTES;
    out->time_bytes = time_bytes;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        *counts[i] = take_u32(out->head + COUNTS_AT + 4 * i);
        if (*counts[i] > FILE_BYTES_MOST)
            return false;
    }
    return out->n_types > 0 && body_bytes(out) <= file.len - at - HEAD_BYTES;
}

/* False: the type is not there, or no clock is so far off. */
static bool offset_of(int64_t *out_ms, const struct tzif *t, uint32_t type)
{
    const unsigned char *types =
        t->body + (size_t)t->n_times * ((size_t)t->time_bytes + 1);
    int32_t seconds;

    if (type >= t->n_types)
        return false;
    seconds = (int32_t)take_u32(types + (size_t)type * TYPE_BYTES);
    *out_ms = (int64_t)seconds * 1000;
    return seconds > -OFFSET_MOST_S && seconds < OFFSET_MOST_S;
}

/* Times before this are not told apart: no price is so old. */
static const int64_t oldest_s = -(INT64_C(1) << 40), newest_s = INT64_C(1)
                                                                << 40;

static bool changes_read(struct zone *z, const struct tzif *t, int64_t *at_ms,
                         int64_t *offset_ms)
{
    const unsigned char *types =
        t->body + (size_t)t->n_times * (size_t)t->time_bytes;

    if (!offset_of(&z->first_offset_ms, t, 0))
        return false;
    for (uint32_t i = 0; i < t->n_times; i++) {
        int64_t seconds = take_time(t, i);

        if (seconds < oldest_s)
            seconds = oldest_s;
        if (seconds > newest_s || !offset_of(&offset_ms[z->n], t, types[i]))
            return false;
        at_ms[z->n] = seconds * 1000;
        if (z->n > 0 && at_ms[z->n] < at_ms[z->n - 1])
            return false;
        z->n++;
    }
    return true;
}

/* "\n<rule>\n" behind the second part. */
static struct slice footer_of(struct slice file, const struct tzif *t)
{
    const char *at = (const char *)t->body + body_bytes(t);
    const char *end = file.bytes + file.len, *stop;

    if (at == end || *at != '\n')
        return (struct slice){0};
    at++;
    stop = memchr(at, '\n', (size_t)(end - at));
    return stop ? (struct slice){at, (size_t)(stop - at)} : (struct slice){0};
}

const struct zone *zone_read(const char *name, struct slice tzif,
                             struct arena *a)
{
    struct zone *z = arena_alloc(a, sizeof(*z));
    struct tzif t;
    int64_t *at_ms, *offset_ms;
    struct slice rule = {0};
    size_t first;

    if (!part_read(&t, tzif, 0, 4))
        return NULL;
    first = HEAD_BYTES + body_bytes(&t);
    if (t.head[4] >= '2') {
        if (!part_read(&t, tzif, first, 8))
            return NULL;
        rule = footer_of(tzif, &t);
    }
    at_ms = arena_alloc(a, (t.n_times + ZONE_RULE_CHANGES) * sizeof(*at_ms));
    offset_ms =
        arena_alloc(a, (t.n_times + ZONE_RULE_CHANGES) * sizeof(*offset_ms));
    z->name = arena_strndup(a, name, strlen(name));
    z->at_ms = at_ms;
    z->offset_ms = offset_ms;
    if (!changes_read(z, &t, at_ms, offset_ms))
        return NULL;
    if (rule.len > 0)
        z->n = zone_rule_apply(rule, at_ms, offset_ms, z->n);
    return z;
}

/* Two digits at `text`; -1: something else stands there. */
static int two_digits(const char *text)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return -1;
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* "+08:00" */
static const struct zone *fixed(const char *name, struct arena *a)
{
    struct zone *z = arena_alloc(a, sizeof(*z));
    int hours, minutes;

    z->name = arena_strndup(a, name, strlen(name));
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0)
        return z;
    if ((*name != '+' && *name != '-') || strlen(name) != strlen("+08:00") ||
        name[3] != ':')
        return NULL;
    hours = two_digits(name + 1);
    minutes = two_digits(name + 4);
    if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
        return NULL;
    z->first_offset_ms = (int64_t)(hours * 60 + minutes) * 60000;
    if (*name == '-')
        z->first_offset_ms = -z->first_offset_ms;
    return z;
}

/* Part/Part, of letters, digits and "_+-": never a way out of the folder. */
static bool is_name(const char *name)
{
    bool begins = true;

    if (strlen(name) > NAME_BYTES_MOST)
        return false;
    for (; *name; name++) {
        bool letter =
            (*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z');

        if (begins && !letter)
            return false;
        if (!letter && !(*name >= '0' && *name <= '9') &&
            !strchr("_+-/", *name))
            return false;
        begins = *name == '/';
    }
    return !begins;
}

const struct zone *zone_load(const char *name, struct arena *a,
                             const char **why)
{
    const struct zone *z = fixed(name, a);
    char path[sizeof(DATABASE) + NAME_BYTES_MOST];
    char *bytes;
    FILE *f;
    size_t len;

    if (z)
        return z;
    *why = "is no time zone: write one such as Asia/Shanghai, UTC or +08:00";
    if (!is_name(name))
        return NULL;
    snprintf(path, sizeof(path), "%s%s", DATABASE, name);
    f = fopen(path, "rb");
    if (!f) {
        *why = "is not in the system's database of time zones, " DATABASE
               " (Debian's package tzdata)";
        return NULL;
    }
    bytes = arena_alloc(a, FILE_BYTES_MOST);
    len = fread(bytes, 1, FILE_BYTES_MOST, f);
    fclose(f);
    return len < FILE_BYTES_MOST
               ? zone_read(name, (struct slice){bytes, len}, a)
               : NULL;
}
