#include <math.h>
#include <string.h>

#include "routing/learn_parts.h"

/* --- tokens of a prompt ----------------------------------------------------
 * What an offer counts is the sum over the classes of text of what its family
 * would count, each by a weight of the offer's own. A Kalman filter with a
 * variance for each weight learns them from the sums. */

void size_init(struct offer_learnt *v)
{
    const float doubt = .06F;

    for (int k = 0; k < TOKEN_CLASSES; k++) {
        v->weight[k] = 1;
        v->doubt[k] = doubt;
    }
    v->verbosity = 1;
}

float size_input(const struct outlook *o, const struct offer_learnt *v,
                 int family)
{
    float sum = 0;

#ifndef __clang__
#    pragma GCC unroll 16 /* asked for each offer */
#endif
    for (int k = 0; k < TOKEN_CLASSES; k++)
        sum += o->split[family][k] * v->weight[k];
    return sum;
}

static float clampf(float x, float least, float most)
{
    return x < least ? least : x > most ? most : x;
}

static void learn_input(const struct lesson *o, struct offer_learnt *v,
                        float counted)
{
    const float *x = o->split;
    const float surprise = 3.5F, drift = 2e-6F, weight_least = .2F,
                weight_most = 5, trust = 8;
    float guessed = 0, miss, noise, sum, bound;

    for (int k = 0; k < TOKEN_CLASSES; k++)
        guessed += x[k] * v->weight[k];
    miss = counted - guessed;
    noise = .02F * guessed + 1;
    sum = noise * noise;
    for (int k = 0; k < TOKEN_CLASSES; k++)
        sum += v->doubt[k] * x[k] * x[k];
    bound = surprise * sqrtf(sum);
    if ((float)v->counted >= trust)
        miss = clampf(miss, -bound, bound);
    for (int k = 0; k < TOKEN_CLASSES; k++) {
        float gain = v->doubt[k] * x[k] / sum;

        v->weight[k] =
            clampf(v->weight[k] + gain * miss, weight_least, weight_most);
        v->doubt[k] = v->doubt[k] * (1 - gain * x[k]) + drift;
    }
    if (v->counted < UINT32_MAX)
        v->counted++;
}

/* --- answers ---------------------------------------------------------------
 * In reference tokens, by who asks what: the model asked for; team and
 * abilities; the prompt's common beginning; its size. The narrower kind takes
 * over from the wider one as it is seen more often. An offer says so many
 * times what the others would. */

static struct context *context_find(struct learnt *l, uint64_t key)
{
    struct context *set = &l->contexts[key % (CONTEXTS / 4) * 4];

    for (int i = 0; i < 4; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static struct context *context_make(struct learnt *l, uint64_t key,
                                    uint32_t now)
{
    struct context *set = &l->contexts[key % (CONTEXTS / 4) * 4], *c = set;

    for (int i = 0; i < 4; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].n == 0 || (c->n != 0 && now - set[i].last > now - c->last))
            c = &set[i];
    }
    *c = (struct context){.key = key};
    return c;
}

void size_look(struct learnt *l, struct outlook *o)
{
    const float doubt = 8;
    float mean = EXPECTED_OUTPUT_TOKENS, spread = mean, n = 0;

    for (int i = 0; i < CONTEXT_LEVELS; i++) {
        const struct context *c = context_find(l, o->contexts[i]);

        if (!c)
            continue;
        mean = (c->mean * c->n + mean * doubt) / (c->n + doubt);
        spread = (c->spread * c->n + spread * doubt) / (c->n + doubt);
        n = c->n;
    }
    o->answer = mean;
    o->answer_spread = spread;
    o->answer_seen = n;
}

/* So many times what the others would say. Answers vary much: it takes ten to
 * be half sure; and who is asked what is no accident, so that what is close to
 * once may as well be once. */
static float verbosity(const struct learnt *l, const struct offer_learnt *v)
{
    const float doubt = 10, close = .12F;
    float own = (v->said + doubt) / (v->expected + doubt);
    float all = (l->said + doubt) / (l->expected + doubt);
    float r = logf(clampf(own / all, .1F, 10));

    return expf(r * (1 - expf(-r * r / (close * close))));
}

/* An answer changes what is usual for all: each time some others are looked at
 * again, in turn. */
static void refresh(struct learnt *l, struct offer_learnt *v)
{
    enum {
        OTHERS = 8
    };

    v->verbosity = verbosity(l, v);
    for (uint32_t i = 0; i < OTHERS && i < l->n_offers; i++) {
        l->refreshed = l->refreshed + 1 < l->n_offers ? l->refreshed + 1 : 0;
        v = &l->offers[l->refreshed];
        v->verbosity = verbosity(l, v);
    }
}

/* How much an answer of the offer tells of it, rather than of what is asked:
 * little where it is the one who answers such. */
static float telling(struct learnt *l, const struct lesson *o)
{
    const float least = .2F;
    const struct context *c = context_find(l, o->contexts[CONTEXT_LEVELS - 1]);
    float others = c && c->most == o->number ? 1 - c->share : 1;

    return others < least ? least : others;
}

static void note_answerer(struct context *c, uint16_t offer)
{
    const float most = 64;
    float n = c->n < most ? c->n : most;

    if (c->n <= 1) {
        c->most = offer;
        c->share = 1;
        return;
    }
    c->share += ((c->most == offer ? 1 : 0) - c->share) / n;
    if (c->share < .5F) {
        c->most = offer;
        c->share = 1 - c->share;
    }
}

/* An answer is in the language of its prompt; of a short one too little is
 * known. */
static float scale(int32_t reference, float input)
{
    const int32_t telling = 100;

    return reference >= telling && input > 0
               ? clampf(input / (float)reference, .2F, 5)
               : 1;
}

float size_output(const struct outlook *o, const struct offer_learnt *v,
                  float input)
{
    return o->answer * scale(o->input, input) * v->verbosity;
}

static void learn_output(struct learnt *l, const struct lesson *o,
                         struct offer_learnt *v, float input, float said)
{
    const float most = 256, fading = .998F, known = 8, outlier = 5;
    float usual = scale(o->input, input), x = said / (usual * v->verbosity);

    /* against all offers together, so that what is usual does not drift */
    if (o->answer_seen >= known && o->answer > 0) {
        float times = clampf(said / (usual * o->answer), 0, outlier);
        float weight = telling(l, o), keep = 1 - (1 - fading) * weight;

        v->said = v->said * keep + times * weight;
        v->expected = v->expected * keep + weight;
        l->said = l->said * keep + times * weight;
        l->expected = l->expected * keep + weight;
        refresh(l, v);
    }
    if (v->answers < UINT32_MAX)
        v->answers++;
    for (int i = 0; i < CONTEXT_LEVELS; i++) {
        struct context *c = context_make(l, o->contexts[i], o->now);
        float miss = x - c->mean;

        if (c->n < most)
            c->n++;
        c->mean += miss / c->n;
        c->spread += (fabsf(miss) - c->spread) / c->n;
        note_answerer(c, o->number);
        c->last = o->now;
    }
}

void size_learn(struct learnt *l, const struct lesson *x,
                struct offer_learnt *v, const struct usage *usage)
{
    if (usage->estimated)
        return;
    learn_output(l, x, v, (float)usage->input_tokens,
                 (float)usage->output_tokens / (float)(x->n > 1 ? x->n : 1));
    if (usage->input_tokens > 0)
        learn_input(x, v, (float)usage->input_tokens);
}
