/*
 * What a choice means for later.
 *
 * A conversation that goes on finds its cache where it was. For each offer
 * the cheapest way on from it is reckoned back over a few turns, each with the
 * chance that it comes at all, and comes while the cache still lives:
 *
 *   later(k, home) = chance(k) x min(stay at home, move to the best)
 *
 * Of many offers the few are reckoned that could be best, had they the whole
 * conversation in their cache; the others are taken to cost as much later as
 * the dearest of these.
 *
 * A beginning that many requests share is an investment: an offer that does
 * not hold it yet is charged for it as if its future users paid their part.
 */
#include <math.h>

#include "routing/learn_parts.h"

enum {
    CANDIDATES = 12, /* reckoned; of more offers, those that may be best */
};

struct candidate {
    struct verdict *v;
    const struct offer_learnt *own;
    double fresh, cached,
        output;   /* nanos of the snapshot's currency, a token */
    double depth; /* tokens held now, as believed */
    double per;   /* its tokens to reference tokens */
    double answer;
    double later; /* from the turn behind, if it is home */
    double stay, move;
    double shared;
    double out_now, belief;
    double held; /* before this request, shared beginnings counted */
    double kept; /* by others, whatever becomes of this one */
};

/* What one of a currency is in the snapshot's; 1: not known. */
struct units {
    double of[CURRENCY_COUNT];
};

static struct units units_of(const struct snapshot *s, int64_t at_ms)
{
    const int64_t one = 1000000000;
    struct units u;

    for (int i = 0; i < CURRENCY_COUNT; i++) {
        struct money m = {one, (enum currency)i}, told;

        u.of[i] = m.currency != s->currency &&
                          price_convert(&told, s, m, s->currency, at_ms)
                      ? (double)told.nanos / (double)one
                      : 1;
    }
    return u;
}

static void set_rates(struct candidate *c, const struct price_row *row,
                      double unit)
{
    const double mtok = TOKENS_PER_MTOK;

    c->fresh =
        unit *
        (double)(row->conf->writes_unasked ? row->cache_write.nanos_per_mtok
                                           : row->input.nanos_per_mtok) /
        mtok;
    c->cached = unit * (double)row->cached.nanos_per_mtok / mtok;
    c->output = unit * (double)row->output.nanos_per_mtok / mtok;
}

static void candidate_of(struct candidate *c, const struct outlook *o,
                         const struct units *units, struct verdict *v)
{
    uint16_t number = o->numbers[v->offer->index];

    *c = (struct candidate){.v = v, .own = &o->l->offers[number]};
    set_rates(c, v->cost.row, units->of[v->cost.row->currency]);
    c->out_now = c->output;
    c->belief = (double)cache_belief(c->own, c->own->usable_after);
    c->depth = (double)v->expected.cached_tokens;
    c->per = o->input > 0 ? (double)v->expected.input_tokens / o->input : 1;
    c->answer = (double)v->expected.output_tokens;
}

/* Turns that may come: how many, and of how many reference tokens. */
struct prospect {
    double turns, tokens;
};

static struct prospect prospect_of(const struct outlook *o)
{
    struct prospect p = {0};
    double comes = 1;

    for (int k = 0; k < LEARNT_TURNS; k++) {
        comes *= (double)o->chance[k].by[RETURN_BINS - 1];
        p.turns += comes;
        p.tokens += comes * (double)o->input_then[k + 1];
    }
    return p;
}

/* No less can it cost, now and then. */
static double bound_of(const struct verdict *v, const struct outlook *o,
                       const struct units *units, const struct prospect *p)
{
    const struct price_row *row = v->cost.row;
    const struct offer_learnt *own = &o->l->offers[o->numbers[v->offer->index]];
    double later = (double)v->expected.output_tokens *
                   (double)row->output.nanos_per_mtok * p->turns;

    if (o->input > 0)
        later +=
            p->tokens * (double)v->expected.input_tokens / o->input *
            (double)(own->ttl > 0 ? row->cached : row->input).nanos_per_mtok;
    return (double)(v->compared.nanos + v->time + v->risk) +
           later * units->of[row->currency] / TOKENS_PER_MTOK;
}

/* Fills `at` with the places of at most CANDIDATES of the listed; returns how
 * many. */
static size_t choose(uint32_t at[CANDIDATES], const struct outlook *o,
                     const struct units *units, struct verdict *const *listed,
                     uint32_t n)
{
    double bounds[CANDIDATES];
    struct prospect p = prospect_of(o);
    size_t n_c = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct verdict *v = listed[i];
        double bound = -1;
        size_t k;

        if (!v->comparable || o->numbers[v->offer->index] == LEARNT_NOBODY)
            continue;
        if (n > CANDIDATES)
            bound = bound_of(v, o, units, &p);
        if (n_c == CANDIDATES && bound >= bounds[CANDIDATES - 1])
            continue;
        k = n_c < CANDIDATES ? n_c++ : CANDIDATES - 1;
        if (n <= CANDIDATES) { /* all of them */
            at[k] = i;
            continue;
        }
        for (; k > 0 && bounds[k - 1] > bound; k--) {
            bounds[k] = bounds[k - 1];
            at[k] = at[k - 1];
        }
        bounds[k] = bound;
        at[k] = i;
    }
    return n_c;
}

/* How many tokens a turn that comes is expected to find in its cache: all
 * that was sent before; if it comes before that can be read, what the turn
 * before had left; if it comes too late, what others have kept there. */
static double finds(const struct candidate *c, const struct outlook *o, int k,
                    double longer)
{
    const struct chance *chance = &o->chance[k];
    double all = chance->by[RETURN_BINS - 1];
    double sent = ((double)o->input_then[k] + longer) * c->per;
    double before =
        k > 0 ? ((double)o->input_then[k - 1] + longer) * c->per : c->held;
    double early, late;

    if (c->own->ttl == 0 || sent < c->own->least || all <= 0)
        return 0;
    early = (double)chance_by(chance, c->own->usable_after) / all;
    late = 1 - (double)chance_by(chance, c->own->ttl) / all;
    if (before < c->own->least)
        before = 0;
    if (before > sent)
        before = sent;
    return c->belief * ((1 - early - late) * sent + early * before +
                        late * (c->kept < before ? c->kept : before));
}

/* Turn `k`, of a prompt by so many reference tokens longer than expected. */
static void reckon_turn(struct candidate *c, size_t n, const struct outlook *o,
                        const struct units *units, int k, double longer)
{
    struct moment moment = {
        .unix_ms = o->now_ms +
                   (int64_t)((double)(k + 1) * (double)o->l->returns.gap_ms)};
    double best = -1;

    for (size_t i = 0; i < n; i++) {
        struct candidate *a = &c[i];
        double then = ((double)o->input_then[k + 1] + longer) * a->per;
        double found = finds(a, o, k, longer);
        double held = a->depth < then ? a->depth : then, cold;

        if (a->v->offer->n_rows > 1) {
            struct usage u = a->v->expected;
            const struct price_row *row;

            u.input_tokens = (int64_t)then;
            row = price_row_in(a->v->offer, &moment, &u);
            if (row)
                set_rates(a, row, units->of[row->currency]);
        }
        cold = then * a->fresh + a->answer * a->output;
        a->stay = cold - found * (a->fresh - a->cached) + a->later;
        a->move = cold - held * (a->fresh - a->cached) + a->later;
        if (best < 0 || a->move < best)
            best = a->move;
    }
    for (size_t i = 0; i < n; i++) {
        double chance = (double)o->chance[k].by[RETURN_BINS - 1];

        c[i].later = chance * (c[i].stay < best ? c[i].stay : best);
    }
}

/* Behind the turns looked at, all further ones are as the one half way: the
 * prompt grows by the same each turn, and so does what it costs. */
static void reckon_end(struct candidate *c, size_t n, const struct outlook *o,
                       const struct units *units)
{
    const double most = .9;
    int k = LEARNT_TURNS - 1;
    double chance = (double)o->chance[k].by[RETURN_BINS - 1];
    double growth = (double)(o->input_then[k + 1] - o->input_then[k]);

    if (chance > most)
        chance = most;
    reckon_turn(c, n, o, units, k, growth * chance / (1 - chance));
    for (size_t i = 0; i < n; i++)
        c[i].later *= chance / (1 - chance);
}

/* What future users of the shared beginning will have to thank for. */
static double shared_part(const struct candidate *c, const struct outlook *o)
{
    double tokens = (double)o->shared * c->per - c->held;
    double live = (double)c->own->ttl, gap = (double)o->shared_gap + 1;
    double uses = (double)o->shared_uses * live / (live + gap);
    const double others = .5; /* not the leader: who knows whether it stays */

    if (tokens <= 0 || c->own->ttl == 0 ||
        (double)o->shared * c->per < c->own->least)
        return 0;
    if (o->numbers[c->v->offer->index] == o->leader)
        return tokens * (c->fresh - c->cached);
    uses *= others;
    return tokens * (c->fresh - c->cached) * uses / (1 + uses);
}

/* Clients call by one name what a cache should serve again. Where the prompt's
 * blocks do not show it there (it was edited, or is shorter than a block),
 * little is believed, enough to stay. */
static double hinted_part(const struct candidate *c, const struct outlook *o)
{
    const double believed = .05;
    double rest = (double)o->input * c->per - c->held;

    if (o->hinted_at == LEARNT_NOBODY || rest <= 0 ||
        o->numbers[c->v->offer->index] != o->hinted_at)
        return 0;
    return believed * rest * (c->fresh - c->cached);
}

/* What order goes by. */
static int64_t score_of(const struct verdict *v)
{
    return v->compared.nanos + v->time + v->risk + v->ahead;
}

/* Makes its score this one. */
static void put_at(struct verdict *v, int64_t score)
{
    v->ahead = score - v->compared.nanos - v->time - v->risk;
}

/* An offer of which little has been seen may be better than it looks: now
 * and then, as far as the budget goes, it gets its chance. */
static void explore(struct candidate *c, size_t n, struct outlook *o)
{
    const double share = .002, first = 6;
    const uint32_t settled = 20;
    double best = -1, hopeful = 0, now = -1;
    struct candidate *tried = NULL;

    for (size_t i = 0; i < n; i++) {
        double score = (double)score_of(c[i].v);

        if (best < 0 || score < best)
            best = score;
        if (now < 0 || (double)c[i].v->compared.nanos < now)
            now = (double)c[i].v->compared.nanos;
    }
    for (size_t i = 0; i < n; i++) {
        double seen = (double)c[i].own->answers / 6 + 1;
        double hope =
            c[i].answer * c[i].out_now / sqrt(seen) +
            (c[i].own->counted < 3 ? .1 : 0) * (double)c[i].v->compared.nanos;
        double score = (double)score_of(c[i].v);

        if (score <= best || seen > 50)
            continue;
        if (best - (score - hope) > hopeful) {
            hopeful = best - (score - hope);
            tried = &c[i];
            o->premium = score - best;
        }
    }
    if (!tried || o->kind->n < settled) {
        o->premium = 0;
        return;
    }
    if ((double)o->l->explored + o->premium >
        share * (double)o->l->spent + first * now) {
        o->premium = 0;
        return;
    }
    put_at(tried->v, (int64_t)best - 1);
}

/* The leader first, unless much is to be saved; a conversation that lies
 * elsewhere may stay there. */
static void follow(struct verdict *const *listed, uint32_t n,
                   const struct outlook *o)
{
    const double much = 1.1;
    int64_t least = INT64_MAX;
    int32_t deepest = 0;
    struct verdict *leader = NULL, *home = NULL;

    for (uint32_t i = 0; i < n; i++) {
        struct verdict *v = listed[i];
        uint16_t number = o->numbers[v->offer->index];
        int32_t depth = number < o->n_offers ? o->depth[number] : 0;

        if (!v->comparable)
            continue;
        if (score_of(v) < least)
            least = score_of(v);
        if (number == o->leader)
            leader = v;
        if (depth > deepest ||
            (home && depth == deepest &&
             v->compared.nanos + v->time < home->compared.nanos + home->time)) {
            deepest = depth;
            home = v;
        }
    }
    if (!leader || (double)score_of(leader) > much * (double)least)
        return;
    if (o->parent && home && score_of(home) < score_of(leader))
        leader = home;
    put_at(leader, least - 1);
}

void learnt_weigh(struct outlook *o, const struct snapshot *snapshot,
                  struct verdict *const *listed, uint32_t n)
{
    const struct units units = units_of(snapshot, o->now_ms);
    uint32_t at[CANDIDATES];
    struct candidate c[CANDIDATES];
    size_t n_c = choose(at, o, &units, listed, n);
    const double shade = .9; /* what is far may not come at all */
    double far = 0;

    for (size_t i = 0; i < n_c; i++)
        candidate_of(&c[i], o, &units, listed[at[i]]);
    for (size_t i = 0; i < n_c; i++) {
        double shared = (double)o->shared * c[i].per;
        double soon =
            (double)o->soon[o->numbers[c[i].v->offer->index]] * c[i].per;

        c[i].held = c[i].depth > soon ? c[i].depth : soon;
        c[i].shared = shared_part(&c[i], o);
        if (o->shared_gap < (float)c[i].own->ttl / 2 &&
            (c[i].held >= .9 * shared || c[i].shared > 0)) {
            c[i].kept = shared;
            if (c[i].held < shared)
                c[i].held = shared;
        }
    }
    reckon_end(c, n_c, o, &units);
    for (int k = LEARNT_TURNS - 1; k >= 0; k--)
        reckon_turn(c, n_c, o, &units, k, 0);
    for (size_t i = 0; i < n_c; i++)
        if (c[i].later > far)
            far = c[i].later;
    if (n > CANDIDATES)
        for (uint32_t i = 0; i < n; i++)
            listed[i]->ahead = (int64_t)far;
    for (size_t i = 0; i < n_c; i++)
        c[i].v->ahead =
            (int64_t)(shade * c[i].later - c[i].shared - hinted_part(&c[i], o));
    if (!o->tail.looks && o->leader != LEARNT_NOBODY)
        follow(listed, n, o);
    else
        explore(c, n_c, o);
}
