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

float size_input(const float split[TOKEN_CLASSES], const struct offer_learnt *v)
{
    float sum = 0;

#ifndef __clang__
#    pragma GCC unroll 16 /* asked for each offer */
#endif
    for (int k = 0; k < TOKEN_CLASSES; k++)
        sum += split[k] * v->weight[k];
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
 * abilities; the prompt's common beginning; its size, by the octave and by a
 * quarter of it (where one offer is cheaper for long answers, the other for
 * short ones, the choice turns within an octave). The narrower kind takes over
 * from the wider one as it is seen more often. An offer says so many times what
 * the others would. */

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
    const float doubt = 16;
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

static struct said *said_to(struct learnt *l, uint64_t key, uint32_t now)
{
    struct said *set = &l->said[key % (SAID / 4) * 4], *s = set;

    for (int i = 0; i < 4; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].key == 0 ||
            (s->key != 0 && now - set[i].last > now - s->last))
            s = &set[i];
    }
    *s = (struct said){.key = key};
    return s;
}

/* Its place among those that have answered such; of too many the one that has
 * said least makes room. */
static int said_by(struct said *s, uint16_t offer)
{
    int at = 0;

    for (int i = 0; i < SAID_OFFERS; i++) {
        if (s->n[i] > 0 && s->offers[i] == offer)
            return i;
        if (s->n[i] < s->n[at])
            at = i;
    }
    s->offers[at] = offer;
    s->n[at] = s->log[at] = 0;
    return at;
}

/* What an offer said to one kind, against what the others would have said, by
 * the mean logarithm: adds the difference, and how many comparisons it is
 * worth. */
static void differ(float *sum, float *worth, const struct learnt *l,
                   const struct said *s, uint16_t offer)
{
    float others = 0, n = 0, w;
    int at = -1;

    for (int i = 0; i < SAID_OFFERS && s->n[i] > 0; i++)
        if (s->offers[i] == offer)
            at = i;
        else {
            others += s->n[i] * (s->log[i] - l->offers[s->offers[i]].talk);
            n += s->n[i];
        }
    if (at < 0 || n <= 0)
        return;
    w = s->n[at] * n / (s->n[at] + n);
    *sum += w * (s->log[at] - others / n);
    *worth += w;
}

/* How much an offer talks shows only beside others that are asked the same.
 * Answers vary much, and most offers talk alike: it takes ten comparisons to
 * be half sure. */
static void compare(struct learnt *l, uint16_t offer)
{
    const float doubt = 10, most = 2;
    struct offer_learnt *v = &l->offers[offer];
    float sum = 0, worth = 0;

    for (int k = 0; k < SAID; k++)
        if (l->said[k].key != 0)
            differ(&sum, &worth, l, &l->said[k], offer);
    v->talk = sum / (worth + doubt);
    v->verbosity = expf(clampf(v->talk, -most, most));
}

static void note_said(struct learnt *l, const struct lesson *x,
                      const struct offer_learnt *v, float length)
{
    const float most = 300;
    const uint32_t few = 64, often = 32;
    struct said *s = said_to(l, x->contexts[CONTEXT_LEVELS - 1], x->now);
    int at = said_by(s, x->number);

    s->last = x->now;
    if (s->n[at] < most)
        s->n[at]++;
    s->log[at] += (logf(length > 1 ? length : 1) - s->log[at]) / s->n[at];
    if (v->answers >= few && v->answers % often != 0)
        return;
    for (int i = 0; i < SAID_OFFERS && s->n[i] > 0; i++)
        compare(l, s->offers[i]);
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
    const float most = 256;
    float usual = scale(o->input, input), x;

    note_said(l, o, v, said / usual);
    x = said / (usual * v->verbosity);
    if (v->answers < UINT32_MAX)
        v->answers++;
    for (int i = 0; i < CONTEXT_LEVELS; i++) {
        struct context *c = context_make(l, o->contexts[i], o->now);
        float miss = x - c->mean;

        if (c->n < most)
            c->n++;
        c->mean += miss / c->n;
        c->spread += (fabsf(miss) - c->spread) / c->n;
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
