#include "routing/decide.h"

#include <string.h>

#include "base/fatal.h"

#include "routing/sieve.h"
#include "routing/wish.h"

/*
 * resolve -> for each offer: look, estimate, price, convert -> sieve
 *         -> line up -> decision
 */

enum {
    PPM = 1000000,
    CHOICES_MOST = 1 << 20, /* beyond what any request may ask */
};

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

static int64_t estimate(const struct offer *offer, const struct query *query)
{
    return tokenizer_estimate(offer->vendor->tokenizer, &query->text,
                              query->n_messages, query->n_images,
                              query->image_bytes);
}

static int64_t scaled(int64_t tokens, int32_t ppm)
{
    __int128 product = (__int128)tokens * ppm + PPM / 2;

    if (product < INT64_MAX)
        return (int64_t)product / PPM; /* the same, without a call */
    return (int64_t)(product / PPM);
}

static struct usage expected_of(int64_t input, const struct offer *offer,
                                const struct query *query,
                                const struct offer_state *state)
{
    int64_t output = state->output_tokens > 0 ? state->output_tokens
                                              : EXPECTED_OUTPUT_TOKENS;
    int64_t most = offer->conf->max_output_tokens;
    int64_t n = query->n > 1 ? at_most(query->n, CHOICES_MOST) : 1;

    if (state->input_tokens > 0)
        input = state->input_tokens;
    else if (state->input_ppm > 0)
        input = scaled(input, state->input_ppm);
    if (query->max_tokens > 0)
        output = at_most(output, query->max_tokens);
    if (most > 0)
        output = at_most(output, most);
    return (struct usage){
        .input_tokens = input,
        .cached_tokens = at_most(state->cached_tokens, input),
        .output_tokens = output * n,
        .tier = query->tier,
        .thinks = (query->needs & NEED_THINKING) || offer->conf->always_thinks,
        .estimated = true,
    };
}

struct usage usage_expected(const struct offer *offer,
                            const struct query *query,
                            const struct offer_state *state)
{
    return expected_of(estimate(offer, query), offer, query, state);
}

/* The estimate of one tokenizer family; neighbours share it. */
struct counted {
    int family; /* -1: none yet */
    int64_t tokens;
};

static void judge(struct verdict *out, struct sifting *s,
                  struct counted *counted)
{
    enum currency currency = s->snapshot->currency;
    int64_t at = s->conditions->now_unix_ms;

    out->offer = s->offer;
    out->compared.currency = currency;
    s->conditions->look(s->conditions->self, s->offer, &s->state);
    out->latency_ms = s->state.latency_ms;
    if (counted->family != s->offer->vendor->tokenizer) {
        counted->family = s->offer->vendor->tokenizer;
        counted->tokens = estimate(s->offer, s->query);
    }
    out->expected = expected_of(counted->tokens, s->offer, s->query, &s->state);
    s->expected_input = out->expected.input_tokens;
    price_expect(&out->expected, s->offer, at);
    s->priced = price_cost(&out->cost, s->offer, at, &out->expected,
                           s->state.quota_left);
    s->row = out->cost.row;
    s->comparable = s->priced && price_convert(&out->compared, s->snapshot,
                                               out->cost.total, currency, at);
    out->comparable = s->comparable;
    out->why = sieve(s);
    out->refusal = s->refusal;
}

/* What order goes by, close together: the verdicts themselves are large. */
struct place_in_line {
    bool unpriced;
    int64_t nanos;
    uint32_t latency_rank;
    uint32_t at; /* its verdict, as found */
    const char *name;
};

/* Does `a` stand before `b`? Never both ways round: names differ. */
static bool stands_before(const struct place_in_line *a,
                          const struct place_in_line *b)
{
    if (a->unpriced != b->unpriced)
        return b->unpriced;
    if (a->nanos != b->nanos)
        return a->nanos < b->nanos;
    if (a->latency_rank != b->latency_rank)
        return a->latency_rank < b->latency_rank;
    return strcmp(a->name, b->name) < 0;
}

/* Merges the sorted runs [0, half) and [half, n) of `from` into `to`. */
static void merge(struct place_in_line *to, const struct place_in_line *from,
                  size_t half, size_t n)
{
    size_t left = 0, right = half;

    for (size_t i = 0; i < n; i++) {
        bool take_left =
            right == n ||
            (left < half && !stands_before(&from[right], &from[left]));

        to[i] = from[take_left ? left++ : right++];
    }
}

/* A merge sort, since libc's qsort may take memory of its own. Returns
 * whichever of the two arrays holds the result. */
static const struct place_in_line *order(struct place_in_line *list,
                                         struct place_in_line *spare, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        struct place_in_line *swap = list;

        for (size_t at = 0; at < n; at += 2 * run) {
            size_t len = n - at < 2 * run ? n - at : 2 * run;

            merge(spare + at, list + at, len < run ? len : run, len);
        }
        list = spare;
        spare = swap;
    }
    return list;
}

/* Brings v[from[i]] to v[i], for all i, each moved once. Destroys `from`. */
static void rearrange(struct verdict *v, uint32_t *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct verdict first;
        uint32_t at = i;

        if (from[i] == i)
            continue;
        first = v[i];
        while (from[at] != i) {
            uint32_t next = from[at];

            v[at] = v[next];
            from[at] = at;
            at = next;
        }
        v[at] = first;
        from[at] = at;
    }
}

/* The listed ones in order, then the others as found. */
static void line_up(struct decision *d, struct arena *a)
{
    size_t n = d->n_listed, listed = 0, others = n;
    struct place_in_line *list = arena_alloc(a, 2 * n * sizeof(*list));
    uint32_t *from = arena_alloc(a, d->n_verdicts * sizeof(*from));
    const struct place_in_line *line;

    for (uint32_t i = 0; i < d->n_verdicts; i++) {
        const struct verdict *v = &d->verdicts[i];

        if (v->why != WHY_LISTED) {
            from[others++] = i;
            continue;
        }
        list[listed++] = (struct place_in_line){
            .unpriced = !v->comparable,
            .nanos = v->compared.nanos + v->time + v->ahead,
            .latency_rank =
                v->latency_ms > 0 ? (uint32_t)v->latency_ms : UINT32_MAX,
            .at = i,
            .name = v->offer->name,
        };
    }
    line = order(list, list + n, n);
    for (size_t i = 0; i < n; i++)
        from[i] = line[i].at;
    rearrange(d->verdicts, from, d->n_verdicts);
}

/* Not known is taken for nothing: whoever is new is tried. */
static int64_t worth_of(int32_t latency_ms, int64_t second_nanos)
{
    return (int64_t)((__int128)second_nanos * latency_ms / 1000);
}

void decide(struct decision *out, const struct snapshot *snapshot,
            const struct query *query, const struct conditions *conditions,
            struct arena *a)
{
    struct offer_set set =
        snapshot_resolve(snapshot, query->team, query->asked);
    struct counted counted = {.family = -1};

    const struct conf_team *team = query->team ? query->team->conf : NULL;
    int64_t second;

    *out = (struct decision){0};
    if (set.n == 0)
        return;
    second = wish_second(team, query->asked);
    out->verdicts = arena_alloc(a, set.n * sizeof(*out->verdicts));
    out->n_verdicts = (uint32_t)set.n;
    for (size_t i = 0; i < set.n; i++) {
        struct sifting sifting = {
            .snapshot = snapshot,
            .query = query,
            .conditions = conditions,
            .offer = set.offers[i],
        };

        judge(&out->verdicts[i], &sifting, &counted);
        out->verdicts[i].time = worth_of(out->verdicts[i].latency_ms, second);
        out->n_listed += out->verdicts[i].why == WHY_LISTED;
    }
    line_up(out, a);
    if (conditions->weigh && out->n_listed > 1) {
        conditions->weigh(conditions->self, snapshot, out->verdicts,
                          out->n_listed);
        line_up(out, a);
    }
}

/* What the client wrote, in quotes; standard unless it can be read. */
static enum service_tier tier_asked(const struct chat *chat)
{
    const struct chat_field *f = &chat->field[CHAT_SERVICE_TIER];
    enum service_tier tier = TIER_STANDARD;

    if (f->kind == JSON_STRING && f->value.len >= 2)
        (void)!service_tier_find(
            &tier, (struct slice){chat->body.bytes + f->value.at + 1,
                                  f->value.len - 2});
    return tier;
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
        .tier = tier_asked(chat),
        .chat = chat,
    };
}
