/*
 * What a choice means for later.
 *
 * A conversation that goes on finds its cache where it was. For each offer
 * the cheapest way on from it is reckoned back over a few turns, each with the
 * chance that it comes at all, and comes while the cache still lives:
 *
 *   later(k, home) = chance(k) x min(stay at home, move to the best)
 *
 * A beginning that many requests share is an investment: an offer that does
 * not hold it yet is charged for it as if its future users paid their part.
 */
#include <math.h>

#include "routing/learn_parts.h"

enum {
    CANDIDATES = 48,
    FINE = 12, /* so few are reckoned with their price's tiers and windows */
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

static double unit_of(const struct snapshot *s, const struct verdict *v,
                      int64_t at_ms)
{
    const int64_t one = 1000000000;
    struct money m = {one, v->cost.total.currency}, told;

    if (m.currency == s->currency ||
        !price_convert(&told, s, m, s->currency, at_ms))
        return 1;
    return (double)told.nanos / (double)one;
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

static bool candidate_of(struct candidate *c, const struct outlook *o,
                         const struct snapshot *s, struct verdict *v)
{
    uint16_t number = o->numbers[v->offer->index];

    if (!v->comparable || number == LEARNT_NOBODY)
        return false;
    *c = (struct candidate){.v = v, .own = &o->l->offers[number]};
    set_rates(c, v->cost.row, unit_of(s, v, o->now_ms));
    c->out_now = c->output;
    c->belief = (double)cache_belief(c->own, c->own->usable_after);
    c->depth = (double)v->expected.cached_tokens;
    c->per = o->input > 0 ? (double)v->expected.input_tokens / o->input : 1;
    c->answer = (double)v->expected.output_tokens;
    return true;
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
                        const struct snapshot *s, int k, double longer)
{
    double best = -1;

    for (size_t i = 0; i < n; i++) {
        struct candidate *a = &c[i];
        double then = ((double)o->input_then[k + 1] + longer) * a->per;
        double found = finds(a, o, k, longer);
        double held = a->depth < then ? a->depth : then, cold;

        if (a->v->offer->n_rows > 1 && n <= FINE) {
            struct usage u = a->v->expected;
            int64_t at = o->now_ms + (int64_t)((double)(k + 1) *
                                               (double)o->l->returns.gap_ms);
            const struct price_row *row;

            u.input_tokens = (int64_t)then;
            row = price_row_at(a->v->offer, at, &u);
            if (row)
                set_rates(a, row, unit_of(s, a->v, o->now_ms));
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
                       const struct snapshot *s)
{
    const double most = .9;
    int k = LEARNT_TURNS - 1;
    double chance = (double)o->chance[k].by[RETURN_BINS - 1];
    double growth = (double)(o->input_then[k + 1] - o->input_then[k]);

    if (chance > most)
        chance = most;
    reckon_turn(c, n, o, s, k, growth * chance / (1 - chance));
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

/* An offer of which little has been seen may be better than it looks: now
 * and then, as far as the budget goes, it gets its chance. */
static void explore(struct candidate *c, size_t n, struct outlook *o)
{
    const double share = .002, first = 6;
    const uint32_t settled = 20;
    double best = -1, hopeful = 0;
    struct candidate *tried = NULL;

    for (size_t i = 0; i < n; i++) {
        double score = (double)(c[i].v->compared.nanos + c[i].v->ahead);

        if (best < 0 || score < best)
            best = score;
    }
    for (size_t i = 0; i < n; i++) {
        double seen = (double)c[i].own->answers / 6 + 1;
        double hope =
            c[i].answer * c[i].out_now / sqrt(seen) +
            (c[i].own->counted < 3 ? .1 : 0) * (double)c[i].v->compared.nanos;
        double score = (double)(c[i].v->compared.nanos + c[i].v->ahead);

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
        share * (double)o->l->spent + first * (double)c[0].v->compared.nanos) {
        o->premium = 0;
        return;
    }
    tried->v->ahead = (int64_t)best - 1 - tried->v->compared.nanos;
}

/* The leader first, unless much is to be saved; a conversation that lies
 * elsewhere may stay there. */
static void follow(struct verdict *verdicts, uint32_t n,
                   const struct outlook *o)
{
    const double much = 1.1;
    int64_t least = INT64_MAX;
    int32_t deepest = 0;
    struct verdict *leader = NULL, *home = NULL;

    for (uint32_t i = 0; i < n; i++) {
        struct verdict *v = &verdicts[i];
        uint16_t number = o->numbers[v->offer->index];

        if (v->compared.nanos + v->ahead < least)
            least = v->compared.nanos + v->ahead;
        if (number == o->leader)
            leader = v;
        if (number < o->n_offers && o->depth[number] > deepest) {
            deepest = o->depth[number];
            home = v;
        }
    }
    if (!leader ||
        (double)(leader->compared.nanos + leader->ahead) > much * (double)least)
        return;
    if (o->parent && home &&
        home->compared.nanos + home->ahead <
            leader->compared.nanos + leader->ahead)
        leader = home;
    leader->ahead = least - 1 - leader->compared.nanos;
}

void learnt_weigh(struct outlook *o, const struct snapshot *snapshot,
                  struct verdict *verdicts, uint32_t n)
{
    struct candidate c[CANDIDATES];
    size_t n_c = 0;
    const double shade = .9; /* what is far may not come at all */
    double far = 0;

    for (uint32_t i = 0; i < n && n_c < CANDIDATES; i++)
        n_c += candidate_of(&c[n_c], o, snapshot, &verdicts[i]);
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
    reckon_end(c, n_c, o, snapshot);
    for (int k = LEARNT_TURNS - 1; k >= 0; k--)
        reckon_turn(c, n_c, o, snapshot, k, 0);
    for (size_t i = 0; i < n_c; i++) {
        double ahead = shade * c[i].later - c[i].shared;

        c[i].v->ahead = (int64_t)ahead;
        if (c[i].later > far)
            far = c[i].later;
    }
    for (uint32_t i = 0; i < n; i++)
        if (i >= CANDIDATES)
            verdicts[i].ahead = (int64_t)far;
    if (!o->tail.looks && o->leader != LEARNT_NOBODY)
        follow(verdicts, n, o);
    else
        explore(c, n_c, o);
}
