#include "routing/learn.h"

#include <string.h>

#include "routing/learn_parts.h"

static const uint64_t magic_word = UINT64_C(0x35616e7261656a62);

const struct learnt_limits learnt_limits_small = {
    .blocks = 1 << 16,
    .tails = 1 << 15,
};

uint64_t mix(uint64_t a, uint64_t b)
{
    a += UINT64_C(0x9e3779b97f4a7c15) * (b + 1);
    a = (a ^ a >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    a = (a ^ a >> 27) * UINT64_C(0x94d049bb133111eb);
    return a ^ a >> 31;
}

static uint64_t mix_text(uint64_t a, const char *text)
{
    for (; *text; text++)
        a = (a ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return mix(a, 0);
}

static size_t aligned(size_t bytes)
{
    const size_t line = 64;

    return (bytes + line - 1) / line * line;
}

size_t learnt_bytes(struct learnt_limits limits)
{
    return aligned(sizeof(struct learnt)) +
           aligned(limits.blocks * sizeof(struct block)) +
           aligned(limits.tails * sizeof(struct tail));
}

struct learnt *learnt_init(void *bytes, struct learnt_limits limits,
                           const uint64_t key[2])
{
    struct learnt *l = bytes;

    l->magic = magic_word;
    l->bytes = learnt_bytes(limits);
    l->limits = limits;
    memcpy(l->key, key, sizeof(l->key));
    l->blocks_at = aligned(sizeof(*l));
    l->tails_at = l->blocks_at + aligned(limits.blocks * sizeof(struct block));
    returns_init(&l->returns);
    return l;
}

const uint64_t *learnt_key(const struct learnt *l)
{
    return l->key;
}

int64_t learnt_reference_tokens(const struct query *query)
{
    return tokenizer_estimate(0, &query->text, query->n_messages,
                              query->n_images, query->image_bytes);
}

/* --- offers --------------------------------------------------------------- */

static uint16_t number_of(struct learnt *l, const char *name)
{
    struct offer_learnt *v;

    for (uint32_t i = 0; i < l->n_offers; i++)
        if (strcmp(l->offers[i].name, name) == 0)
            return (uint16_t)i;
    if (l->n_offers == LEARNT_OFFERS || strlen(name) >= OFFER_NAME)
        return LEARNT_NOBODY;
    v = &l->offers[l->n_offers];
    memcpy(v->name, name, strlen(name) + 1);
    size_init(v);
    return (uint16_t)l->n_offers++;
}

static void take_rules(struct offer_learnt *v, const struct conf_cache *c)
{
    const uint32_t usual_least = 1024;
    const int64_t unknown_ms = 3600000, most_ms = INT64_C(30) * 24 * 3600000;
    int64_t ttl_ms = c->ttl_ms > 0 ? c->ttl_ms : unknown_ms;

    if (ttl_ms > most_ms)
        ttl_ms = most_ms;
    v->ttl_known = c->ttl_ms > 0;
    v->ttl = c->none ? 0 : tick_of(ttl_ms);
    v->usable_after = tick_of(c->usable_after_ms);
    v->least = (uint32_t)c->least_tokens;
    if (!v->ttl_known && v->least == 0)
        v->least = usual_least;
    v->least -= v->least / 32; /* it may count a little more than we do */
    v->units = c->whole_units;
}

const uint16_t *learnt_bind(struct learnt *l, const struct snapshot *s,
                            struct arena *a)
{
    uint16_t *numbers = arena_alloc(a, (s->n_offers + 1) * sizeof(*numbers));

    for (size_t i = 0; i < s->n_offers; i++) {
        numbers[i] = number_of(l, s->offers[i].name);
        if (numbers[i] != LEARNT_NOBODY)
            take_rules(&l->offers[numbers[i]],
                       &s->offers[i].vendor->conf->cache);
    }
    return numbers;
}

/* --- one request ---------------------------------------------------------- */

static void fill_split(struct outlook *o, int family)
{
    double split[TOKEN_CLASSES];

    tokenizer_split(split, family, &o->query->text, o->query->n_messages,
                    o->query->n_images);
    for (int k = 0; k < TOKEN_CLASSES; k++)
        o->split[family][k] = (float)split[k];
    o->has_split[family] = true;
}

const float *split_of(struct outlook *o, const struct offer *offer)
{
    int family = offer->vendor->tokenizer;

    if (family < 0 || family >= OUTLOOK_FAMILIES)
        family = 0;
    if (!o->has_split[family])
        fill_split(o, family);
    return o->split[family];
}

static void fill_contexts(struct outlook *o)
{
    const struct query *q = o->query;
    uint64_t asked = mix_text(1, q->asked), team, size = 0;
    const uint32_t octave = 64, part = 8; /* four parts of the octave */
    uint32_t n = o->input > 0 ? (uint32_t)o->input : 0;

    team = mix(asked, q->needs);
    team = q->team ? mix_text(team, q->team->name) : team;
    for (; n >= octave; n /= 2)
        size++;
    o->contexts[0] = asked;
    o->contexts[1] = team;
    o->contexts[2] = mix(team, q->prefix.n > 0 ? q->prefix.names[0] : 0);
    o->contexts[3] = mix(o->contexts[2], size);
    o->contexts[4] = mix(o->contexts[3], n / part);
}

struct outlook *learnt_prepare(struct learnt *l, const uint16_t *numbers,
                               const struct query *query, int64_t now_unix_ms,
                               struct arena *a)
{
    struct outlook *o = arena_alloc(a, sizeof(*o));

    o->l = l;
    o->numbers = numbers;
    o->query = query;
    o->now_ms = now_unix_ms;
    o->now = tick_of(now_unix_ms);
    o->n_offers = l->n_offers;
    o->depth = arena_alloc(a, l->n_offers * sizeof(*o->depth));
    o->age = arena_alloc(a, l->n_offers * sizeof(*o->age));
    o->soon = arena_alloc(a, l->n_offers * sizeof(*o->soon));
    fill_split(o, 0);
    for (int k = 0; k < TOKEN_CLASSES; k++)
        o->input += (int32_t)(o->split[0][k] + .5F);
    fill_contexts(o);
    blocks_find(o, a);
    size_look(l, o);
    returns_look(l, o);
    rivals_look(l, o);
    return o;
}

/* What the next one to be looked at will need: they come in order. */
static void fetch(const struct offer_learnt *v)
{
    __builtin_prefetch(&v->ttl);
    __builtin_prefetch(&v->weight);
    __builtin_prefetch(&v->verbosity);
}

void learnt_look(struct outlook *o, const struct offer *offer,
                 struct offer_state *out)
{
    uint16_t number = o->numbers[offer->index];
    const struct offer_learnt *v;
    float input, said, depth;

    if (number == LEARNT_NOBODY)
        return;
    v = &o->l->offers[number];
    fetch(&o->l->offers[o->numbers[offer->index + 1] % LEARNT_OFFERS]);
    input = size_input(split_of(o, offer), v);
    said = size_output(o, v, input);
    out->input_tokens = (int64_t)(input + .5F);
    out->output_tokens = said < 1 ? 1 : (int32_t)(said + .5F);
    if (o->depth[number] == 0 || o->input == 0)
        return;
    depth = (float)o->depth[number] * input / (float)o->input;
    if (depth > input - 1)
        depth = input - 1;
    if (depth >= (float)v->least)
        out->cached_tokens = (int64_t)(depth * cache_belief(v, o->age[number]));
}

/* --- the answer ----------------------------------------------------------- */

struct lesson *learnt_sent(struct learnt *l, struct outlook *o,
                           const struct snapshot *snapshot,
                           const struct decision *d, const struct verdict *v,
                           struct arena *a)
{
    uint16_t number = o->numbers[v->offer->index];
    struct lesson *x;

    if (o->parent && o->parent->number != o->parent_number)
        o->parent = NULL; /* forgotten meanwhile */
    returns_start(l, o);
    if (number == LEARNT_NOBODY)
        return NULL;
    x = arena_alloc(a, sizeof(*x));
    *x = (struct lesson){
        .now = o->now,
        .age = o->age[number],
        .number = number,
        .input = o->input,
        .depth = o->depth[number],
        .n = o->query->n,
        .premium = o->premium,
        .expected_input = v->expected.input_tokens,
        .expected_output = v->expected.output_tokens,
    };
    memcpy(x->split, split_of(o, v->offer), sizeof(x->split));
    memcpy(x->contexts, o->contexts, sizeof(x->contexts));
    rivals_note(l, o, x, snapshot, d);
    blocks_keep(l, o, number);
    return x;
}

static void learn_cache(struct offer_learnt *v, const struct lesson *x,
                        const struct usage *usage)
{
    const float least = 64;
    float believed, share;

    if (usage->estimated || x->depth == 0 || x->input == 0)
        return;
    believed = (float)x->depth * (float)usage->input_tokens / (float)x->input;
    if (believed < least || believed < (float)v->least)
        return;
    share = (float)usage->cached_tokens / believed;
    cache_learn(v, x->age, share > 1 ? 1 : share);
}

void learnt_answered(struct learnt *l, const struct lesson *x,
                     const struct usage *usage, int64_t nanos)
{
    const float keep = .9999F;
    struct offer_learnt *v = &l->offers[x->number];

    l->spent = l->spent * keep + (float)nanos;
    l->explored = l->explored * keep + (float)x->premium;
    l->answers = l->answers * keep + 1;
    rivals_learn(l, x, usage, (double)nanos);
    learn_cache(v, x, usage);
    size_learn(l, x, v, usage);
}

/* --- from a file ---------------------------------------------------------- */

/* Indices are all that could lead astray. */
static bool has_sound_indices(struct learnt *l)
{
    struct block *blocks = (void *)((char *)l + l->blocks_at);
    struct tail *tails = (void *)((char *)l + l->tails_at);

    for (uint32_t i = 0; i < l->limits.blocks; i++)
        for (int k = 0; k < BLOCK_HOLDERS; k++)
            if (blocks[i].holders[k].offer >= LEARNT_OFFERS)
                return false;
    for (uint32_t i = 0; i < l->limits.tails; i++)
        if (!tail_is_sound(&tails[i]))
            return false;
    for (int i = 0; i < SAID; i++)
        for (int k = 0; k < SAID_OFFERS; k++)
            if (l->said[i].offers[k] >= LEARNT_OFFERS)
                return false;
    for (int i = 0; i < CLASSES; i++) {
        if (l->kinds[i].n_offers > LEARNT_RIVALS)
            return false;
        for (int k = 0; k < LEARNT_RIVALS; k++)
            if (l->kinds[i].offers[k] >= LEARNT_OFFERS)
                return false;
    }
    return true;
}

bool learnt_is_sound(struct learnt *l, size_t len, struct learnt_limits limits)
{
    if (len != learnt_bytes(limits) || l->magic != magic_word ||
        l->bytes != len || l->limits.blocks != limits.blocks ||
        l->limits.tails != limits.tails ||
        l->blocks_at != aligned(sizeof(*l)) ||
        l->tails_at !=
            l->blocks_at + aligned(limits.blocks * sizeof(struct block)) ||
        l->n_offers > LEARNT_OFFERS)
        return false;
    for (uint32_t i = 0; i < l->n_offers; i++)
        if (memchr(l->offers[i].name, 0, OFFER_NAME) == NULL)
            return false;
    return has_sound_indices(l);
}
