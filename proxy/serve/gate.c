#include "serve/gate.h"

#include <stdio.h>

#include "serve/exchange.h"

static const char *const holders[GATE_LIMITS] = {"team", "key"};

/* --- refusals ------------------------------------------------------------- */

static const struct {
    const char *type, *what;
} bars[] = {
    [LIMIT_FREE] = {"", ""},
    [LIMIT_REQUESTS] = {"requests", "requests per min (RPM)"},
    [LIMIT_TOKENS] = {"tokens", "tokens per min (TPM)"},
    [LIMIT_AT_ONCE] = {"requests", "concurrent requests"},
    [LIMIT_TOO_LARGE] = {"tokens", "tokens per min (TPM)"},
};

static int64_t limit_of(const struct limit *l, enum limit_bar bar)
{
    const _Atomic int64_t *word = &l->requests.per_minute;

    if (bar == LIMIT_AT_ONCE)
        word = &l->at_once;
    if (bar == LIMIT_TOKENS || bar == LIMIT_TOO_LARGE)
        word = &l->tokens.per_minute;
    return atomic_load_explicit(word, memory_order_relaxed);
}

struct barred {
    enum limit_bar bar;
    int at;
    int64_t wait_ms, tokens;
};

static void count(const struct exchange *x, enum limit_bar bar)
{
    static const enum limited_by by[] = {
        [LIMIT_FREE] = LIMITED_REQUESTS,
        [LIMIT_REQUESTS] = LIMITED_REQUESTS,
        [LIMIT_TOKENS] = LIMITED_TOKENS,
        [LIMIT_AT_ONCE] = LIMITED_AT_ONCE,
        [LIMIT_TOO_LARGE] = LIMITED_TOO_LARGE,
    };

    recorder_limited(x->worker->recorder, x->key->team->name, x->key->id,
                     by[bar]);
}

static struct refusal refusal_of(struct exchange *x, const struct barred *b)
{
    struct refusal r = {.fault = FAULT_RATE_LIMITED,
                        .retry_after_ms = b->wait_ms};
    int64_t limit = limit_of(x->gate.limits[b->at], b->bar);
    const char *who = b->at ? x->key->id : x->key->team->name;

    count(x, b->bar);
    r.error = (struct http_error){.status = 429,
                                  .type = bars[b->bar].type,
                                  .code = "rate_limit_exceeded"};
    if (b->bar == LIMIT_TOO_LARGE) {
        r.retry_after_ms = 0; /* never */
        r.error.message = arena_printf(
            x->arena,
            "Request too large for %s %s on %s: Limit %lld, Requested %lld. "
            "The prompt and the answer asked for must be smaller.",
            holders[b->at], who, bars[b->bar].what, (long long)limit,
            (long long)b->tokens);
        return r;
    }
    r.error.message = arena_printf(
        x->arena,
        "Rate limit reached for %s %s on %s: Limit %lld. Please try again in "
        "%lld.%03llds.",
        holders[b->at], who, bars[b->bar].what, (long long)limit,
        (long long)b->wait_ms / 1000, (long long)b->wait_ms % 1000);
    return r;
}

/* --- in and out ----------------------------------------------------------- */

static int64_t now_of(const struct exchange *x)
{
    return loop_now_ms(x->worker->loop);
}

static void find_limits(struct exchange *x)
{
    const struct edition *e = x->edition;

    x->gate.limits[0] = e->team_limits[x->key->team->index];
    x->gate.limits[1] = e->key_limits[x->key - e->snapshot->keys];
}

void gate_fetch(const struct exchange *x)
{
    const struct edition *e = x->edition;
    const struct limit *of[] = {e->key_limits[x->key - e->snapshot->keys],
                                e->team_limits[x->key->team->index]};

    for (size_t i = 0; i < ARRAY_LEN(of); i++) {
        __builtin_prefetch(of[i]);
        __builtin_prefetch(&of[i]->in_flight);
    }
    __builtin_prefetch(e->purses[x->key->team->index]);
    __builtin_prefetch(x->key->team->budgets);
}

bool gate_enter(struct exchange *x, struct refusal *out)
{
    struct gate *g = &x->gate;
    enum limit_bar bar = LIMIT_FREE;
    int64_t wait_ms = 0;
    int n = 0;

    find_limits(x);
    while (n < GATE_LIMITS &&
           !(bar = limit_enter(g->limits[n], now_of(x), &wait_ms)))
        n++;
    if (n == GATE_LIMITS) {
        g->entered = true;
        return true;
    }
    *out = refusal_of(x, &(struct barred){bar, n, wait_ms, 0});
    while (n-- > 0) {
        limit_leave(g->limits[n]);
        limit_return(g->limits[n]);
    }
    return false;
}

bool gate_tokens(struct exchange *x, int64_t tokens, struct refusal *out)
{
    struct gate *g = &x->gate;
    enum limit_bar bar = LIMIT_FREE;
    int64_t wait_ms = 0;
    int n = 0;

    while (n < GATE_LIMITS && !(bar = limit_take_tokens(g->limits[n], tokens,
                                                        now_of(x), &wait_ms)))
        n++;
    if (n == GATE_LIMITS) {
        g->tokens = tokens;
        return true;
    }
    *out = refusal_of(x, &(struct barred){bar, n, wait_ms, tokens});
    while (n-- > 0)
        limit_settle(g->limits[n], tokens, 0);
    return false;
}

/* What all attempts took, as far as they were billed. */
static int64_t tokens_used(const struct exchange *x)
{
    int64_t n = 0;

    for (uint32_t i = 0; i < x->n_attempts; i++)
        n += x->attempts[i]->usage.input_tokens +
             x->attempts[i]->usage.output_tokens;
    return n;
}

void gate_leave(struct exchange *x)
{
    struct gate *g = &x->gate;

    if (!g->entered)
        return;
    g->entered = false;
    for (int i = 0; i < GATE_LIMITS; i++) {
        limit_leave(g->limits[i]);
        limit_settle(g->limits[i], g->tokens, tokens_used(x));
    }
}

/* --- headers -------------------------------------------------------------- */

/* As OpenAI spells it: "0s", "20ms", "1.5s", "6m0s". */
static const char *span_text(struct arena *a, int64_t ms)
{
    long long minutes = ms / 60000, seconds = ms % 60000 / 1000;
    long long rest = ms % 1000;
    char part[8] = "", *end = part + 4;

    if (ms > 0 && ms < 1000)
        return arena_printf(a, "%lldms", rest);
    if (rest > 0) {
        snprintf(part, sizeof(part), ".%03lld", rest);
        while (end[-1] == '0')
            *--end = '\0';
    }
    if (minutes)
        return arena_printf(a, "%lldm%lld%ss", minutes, seconds, part);
    return arena_printf(a, "%lld%ss", seconds, part);
}

/* Of the team's and the key's, the one that leaves less. */
static void tell(struct exchange *x, const char *const names[3],
                 const struct bucket *buckets[GATE_LIMITS])
{
    struct limit_view least = {0};

    for (int i = 0; i < GATE_LIMITS; i++) {
        struct limit_view v = bucket_look(buckets[i], now_of(x));

        if (v.limit && (!least.limit || v.remaining < least.remaining))
            least = v;
    }
    if (!least.limit)
        return;
    http_set_header(x->req, names[0],
                    arena_printf(x->arena, "%lld", (long long)least.limit));
    http_set_header(x->req, names[1],
                    arena_printf(x->arena, "%lld", (long long)least.remaining));
    http_set_header(x->req, names[2], span_text(x->arena, least.reset_ms));
}

void gate_tell(struct exchange *x)
{
    static const char *const requests[] = {"x-ratelimit-limit-requests",
                                           "x-ratelimit-remaining-requests",
                                           "x-ratelimit-reset-requests"};
    static const char *const tokens[] = {"x-ratelimit-limit-tokens",
                                         "x-ratelimit-remaining-tokens",
                                         "x-ratelimit-reset-tokens"};
    struct gate *g = &x->gate;
    const struct bucket *of_requests[GATE_LIMITS], *of_tokens[GATE_LIMITS];

    if (g->told || !g->limits[0])
        return;
    g->told = true;
    for (int i = 0; i < GATE_LIMITS; i++) {
        of_requests[i] = &g->limits[i]->requests;
        of_tokens[i] = &g->limits[i]->tokens;
    }
    tell(x, requests, of_requests);
    tell(x, tokens, of_tokens);
}
