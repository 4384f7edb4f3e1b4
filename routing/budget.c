#include "routing/budget.h"

#include <string.h>

#include "base/fatal.h"

#include "routing/compile.h"

static int64_t begin_of(const struct budget *b, int64_t unix_ms, int64_t later)
{
    int64_t day = zone_local(b->zone, unix_ms).day;

    if (b->period == PERIOD_MONTH)
        return zone_midnight(b->zone, month_day(day_month(day) + later));
    return zone_midnight(b->zone, day + later);
}

static bool of_a_kind(const struct budget *a, const struct budget *b)
{
    return a->period == b->period && a->each == b->each &&
           a->cap.currency == b->cap.currency;
}

/* Those before it have taken the window's own instant, and what follows, in
 * their order. */
int64_t budget_window_ms(const struct budget *all, size_t i, int64_t unix_ms)
{
    const struct budget *b = &all[i];
    int64_t window_ms;

    if (b->period == PERIOD_TOTAL)
        return 0; /* conf/budget.c lets one of a kind through */
    window_ms = begin_of(b, unix_ms, 0);
    for (size_t k = 0; k < i; k++)
        if (of_a_kind(&all[k], b) &&
            budget_window_ms(all, k, unix_ms) == window_ms)
            window_ms++;
    return window_ms;
}

int64_t budget_window_end_ms(const struct budget *b, int64_t unix_ms)
{
    return b->period == PERIOD_TOTAL ? INT64_MAX : begin_of(b, unix_ms, 1);
}

/* The words stand in conf/budget.c, which lets no others through. */
static int choice(const char *word, const char *const *words)
{
    int i = 0;

    while (words[i] && strcmp(words[i], word) != 0)
        i++;
    ENSURE(words[i]);
    return i;
}

static void compile_warnings(struct budget *b)
{
    for (size_t i = 0; i < b->conf->warn.n; i++) {
        int64_t fraction;

        if (decimal_parse(&fraction, b->conf->warn.items[i].text))
            b->marks[b->n_marks++] = (struct budget_mark){
                fraction,
                (int64_t)((__int128)b->cap.nanos * fraction / 1000000000)};
    }
}

static void compile_budget(struct compiling *c, const struct team *team,
                           struct budget *b, const struct conf_budget *conf)
{
    static const char *const periods[] = {"day", "month", "total", NULL},
                             *const eaches[] = {"team", "key", "user", NULL},
                             *const caps[] = {"refuse", "free_only",
                                              "downgrade", NULL};
    const char *why = "";

    *b = (struct budget){
        .conf = conf,
        .period = (enum budget_period)choice(conf->per, periods),
        .each = (enum budget_each)choice(conf->each, eaches),
        .at_cap = (enum at_cap)choice(conf->at_cap, caps),
        .cap = {conf->amount_nanos, conf->currency},
    };
    if (b->period != PERIOD_TOTAL) {
        if (!c->zone || strcmp(c->zone->name, conf->zone) != 0)
            c->zone = zone_load(conf->zone, c->arena, &why);
        b->zone = c->zone;
        if (!b->zone)
            diag_error(c->diag, &conf->place, "the zone \"%s\" %s", conf->zone,
                       why);
    }
    if (b->at_cap == AT_CAP_DOWNGRADE && conf->downgrade &&
        !names_find(c->names, NAMES_TEAM_ALIAS + team->index,
                    slice_of(conf->downgrade)) &&
        !names_find(c->names, NAMES_ALIAS, slice_of(conf->downgrade)))
        diag_error(c->diag, &conf->place,
                   "\"downgrade\" wants an alias, and none is called \"%s\"",
                   conf->downgrade);
    compile_warnings(b);
}

void compile_budgets(struct compiling *c, struct team *team)
{
    const struct conf_team *conf = team->conf;
    struct budget *budgets =
        arena_alloc(c->arena, conf->n_budgets * sizeof(*budgets));

    team->budgets = budgets;
    team->n_budgets = conf->n_budgets;
    for (size_t i = 0; i < conf->n_budgets; i++)
        compile_budget(c, team, &budgets[i], &conf->budgets[i]);
}
