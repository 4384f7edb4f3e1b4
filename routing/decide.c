#include "routing/decide.h"

#include <string.h>

#include "base/fatal.h"

#include "routing/sieve.h"
#include "routing/wish.h"

/*
 * resolve -> for each offer: look, estimate, price, convert -> sieve
 *         -> weigh what lies ahead -> sort -> decision
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

/* Field by field into a zeroed *out: a value built aside and copied whole
 * would have to wait for its parts to be stored. */
static void expect(struct usage *out, int64_t input, const struct offer *offer,
                   const struct query *query, const struct offer_state *state)
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
    out->input_tokens = input;
    out->cached_tokens = at_most(state->cached_tokens, input);
    out->output_tokens = output * n;
    out->tier = query->tier;
    out->thinks = (query->needs & NEED_THINKING) || offer->conf->always_thinks;
    out->estimated = true;
}

struct usage usage_expected(const struct offer *offer,
                            const struct query *query,
                            const struct offer_state *state)
{
    struct usage usage = {0};

    expect(&usage, estimate(offer, query), offer, query, state);
    return usage;
}

/* The estimate of one tokenizer family; neighbours share it. */
struct counted {
    int family; /* -1: none yet */
    int64_t tokens;
};

/* `s` goes from offer to offer. */
static void judge(struct verdict *out, struct sifting *s,
                  const struct conditions *conditions, struct counted *counted,
                  struct moment *moment)
{
    out->offer = s->offer;
    conditions->look(conditions->self, s->offer, &s->state);
    out->latency_ms = s->state.latency_ms;
    if (counted->family != s->offer->vendor->tokenizer) {
        counted->family = s->offer->vendor->tokenizer;
        counted->tokens = estimate(s->offer, s->query);
    }
    expect(&out->expected, counted->tokens, s->offer, s->query, &s->state);
    s->expected_input = out->expected.input_tokens;
    s->priced = price_new(&out->cost, &out->expected, s->offer, moment,
                          s->state.quota_left);
    s->row = out->cost.row;
    out->compared.currency = s->rates->to;
    s->comparable =
        s->priced && rates_convert(&out->compared, s->rates, out->cost.total);
    out->comparable = s->comparable;
    s->refusal = NULL;
    out->why = sieve(s);
    out->refusal = s->refusal;
}

/* What order goes by, close together: the verdicts themselves are large. */
struct place_in_line {
    int64_t nanos;
    uint32_t latency_rank;
    uint32_t at; /* its verdict, as found */
};

/* Does `a` stand before `b`? Never both ways round: names differ. */
static bool stands_before(const struct verdict *v,
                          const struct place_in_line *a,
                          const struct place_in_line *b)
{
    if (a->nanos != b->nanos)
        return a->nanos < b->nanos;
    if (a->latency_rank != b->latency_rank)
        return a->latency_rank < b->latency_rank;
    return strcmp(v[a->at].offer->name, v[b->at].offer->name) < 0;
}

/* Merges the sorted runs [0, half) and [half, n) of `from` into `to`. Which
 * comes next nobody can foresee: it is reckoned, not branched on. */
static void merge(const struct verdict *v, struct place_in_line *to,
                  const struct place_in_line *from, size_t half, size_t n)
{
    size_t left = 0, right = half, i = 0;

    if (half == n || stands_before(v, &from[half - 1], &from[half]))
        left = half; /* in order already */
    else
        while (left < half && right < n) {
            int64_t a = from[left].nanos, b = from[right].nanos;
            size_t takes_right =
                b < a ||
                (b == a && stands_before(v, &from[right], &from[left]));

            to[i++] = from[left + (right - left) * takes_right];
            right += takes_right;
            left += 1 - takes_right;
        }
    if (i == 0)
        memcpy(to, from, n * sizeof(*to));
    else if (left < half)
        memcpy(to + i, from + left, (half - left) * sizeof(*to));
    else
        memcpy(to + i, from + right, (n - right) * sizeof(*to));
}

/* A few, in place. */
static void insert(const struct verdict *v, struct place_in_line *list,
                   size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct place_in_line p = list[i];
        size_t at = i;

        for (; at > 0 && stands_before(v, &p, &list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = p;
    }
}

/* A merge sort, since libc's qsort may take memory of its own. `spare` is as
 * long as `list`. */
static void order(const struct verdict *v, struct place_in_line *list,
                  struct place_in_line *spare, size_t n)
{
    const size_t few = 12;
    struct place_in_line *from = list;
    size_t run = n;

    while (run > few)
        run = (run + 1) / 2;
    for (size_t at = 0; at < n; at += run)
        insert(v, list + at, n - at < run ? n - at : run);
    for (; run < n; run *= 2) {
        struct place_in_line *swap = from;

        for (size_t at = 0; at < n; at += 2 * run) {
            size_t len = n - at < 2 * run ? n - at : 2 * run;

            merge(v, spare + at, from + at, len < run ? len : run, len);
        }
        from = spare;
        spare = swap;
    }
    if (from != list)
        memcpy(list, from, n * sizeof(*list));
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

/* The listed ones: those with a price, then those without. */
struct line {
    struct place_in_line *list, *spare;
    size_t n_priced, n;
};

static void sort_line(const struct line *line, const struct verdict *v)
{
    for (size_t i = 0; i < line->n; i++) {
        struct place_in_line *p = &line->list[i];

        p->nanos = v[p->at].compared.nanos + v[p->at].time + v[p->at].risk +
                   v[p->at].ahead;
    }
    order(v, line->list, line->spare, line->n_priced);
    order(v, line->list + line->n_priced, line->spare,
          line->n - line->n_priced);
}

static void line_up(struct line *line, const struct decision *d,
                    struct arena *a)
{
    size_t n = d->n_listed, last = n;

    line->list = arena_alloc(a, 2 * n * sizeof(*line->list));
    line->spare = line->list + n;
    line->n = n;
    line->n_priced = 0;
    for (uint32_t i = 0; i < d->n_verdicts; i++) {
        const struct verdict *v = &d->verdicts[i];
        struct place_in_line *p;

        if (v->why != WHY_LISTED)
            continue;
        p = &line->list[v->comparable ? line->n_priced++ : --last];
        p->latency_rank =
            v->latency_ms > 0 ? (uint32_t)v->latency_ms : UINT32_MAX;
        p->at = i;
    }
}

static void weigh_line(const struct line *line, const struct decision *d,
                       const struct snapshot *snapshot,
                       const struct conditions *c, struct arena *a)
{
    struct verdict **listed =
        arena_alloc(a, line->n * sizeof(struct verdict *));

    for (size_t i = 0; i < line->n; i++)
        listed[i] = &d->verdicts[line->list[i].at];
    c->weigh(c->self, snapshot, listed, (uint32_t)line->n);
}

/* The listed ones in order, then the others as found. */
static void bring_in_order(struct decision *d, const struct line *line,
                           struct arena *a)
{
    uint32_t *from = arena_alloc(a, d->n_verdicts * sizeof(*from));
    size_t others = line->n;

    for (size_t i = 0; i < line->n; i++)
        from[i] = line->list[i].at;
    for (uint32_t i = 0; i < d->n_verdicts; i++)
        if (d->verdicts[i].why != WHY_LISTED)
            from[others++] = i;
    rearrange(d->verdicts, from, d->n_verdicts);
}

/* Not known is taken for nothing: whoever is new is tried. */
static int64_t worth_of(int32_t latency_ms, int64_t second_nanos)
{
    return (int64_t)((__int128)second_nanos * latency_ms / 1000);
}

/* What a failure loses: its bill, and the time of another first byte. */
static int64_t risk_of(const struct offer_state *state, int64_t second_nanos)
{
    const int32_t unknown_ms = 1000;
    int64_t lost = worth_of(
        state->latency_ms > 0 ? state->latency_ms : unknown_ms, second_nanos);

    return (int64_t)((__int128)(lost + state->failed_nanos) * state->fails_ppm /
                     PPM);
}

/* What the next offers will need: all of it is more than the nearest cache
 * holds. */
static void fetch(struct offer_set set, size_t i)
{
    const size_t ahead = 4, rows_ahead = 2, line = 64;
    const char *offer;

    if (i + ahead >= set.n)
        return;
    offer = (const char *)set.offers[i + ahead];
    __builtin_prefetch(offer);
    __builtin_prefetch(offer + line);
    __builtin_prefetch(offer + 2 * line);
    __builtin_prefetch(set.offers[i + rows_ahead]->rows);
    __builtin_prefetch(set.offers[i + rows_ahead]->conf);
}

static void judge_all(struct decision *out, const struct snapshot *snapshot,
                      const struct query *query,
                      const struct conditions *conditions, struct offer_set set)
{
    const struct conf_team *team = query->team ? query->team->conf : NULL;
    int64_t second = wish_second(team, query->asked);
    struct counted counted = {.family = -1};
    struct moment moment = {.unix_ms = conditions->now_unix_ms};
    struct rates rates =
        rates_of(snapshot, snapshot->currency, conditions->now_unix_ms);
    struct sifting sifting = {.snapshot = snapshot,
                              .query = query,
                              .rates = &rates,
                              .wishes = wish_any(team)};

    for (size_t i = 0; i < set.n; i++) {
        struct verdict *v = &out->verdicts[i];

        fetch(set, i);
        sifting.offer = set.offers[i];
        sifting.state = (struct offer_state){0};
        judge(v, &sifting, conditions, &counted, &moment);
        if (second > 0)
            v->time = worth_of(v->latency_ms, second);
        if (sifting.state.fails_ppm > 0)
            v->risk = risk_of(&sifting.state, second);
        out->n_listed += v->why == WHY_LISTED;
    }
}

void decide(struct decision *out, const struct snapshot *snapshot,
            const struct query *query, const struct conditions *conditions,
            struct arena *a)
{
    struct offer_set set =
        snapshot_resolve(snapshot, query->team, query->asked);
    struct line line;

    *out = (struct decision){0};
    if (set.n == 0)
        return;
    out->verdicts = arena_alloc(a, set.n * sizeof(*out->verdicts));
    out->n_verdicts = (uint32_t)set.n;
    judge_all(out, snapshot, query, conditions, set);
    line_up(&line, out, a);
    if (conditions->weigh && out->n_listed > 1)
        weigh_line(&line, out, snapshot, conditions, a);
    sort_line(&line, out->verdicts);
    bring_in_order(out, &line, a);
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
