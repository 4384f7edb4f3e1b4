#include <string.h>

#include "routing/match.h"
#include "routing/names.h"
#include "routing/snapshot.h"

struct offer_set snapshot_resolve(const struct snapshot *s,
                                  const struct team *team, const char *asked)
{
    struct slice name = slice_of(asked);
    const struct offer_set *set = NULL;

    if (team)
        set = names_find(s->names, NAMES_TEAM_ALIAS + team->index, name);
    if (!set)
        set = names_find(s->names, NAMES_ALIAS, name);
    if (!set)
        set = names_find(s->names, NAMES_OFFER, name);
    if (!set)
        set = names_find(s->names, NAMES_MODEL, name);
    return set ? *set : (struct offer_set){0};
}

bool team_allows(const struct snapshot *s, const struct team *team,
                 const struct offer *offer)
{
    (void)s;
    return !team || !team->allowed || bits_have(team->allowed, offer->index);
}

const struct team_key *snapshot_find_key(const struct snapshot *s,
                                         struct slice id)
{
    return names_find(s->names, NAMES_KEY, id);
}

const struct team *snapshot_find_team(const struct snapshot *s,
                                      const char *name)
{
    return names_find(s->names, NAMES_TEAM, slice_of(name));
}

static const char ours[] = "bijia";

static bool is_usable(const struct snapshot *s, const struct team *team,
                      const struct offer *o)
{
    return team_allows(s, team, o) &&
           (o->vendor->auth == AUTH_NONE || o->vendor->n_keys > 0);
}

/* Is there anything behind the name for this team? */
static bool leads_somewhere(const struct snapshot *s, const struct team *team,
                            const char *name)
{
    struct offer_set set = snapshot_resolve(s, team, name);

    for (size_t i = 0; i < set.n; i++)
        if (is_usable(s, team, set.offers[i]))
            return true;
    return false;
}

const char *snapshot_model_owner(const struct snapshot *s,
                                 const struct team *team, const char *asked)
{
    struct offer_set set = snapshot_resolve(s, team, asked);

    if (!leads_somewhere(s, team, asked))
        return NULL;
    return set.n == 1 && strcmp(set.offers[0]->name, asked) == 0
               ? set.offers[0]->vendor->name
               : ours;
}

void snapshot_list_models(const struct snapshot *s, const struct team *team,
                          void (*each)(void *to, const char *id,
                                       const char *owner),
                          void *to)
{
    size_t n_own = team ? team->conf->n_aliases : 0;

    for (size_t i = 0; i < n_own; i++)
        if (leads_somewhere(s, team, team->conf->aliases[i].name))
            each(to, team->conf->aliases[i].name, ours);
    for (size_t i = 0; i < s->conf->n_aliases; i++) {
        const char *name = s->conf->aliases[i].name;
        bool shadowed =
            team && names_find(s->names, NAMES_TEAM_ALIAS + team->index,
                               slice_of(name));

        if (!shadowed && leads_somewhere(s, team, name))
            each(to, name, ours);
    }
    for (size_t i = 0; i < s->n_offers; i++)
        if (is_usable(s, team, &s->offers[i]))
            each(to, s->offers[i].name, s->offers[i].vendor->name);
}
