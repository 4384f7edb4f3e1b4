#include "base/time.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

enum {
    MS_PER_S = 1000,
    MS_PER_MINUTE = 60 * MS_PER_S,
    FIRST_YEAR = 1970,
};

static const int64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */

/* Exactly `digits` of them; NULL: something else stands there. */
static const char *take_number(const char *at, int digits, int *out)
{
    *out = 0;
    for (; digits > 0; digits--, at++) {
        if (*at < '0' || *at > '9')
            return NULL;
        *out = *out * 10 + (*at - '0');
    }
    return at;
}

/* The same, behind the character `mark`. */
static const char *take(const char *at, char mark, int digits, int *out)
{
    return at && *at == mark ? take_number(at + 1, digits, out) : NULL;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static const char *take_date(const char *at, struct tm *out)
{
    int year, month, day;

    at = take_number(at, 4, &year);
    at = take(at, '-', 2, &month);
    at = take(at, '-', 2, &day);
    if (!at || year < FIRST_YEAR || month < 1 || month > 12 || day < 1 ||
        day > days_of(year, month))
        return NULL;
    *out = (struct tm){
        .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    return at;
}

static const char *take_clock(const char *at, struct tm *out, int *ms)
{
    int weight = MS_PER_S / 10;

    at = take_number(at, 2, &out->tm_hour);
    at = take(at, ':', 2, &out->tm_min);
    at = take(at, ':', 2, &out->tm_sec);
    if (!at || out->tm_hour > 23 || out->tm_min > 59 || out->tm_sec > 59)
        return NULL;
    if (*at != '.')
        return at;
    if (at[1] < '0' || at[1] > '9')
        return NULL;
    for (at++; *at >= '0' && *at <= '9'; at++, weight /= 10)
        *ms += (*at - '0') * weight;
    return at;
}

/* "Z" or "+08:00": minutes ahead of UTC. */
static const char *take_zone(const char *at, int *ahead)
{
    int hours, minutes;
    char sign = *at;

    if (sign == 'Z' || sign == 'z')
        return at + 1;
    if (sign != '+' && sign != '-')
        return NULL;
    at = take_number(at + 1, 2, &hours);
    at = take(at, ':', 2, &minutes);
    if (!at || hours > 23 || minutes > 59)
        return NULL;
    *ahead = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
    return at;
}

bool time_parse(int64_t *out_unix_ms, const char *text)
{
    struct tm tm;
    int ms = 0, ahead = 0;
    int64_t unix_ms;
    const char *at = take_date(text, &tm);

    if (at && (*at == 'T' || *at == 't' || *at == ' ')) {
        at = take_clock(at + 1, &tm, &ms);
        at = at ? take_zone(at, &ahead) : NULL;
    }
    if (!at || *at)
        return false;
    unix_ms = (int64_t)timegm(&tm) * MS_PER_S + ms;
    unix_ms -= (int64_t)ahead * MS_PER_MINUTE;
    if (unix_ms < 0 || unix_ms > last_ms)
        return false;
    *out_unix_ms = unix_ms;
    return true;
}

const char *time_text(int64_t unix_ms, char text[TIME_TEXT])
{
    struct tm tm;
    time_t seconds;
    size_t len;

    if (unix_ms < 0)
        unix_ms = 0;
    if (unix_ms > last_ms)
        unix_ms = last_ms;
    seconds = (time_t)(unix_ms / MS_PER_S);
    gmtime_r(&seconds, &tm);
    len = strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, TIME_TEXT - len, ".%03uZ",
             (unsigned)(unix_ms % MS_PER_S) % MS_PER_S);
    return text;
}
