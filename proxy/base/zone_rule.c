#include "base/zone_rule.h"

#include <stdbool.h>

#include "base/zone.h"

enum {
    FIRST_YEAR = 1970,
    HOUR_S = 3600,
    NAME_LEAST = 3,
};

/* When in a year: Mm.w.d, Jn (no February 29) or n, at a local time. */
struct moment {
    char kind; /* 'M', 'J', 'n' */
    int month, week, day;
    int64_t time_s;
};

struct rule {
    int64_t std_s, dst_s; /* ahead of UTC */
    bool has_dst;
    struct moment begins, ends; /* of daylight saving */
};

/* Readers step over what they take; false: something else stands there. */

static bool take(struct slice *s, char wanted)
{
    if (!s->len || *s->bytes != wanted)
        return false;
    *s = (struct slice){s->bytes + 1, s->len - 1};
    return true;
}

static bool take_number(struct slice *s, int *out, int most)
{
    size_t digits = 0;

    for (*out = 0; s->len && *s->bytes >= '0' && *s->bytes <= '9'; digits++) {
        *out = *out * 10 + (*s->bytes - '0');
        if (*out > most)
            return false;
        take(s, *s->bytes);
    }
    return digits > 0;
}

/* "EST" or "<+0330>" */
static bool take_name(struct slice *s)
{
    bool quoted = take(s, '<');
    size_t len = 0;

    for (; s->len && *s->bytes != '>'; len++) {
        char c = (char)(*s->bytes | 0x20);

        if (!quoted && (c < 'a' || c > 'z'))
            break;
        take(s, *s->bytes);
    }
    return len >= NAME_LEAST && (!quoted || take(s, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct slice *s, int64_t *out_s)
{
    int part[3] = {0};
    bool minus = take(s, '-');

    if (!minus)
        take(s, '+');
    for (int i = 0; i < 3 && (i == 0 || take(s, ':')); i++)
        if (!take_number(s, &part[i], 167))
            return false;
    *out_s = part[0] * HOUR_S + part[1] * 60 + part[2];
    if (minus)
        *out_s = -*out_s;
    return true;
}

static bool take_moment(struct slice *s, struct moment *m)
{
    m->kind = take(s, 'M') ? 'M' : take(s, 'J') ? 'J' : 'n';
    m->time_s = INT64_C(2) * HOUR_S;
    if (m->kind == 'M' &&
        (!take_number(s, &m->month, 12) || m->month < 1 || !take(s, '.') ||
         !take_number(s, &m->week, 5) || m->week < 1 || !take(s, '.')))
        return false;
    if (!take_number(s, &m->day, m->kind == 'M' ? 6 : 365))
        return false;
    return !take(s, '/') || take_time(s, &m->time_s);
}

static bool rule_read(struct rule *r, struct slice s)
{
    int64_t behind;

    if (!take_name(&s) || !take_time(&s, &behind))
        return false;
    r->std_s = -behind;
    r->dst_s = r->std_s + HOUR_S;
    r->has_dst = s.len > 0;
    if (!r->has_dst)
        return true;
    if (!take_name(&s))
        return false;
    if (s.len && *s.bytes != ',') {
        if (!take_time(&s, &behind))
            return false;
        r->dst_s = -behind;
    }
    return take(&s, ',') && take_moment(&s, &r->begins) && take(&s, ',') &&
           take_moment(&s, &r->ends) && s.len == 0;
}

/* The day of `year` that the moment falls on, counted from 1970. */
static int64_t day_of(const struct moment *m, int year)
{
    int64_t january = (int64_t)(year - FIRST_YEAR) * 12, first, next, day;
    bool leap = month_day(january + 12) - month_day(january) == 366;

    if (m->kind == 'n')
        return month_day(january) + m->day;
    if (m->kind == 'J')
        return month_day(january) + m->day - 1 + (leap && m->day >= 60);
    first = month_day(january + m->month - 1);
    next = month_day(january + m->month);
    /* a rule's 0 is Sunday, ours Monday */
    day = first + ((m->day + 6) % 7 - day_weekday(first) + 7) % 7;
    day += INT64_C(7) * (m->week - 1);
    while (day >= next)
        day -= 7;
    return day;
}

static int64_t instant_of(const struct moment *m, int year, int64_t offset_s)
{
    return day_of(m, year) * DAY_MS + (m->time_s - offset_s) * 1000;
}

size_t zone_rule_apply(struct slice rule, int64_t *at_ms, int64_t *offset_ms,
                       size_t n)
{
    struct rule r = {0};
    size_t known = n;

    if (!rule_read(&r, rule))
        return n;
    if (!r.has_dst) {
        if (n == 0) {
            at_ms[0] = 0;
            offset_ms[n++] = r.std_s * 1000;
        }
        return n;
    }
    for (int year = FIRST_YEAR; year <= ZONE_RULE_LAST_YEAR; year++) {
        int64_t begins = instant_of(&r.begins, year, r.std_s),
                ends = instant_of(&r.ends, year, r.dst_s);

        for (int i = 0; i < 2; i++) {
            bool begin = (begins < ends) == (i == 0);
            int64_t at = begin ? begins : ends;

            if (known > 0 && at <= at_ms[known - 1])
                continue;
            at_ms[n] = at;
            offset_ms[n++] = (begin ? r.dst_s : r.std_s) * 1000;
        }
    }
    return n;
}
