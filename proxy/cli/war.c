#include "cli/war.h"

#include <string.h>

enum {
    NOON_IN_BEIJING_MS = 4 * 3600 * 1000, /* 12:00+08:00 */
    DATE_CHARS = sizeof("2024-05-06") - 1,
};

const struct war_kind war_kinds[WAR_KINDS] = {
    {"short_question",
     "a short question",
     {.input_tokens = 300, .output_tokens = 200}},
    {"long_document",
     "a long document",
     {.input_tokens = 24000, .output_tokens = 800}},
    {"long_answer",
     "a long answer",
     {.input_tokens = 500, .output_tokens = 4000}},
};

const char *war_day_text(const struct war_day *day, char text[TIME_TEXT])
{
    time_text(day->noon_ms, text);
    text[DATE_CHARS] = '\0';
    return text;
}

const char *war_change_name(const struct war_change *c)
{
    int64_t was, is;

    if (!c->before)
        return c->after->conf->free ? "first known, free" : "first known";
    if (!c->after)
        return "gone";
    if (c->after->conf->free && !c->before->conf->free)
        return "made free";
    was = c->before->input.nanos_per_mtok + c->before->output.nanos_per_mtok;
    is = c->after->input.nanos_per_mtok + c->after->output.nanos_per_mtok;
    return is < was ? "cut" : "raised";
}

static bool fits(const struct offer *o, const struct usage *u)
{
    return o->conf->context_tokens == 0 ||
           o->conf->context_tokens >= u->input_tokens + u->output_tokens;
}

static bool cost_of(struct money *out, const struct war *w,
                    const struct offer *o, int64_t at, const struct usage *u)
{
    struct cost cost;

    if (!fits(o, u) || !price_cost(&cost, o, at, u, 0) ||
        !price_convert(out, w->s, cost.total, w->currency, at))
        return false;
    out->nanos *= WAR_REQUESTS; /* a request is far below a million */
    return true;
}

/* The better of two stays; of equals the first, and they are counted. */
static void take_if(struct war_cost *best, const struct offer *o,
                    struct money cost, bool dearer)
{
    if (!best->offer ||
        (dearer ? money_less(best->cost, cost) : money_less(cost, best->cost)))
        *best = (struct war_cost){o, cost, 0};
    else if (best->cost.nanos == cost.nanos)
        best->n_equal++;
}

static void compare(const struct war *w, struct war_day *day, int kind,
                    struct war_cost *vendors)
{
    for (size_t i = 0; i < w->s->n_offers; i++) {
        const struct offer *o = &w->s->offers[i];
        struct money cost;

        if (!cost_of(&cost, w, o, day->noon_ms, &war_kinds[kind].usage))
            continue;
        take_if(&vendors[o->vendor->index], o, cost, false);
        take_if(&day->cheapest[kind], o, cost, false);
        if (cost.nanos > 0)
            take_if(&day->cheapest_paid[kind], o, cost, false);
        take_if(&day->dearest[kind], o, cost, true);
    }
    day->vendors[kind] = vendors;
}

static void find_changes(const struct war *w, struct war_day *day)
{
    struct war_change *changes =
        arena_alloc(w->arena, (w->s->n_offers + 1) * sizeof(*changes));
    const struct usage *u = &war_kinds[0].usage;

    day->changes = changes;
    for (size_t i = 0; i < w->s->n_offers; i++) {
        const struct offer *o = &w->s->offers[i];
        struct war_change c = {
            .offer = o,
            .before = price_row_at(o, day->noon_ms - DAY_MS, u),
            .after = price_row_at(o, day->noon_ms, u),
        };

        if (!board_same(c.before, c.after))
            changes[day->n_changes++] = c;
    }
}

void war_replay(struct war *w, int64_t from_ms, int64_t to_ms)
{
    w->n_days = (size_t)((to_ms - from_ms) / DAY_MS) + 1;
    w->days = arena_alloc(w->arena, w->n_days * sizeof(*w->days));
    for (size_t i = 0; i < w->n_days; i++) {
        struct war_day *day = &w->days[i];

        *day = (struct war_day){
            .noon_ms = from_ms + (int64_t)i * DAY_MS + NOON_IN_BEIJING_MS,
        };
        find_changes(w, day);
        for (int k = 0; k < WAR_KINDS; k++)
            compare(w, day, k,
                    arena_alloc(w->arena, (w->s->n_vendors + 1) *
                                              sizeof(struct war_cost)));
    }
}
