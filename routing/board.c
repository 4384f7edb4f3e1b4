#include "routing/board.h"

#include "routing/window.h"

enum {
    STEPS_MOST = 4000, /* a window that opens four times a day, for 400 days */
};

bool board_same(const struct price_row *a, const struct price_row *b)
{
    if (!a || !b)
        return a == b;
    return a->currency == b->currency &&
           a->input.nanos_per_mtok == b->input.nanos_per_mtok &&
           a->cached.nanos_per_mtok == b->cached.nanos_per_mtok &&
           a->cached_marked.nanos_per_mtok == b->cached_marked.nanos_per_mtok &&
           a->cache_write.nanos_per_mtok == b->cache_write.nanos_per_mtok &&
           a->cache_write_1h.nanos_per_mtok ==
               b->cache_write_1h.nanos_per_mtok &&
           a->output.nanos_per_mtok == b->output.nanos_per_mtok &&
           a->thinking.nanos_per_mtok == b->thinking.nanos_per_mtok &&
           a->storage.nanos_per_mtok == b->storage.nanos_per_mtok &&
           a->fee_nanos == b->fee_nanos;
}

static void nearer(int64_t *best, int64_t at, int64_t after)
{
    if (at > after && at < *best)
        *best = at;
}

/* The first edge of any row after `after`. */
static int64_t edge_after(const struct offer *o, int64_t after)
{
    int64_t best = INT64_MAX;

    for (size_t i = 0; i < o->n_rows; i++) {
        const struct price_row *r = &o->rows[i];

        nearer(&best, r->from_ms, after);
        nearer(&best, r->until_ms, after);
        if (r->window)
            nearer(&best, window_next(r->window, after), after);
    }
    return best;
}

int64_t board_next(const struct offer *offer, int64_t at_unix_ms,
                   const struct usage *usage)
{
    const struct price_row *now = price_row_at(offer, at_unix_ms, usage);
    int64_t at = at_unix_ms;

    for (int i = 0; i < STEPS_MOST; i++) {
        at = edge_after(offer, at);
        if (at == INT64_MAX)
            break;
        if (!board_same(price_row_at(offer, at, usage), now))
            return at;
    }
    return INT64_MAX;
}

static bool compare(struct money *out, const struct snapshot *s,
                    const struct price_row *row, struct rate rate, int64_t at,
                    enum currency to)
{
    struct money m = {rate.nanos_per_mtok, row->currency};

    return price_convert(out, s, m, to, at);
}

static bool cost_of(struct money *out, const struct snapshot *s,
                    const struct offer *offer, int64_t at,
                    const struct usage *usage, enum currency to)
{
    struct usage expected = *usage;
    struct cost cost;

    price_expect(&expected, offer, at);
    return price_cost(&cost, offer, at, &expected, 0) &&
           price_convert(out, s, cost.total, to, at);
}

struct board_price board_price(const struct snapshot *s,
                               const struct offer *offer, int64_t at,
                               const struct usage *usage, enum currency to)
{
    struct board_price p = {
        .offer = offer,
        .now = price_row_at(offer, at, usage),
        .next_ms = board_next(offer, at, usage),
    };

    if (p.next_ms != INT64_MAX)
        p.next = price_row_at(offer, p.next_ms, usage);
    p.compared = p.now && compare(&p.input, s, p.now, p.now->input, at, to) &&
                 compare(&p.cached, s, p.now, p.now->cached, at, to) &&
                 compare(&p.output, s, p.now, p.now->output, at, to) &&
                 cost_of(&p.cost, s, offer, at, usage, to);
    return p;
}

const struct offer *board_cheapest(const struct snapshot *s,
                                   struct offer_set set, int64_t at,
                                   const struct usage *usage)
{
    const struct offer *best = NULL;
    struct money least = {0, s->currency}, cost;

    for (size_t i = 0; i < set.n; i++) {
        if (!cost_of(&cost, s, set.offers[i], at, usage, s->currency) ||
            (best && !money_less(cost, least)))
            continue;
        best = set.offers[i];
        least = cost;
    }
    return best;
}
