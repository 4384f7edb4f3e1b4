#include "routing/window.h"

enum {
    AHEAD_DAYS = 400,
};

bool calendar_has(const struct conf_calendar *c, int64_t day)
{
    size_t low = 0, high = c->n_days;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->days[middle] < day)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n_days && c->days[low] == day;
}

static bool counts(const struct conf_window *w, int64_t day)
{
    return (w->weekdays >> day_weekday(day) & 1) &&
           !(w->except && calendar_has(w->except, day)) &&
           !(w->only && !calendar_has(w->only, day));
}

bool window_open(const struct conf_window *w, int64_t unix_ms)
{
    struct local_time now = zone_local(w->zone, unix_ms);

    for (size_t i = 0; i < w->n_spans; i++) {
        const struct conf_span *s = &w->spans[i];
        bool wraps = s->to_ms <= s->from_ms;

        if (now.ms >= s->from_ms && (wraps || now.ms < s->to_ms) &&
            counts(w, now.day))
            return true;
        if (wraps && now.ms < s->to_ms && counts(w, now.day - 1))
            return true;
    }
    return false;
}

bool moment_open(struct moment *m, const struct conf_window *w)
{
    uint32_t at;

    for (uint32_t i = 0; i < m->n; i++)
        if (m->windows[i] == w)
            return m->open[i];
    at = m->next++ % ARRAY_LEN(m->windows);
    m->windows[at] = w;
    m->open[at] = window_open(w, m->unix_ms);
    if (m->n < ARRAY_LEN(m->windows))
        m->n++;
    return m->open[at];
}

/* A search for the first instant after another at which `open` ends. */
struct search {
    const struct conf_window *window;
    int64_t after, best;
    bool open; /* at `after` */
};

static void try(struct search *s, int64_t at)
{
    if (at > s->after && at < s->best && window_open(s->window, at) != s->open)
        s->best = at;
}

/* The instants at which clocks show `local_ms`: near a change of clocks there
 * may be two. */
static void try_local(struct search *s, int64_t local_ms)
{
    const struct zone *z = s->window->zone;

    try(s, local_ms - zone_offset_ms(z, local_ms - DAY_MS));
    try(s, local_ms - zone_offset_ms(z, local_ms + DAY_MS));
}

/* A window changes at its edges, at midnight, and when clocks jump over one
 * of these. */
int64_t window_next(const struct conf_window *w, int64_t unix_ms)
{
    struct search s = {w, unix_ms, INT64_MAX, window_open(w, unix_ms)};
    int64_t today = zone_local(w->zone, unix_ms).day;
    int64_t last = today + AHEAD_DAYS;

    for (size_t i = 0; i < w->zone->n; i++)
        if (w->zone->at_ms[i] < unix_ms + AHEAD_DAYS * (int64_t)DAY_MS)
            try(&s, w->zone->at_ms[i]);
    for (int64_t day = today; day <= last; day++) {
        try_local(&s, day * DAY_MS);
        for (size_t i = 0; i < w->n_spans; i++) {
            try_local(&s, day * DAY_MS + w->spans[i].from_ms);
            try_local(&s, day * DAY_MS + w->spans[i].to_ms);
        }
        if (s.best < INT64_MAX && zone_local(w->zone, s.best).day < day)
            break;
    }
    return s.best;
}

bool quota_period(const struct conf_quota *q, int64_t unix_ms,
                  int64_t *begins_ms, int64_t *ends_ms)
{
    int64_t day = zone_local(q->zone, unix_ms).day, month;

    *begins_ms = INT64_MIN;
    *ends_ms = INT64_MAX;
    if (unix_ms < q->from_ms || unix_ms >= q->until_ms)
        return false;
    switch (q->per) {
    case CONF_PER_DAY:
        *begins_ms = zone_midnight(q->zone, day);
        *ends_ms = zone_midnight(q->zone, day + 1);
        break;
    case CONF_PER_MONTH:
        month = day_month(day);
        *begins_ms = zone_midnight(q->zone, month_day(month));
        *ends_ms = zone_midnight(q->zone, month_day(month + 1));
        break;
    case CONF_ONCE: break;
    }
    if (*begins_ms < q->from_ms)
        *begins_ms = q->from_ms;
    if (*ends_ms > q->until_ms)
        *ends_ms = q->until_ms;
    return true;
}

uint32_t quota_period_number(const struct conf_quota *q, int64_t unix_ms)
{
    int64_t day;

    if (unix_ms < q->from_ms || unix_ms >= q->until_ms)
        return 0;
    if (q->per == CONF_ONCE)
        return 1;
    day = zone_local(q->zone, unix_ms).day;
    if (q->per == CONF_PER_MONTH)
        day = day_month(day);
    return day > 0 && day < (1 << 24) - 1 ? (uint32_t)day + 1 : 1;
}
