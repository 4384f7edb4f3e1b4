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
            .verbosity = (double)size_verbosity(l, v),
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
