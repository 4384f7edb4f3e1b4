#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"

#include "cli/replay.h"

enum {
    ATTEMPTS = 8,
    FAILURES = 3,   /* in a row, that leave an offer alone */
    LEFT_MS = 3000, /* for so long at first */
    LEFT_MOST_MS = 30000,
    BROKE_MS = 600000, /* its account is empty */
    REFUSED_MS = 1000,
};

/* How an offer stands, in virtual time. */
struct standing {
    int failures;
    int64_t left_until_ms;
    int64_t quota_period, quota_used;
};

struct replay_world {
    struct learnt *learnt;
    const uint16_t *numbers;
    struct standing *offers;
    int64_t now_ms;
    struct outlook *outlook;
};

/* --- conditions ----------------------------------------------------------- */

static int64_t period_of(const struct conf_quota *q, int64_t at_ms)
{
    int64_t day;

    if (q->per == CONF_ONCE)
        return 1;
    day = zone_local(q->zone, at_ms).day;
    return 2 + (q->per == CONF_PER_DAY ? day : day_month(day));
}

static int64_t quota_left(const struct standing *st, const struct offer *o,
                          int64_t at_ms)
{
    const struct conf_quota *q = o->quota;

    if (!q || at_ms < q->from_ms || at_ms >= q->until_ms)
        return 0;
    if (period_of(q, at_ms) != st->quota_period)
        return q->tokens;
    return st->quota_used < q->tokens ? q->tokens - st->quota_used : 0;
}

static void quota_take(struct standing *st, const struct offer *o,
                       int64_t at_ms, int64_t tokens)
{
    int64_t period = o->quota ? period_of(o->quota, at_ms) : 0;

    if (period != st->quota_period) {
        st->quota_period = period;
        st->quota_used = 0;
    }
    st->quota_used += tokens;
}

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const struct replay_world *w = self;
    const struct standing *st = &w->offers[offer->index];

    *out = (struct offer_state){
        .available = st->left_until_ms <= w->now_ms,
        .key_ready = true,
        .quota_left = quota_left(st, offer, w->now_ms),
    };
    learnt_look(w->outlook, offer, out);
}

static void weigh(const void *self, const struct snapshot *s,
                  struct verdict *const *listed, uint32_t n)
{
    const struct replay_world *w = self;

    learnt_weigh(w->outlook, s, listed, n);
}

static void note_failure(struct standing *st, const struct market_answer *a,
                         int64_t now_ms)
{
    int64_t left = 0;

    st->failures++;
    if (a->status == 429)
        left = a->retry_after_ms > 0 ? a->retry_after_ms : REFUSED_MS;
    else if (a->status == 402)
        left = BROKE_MS;
    else if (st->failures >= FAILURES) {
        left = LEFT_MS;
        for (int i = FAILURES; i < st->failures && left < LEFT_MOST_MS; i++)
            left *= 2;
    }
    st->left_until_ms = now_ms + left;
}

/* --- one request ---------------------------------------------------------- */

/* Where there is no market: what the trace says was said, and the cache as
 * we believe it to be. */
static void as_recorded(struct market_answer *out, const struct trace_line *t,
                        const struct verdict *v)
{
    *out = (struct market_answer){
        .status = 200,
        .usage = {.input_tokens = v->expected.input_tokens,
                  .cached_tokens = v->expected.cached_tokens,
                  .cache_write_tokens = v->expected.cache_write_tokens,
                  .output_tokens = t->output},
    };
}

static int64_t convert(const struct snapshot *s, struct money m, int64_t at)
{
    struct money told = {0, s->currency};

    return price_convert(&told, s, m, s->currency, at) ? told.nanos : 0;
}

static bool differs(struct slice amount, struct money ours)
{
    char text[64] = "";
    int64_t nanos;

    if (amount.len == 0 || amount.len >= sizeof(text))
        return false;
    memcpy(text, amount.bytes, amount.len);
    /* the market's figures may be finer than a nano */
    if (strchr(text, '.') && strlen(strchr(text, '.')) > 10)
        strchr(text, '.')[10] = '\0';
    return !decimal_parse(&nanos, text) || llabs(nanos - ours.nanos) > 1;
}

static void tell(const struct replay *r, const struct trace_line *t,
                 const struct verdict *v, int status, struct money cost)
{
    char amount[MONEY_TEXT], expected[MONEY_TEXT];

    if (!r->decisions)
        return;
    fprintf(r->decisions,
            "{\"id\":\"%s\",\"at\":%" PRId64 ".%03" PRId64
            ",\"vendor\":\"%s\",\"model\":\"%s\",\"status\":%d",
            t->id, t->at_unix_ms / 1000, t->at_unix_ms % 1000,
            v->offer->vendor->name, v->offer->model, status);
    if (status == 200)
        fprintf(r->decisions,
                ",\"cost\":{\"amount\":\"%s\",\"currency\":\"%s\"}"
                ",\"expected_cost\":{\"amount\":\"%s\",\"currency\":\"%s\"}"
                ",\"expected_output\":%" PRId64 ",\"expected_input\":%" PRId64
                ",\"expected_cached\":%" PRId64,
                decimal_text(cost.nanos, amount), currency_name(cost.currency),
                decimal_text(v->compared.nanos, expected),
                currency_name(v->compared.currency), v->expected.output_tokens,
                v->expected.input_tokens, v->expected.cached_tokens);
    fputs("}\n", r->decisions);
}

static void served(struct replay *r, const struct trace_line *t,
                   const struct decision *d, const struct verdict *v,
                   struct market_answer *a, struct arena *arena)
{
    struct replay_world *w = r->world;
    struct lesson *lesson;
    struct standing *st = &w->offers[v->offer->index];
    struct replay_sums *sums = r->sums;
    struct cost cost;
    int64_t nanos = 0;

    a->usage.thinks = v->expected.thinks;
    a->usage.tier = v->expected.tier;
    st->failures = 0;
    if (price_bill(&cost, v->offer, t->at_unix_ms, &a->usage,
                   quota_left(st, v->offer, t->at_unix_ms)))
        nanos = convert(r->snapshot, cost.total, t->at_unix_ms);
    quota_take(st, v->offer, t->at_unix_ms, cost.quota_tokens);
    sums->differ += differs(a->cost, cost.total);
    sums->total_nanos += nanos;
    sums->expected_nanos += v->compared.nanos;
    sums->served[v->offer->index]++;
    sums->paid_nanos[v->offer->index] += nanos;
    sums->prompt_tokens += a->usage.input_tokens;
    sums->cached_tokens += a->usage.cached_tokens;
    tell(r, t, v, 200, cost.total);
    lesson = learnt_sent(w->learnt, w->outlook, r->snapshot, d, v, arena);
    if (lesson)
        learnt_answered(w->learnt, lesson, &a->usage, nanos);
}

/* Goes down the list as the proxy does. */
static void attempt(struct replay *r, const struct trace_line *t,
                    const struct decision *d, struct arena *arena)
{
    struct replay_world *w = r->world;

    for (uint32_t i = 0; i < d->n_verdicts && i < ATTEMPTS; i++) {
        const struct verdict *v = &d->verdicts[i];
        struct market_answer a;

        /* behind those listed, what only stands aside for a while */
        if (i >= d->n_listed && v->why != WHY_BREAKER)
            continue;
        if (r->market)
            market_ask(r->market, t->text, v->offer, &a);
        else
            as_recorded(&a, t, v);
        if (a.status == 200) {
            served(r, t, d, v, &a, arena);
            return;
        }
        r->sums->refused++;
        note_failure(&w->offers[v->offer->index], &a, w->now_ms);
        tell(r, t, v, a.status, v->compared);
    }
    r->sums->unserved++;
}

static int64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void request(struct replay *r, const struct trace_line *t,
                    struct arena *a)
{
    struct replay_world *w = r->world;
    struct conditions conditions = {
        .now_unix_ms = t->at_unix_ms, .look = look, .weigh = weigh, .self = w};
    struct query query = {
        .asked = t->asked[0] ? t->asked : "chat",
        .team = snapshot_find_team(r->snapshot, t->team),
        .needs = t->thinking ? NEED_THINKING : 0,
        .max_tokens = t->max_tokens,
        .n = 1,
        .prefix = {.names = t->names,
                   .ends = t->ends,
                   .n = t->n_names,
                   .full = t->n_names > 0 &&
                           t->ends[t->n_names - 1] ==
                               (int64_t)t->n_names * t->block_tokens},
    };
    struct decision d;
    int64_t began = nanoseconds();

    trace_text(&query.text, t->text_class, t->input);
    w->now_ms = t->at_unix_ms;
    w->outlook =
        learnt_prepare(w->learnt, w->numbers, &query, t->at_unix_ms, a);
    decide(&d, r->snapshot, &query, &conditions, a);
    r->sums->decided_ns += nanoseconds() - began;
    r->sums->requests++;
    attempt(r, t, &d, a);
}

/* --- all of them ---------------------------------------------------------- */

static void *aligned_bytes(size_t bytes, struct arena *a)
{
    const size_t line = 64;
    char *p = arena_alloc(a, bytes + line);

    return p + (-(uintptr_t)p % line);
}

struct learnt *replay_learnt(struct arena *a)
{
    const struct learnt_limits limits = {.blocks = 1 << 19, .tails = 1 << 17};
    const uint64_t key[2] = {1, 2};

    return learnt_init(aligned_bytes(learnt_bytes(limits), a), limits, key);
}

static void world_open(struct replay *r, struct arena *a)
{
    struct replay_world *w = arena_alloc(a, sizeof(*w));
    size_t n = r->snapshot->n_offers + 1;

    w->learnt = replay_learnt(a);
    w->numbers = learnt_bind(w->learnt, r->snapshot, a);
    w->offers = arena_alloc(a, n * sizeof(*w->offers));
    r->world = w;
    r->sums->served = arena_alloc(a, n * sizeof(int64_t));
    r->sums->paid_nanos = arena_alloc(a, n * sizeof(int64_t));
}

int replay_trace(struct replay *r, FILE *trace, struct arena *kept)
{
    struct arena *a = arena_new();
    struct trace_line *t = arena_alloc(kept, sizeof(*t));
    char *line = NULL;
    size_t size = 0;
    int64_t number = 0;
    const char *why;
    ssize_t len;
    int status = 0;

    world_open(r, kept);
    while ((len = getline(&line, &size, trace)) > 0) {
        number++;
        if (strspn(line, " \t\r\n") == (size_t)len)
            continue;
        while (len > 0 && strchr("\r\n", line[len - 1]))
            len--;
        if (!trace_read(t, (struct slice){line, (size_t)len}, &why)) {
            fprintf(stderr, "bijia replay: line %" PRId64 ": %s\n", number,
                    why);
            status = -1;
            break;
        }
        request(r, t, a);
        arena_reset(a);
    }
    free(line);
    arena_free(a);
    return status;
}
