/*
 * window.h - is this the time that a price speaks of?
 *
 * By the clocks of the window's own zone. A span that goes on past midnight
 * belongs to the day on which it began: its weekday and its holiday count.
 */
#pragma once

#include "conf/conf.h"

bool window_open(const struct conf_window *w, int64_t unix_ms);

/* One instant, at which windows are asked for again and again: what they said
 * is kept. Begins with nothing kept. */
struct moment {
    int64_t unix_ms;
    uint32_t n, next;
    const struct conf_window *windows[4];
    bool open[4];
};

bool moment_open(struct moment *m, const struct conf_window *w);

/* The first instant after `unix_ms` at which window_open() changes, or
 * INT64_MAX: none within 400 days. For boards and explanations. */
int64_t window_next(const struct conf_window *w, int64_t unix_ms);

/* Is that day (counted from 1970-01-01) in the calendar? */
bool calendar_has(const struct conf_calendar *c, int64_t day);

/* Where a quota's period that holds `unix_ms` begins and ends, cut to the
 * quota's own dates. False: it is not given then. */
bool quota_period(const struct conf_quota *q, int64_t unix_ms,
                  int64_t *begins_ms, int64_t *ends_ms) MUST_CHECK;

/* A number for that period, which grows from one to the next: 1 to 2^24. 0:
 * the quota is not given then. Quicker than the above. */
uint32_t quota_period_number(const struct conf_quota *q, int64_t unix_ms);
