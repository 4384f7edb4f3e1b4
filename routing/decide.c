#include "routing/decide.h"

#include <string.h>

#include "base/fatal.h"

#include "routing/sieve.h"

/*
 * resolve -> for each offer: look, estimate, price, convert -> sieve
 *         -> order -> decision
 */

enum {
    PPM = 1000000,
    CHOICES_MOST = 1 << 20, /* beyond what any request may ask */
};

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

struct usage usage_expected(const struct offer *offer,
                            const struct query *query,
                            const struct offer_state *state)
{
    int64_t input = tokenizer_estimate(offer->vendor->tokenizer, &query->text,
                                       query->n_messages, query->n_images,
                                       query->image_bytes);
    int64_t output = state->output_tokens > 0 ? state->output_tokens
                                              : EXPECTED_OUTPUT_TOKENS;
    int64_t most = offer->conf->max_output_tokens;
    int64_t n = query->n > 1 ? at_most(query->n, CHOICES_MOST) : 1;

    if (state->input_ppm > 0)
        input = (int64_t)(((__int128)input * state->input_ppm + PPM / 2) / PPM);
    if (query->max_tokens > 0)
        output = at_most(output, query->max_tokens);
    if (most > 0)
        output = at_most(output, most);
    return (struct usage){
        .input_tokens = input,
        .output_tokens = output * n,
        .estimated = true,
    };
}

static void judge(struct verdict *out, struct sifting *s)
{
    enum currency currency = s->snapshot->currency;
    int64_t at = s->conditions->now_unix_ms;

    out->offer = s->offer;
    out->compared.currency = currency;
    s->conditions->look(s->conditions->self, s->offer, &s->state);
    out->latency_ms = s->state.latency_ms;
    out->expected = usage_expected(s->offer, s->query, &s->state);
    s->expected_input = out->expected.input_tokens;
    s->priced = price_cost(&out->cost, s->offer, at, &out->expected);
    s->row = out->cost.row;
    s->comparable = s->priced && price_convert(&out->compared, s->snapshot,
                                               out->cost.total, currency, at);
    out->comparable = s->comparable;
    out->why = sieve(s);
    out->refusal = s->refusal;
}

static int64_t latency_rank(const struct verdict *v)
{
    return v->latency_ms > 0 ? v->latency_ms : INT64_MAX;
}

/* Does `a` stand before `b`? Never both ways round. */
static bool stands_before(const struct verdict *a, const struct verdict *b)
{
    if ((a->why == WHY_LISTED) != (b->why == WHY_LISTED))
        return a->why == WHY_LISTED;
    if (a->why != WHY_LISTED)
        return a->offer->index < b->offer->index;
    if (a->compared.nanos != b->compared.nanos)
        return a->compared.nanos < b->compared.nanos;
    if (latency_rank(a) != latency_rank(b))
        return latency_rank(a) < latency_rank(b);
    return strcmp(a->offer->name, b->offer->name) < 0;
}

/* Merges the sorted runs [0, half) and [half, n) of `from` into `to`. */
static void merge(const struct verdict **to, const struct verdict *const *from,
                  size_t half, size_t n)
{
    size_t left = 0, right = half;

    for (size_t i = 0; i < n; i++) {
        bool take_left =
            right == n ||
            (left < half && !stands_before(from[right], from[left]));

        to[i] = from[take_left ? left++ : right++];
    }
}

/* A merge sort of pointers, since libc's qsort may take memory of its own.
 * Returns whichever of the two arrays holds the result. */
static const struct verdict **order(const struct verdict **list,
                                    const struct verdict **spare, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        const struct verdict **swap = list;

        for (size_t at = 0; at < n; at += 2 * run) {
            size_t len = n - at < 2 * run ? n - at : 2 * run;

            merge(spare + at, list + at, len < run ? len : run, len);
        }
        list = spare;
        spare = swap;
    }
    return list;
}

void decide(struct decision *out, const struct snapshot *snapshot,
            const struct query *query, const struct conditions *conditions,
            struct arena *a)
{
    struct offer_set set =
        snapshot_resolve(snapshot, query->team, query->asked);
    struct sifting now = {
        .snapshot = snapshot, .query = query, .conditions = conditions};
    const struct verdict **list;
    struct verdict *found;

    *out = (struct decision){0};
    if (set.n == 0)
        return;
    found = arena_alloc(a, set.n * sizeof(*found));
    list = arena_alloc(a, 2 * set.n * sizeof(const struct verdict *));
    out->verdicts = arena_alloc(a, set.n * sizeof(*found));
    out->n_verdicts = (uint32_t)set.n;
    for (size_t i = 0; i < set.n; i++) {
        struct sifting sifting = now;

        sifting.offer = set.offers[i];
        judge(&found[i], &sifting);
        out->n_listed += found[i].why == WHY_LISTED;
        list[i] = &found[i];
    }
    list = order(list, list + set.n, set.n);
    for (size_t i = 0; i < set.n; i++)
        out->verdicts[i] = *list[i];
}

void query_of_chat(struct query *out, const struct chat *chat,
                   const struct team *team)
{
    *out = (struct query){
        .asked = chat->model,
        .team = team,
        .needs = chat->needs,
        .text = chat->text,
        .n_messages = (uint32_t)chat->n_messages,
        .n_images = chat->n_images,
        .image_bytes = chat->image_bytes,
        .max_tokens = chat->max_tokens,
        .n = chat->n,
        .stream = chat->stream,
        .chat = chat,
    };
}
