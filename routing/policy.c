#include <string.h>

#include "routing/compile.h"
#include "routing/match.h"
#include "routing/suggest.h"
#include "routing/wish.h"

/* A word that means no offer, with the name it may have meant. */
static void tell_unknown_model(struct compiling *c, const struct conf_word *w)
{
    struct suggestion s = {.word = w->text};
    char near[SUGGESTION_TEXT];

    for (size_t i = 0; !diag_full(c->diag) && i < c->s->n_offers; i++) {
        suggest(&s, c->offers[i].model);
        suggest(&s, c->offers[i].name);
    }
    diag_error(c->diag, &w->place, "no vendor sells \"%s\"%s", w->text,
               suggestion_text(&s, near));
}

static void tell_unknown_vendor(struct compiling *c, const struct conf_word *w)
{
    struct suggestion s = {.word = w->text};
    char near[SUGGESTION_TEXT];

    for (size_t i = 0; !diag_full(c->diag) && i < c->s->n_vendors; i++)
        suggest(&s, c->vendors[i].name);
    diag_error(c->diag, &w->place, "no vendor is called \"%s\"%s", w->text,
               suggestion_text(&s, near));
}

/* The offers whose bits are set, in the snapshot's order. */
static struct offer_set *set_of(struct compiling *c, const uint64_t *bits)
{
    struct offer_set *set = arena_alloc(c->arena, sizeof(*set));
    const struct offer **offers;
    size_t n = 0;

    for (uint32_t i = 0; i < c->s->n_offers; i++)
        n += bits_have(bits, i);
    offers = arena_alloc(c->arena, n * sizeof(const struct offer *));
    set->offers = offers;
    for (uint32_t i = 0; i < c->s->n_offers; i++)
        if (bits_have(bits, i))
            offers[set->n++] = &c->offers[i];
    return set;
}

static void compile_aliases(struct compiling *c, uint32_t scope,
                            const struct conf_alias *aliases, size_t n)
{
    size_t words = bits_words(c->s);
    uint64_t *bits = n ? arena_alloc(c->arena, words * sizeof(*bits)) : NULL;

    for (size_t i = 0; i < n; i++) {
        const struct conf_alias *a = &aliases[i];
        size_t found = 0;

        memset(bits, 0, words * sizeof(*bits));
        for (size_t j = 0; j < a->targets.n; j++) {
            size_t more = match_offers(c->s, a->targets.items[j].text, bits);

            found += more;
            if (!more)
                tell_unknown_model(c, &a->targets.items[j]);
        }
        if (a->targets.n == 0)
            diag_error(c->diag, &a->place, "alias \"%s\" names no model",
                       a->name);
        if (found > 0 && !names_add(c->names, scope, a->name, set_of(c, bits)))
            diag_error(c->diag, &a->place, "a second alias \"%s\"", a->name);
    }
}

typedef size_t match_fn(const struct snapshot *, const char *, uint64_t *);

static void match_words(struct compiling *c, const struct conf_words *words,
                        match_fn *match, uint64_t *bits)
{
    for (size_t i = 0; i < words->n; i++) {
        const struct conf_word *w = &words->items[i];

        if (match(c->s, w->text, bits) > 0)
            continue;
        if (word_is_pattern(w->text))
            diag_warning(c->diag, &w->place, "\"%s\" matches nothing", w->text);
        else if (match == match_vendors)
            tell_unknown_vendor(c, w);
        else
            tell_unknown_model(c, w);
    }
}

/* Narrows `allowed` by one pair of lists. `bits` is for scratch. */
static void narrow(struct compiling *c, const struct conf_words *allow,
                   const struct conf_words *deny, match_fn *match,
                   uint64_t *allowed, uint64_t *bits)
{
    size_t words = bits_words(c->s);

    if (allow->n > 0) {
        memset(bits, 0, words * sizeof(*bits));
        match_words(c, allow, match, bits);
        for (size_t i = 0; i < words; i++)
            allowed[i] &= bits[i];
    }
    if (deny->n > 0) {
        memset(bits, 0, words * sizeof(*bits));
        match_words(c, deny, match, bits);
        for (size_t i = 0; i < words; i++)
            allowed[i] &= ~bits[i];
    }
}

/* Is there an offer that the team's wishes leave out? */
static bool wishes_more(const struct compiling *c, const struct conf_team *team)
{
    for (uint32_t i = 0; i < c->s->n_offers; i++)
        if (!wish_residency(team, &c->offers[i]) ||
            !wish_floor(team, &c->offers[i]))
            return true;
    return false;
}

static const uint64_t *compile_rules(struct compiling *c,
                                     const struct conf_team *team,
                                     uint64_t *bits)
{
    const struct conf_rules *r = &team->rules;
    size_t words = bits_words(c->s), left = 0;
    uint64_t *allowed;

    if (r->allow_vendors.n + r->deny_vendors.n + r->allow_models.n +
                r->deny_models.n ==
            0 &&
        !wishes_more(c, team))
        return NULL;
    allowed = arena_alloc(c->arena, words * sizeof(*allowed));
    memset(allowed, 0xff, words * sizeof(*allowed));
    narrow(c, &r->allow_vendors, &r->deny_vendors, match_vendors, allowed,
           bits);
    narrow(c, &r->allow_models, &r->deny_models, match_offers, allowed, bits);
    for (uint32_t i = 0; i < c->s->n_offers; i++) {
        if (!wish_residency(team, &c->offers[i]) ||
            !wish_floor(team, &c->offers[i]))
            allowed[i / 64] &= ~((uint64_t)1 << i % 64);
        left += bits_have(allowed, i);
    }
    if (left == 0)
        diag_warning(c->diag, &team->place,
                     "the rules of team \"%s\" leave it no model at all",
                     team->name);
    return allowed;
}

void compile_policy(struct compiling *c)
{
    const struct conf *conf = c->conf;
    struct team *teams = arena_alloc(c->arena, conf->n_teams * sizeof(*teams));
    uint64_t *bits = arena_alloc(c->arena, bits_words(c->s) * sizeof(*bits));

    c->s->teams = teams;
    c->s->n_teams = conf->n_teams;
    compile_aliases(c, NAMES_ALIAS, conf->aliases, conf->n_aliases);
    for (size_t i = 0; i < conf->n_teams; i++) {
        const struct conf_team *from = &conf->teams[i];

        teams[i].name = from->name;
        teams[i].index = (uint32_t)i;
        teams[i].conf = from;
        if (!names_add(c->names, NAMES_TEAM, from->name, &teams[i]))
            diag_error(c->diag, &from->place, "a second team \"%s\"",
                       from->name);
        teams[i].allowed = compile_rules(c, from, bits);
        compile_aliases(c, NAMES_TEAM_ALIAS + (uint32_t)i, from->aliases,
                        from->n_aliases);
        wish_check(c, &teams[i]);
        compile_budgets(c, &teams[i]);
    }
}
