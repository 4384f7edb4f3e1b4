/*
 * What each offer alone would have cost, for each kind of traffic. The guard
 * of the choice: where we have paid more than the best of them, the kind
 * follows it until that is made good.
 */
#include <math.h>
#include <string.h>

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

/* What it would cost there, of the tokens expected: prompt and answer. */
static bool cost_there(float *prompt, float *said, const struct outlook *o,
                       const struct snapshot *snapshot, const struct verdict *v,
                       int32_t depth)
{
    const struct offer_learnt *own = &o->l->offers[o->numbers[v->offer->index]];
    struct usage u = v->expected;
    struct money all, answer;
    struct cost cost;

    u.cached_tokens = 0;
    if (o->input > 0 && depth > 0) {
        double there = (double)depth * (double)u.input_tokens / o->input;

        if (there >= own->least)
            u.cached_tokens =
                (int64_t)(there * (double)cache_belief(own, own->usable_after));
    }
    price_expect(&u, v->offer, o->now_ms);
    if (!price_cost(&cost, v->offer, o->now_ms, &u, 0) ||
        !price_convert(&all, snapshot, cost.total, snapshot->currency,
                       o->now_ms) ||
        !price_convert(&answer, snapshot,
                       money_add(cost_part(&cost, COST_OUTPUT),
                                 cost_part(&cost, COST_THINKING)),
                       snapshot->currency, o->now_ms))
        return false;
    *said = (float)answer.nanos;
    *prompt = (float)(all.nanos - answer.nanos);
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

void rivals_note(struct learnt *l, struct outlook *o, struct lesson *x,
                 const struct snapshot *snapshot, const struct decision *d)
{
    const float none = -1; /* it could not have served: costs what we paid */
    struct kind *k = o->kind;

    x->kind_key = o->kind_key;
    if (k->key != o->kind_key)
        k = o->kind = kind_of(l, o->kind_key, o->now);
    if (k->n_offers == 0)
        choose_rivals(o, d);
    x->n_rivals = k->n_offers;
    for (int i = 0; i < k->n_offers; i++) {
        x->rivals[i] = k->offers[i];
        x->prompt[i] = none;
        for (uint32_t j = 0; j < d->n_listed; j++) {
            const struct verdict *v = &d->verdicts[j];

            if (o->numbers[v->offer->index] == k->offers[i] && v->comparable)
                (void)cost_there(&x->prompt[i], &x->said[i], o, snapshot, v,
                                 o->alone_depth[i]);
        }
    }
}

void rivals_learn(struct learnt *l, const struct lesson *x,
                  const struct usage *usage, double cost_nanos)
{
    const float memory = .999F, slack = 1;
    struct kind *k = kind_of(l, x->kind_key, x->now);
    double counted = 1, said = 1;

    if (x->expected_input > 0)
        counted = (double)usage->input_tokens / (double)x->expected_input;
    if (x->expected_output > 0)
        said = (double)usage->output_tokens / (double)x->expected_output;
    if (k->n_offers == 0) { /* it made room for others meanwhile */
        memcpy(k->offers, x->rivals, sizeof(k->offers));
        k->n_offers = x->n_rivals;
    }
    for (int i = 0; i < x->n_rivals && i < k->n_offers; i++) {
        double cost = cost_nanos;

        if (k->offers[i] != x->rivals[i])
            return;
        if (x->prompt[i] >= 0)
            cost = (double)x->prompt[i] * counted + (double)x->said[i] * said;
        k->alone[i] = k->alone[i] * memory + (float)cost;
    }
    k->paid = k->paid * memory + (float)cost_nanos;
    k->n++;
    k->slack = slack * k->paid / sqrtf((float)(k->n < 1000 ? k->n : 1000));
    follow_or_lead(k);
}
