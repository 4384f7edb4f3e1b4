/*
 * What each offer alone would have cost, for each kind of traffic: its leader
 * is the one that would have cost least. Two ways to choose stand side by
 * side, and a conversation keeps to the one it began with: to look ahead
 * (learn_weigh.c), or to follow the leader. Looking ahead is compared with what
 * the leader alone would have cost the same requests; where it costs more, the
 * kind follows, and a few conversations go on looking, so that it may return.
 */
#include <string.h>

#include "routing/learn_parts.h"

enum {
    WAYS = 4,
};

static const float memory_of = 1000; /* requests */

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

static int place_of(const struct kind *k, uint16_t offer)
{
    for (int i = 0; i < k->n_offers; i++)
        if (k->offers[i] == offer)
            return i;
    return -1;
}

/* What a request of the kind costs, as far as is known. */
static float mean_of(const struct kind *k)
{
    float n = (float)k->n;

    return k->n == 0 ? 1 : k->all / (n < memory_of ? n : memory_of);
}

/* What is known of the kind, and of all that is asked so as if it were so many
 * of the kind's requests. */
static uint16_t find_leader(const struct kind *k, const struct kind *wide)
{
    const float weight = 30, stay = .99F;
    float part = wide->all > 0 ? weight * mean_of(k) / wide->all : 0, least = 0;
    uint16_t leader = LEARNT_NOBODY;

    for (int i = 0; i < wide->n_offers && wide->n > 0; i++) {
        int at = place_of(k, wide->offers[i]);
        float cost = part * wide->alone[i] + (at >= 0 ? k->alone[at] : 0);

        if (wide->offers[i] == k->leader)
            cost *= stay;
        if (leader == LEARNT_NOBODY || cost < least) {
            leader = wide->offers[i];
            least = cost;
        }
    }
    return leader;
}

/* Does it pay to look ahead? Before much is known, yes. */
static bool looking_pays(struct kind *k, const struct kind *wide)
{
    const float weight = 40, bad = 1.015F, good = 1.007F;
    const uint32_t settled = 400;
    float doubt = weight * mean_of(k), doubt_wide = weight * mean_of(wide);
    float usual = (wide->paid + doubt_wide) / (wide->against + doubt_wide);
    float ratio = (k->paid + doubt * usual) / (k->against + doubt);

    if (ratio > bad && wide->n > settled)
        k->follows = 1;
    else if (ratio < good)
        k->follows = 0;
    return !k->follows;
}

static bool to_look(const struct outlook *o)
{
    const uint64_t otherwise = 24; /* one of so many conversations */
    bool pays;

    if (o->parent)
        return o->parent->looks;
    pays = looking_pays(o->kind, o->wide);
    return mix(o->l->returns.next, 5) % otherwise == 0 ? !pays : pays;
}

void rivals_look(struct learnt *l, struct outlook *o)
{
    static const int32_t edges[] = {2048, 8192, 32768};
    uint64_t size = 0;

    while (size < ARRAY_LEN(edges) && o->input >= edges[size])
        size++;
    o->wide_key = mix(o->contexts[1], 0);
    o->kind_key =
        o->parent ? o->parent->kind_key : mix(o->contexts[2], size + 1);
    o->tail.kind_key = o->kind_key;
    o->wide = kind_of(l, o->wide_key, o->now);
    o->wide->last = o->now;
    o->kind = kind_of(l, o->kind_key, o->now);
    o->kind->last = o->now;
    o->leader = o->kind->leader = find_leader(o->kind, o->wide);
    o->tail.looks = to_look(o);
    for (int i = 0; i < o->wide->n_offers; i++)
        o->alone_depth[i] = depth_alone(o, &l->offers[o->wide->offers[i]]);
}

/* The offers compared: the cheapest as such is asked first. */
static void choose_rivals(struct outlook *o, const struct decision *d)
{
    struct kind *k = o->wide;

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

void rivals_note(struct learnt *l, struct outlook *o, struct lesson *x,
                 const struct snapshot *snapshot, const struct decision *d)
{
    const float none = -1; /* it could not have served: costs what we paid */
    uint8_t place[LEARNT_OFFERS] = {0}; /* among the rivals, from 1 */
    struct kind *k = o->wide;

    x->kind_key = o->kind_key;
    x->wide_key = o->wide_key;
    x->leader = o->leader;
    x->looks = o->tail.looks;
    if (k->key != o->wide_key)
        k = o->wide = kind_of(l, o->wide_key, o->now);
    if (k->n_offers == 0)
        choose_rivals(o, d);
    x->n_rivals = k->n_offers;
    for (int i = 0; i < k->n_offers; i++) {
        x->rivals[i] = k->offers[i];
        x->prompt[i] = none;
        place[k->offers[i]] = (uint8_t)(i + 1);
    }
    for (uint32_t j = 0; j < d->n_listed; j++) {
        const struct verdict *v = &d->verdicts[j];
        uint16_t number = o->numbers[v->offer->index];
        int i = number < LEARNT_OFFERS ? place[number] - 1 : -1;

        if (i >= 0 && v->comparable)
            (void)cost_there(&x->prompt[i], &x->said[i], o, snapshot, v,
                             o->alone_depth[i]);
    }
}

static void learn_kind(struct kind *k, const struct lesson *x,
                       const float *costs, float paid)
{
    const float keep = 1 - 1 / memory_of, keep_looks = .998F;

    if (k->n_offers == 0) { /* new, or it made room for others meanwhile */
        memcpy(k->offers, x->rivals, sizeof(k->offers));
        k->n_offers = x->n_rivals;
    }
    for (int i = 0; i < x->n_rivals; i++) {
        int at = place_of(k, x->rivals[i]);

        if (at >= 0)
            k->alone[at] = k->alone[at] * keep + costs[i];
        if (x->rivals[i] != x->leader)
            continue;
        k->paid = k->paid * keep_looks + (x->looks ? paid : 0);
        k->against = k->against * keep_looks + (x->looks ? costs[i] : 0);
    }
    k->all = k->all * keep + paid;
    if (k->n < UINT32_MAX)
        k->n++;
}

/* What the leader's requests were billed is reckoned again, too: on the way to
 * a leader its cache is colder than it would be alone. */
void rivals_learn(struct learnt *l, const struct lesson *x,
                  const struct usage *usage, double cost_nanos)
{
    float costs[LEARNT_RIVALS];
    double counted = 1, said = 1;

    if (x->expected_input > 0)
        counted = (double)usage->input_tokens / (double)x->expected_input;
    if (x->expected_output > 0)
        said = (double)usage->output_tokens / (double)x->expected_output;
    for (int i = 0; i < x->n_rivals; i++) {
        costs[i] = (float)cost_nanos;
        if (x->prompt[i] >= 0)
            costs[i] = (float)((double)x->prompt[i] * counted +
                               (double)x->said[i] * said);
    }
    learn_kind(kind_of(l, x->kind_key, x->now), x, costs, (float)cost_nanos);
    learn_kind(kind_of(l, x->wide_key, x->now), x, costs, (float)cost_nanos);
}
