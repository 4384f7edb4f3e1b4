#include "routing/wish.h"

#include <string.h>

bool wish_any(const struct conf_team *team)
{
    const struct conf_floor *f = team ? &team->wish.floor : NULL;

    return f && (team->wish.residency.n > 0 || f->context_tokens > 0 ||
                 f->max_output_tokens > 0 || f->tools || f->vision ||
                 f->json_object || f->json_schema || f->thinking);
}

bool wish_residency(const struct conf_team *team, const struct offer *offer)
{
    const char *region;

    if (!team || team->wish.residency.n == 0)
        return true;
    region = offer->vendor->conf->region;
    for (size_t i = 0; region && i < team->wish.residency.n; i++)
        if (strcmp(team->wish.residency.items[i].text, region) == 0)
            return true;
    return false;
}

/* What is not known is not enough. */
bool wish_floor(const struct conf_team *team, const struct offer *offer)
{
    const struct conf_floor *f = team ? &team->wish.floor : NULL;
    const struct conf_model *m = offer->conf;

    return !f ||
           (m->context_tokens >= f->context_tokens &&
            m->max_output_tokens >= f->max_output_tokens &&
            m->tools >= f->tools && m->vision >= f->vision &&
            m->json_object >= f->json_object &&
            m->json_schema >= f->json_schema && m->thinking >= f->thinking);
}

int64_t wish_second(const struct conf_team *team, const char *asked)
{
    const struct conf_wish *w = team ? &team->wish : NULL;

    if (!w)
        return 0;
    for (size_t i = 0; i < w->n_objectives; i++)
        if (strcmp(w->objectives[i].alias, asked) == 0)
            return w->objectives[i].second.nanos;
    return w->objective.second.nanos;
}

static void check_currency(struct compiling *c, const struct conf_objective *o)
{
    if (o->second.nanos > 0 && o->second.currency != c->s->currency)
        diag_error(c->diag, &o->place,
                   "a second's worth is added to costs: write it in %s, the "
                   "policy's currency",
                   currency_name(c->s->currency));
}

static void check_region(struct compiling *c, const struct conf_word *w)
{
    for (size_t i = 0; i < c->s->n_vendors; i++) {
        const char *region = c->s->vendors[i].conf->region;

        if (region && strcmp(region, w->text) == 0)
            return;
    }
    diag_warning(c->diag, &w->place, "no vendor's region is \"%s\"", w->text);
}

void wish_check(struct compiling *c, const struct team *team)
{
    const struct conf_wish *w = &team->conf->wish;

    for (size_t i = 0; i < w->residency.n; i++)
        check_region(c, &w->residency.items[i]);
    check_currency(c, &w->objective);
    for (size_t i = 0; i < w->n_objectives; i++) {
        check_currency(c, &w->objectives[i]);
        if (snapshot_resolve(c->s, team, w->objectives[i].alias).n == 0)
            diag_error(c->diag, &w->objectives[i].place,
                       "nothing is called \"%s\" for this team",
                       w->objectives[i].alias);
    }
}
