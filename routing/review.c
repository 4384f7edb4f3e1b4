#include "routing/review.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

#include "routing/price_cover.h"
#include "routing/window.h"

enum {
    LISTED_BYTES = 256,
    CALENDAR_AHEAD_DAYS = 30,
    DATE_LEN = 10, /* of "2026-11-22" */
};

/* --- names in a row ------------------------------------------------------- */

struct listing {
    char text[LISTED_BYTES];
    size_t len, n;
};

static void list(struct listing *l, const char *name)
{
    int took = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s",
                        l->n++ ? ", " : "", name);

    l->len += took > 0 ? (size_t)took : 0;
    if (l->len >= sizeof(l->text))
        l->len = sizeof(l->text) - 1;
}

static const char *date_text(int64_t unix_ms, char text[TIME_TEXT])
{
    time_text(unix_ms, text);
    text[DATE_LEN] = '\0';
    return text;
}

/* --- prices read long ago ------------------------------------------------- */

/* The oldest reading among the rows that may still bill; INT64_MAX: none of
 * them says when. */
static int64_t oldest(const struct conf_priced *m, int64_t now_ms)
{
    int64_t oldest_ms = INT64_MAX;

    for (size_t i = 0; i < m->n_rows; i++)
        if (m->rows[i].until_ms > now_ms && m->rows[i].as_of_ms != INT64_MIN &&
            m->rows[i].as_of_ms < oldest_ms)
            oldest_ms = m->rows[i].as_of_ms;
    return oldest_ms;
}

/* One complaint a list, at its first old model. */
static void check_age(const struct snapshot *s, size_t first, size_t end,
                      int64_t now_ms, struct diag *diag)
{
    const struct conf *c = s->conf;
    const struct conf_priced *at = NULL;
    struct listing old = {.len = 0};
    int64_t age = 0;

    for (size_t i = first; i < end; i++) {
        int64_t days = (now_ms - oldest(&c->priced[i], now_ms)) / DAY_MS;

        if (days <= c->stale_after_days)
            continue;
        at = at ? at : &c->priced[i];
        list(&old, c->priced[i].model);
        age = days > age ? days : age;
    }
    if (at)
        diag_warning(diag, &at->place,
                     "%zu of %zu prices of \"%s\" were read more than %" PRId64
                     " days ago, up to %" PRId64 ": %s",
                     old.n, end - first, at->list, c->stale_after_days, age,
                     old.text);
}

static void check_ages(const struct snapshot *s, int64_t now_ms,
                       struct diag *diag)
{
    const struct conf *c = s->conf;
    size_t first = 0;

    for (size_t i = 1; i <= c->n_priced; i++) {
        if (i < c->n_priced &&
            strcmp(c->priced[i].list, c->priced[first].list) == 0)
            continue;
        check_age(s, first, i, now_ms, diag);
        first = i;
    }
}

/* --- calendars ------------------------------------------------------------ */

static bool has_year_of(const struct conf_calendar *c, int64_t day)
{
    int64_t january = day_month(day) / 12 * 12;

    for (int64_t d = month_day(january); d < month_day(january + 12); d++)
        if (calendar_has(c, d))
            return true;
    return false;
}

/* One complaint a calendar and window: the year it lacks. */
static void check_calendar(const struct conf_window *w,
                           const struct conf_calendar *c, int64_t now_ms,
                           struct diag *diag)
{
    int64_t today = zone_local(w->zone, now_ms).day;

    for (int i = 0; c && i < 2; i++) {
        int64_t day = today + (i ? CALENDAR_AHEAD_DAYS : 0);

        if (has_year_of(c, day))
            continue;
        diag_warning(diag, &c->place,
                     "the calendar \"%s\" has no day in %" PRId64
                     ", which %s: the window \"%s\" takes it that there is "
                     "none",
                     c->name, day_month(day) / 12 + 1970,
                     i ? "begins within 30 days" : "is this year", w->name);
        return;
    }
}

static void check_windows(const struct snapshot *s, int64_t now_ms,
                          struct diag *diag)
{
    for (size_t i = 0; i < s->conf->n_windows; i++) {
        const struct conf_window *w = &s->conf->windows[i];

        for (size_t k = 0; k < s->conf->n_prices; k++) {
            if (s->conf->prices[k].when != w ||
                s->conf->prices[k].until_ms <= now_ms)
                continue;
            check_calendar(w, w->except, now_ms, diag);
            check_calendar(w, w->only, now_ms, diag);
            break;
        }
    }
}

/* --- gaps ----------------------------------------------------------------- */

static void check_gap(const struct offer *o, int64_t now_ms, struct diag *diag)
{
    struct price_cell gap;
    struct listing text = {.len = 0};
    char date[TIME_TEXT], part[64];

    if (!price_gap_find(&gap, o, now_ms))
        return;
    if (gap.at_ms > now_ms) {
        snprintf(part, sizeof(part), "from %s on", date_text(gap.at_ms, date));
        list(&text, part);
    }
    if (gap.open) {
        snprintf(part, sizeof(part), "in the window %.40s", gap.open->name);
        list(&text, part);
    }
    if (gap.thinks)
        list(&text, "when it thinks");
    if (gap.input > 0) {
        snprintf(part, sizeof(part), "prompts of %" PRId64 " tokens and more",
                 gap.input);
        list(&text, part);
    }
    if (gap.output > 0) {
        snprintf(part, sizeof(part), "answers of %" PRId64 " tokens and more",
                 gap.output);
        list(&text, part);
    }
    diag_warning(diag, &o->priced->place,
                 "no row of \"%s\" holds%s%s: such requests have no price",
                 o->name, text.n ? " for: " : " now", text.text);
}

void price_review(const struct snapshot *s, int64_t now_unix_ms,
                  struct diag *diag)
{
    check_ages(s, now_unix_ms, diag);
    check_windows(s, now_unix_ms, diag);
    for (size_t i = 0; i < s->n_offers; i++)
        if (s->offers[i].n_rows > 0)
            check_gap(&s->offers[i], now_unix_ms, diag);
}
