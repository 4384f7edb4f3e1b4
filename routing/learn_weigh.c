/*
 * What a choice means for later.
 *
 * A conversation that goes on finds its cache where it was. For each offer
 * the cheapest way on from it is reckoned back over a few turns, each with the
 * chance that it comes at all, and comes while the cache can be read:
 *
 *   later(k, home) = chance(k) x min(stay at home, move to the best)
 *
 * A home of one turn is not yet one of two: who comes back early finds only
 * what was there before.
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
    double later;     /* from the turn behind, if it is home */
    double new_later; /* the same, if it has only just become home */
    double stay, settle, move;
    double shared;
    double fresh_now, cached_now, out_now, belief;
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
    c->fresh_now = c->fresh;
    c->cached_now = c->cached;
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

/* When turn `k` comes: before what was sent last can be read, or after it is
 * gone? Shares of all times that it comes. */
struct timing {
    double early, late;
};

static struct timing timing_of(const struct candidate *c,
                               const struct outlook *o, int k)
{
    const struct chance *chance = &o->chance[k];
    double all = (double)chance->by[RETURN_BINS - 1];

    if (c->own->ttl == 0 || all <= 0)
        return (struct timing){0};
    return (struct timing){
        .early = c->own->usable_after == 0
                     ? 0
                     : (double)chance_by(chance, c->own->usable_after) / all,
        .late = 1 - (double)chance_by(chance, c->own->ttl) / all,
    };
}

/* How many tokens a turn that comes is expected to find in its cache: all
 * `sent` before; if it is early, what was there `before` that; if it is late,
 * what others have kept there. */
static double finds(const struct candidate *c, const struct timing *t,
                    double sent, double before)
{
    if (c->own->ttl == 0 || sent < c->own->least)
        return 0;
    if (before < c->own->least)
        before = 0;
    if (before > sent)
        before = sent;
    return c->belief * ((1 - t->early - t->late) * sent + t->early * before +
                        t->late * (c->kept < before ? c->kept : before));
}

static void set_rates_then(struct candidate *c, const struct units *units,
                           struct moment *moment, double input)
{
    struct usage u = c->v->expected;
    const struct price_row *row;

    if (c->v->offer->n_rows < 2)
        return;
    u.input_tokens = (int64_t)input;
    row = price_row_in(c->v->offer, moment, &u);
    if (row)
        set_rates(c, row, units->of[row->currency]);
}

/* What turn `k` costs there, by where the turns before it went: `stay` if two
 * of them went there, `settle` if one did, `move` if none did. */
static void reckon_there(struct candidate *c, const struct outlook *o,
                         const struct timing *t, int k, double longer)
{
    double then = ((double)o->input_then[k + 1] + longer) * c->per;
    double sent = ((double)o->input_then[k] + longer) * c->per;
    double held = c->depth < then ? c->depth : then;
    double cold = then * c->fresh + c->answer * c->output;
    double saved = c->fresh - c->cached;

    c->settle = cold - finds(c, t, sent, c->held) * saved + c->later;
    c->stay =
        k == 0 ? c->settle
               : cold + c->later -
                     finds(c, t, sent,
                           ((double)o->input_then[k - 1] + longer) * c->per) *
                         saved;
    c->move = cold - held * saved + c->new_later;
}

/* Turn `k`, of a prompt by so many reference tokens longer than expected. */
static void reckon_turn(struct candidate *c, size_t n, const struct outlook *o,
                        const struct units *units, int k, double longer)
{
    struct moment moment = {
        .unix_ms = o->now_ms +
                   (int64_t)((double)(k + 1) * (double)o->l->returns.gap_ms)};
    double chance = (double)o->chance[k].by[RETURN_BINS - 1], best = -1;
    struct timing timing = {0};

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || c[i].own->ttl != c[i - 1].own->ttl ||
            c[i].own->usable_after != c[i - 1].own->usable_after)
            timing = timing_of(&c[i], o, k);
        set_rates_then(&c[i], units, &moment,
                       ((double)o->input_then[k + 1] + longer) * c[i].per);
        reckon_there(&c[i], o, &timing, k, longer);
        if (best < 0 || c[i].move < best)
            best = c[i].move;
    }
    for (size_t i = 0; i < n; i++) {
        c[i].later = chance * (c[i].stay < best ? c[i].stay : best);
        c[i].new_later = chance * (c[i].settle < best ? c[i].settle : best);
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
        c[i].new_later = c[i].later *= chance / (1 - chance);
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

/* What it would save if its cache were as good as it may be. Without it, who
 * is not believed would never be asked, and so never believed. */
static double hope_of_cache(const struct candidate *c, const struct outlook *o)
{
    const double first = 4;
    double tries = first;
    double tokens = (double)o->chance[0].by[RETURN_BINS - 1] * o->input;

    if (c->own->ttl == 0)
        return 0;
    for (int i = 0; i < AGE_BINS; i++)
        tries += (double)c->own->tries[i];
    if (tokens < (double)o->shared)
        tokens = (double)o->shared;
    return (1 - c->belief) * first / tries * tokens * c->per *
           (c->fresh_now - c->cached_now);
}

/* What it may cost less than it seems to. */
static double hope_of(const struct candidate *c, const struct outlook *o)
{
    const double answers = .5, counts = .1, once = 4;
    const uint32_t counted = 3;
    double hope = answers * c->answer * c->out_now /
                      sqrt((double)c->own->answers / once + 1) +
                  hope_of_cache(c, o);

    if (c->own->counted < counted)
        hope += counts * (double)c->v->compared.nanos;
    return hope;
}

/* What one more try may cost: little at a time, so that it is the small
 * requests that are tried on. */
static double premium_most(const struct learnt *l)
{
    const double share = .002, first = 6, part = .25;
    double mean = l->answers > 0 ? (double)l->spent / (double)l->answers : 0;

    return part *
           (share * (double)l->spent + first * mean - (double)l->explored);
}

/* An offer of which little has been seen may be better than it looks: now
 * and then, as far as the budget goes, it gets its chance. */
static void explore(struct candidate *c, size_t n, struct outlook *o)
{
    const uint32_t settled = 20, well_known = 200;
    double best = -1, hopeful = 0, most = premium_most(o->l);
    struct candidate *tried = NULL;

    for (size_t i = 0; i < n; i++)
        if (best < 0 || (double)score_of(c[i].v) < best)
            best = (double)score_of(c[i].v);
    for (size_t i = 0; i < n && o->kind->n >= settled; i++) {
        double premium = (double)score_of(c[i].v) - best, hope;

        if (premium <= 0 || premium > most || c[i].own->answers >= well_known)
            continue;
        hope = hope_of(&c[i], o);
        if (hope - premium > hopeful) {
            hopeful = hope - premium;
            tried = &c[i];
            o->premium = premium;
        }
    }
    if (tried)
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
    size_t n_c;
    double far = 0;

    returns_expect(o);
    n_c = choose(at, o, &units, listed, n);
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
        if (c[i].new_later > far)
            far = c[i].new_later;
    if (n > CANDIDATES)
        for (uint32_t i = 0; i < n; i++)
            listed[i]->ahead = (int64_t)far;
    for (size_t i = 0; i < n_c; i++)
        c[i].v->ahead =
            (int64_t)(c[i].new_later - c[i].shared - hinted_part(&c[i], o));
    if (!o->tail.looks && o->leader != LEARNT_NOBODY)
        follow(listed, n, o);
    else
        explore(c, n_c, o);
}
