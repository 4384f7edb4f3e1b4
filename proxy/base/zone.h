/*
 * zone.h - what the clocks on the wall show: a time zone's offsets from UTC.
 *
 * Read once, from the system's database of time zones or from a fixed offset,
 * into a list of instants and offsets in an arena; from then on a lookup is a
 * short search, without locks and without the process's own zone (TZ).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

enum {
    DAY_MS = 24 * 3600 * 1000,
};

struct zone {
    const char *name;
    int64_t first_offset_ms;  /* before the first change */
    const int64_t *at_ms;     /* unix, ascending: from then on ... */
    const int64_t *offset_ms; /* ... local clocks are so far ahead of UTC */
    size_t n;
};

/* "Asia/Shanghai" from the system's database, or "UTC", "+08:00", "-03:30",
 * which need none. NULL: there is none, and *why says so, to follow a name. */
const struct zone *zone_load(const char *name, struct arena *a,
                             const char **why) MUST_CHECK;

/* The same from the bytes of a TZif file (RFC 8536), which are not kept. Its
 * rule for the future is worked out to the year 2100. NULL: it is none. */
const struct zone *zone_read(const char *name, struct slice tzif,
                             struct arena *a) MUST_CHECK;

int64_t zone_offset_ms(const struct zone *z, int64_t unix_ms);

/* A day of the local calendar, counted from 1970-01-01, and the time of day
 * that local clocks show. */
struct local_time {
    int64_t day;
    int32_t ms; /* since midnight, 0 .. DAY_MS - 1 */
};

struct local_time zone_local(const struct zone *z, int64_t unix_ms);

/* The instant at which clocks first show midnight of `day`, or, where that
 * midnight is skipped, the instant of the skip. */
int64_t zone_midnight(const struct zone *z, int64_t day);

/* 0 is Monday. */
int day_weekday(int64_t day);
/* Counted from January 1970; and back: its first day. */
int64_t day_month(int64_t day);
int64_t month_day(int64_t month);
