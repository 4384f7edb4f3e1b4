#include "routing/price.h"

static int64_t clamp(int64_t tokens, int64_t most)
{
    if (tokens < 0)
        return 0;
    return tokens < most ? tokens : most;
}

/* Each token of `usage` into the one part that bills it. */
static void share_out(int64_t tokens[COST_PARTS], const struct usage *usage)
{
    int64_t input = clamp(usage->input_tokens, INT64_MAX);
    int64_t output = clamp(usage->output_tokens, INT64_MAX);
    int64_t cached = clamp(usage->cached_tokens, input);
    int64_t write = clamp(usage->cache_write_tokens, input - cached);
    int64_t thinking = clamp(usage->thinking_tokens, output);

    tokens[COST_INPUT] = input - cached - write;
    tokens[COST_CACHED] = cached;
    tokens[COST_CACHE_WRITE] = write;
    tokens[COST_OUTPUT] = output - thinking;
    tokens[COST_THINKING] = thinking;
}

const struct price_row *price_row_at(const struct offer *offer,
                                     int64_t at_unix_ms,
                                     const struct usage *usage)
{
    (void)usage; /* tiers will ask for it */
    for (size_t i = 0; i < offer->n_rows; i++) {
        const struct price_row *row = &offer->rows[i];

        if (row->from_ms <= at_unix_ms && at_unix_ms < row->until_ms)
            return row;
    }
    return NULL;
}

/* The sum cannot overflow: input and output are at most 2^63 - 1 tokens, each
 * token stands in one part, and so does each rate below 2^63. */
bool price_cost(struct cost *out, const struct offer *offer, int64_t at_unix_ms,
                const struct usage *usage)
{
    const struct price_row *row = price_row_at(offer, at_unix_ms, usage);
    int64_t rates[COST_PARTS];
    __int128 sum = 0;

    *out = (struct cost){.row = row};
    if (!row)
        return false;
    rates[COST_INPUT] = row->input.nanos_per_mtok;
    rates[COST_CACHED] = row->cached.nanos_per_mtok;
    rates[COST_CACHE_WRITE] = row->cache_write.nanos_per_mtok;
    rates[COST_OUTPUT] = row->output.nanos_per_mtok;
    rates[COST_THINKING] = row->thinking.nanos_per_mtok;
    share_out(out->tokens, usage);
    for (int i = 0; i < COST_PARTS; i++) {
        __int128 part = (__int128)out->tokens[i] * rates[i];

        out->part[i].currency = row->currency;
        if (part != 0)
            out->part[i] = money_of_sum(part, row->currency);
        sum += part;
    }
    out->total = money_of_sum(sum, row->currency);
    return true;
}

bool price_convert(struct money *out, const struct snapshot *s, struct money m,
                   enum currency to, int64_t at_unix_ms)
{
    if (m.currency == to) {
        *out = m;
        return true;
    }
    for (size_t i = 0; i < s->n_rates; i++) {
        const struct conf_exchange_rate *rate = s->rates[i];

        if (rate->from_ms > at_unix_ms)
            continue;
        if (rate->base == m.currency && rate->quote == to) {
            *out = money_convert(m, to, rate->rate_nanos);
            return true;
        }
        if (rate->base == to && rate->quote == m.currency) {
            *out = money_convert_back(m, to, rate->rate_nanos);
            return true;
        }
    }
    return false;
}
