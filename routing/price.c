#include "routing/price.h"

enum {
    HOUR_MS = 3600 * 1000,
};

/* More is not believed of a cache: within 128 bits for any rate. */
static const int64_t stored_tokens_most = INT64_C(1) << 40,
                     stored_ms_most = INT64_C(1) << 36;

static int64_t clamp(int64_t tokens, int64_t most)
{
    if (tokens < 0)
        return 0;
    return tokens < most ? tokens : most;
}

/* Each token of `usage` into the one part that bills it. */
static void share_out(int64_t tokens[COST_RATED], const struct usage *usage)
{
    int64_t input = clamp(usage->input_tokens, INT64_MAX);
    int64_t output = clamp(usage->output_tokens, INT64_MAX);
    int64_t cached = clamp(usage->cached_tokens, input);
    int64_t write = clamp(usage->cache_write_tokens, input - cached);
    int64_t hour = clamp(usage->cache_write_1h_tokens, write);
    int64_t thinking = clamp(usage->thinking_tokens, output);

    tokens[COST_INPUT] = input - cached - write;
    tokens[COST_CACHED] = cached;
    tokens[COST_CACHE_WRITE] = write - hour;
    tokens[COST_CACHE_WRITE_1H] = hour;
    tokens[COST_OUTPUT] = output - thinking;
    tokens[COST_THINKING] = thinking;
}

/* Takes what the quota covers off `tokens`; returns how much that is. */
static int64_t cover(int64_t tokens[COST_RATED], int64_t left)
{
    static const enum cost_part order[COST_RATED] = {
        COST_CACHED,         COST_INPUT,    COST_CACHE_WRITE,
        COST_CACHE_WRITE_1H, COST_THINKING, COST_OUTPUT,
    };

    int64_t taken = 0;

    for (int i = 0; i < COST_RATED; i++) {
        int64_t *part = &tokens[order[i]];
        int64_t given = clamp(*part, left - taken);

        *part -= given;
        taken += given;
    }
    return taken;
}

static int64_t rate_of(const struct cost *c, enum cost_part part)
{
    const struct price_row *row = c->row;

    switch (part) {
    case COST_INPUT: return row->input.nanos_per_mtok;
    case COST_CACHED: return c->cached.nanos_per_mtok;
    case COST_CACHE_WRITE: return row->cache_write.nanos_per_mtok;
    case COST_CACHE_WRITE_1H: return row->cache_write_1h.nanos_per_mtok;
    case COST_OUTPUT: return row->output.nanos_per_mtok;
    case COST_THINKING: return row->thinking.nanos_per_mtok;
    case COST_STORAGE:
    case COST_FEE:
    case COST_PARTS: break;
    }
    return 0;
}

static struct money storage(const struct price_row *row, int64_t tokens,
                            int64_t ms)
{
    __int128 token_ms =
        (__int128)clamp(tokens, stored_tokens_most) * clamp(ms, stored_ms_most);
    __int128 sum = token_ms * row->storage.nanos_per_mtok;
    __int128 unit = (__int128)HOUR_MS * TOKENS_PER_MTOK;
    __int128 nanos = (sum + unit / 2) / unit;

    return (struct money){nanos > INT64_MAX ? INT64_MAX : (int64_t)nanos,
                          row->currency};
}

static __int128 times(int64_t tokens, struct rate rate)
{
    return (__int128)tokens * rate.nanos_per_mtok;
}

static struct rate cached_rate(const struct price_row *row,
                               const struct usage *usage)
{
    return usage->marked ? row->cached_marked : row->cached;
}

static __int128 rated(const int64_t tokens[COST_RATED],
                      const struct price_row *row, const struct usage *usage)
{
    return times(tokens[COST_INPUT], row->input) +
           times(tokens[COST_CACHED], cached_rate(row, usage)) +
           times(tokens[COST_CACHE_WRITE], row->cache_write) +
           times(tokens[COST_CACHE_WRITE_1H], row->cache_write_1h) +
           times(tokens[COST_OUTPUT], row->output) +
           times(tokens[COST_THINKING], row->thinking);
}

static int64_t factor_of(const struct price_row *row, const struct usage *usage)
{
    return row->factors ? row->factors[usage->tier] : (int64_t)NANOS_PER_UNIT;
}

static bool stores(const struct price_row *row, const struct usage *usage)
{
    return usage->stored_ms > 0 && row->storage.nanos_per_mtok > 0;
}

/* The sum cannot overflow: input and output are at most 2^63 - 1 tokens, each
 * token stands in one part, and so does each rate below 2^63. */
static inline void add_up(struct cost_sum *out, int64_t tokens[COST_RATED],
                          const struct price_row *row,
                          const struct usage *usage, int64_t quota_left)
{
    out->row = row;
    share_out(tokens, usage);
    out->quota_tokens = quota_left > 0 ? cover(tokens, quota_left) : 0;
    out->total = money_of_sum_times(rated(tokens, row, usage),
                                    factor_of(row, usage), row->currency);
    if (stores(row, usage))
        out->total = money_add(
            out->total, storage(row, usage->stored_tokens, usage->stored_ms));
    if (row->fee_nanos > 0)
        out->total = money_add(out->total,
                               (struct money){row->fee_nanos, row->currency});
}

static void bill(struct cost *out, const struct price_row *row,
                 const struct usage *usage, int64_t quota_left)
{
    struct cost_sum sum;

    add_up(&sum, out->tokens, row, usage, quota_left);
    out->row = row;
    out->cached = cached_rate(row, usage);
    out->total = sum.total;
    out->quota_tokens = sum.quota_tokens;
    out->tier = usage->tier;
    out->factor_nanos = factor_of(row, usage);
    if (stores(row, usage)) {
        out->stored_tokens = usage->stored_tokens;
        out->stored_ms = usage->stored_ms;
    }
}

/* What a quota took it takes again, if that is all it has. */
void cost_of_sum(struct cost *out, const struct cost_sum *sum,
                 const struct usage *usage)
{
    *out = (struct cost){.row = NULL};
    if (sum->row)
        bill(out, sum->row, usage, sum->quota_tokens);
}

static bool thinks(const struct usage *usage)
{
    return usage->thinks || usage->thinking_tokens > 0;
}

/* What a row asks but for lengths. The window last: it costs most. */
static inline bool holds(const struct price_row *row, struct moment *m,
                         const struct usage *usage)
{
    return row->from_ms <= m->unix_ms && m->unix_ms < row->until_ms &&
           (!row->has_thinks || row->thinks == thinks(usage)) &&
           (!row->window || moment_open(m, row->window));
}

const struct price_row *price_row_in(const struct offer *offer,
                                     struct moment *moment,
                                     const struct usage *usage)
{
    for (size_t i = 0; i < offer->n_rows; i++) {
        const struct price_row *row = &offer->rows[i];

        if (usage->input_tokens <= row->input_most &&
            usage->output_tokens <= row->output_most &&
            holds(row, moment, usage))
            return row;
    }
    return NULL;
}

const struct price_row *price_row_at(const struct offer *offer,
                                     int64_t at_unix_ms,
                                     const struct usage *usage)
{
    struct moment moment = {.unix_ms = at_unix_ms};

    return price_row_in(offer, &moment, usage);
}

bool price_cost(struct cost *out, const struct offer *offer, int64_t at_unix_ms,
                const struct usage *usage, int64_t quota_left)
{
    const struct price_row *row = price_row_at(offer, at_unix_ms, usage);

    *out = (struct cost){.row = NULL};
    if (row)
        bill(out, row, usage, quota_left);
    return row != NULL;
}

bool price_bill(struct cost *out, const struct offer *offer, int64_t at_unix_ms,
                const struct usage *usage, int64_t quota_left)
{
    const struct price_row *nearest = NULL;
    struct moment moment = {.unix_ms = at_unix_ms};

    if (price_cost(out, offer, at_unix_ms, usage, quota_left))
        return true;
    for (size_t i = 0; i < offer->n_rows; i++)
        if (holds(&offer->rows[i], &moment, usage))
            nearest = &offer->rows[i];
    if (!nearest && offer->n_rows > 0)
        nearest = &offer->rows[offer->n_rows - 1];
    if (!nearest)
        return false;
    bill(out, nearest, usage, quota_left);
    out->beyond = true;
    return true;
}

static void expect(struct usage *usage, const struct price_row *row)
{
    if (usage->input_tokens < row->conf->cache_least) {
        usage->cached_tokens = 0;
        usage->cache_write_tokens = 0;
        usage->cache_write_1h_tokens = 0;
    } else if (row->conf->writes_unasked) {
        usage->cache_write_tokens = usage->input_tokens - usage->cached_tokens;
    }
}

void price_expect(struct usage *usage, const struct offer *offer,
                  int64_t at_unix_ms)
{
    const struct price_row *row =
        offer->caches ? price_row_at(offer, at_unix_ms, usage) : NULL;

    if (row)
        expect(usage, row);
}

/* What is expected of caches does not change which row holds. */
bool price_new(struct cost_sum *out, struct usage *usage,
               const struct offer *offer, struct moment *moment,
               int64_t quota_left)
{
    const struct price_row *row = price_row_in(offer, moment, usage);
    int64_t tokens[COST_RATED];

    if (!row) {
        *out = (struct cost_sum){.row = NULL};
        return false;
    }
    if (offer->caches)
        expect(usage, row);
    add_up(out, tokens, row, usage, quota_left);
    return true;
}

struct money cost_part(const struct cost *c, enum cost_part part)
{
    enum currency currency = c->row->currency;

    switch (part) {
    case COST_STORAGE: return storage(c->row, c->stored_tokens, c->stored_ms);
    case COST_FEE: return (struct money){c->row->fee_nanos, currency};
    case COST_INPUT:
    case COST_CACHED:
    case COST_CACHE_WRITE:
    case COST_CACHE_WRITE_1H:
    case COST_OUTPUT:
    case COST_THINKING:
    case COST_PARTS: break;
    }
    return money_of_sum_times((__int128)c->tokens[part] * rate_of(c, part),
                              c->factor_nanos, currency);
}

/* Of one currency: see price_convert(). */
static bool find_rate(struct rates *x, const struct snapshot *s,
                      enum currency from, int64_t at_unix_ms)
{
    for (size_t i = 0; i < s->n_rates; i++) {
        const struct conf_exchange_rate *rate = s->rates[i];
        bool back = rate->base == x->to && rate->quote == from;

        if (rate->from_ms > at_unix_ms ||
            (!back && (rate->base != from || rate->quote != x->to)))
            continue;
        x->from[from].known = true;
        x->from[from].back = back;
        x->from[from].rate_nanos = rate->rate_nanos;
        return true;
    }
    return false;
}

struct rates rates_of(const struct snapshot *s, enum currency to,
                      int64_t at_unix_ms)
{
    struct rates x = {.to = to};

    for (int i = 0; i < CURRENCY_COUNT; i++)
        if ((enum currency)i == to)
            x.from[i].known = true;
        else
            (void)find_rate(&x, s, (enum currency)i, at_unix_ms);
    return x;
}

bool price_convert(struct money *out, const struct snapshot *s, struct money m,
                   enum currency to, int64_t at_unix_ms)
{
    struct rates x = {.to = to};

    if (m.currency == to) {
        *out = m;
        return true;
    }
    return find_rate(&x, s, m.currency, at_unix_ms) &&
           rates_convert(out, &x, m);
}
