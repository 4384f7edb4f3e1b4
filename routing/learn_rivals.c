/*
 * What each offer alone would have cost, for each kind of traffic. The guard
 * of the choice: where we have paid more than the best of them, the kind
 * follows it until that is made good.
 */
#include <math.h>

#include "routing/learn_parts.h"

enum {
    WAYS = 4,
};

static struct kind *kind_of(struct learnt *l, uint64_t key, uint32_t now)
{
    struct kind *set = &l->kinds[key % (CLASSES / WAYS) * WAYS], *k = set;

    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].key == 0 ||
            (k->key != 0 && now - set[i].last > now - k->last))
            k = &set[i];
    }
    *k = (struct kind){.key = key, .last = now, .leader = LEARNT_NOBODY};
    return k;
}

/* What its cache would hold, had all gone there; what many share, it would
 * have held all along. */
static int32_t depth_alone(const struct outlook *o,
                           const struct offer_learnt *v)
{
    int32_t depth = blocks_alone(o, v);

    if (v->ttl > 0 && depth < o->shared && o->shared_gap < (float)v->ttl / 2)
        depth = o->shared;
    return depth;
}

void rivals_look(struct learnt *l, struct outlook *o)
{
    static const int32_t edges[] = {2048, 8192, 32768};
    uint64_t size = 0;

    while (size < ARRAY_LEN(edges) && o->input >= edges[size])
        size++;
    o->kind_key = mix(o->contexts[2], size + 1);
    if (o->parent)
        o->kind_key = o->parent->kind_key;
    o->tail.kind_key = o->kind_key;
    o->kind = kind_of(l, o->kind_key, o->now);
    o->kind->last = o->now;
    for (int i = 0; i < o->kind->n_offers; i++)
        o->alone_depth[i] = depth_alone(o, &l->offers[o->kind->offers[i]]);
}

/* The offers compared: the cheapest as the kind is met first. */
static void choose_rivals(struct outlook *o, const struct decision *d)
{
    struct kind *k = o->kind;

    for (uint32_t i = 0; i < d->n_listed && k->n_offers < LEARNT_RIVALS; i++) {
        uint16_t number = o->numbers[d->verdicts[i].offer->index];

        if (number == LEARNT_NOBODY)
            continue;
        o->alone_depth[k->n_offers] = depth_alone(o, &o->l->offers[number]);
        k->offers[k->n_offers++] = number;
    }
}

static bool cost_there(double *out, const struct outlook *o,
                       const struct snapshot *snapshot, const struct verdict *v,
                       int32_t depth, const struct verdict *chosen,
                       const struct usage *usage)
{
    const struct offer_learnt *own = &o->l->offers[o->numbers[v->offer->index]];
    double counted = 1, said = 1;
    struct usage u = v->expected;
    struct money compared;
    struct cost cost;

    if (chosen->expected.input_tokens > 0)
        counted =
            (double)usage->input_tokens / (double)chosen->expected.input_tokens;
    if (chosen->expected.output_tokens > 0)
        said = (double)usage->output_tokens /
               (double)chosen->expected.output_tokens;
    u.input_tokens = (int64_t)((double)u.input_tokens * counted + .5);
    u.output_tokens = (int64_t)((double)u.output_tokens * said + .5);
    u.cached_tokens = 0;
    if (o->input > 0 && depth > 0) {
        double there = (double)depth * (double)u.input_tokens / o->input;

        if (there >= own->least)
            u.cached_tokens =
                (int64_t)(there * (double)cache_belief(own, own->usable_after));
    }
    price_expect(&u, v->offer, o->now_ms);
    if (!price_cost(&cost, v->offer, o->now_ms, &u, 0) ||
        !price_convert(&compared, snapshot, cost.total, snapshot->currency,
                       o->now_ms))
        return false;
    *out = (double)compared.nanos;
    return true;
}

static void follow_or_lead(struct kind *k)
{
    const float over = 1.007F, good = 1.004F, stay = .985F;
    float least = 0;
    int best = -1;

    for (int i = 0; i < k->n_offers; i++)
        if (best < 0 || k->alone[i] < least) {
            best = i;
            least = k->alone[i];
        }
    if (best < 0)
        return;
    for (int i = 0; i < k->n_offers; i++)
        if (k->offers[i] == k->leader && least > stay * k->alone[i])
            best = i;
    k->leader = k->offers[best];
    if (k->paid > over * least + k->slack)
        k->follows = 1;
    else if (k->paid < good * least)
        k->follows = 0;
}

void rivals_learn(struct learnt *l, struct outlook *o,
                  const struct snapshot *snapshot, const struct decision *d,
                  const struct verdict *chosen, const struct usage *usage,
                  double cost_nanos)
{
    const float memory = .999F, slack = 1;
    struct kind *k = o->kind;

    (void)l;
    if (k->n == 0)
        choose_rivals(o, d);
    for (int i = 0; i < k->n_offers; i++) {
        double cost = cost_nanos;

        for (uint32_t j = 0; j < d->n_verdicts; j++) {
            const struct verdict *v = &d->verdicts[j];

            if (o->numbers[v->offer->index] != k->offers[i])
                continue;
            if (j < d->n_listed && v != chosen)
                (void)cost_there(&cost, o, snapshot, v, o->alone_depth[i],
                                 chosen, usage);
            else if (j < d->n_listed) /* itself: as if always there */
                (void)cost_there(&cost, o, snapshot, v, o->alone_depth[i],
                                 chosen, usage);
            break;
        }
        k->alone[i] = k->alone[i] * memory + (float)cost;
    }
    k->paid = k->paid * memory + (float)cost_nanos;
    k->n++;
    k->slack = slack * k->paid / sqrtf((float)(k->n < 1000 ? k->n : 1000));
    follow_or_lead(k);
}
