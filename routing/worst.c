#include "routing/worst.h"

#include "vendors/quirk.h"

enum {
    SOON_MS = 3600 * 1000, /* a price that begins so soon may bill already */
    JUST_MS = 300 * 1000,  /* one that ended just now, still */
};

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;

    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Of one choice. */
static int64_t output_bound(const struct offer *o, const struct query *q,
                            int64_t max_tokens)
{
    const struct conf_model *m = o->conf;
    int64_t most = m->max_output_tokens;
    bool thinks = m->thinking && !(q->needs & NEED_NO_THINKING);
    int64_t bound;

    if (!most)
        most = m->context_tokens && m->context_tokens < WORST_OUTPUT_TOKENS
                   ? m->context_tokens
                   : WORST_OUTPUT_TOKENS;
    bound = max_tokens > 0 ? max_tokens : most;
    /* Those with a switch of this kind bound thinking by a number of its
     * own. */
    if (thinks && quirk_has(&o->vendor->manner, QUIRK_ENABLE_THINKING))
        bound = sum_of(bound, most);
    return bound;
}

struct bounds bounds_of(const struct offer *offer, const struct query *query,
                        int64_t body_bytes, int64_t max_tokens)
{
    int64_t n = query->n > 1 ? query->n : 1;
    int64_t estimate = tokenizer_estimate(offer->vendor->tokenizer,
                                          &query->text, query->n_messages,
                                          query->n_images, query->image_bytes);
    int64_t input = sum_of(body_bytes, WORST_REQUEST_TOKENS);

    input = sum_of(input, times(query->n_messages, WORST_MESSAGE_TOKENS));
    input = sum_of(input, times(query->n_images, WORST_IMAGE_TOKENS));
    return (struct bounds){
        .input_tokens = larger(input, estimate),
        .output_tokens = times(output_bound(offer, query, max_tokens), n),
        .tier = query->tier,
    };
}

static int64_t dearest_input(const struct price_row *row)
{
    int64_t cached =
        larger(row->cached.nanos_per_mtok, row->cached_marked.nanos_per_mtok);

    return larger(larger(row->input.nanos_per_mtok, cached),
                  larger(row->cache_write.nanos_per_mtok,
                         row->cache_write_1h.nanos_per_mtok));
}

static int64_t dearest_output(const struct price_row *row)
{
    return larger(row->output.nanos_per_mtok, row->thinking.nanos_per_mtok);
}

/* What the bounds cost by this row whatever its other conditions, and one
 * nano for the rounding. */
static struct money row_worst(const struct price_row *row,
                              const struct bounds *b)
{
    __int128 sum = (__int128)b->input_tokens * dearest_input(row) +
                   (__int128)b->output_tokens * dearest_output(row);
    int64_t factor = NANOS_PER_UNIT;
    struct money m;

    if (row->factors)
        factor = larger(row->factors[b->tier], row->factors[TIER_STANDARD]);
    m = money_of_sum_times(sum, factor, row->currency);
    m = money_add(m, (struct money){row->fee_nanos, row->currency});
    if (m.nanos > 0)
        m = money_add(m, (struct money){1, row->currency});
    return m;
}

static bool is_in_force(const struct price_row *row, int64_t at_unix_ms)
{
    return row->from_ms <= sum_of(at_unix_ms, SOON_MS) &&
           at_unix_ms - JUST_MS < row->until_ms;
}

/* The dearest of the rows about now, or of all. */
static bool dearest(struct money *out, const struct offer *offer,
                    int64_t at_unix_ms, const struct bounds *bounds, bool all)
{
    bool any = false;

    for (size_t i = 0; i < offer->n_rows; i++) {
        const struct price_row *row = &offer->rows[i];
        struct money m;

        if (!all && !is_in_force(row, at_unix_ms))
            continue;
        m = row_worst(row, bounds);
        if (!any || money_less(*out, m))
            *out = m;
        any = true;
    }
    return any;
}

/* Where no row is in force the nearest bills (price_bill): any may. */
bool worst_case(struct money *out, const struct offer *offer,
                int64_t at_unix_ms, const struct bounds *bounds)
{
    return dearest(out, offer, at_unix_ms, bounds, false) ||
           dearest(out, offer, at_unix_ms, bounds, true);
}

/* One nano more than half up gives: never less than the exact amount. */
static bool fits(const struct snapshot *s, const struct offer *offer,
                 int64_t at_unix_ms, const struct bounds *bounds,
                 struct money left)
{
    struct money worst, told;

    return worst_case(&worst, offer, at_unix_ms, bounds) &&
           price_convert(&told, s, worst, left.currency, at_unix_ms) &&
           told.nanos < left.nanos;
}

int64_t worst_fitting(const struct snapshot *s, const struct offer *offer,
                      const struct query *query, int64_t body_bytes,
                      int64_t at_unix_ms, struct money left)
{
    int64_t fitting = 0;
    int64_t most = offer->conf->max_output_tokens
                       ? offer->conf->max_output_tokens
                       : WORST_OUTPUT_TOKENS;

    for (int64_t from = 1, to = most; from <= to;) {
        int64_t middle = from + (to - from) / 2;
        struct bounds b = bounds_of(offer, query, body_bytes, middle);

        if (fits(s, offer, at_unix_ms, &b, left)) {
            fitting = middle;
            from = middle + 1;
        } else {
            to = middle - 1;
        }
    }
    return fitting;
}
