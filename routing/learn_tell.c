#include <math.h>

#include "routing/learn_parts.h"

void learnt_tell(const struct learnt *l, learnt_teller *tell, void *to)
{
    for (uint32_t i = 0; i < l->n_offers; i++) {
        const struct offer_learnt *v = &l->offers[i];
        struct learnt_offer told = {
            .name = v->name,
            .answers = v->answers,
            .counted = v->counted,
            .cache_believed = (double)cache_belief(v, v->usable_after),
            .verbosity = (double)v->verbosity,
        };

        for (int k = 0; k < TOKEN_CLASSES; k++)
            told.weight[k] = (double)v->weight[k];
        tell(to, &told);
    }
}

struct learnt_counts learnt_count(const struct learnt *l)
{
    const struct block *blocks = (const void *)((const char *)l + l->blocks_at);
    struct learnt_counts n = {.offers = l->n_offers,
                              .bytes = l->bytes,
                              .blocks_most = l->limits.blocks};

    for (uint32_t i = 0; i < l->limits.blocks; i++)
        n.blocks += blocks[i].name != 0;
    for (int i = 0; i < CONTEXTS; i++)
        n.contexts += l->contexts[i].n > 0;
    for (int i = 0; i < CLASSES; i++) {
        n.kinds += l->kinds[i].n > 0;
        n.following += l->kinds[i].follows;
    }
    return n;
}

struct learnt_reasons learnt_why(struct outlook *o)
{
    returns_expect(o);
    return (struct learnt_reasons){
        .answer_tokens = (double)o->answer,
        .answer_spread = (double)o->answer_spread,
        .answers_seen = (double)o->answer_seen,
        .goes_on = (double)o->chance[0].by[RETURN_BINS - 1],
        .shared_tokens = o->shared,
        .shared_uses = (double)o->shared_uses,
        .leader =
            o->leader < o->l->n_offers ? o->l->offers[o->leader].name : NULL,
        .follows = !o->tail.looks,
    };
}

struct learnt_offer_reasons learnt_why_offer(struct outlook *o,
                                             const struct offer *offer)
{
    const double tick_s = TICK_MS / 1000.0;
    uint16_t number = o->numbers[offer->index];
    struct learnt_offer_reasons why = {0};
    const struct offer_learnt *v;
    const float *x = split_of(o, offer);
    double sum = 0, doubt = 0;

    if (number == LEARNT_NOBODY)
        return why;
    v = &o->l->offers[number];
    for (int k = 0; k < TOKEN_CLASSES; k++) {
        sum += (double)(x[k] * v->weight[k]);
        doubt += (double)(v->doubt[k] * x[k] * x[k]);
    }
    why.answers = v->answers;
    why.tokens_doubt = sum > 0 ? sqrt(doubt) / sum : 0;
    if (o->depth[number] > 0 && o->input > 0) {
        why.held_tokens = (int64_t)((double)o->depth[number] * sum / o->input);
        why.belief = (double)cache_belief(v, o->age[number]);
        why.held_for_s = (double)o->age[number] * tick_s;
    }
    return why;
}
