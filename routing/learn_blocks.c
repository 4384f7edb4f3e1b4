#include <string.h>

#include "routing/learn_parts.h"

/* A set of blocks is looked through as a whole; the one met longest ago makes
 * room. A beginning's blocks are used together, so along the chain `last`
 * never rises and `first` never falls. */
static struct block *set_of(struct learnt *l, uint64_t name)
{
    struct block *blocks = (void *)((char *)l + l->blocks_at);
    uint64_t sets = l->limits.blocks / BLOCK_WAYS;
    uint64_t set = (uint64_t)((unsigned __int128)mix(name, 0) * sets >> 64);

    return &blocks[set * BLOCK_WAYS];
}

/* The sets of a long prompt lie all over the memory: at block `from` some are
 * asked for at once, then each as many steps before it is needed. */
static void fetch(struct learnt *l, const struct prefix *p, uint32_t from,
                  uint32_t i)
{
    enum {
        AHEAD = 12
    };

    uint32_t to = i + AHEAD < p->n ? i + AHEAD : p->n;

    for (uint32_t k = i == from ? i : i + AHEAD - 1; k < to; k++) {
        const struct block *set = set_of(l, p->names[k]);

        for (int way = 0; way < BLOCK_WAYS; way++)
            __builtin_prefetch(&set[way]);
    }
}

static struct block *find(struct learnt *l, uint64_t name)
{
    struct block *set = set_of(l, name);

    for (int i = 0; i < BLOCK_WAYS; i++)
        if (set[i].name == name)
            return &set[i];
    return NULL;
}

static struct block *make(struct learnt *l, uint64_t name, uint32_t now)
{
    struct block *set = set_of(l, name), *b = set;

    for (int i = 0; i < BLOCK_WAYS; i++) {
        if (set[i].name == name)
            return &set[i];
        if (set[i].name == 0 ||
            (b->name != 0 && now - set[i].last > now - b->last))
            b = &set[i];
    }
    *b = (struct block){.name = name, .first = now, .last = now};
    return b;
}

/* Instants of 16 bits, some .3 s each; never 0. They wrap after six hours,
 * when what is long usable seems new for a moment. */
static uint16_t unit_tick(uint32_t tick)
{
    return (uint16_t)(tick >> 5 | 1);
}

static bool holds(const struct holder *h, const struct offer_learnt *v,
                  uint32_t now)
{
    return now - h->last <= v->ttl && (!v->units || h->unit);
}

static void find_depths(struct outlook *o)
{
    const struct prefix *p = &o->query->prefix;

    for (uint32_t i = o->known; i-- > 0;)
        for (int k = 0; k < BLOCK_HOLDERS; k++) {
            const struct holder *h = &o->blocks[i]->holders[k];
            const struct offer_learnt *v = &o->l->offers[h->offer];

            if (h->last == 0 || h->offer >= o->n_offers ||
                o->depth[h->offer] > 0 || !holds(h, v, o->now))
                continue;
            if (o->soon[h->offer] == 0)
                o->soon[h->offer] = p->ends[i];
            if (o->now - h->first < v->usable_after ||
                (v->units && (uint16_t)(unit_tick(o->now) - h->unit) <=
                                 v->usable_after >> 5))
                continue;
            o->depth[h->offer] = p->ends[i];
            o->age[h->offer] = o->now - h->last;
        }
}

/* The longest beginning that other requests have gone on from otherwise. */
static void find_shared(struct outlook *o)
{
    enum {
        BRANCHES_LEAST = 3
    };

    for (uint32_t i = o->known; i-- > 0;)
        if (o->blocks[i]->branches >= BRANCHES_LEAST) {
            o->shared = o->query->prefix.ends[i];
            o->shared_uses = o->blocks[i]->branches;
            o->shared_gap = (float)o->blocks[i]->gap;
            return;
        }
}

/* A hint is kept like a block of its own, which nothing goes on from: what was
 * sent under it is in the cache of its last holder, whatever the beginnings
 * say. */
static void find_hinted(struct outlook *o)
{
    uint32_t age = UINT32_MAX;

    o->hinted_at = LEARNT_NOBODY;
    if (o->query->prefix.hint == 0)
        return;
    o->hint = mix(o->contexts[1], o->query->prefix.hint) | 1;
    o->hinted = find(o->l, o->hint);
    for (int k = 0; o->hinted && k < BLOCK_HOLDERS; k++) {
        const struct holder *h = &o->hinted->holders[k];
        uint32_t since = o->now - h->last;

        if (h->last != 0 && since <= o->l->offers[h->offer].ttl &&
            since < age) {
            age = since;
            o->hinted_at = h->offer;
        }
    }
}

void blocks_find(struct outlook *o, struct arena *a)
{
    const struct prefix *p = &o->query->prefix;
    uint32_t n = p->n < PREFIX_BLOCKS_MOST ? p->n : PREFIX_BLOCKS_MOST;

    o->blocks = arena_alloc(a, (n + 1) * sizeof(struct block *));
    while (o->known < n) {
        struct block *b;

        fetch(o->l, p, 0, o->known);
        b = find(o->l, p->names[o->known]);
        if (!b)
            break;
        o->blocks[o->known++] = b;
    }
    find_depths(o);
    find_shared(o);
    find_hinted(o);
}

int32_t blocks_alone(const struct outlook *o, const struct offer_learnt *v)
{
    uint32_t low = 0, high = o->known;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct block *b = o->blocks[middle];

        if (o->now - b->last <= v->ttl && o->now - b->first >= v->usable_after)
            low = middle + 1;
        else
            high = middle;
    }
    while (v->units && low > 0 && !o->blocks[low - 1]->unit)
        low--;
    return low > 0 ? o->query->prefix.ends[low - 1] : 0;
}

/* --- remembering ---------------------------------------------------------- */

static struct holder *holder_of(struct block *b, uint16_t offer, uint32_t now)
{
    struct holder *h = b->holders;

    for (int k = 0; k < BLOCK_HOLDERS; k++) {
        if (b->holders[k].last != 0 && b->holders[k].offer == offer)
            return &b->holders[k];
        if (b->holders[k].last == 0 ||
            (h->last != 0 && now - b->holders[k].last > now - h->last))
            h = &b->holders[k];
    }
    *h = (struct holder){.offer = offer};
    return h;
}

/* Returns whether the offer had it already. */
static bool keep_at(struct block *b, const struct outlook *o, uint16_t offer)
{
    struct holder *h = holder_of(b, offer, o->now);
    bool had = h->last != 0 && o->now - h->last <= o->l->offers[offer].ttl;

    if (!had) {
        h->first = o->now;
        h->unit = 0;
    }
    h->last = o->now;
    return had;
}

static void meet(struct block *b, const struct outlook *o, uint64_t child)
{
    uint32_t gap = o->now - b->last;
    uint32_t next = (uint32_t)mix(child, 1) | 1;

    if (b->uses > 0)
        b->gap = b->uses == 1 ? gap : b->gap + (gap >> 3) - (b->gap >> 3);
    if (b->uses < INT16_MAX)
        b->uses++;
    if (child != 0 && b->child != 0 && b->child != next &&
        b->branches < UINT16_MAX)
        b->branches++;
    if (child != 0)
        b->child = next;
    b->last = o->now;
    b->tail = o->tail.number;
}

static void mark_unit(struct block *b, uint16_t offer, uint32_t now)
{
    for (int k = 0; k < BLOCK_HOLDERS; k++)
        if (b->holders[k].last != 0 && b->holders[k].offer == offer)
            b->holders[k].unit =
                b->holders[k].unit != 0 ? b->holders[k].unit : unit_tick(now);
}

static void keep_hinted(struct learnt *l, struct outlook *o, uint16_t offer)
{
    struct block *b = o->hinted;

    if (o->hint == 0)
        return;
    if (!b || b->name != o->hint)
        b = make(l, o->hint, o->now);
    meet(b, o, 0);
    if (offer != LEARNT_NOBODY && l->offers[offer].ttl > 0)
        (void)keep_at(b, o, offer);
}

void blocks_keep(struct learnt *l, struct outlook *o, uint16_t offer)
{
    const struct prefix *p = &o->query->prefix;
    uint32_t n = p->n < PREFIX_BLOCKS_MOST ? p->n : PREFIX_BLOCKS_MOST;
    uint32_t shared = 0;
    bool keeps = offer != LEARNT_NOBODY && l->offers[offer].ttl > 0;
    struct block *parted = NULL, *end = NULL;

    for (uint32_t i = 0; i < n; i++) {
        struct block *b = i < o->known ? o->blocks[i] : NULL;

        if (i >= o->known)
            fetch(l, p, o->known, i);
        if (!b || b->name != p->names[i]) /* forgotten meanwhile */
            b = make(l, p->names[i], o->now);
        if (i + 1 == o->known)
            b->unit = 1;
        meet(b, o, i + 1 < n ? p->names[i + 1] : 0);
        if (keeps && keep_at(b, o, offer) && shared == i) {
            shared++;
            parted = b;
        }
        if (p->ends[i] < o->input || i + 1 < n || p->full)
            end = b;
    }
    if (end)
        end->unit = 1;
    if (keeps && parted)
        mark_unit(parted, offer, o->now);
    if (keeps && end)
        mark_unit(end, offer, o->now);
    keep_hinted(l, o, offer);
}

/* --- belief --------------------------------------------------------------- */

static int age_bin(uint32_t age)
{
    static const uint32_t edges[AGE_BINS - 1] = {6000, 18000, 60000, 180000,
                                                 720000};
    int bin = 0;

    while (bin < AGE_BINS - 1 && age >= edges[bin])
        bin++;
    return bin;
}

float cache_belief(const struct offer_learnt *v, uint32_t age)
{
    static const float unknown[AGE_BINS] = {.9F, .8F, .6F, .4F, .15F, .05F};
    const float weight = 4;
    int bin = age_bin(age);
    float prior = v->ttl_known ? .97F : unknown[bin];

    if (v->ttl_known) {
        float hits = 0, tries = 0;

        for (int i = 0; i < AGE_BINS; i++) {
            hits += v->hits[i];
            tries += v->tries[i];
        }
        prior = (hits + prior * weight) / (tries + weight);
    }
    return (v->hits[bin] + prior * weight) / (v->tries[bin] + weight);
}

void cache_learn(struct offer_learnt *v, uint32_t age, float share)
{
    const float most = 200;
    int bin = age_bin(age);

    v->hits[bin] += share;
    v->tries[bin] += 1;
    if (v->tries[bin] > most) {
        v->hits[bin] *= .5F;
        v->tries[bin] *= .5F;
    }
}
