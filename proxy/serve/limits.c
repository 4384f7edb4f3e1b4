#include "serve/limits.h"

#include <string.h>

#include "base/arena.h"
#include "base/fatal.h"

enum {
    BLOCK_LIMITS = 256,
    FIRST_NAMES = 1024,
    AGAIN_MS = 1000,  /* when nobody knows how long */
    LEARN_SCALE = 64, /* `learnt` is in these parts of a place */
    TOKENS_MOST = 100000000,
};

static const int64_t minute_ns = 60000000000, ms_ns = 1000000;

struct limits {
    struct arena *arena;
    struct limit *blocks[LIMITS_MOST / BLOCK_LIMITS];
    uint32_t n, n_names;
    uint32_t *names; /* number + 1, or 0; open addressing */
};

/* --- names ---------------------------------------------------------------- */

struct limits *limits_new(void)
{
    struct arena *a = arena_new();
    struct limits *l = arena_alloc(a, sizeof(*l));

    l->arena = a;
    l->n_names = FIRST_NAMES;
    l->names = arena_alloc(a, FIRST_NAMES * sizeof(*l->names));
    return l;
}

void limits_free(struct limits *l)
{
    if (l)
        arena_free(l->arena);
}

static struct limit *limit_at(const struct limits *l, uint32_t number)
{
    return &l->blocks[number / BLOCK_LIMITS][number % BLOCK_LIMITS];
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash;
}

/* Where `name` stands in the table, or would. */
static uint32_t *name_at(const struct limits *l, const char *name)
{
    uint32_t at = hash_of(name) & (l->n_names - 1);

    while (l->names[at] &&
           strcmp(limit_at(l, l->names[at] - 1)->name, name) != 0)
        at = (at + 1) & (l->n_names - 1);
    return &l->names[at];
}

static void names_double(struct limits *l)
{
    l->n_names *= 2;
    l->names = arena_alloc(l->arena, l->n_names * sizeof(*l->names));
    for (uint32_t i = 0; i < l->n; i++)
        *name_at(l, limit_at(l, i)->name) = i + 1;
}

static struct limit *limit_new(struct limits *l, const char *name)
{
    struct limit **block = &l->blocks[l->n / BLOCK_LIMITS];
    struct limit *limit;

    if (!*block) { /* the arena knows no alignment as wide as a cache line */
        char *bytes =
            arena_alloc(l->arena, BLOCK_LIMITS * sizeof(**block) + 64);

        *block = (struct limit *)(bytes + (64 - (uintptr_t)bytes % 64) % 64);
    }
    limit = limit_at(l, l->n);
    limit->name = arena_strndup(l->arena, name, strlen(name));
    return limit;
}

struct limit *limits_find(struct limits *l, const char *name,
                          const struct conf_limits *rules)
{
    uint32_t *at = name_at(l, name);
    struct limit *limit;

    if (!*at && l->n == LIMITS_MOST - 1)
        return limit_new(l, ""); /* of no name: nobody's */
    if (*at) {
        limit = limit_at(l, *at - 1);
    } else {
        limit = limit_new(l, name);
        *at = ++l->n;
        if (l->n * 2 > l->n_names)
            names_double(l);
    }
    atomic_store(&limit->requests.per_minute, rules ? rules->rpm : 0);
    atomic_store(&limit->tokens.per_minute, rules ? rules->tpm : 0);
    atomic_store(&limit->at_once, rules ? rules->concurrency : 0);
    atomic_store(&limit->rows.per_minute, LIMIT_ROWS);
    return limit;
}

void limits_each(const struct limits *l,
                 void (*each)(void *to, struct limit *limit), void *to)
{
    for (uint32_t i = 0; i < l->n; i++)
        each(to, limit_at(l, i));
}

/* --- buckets -------------------------------------------------------------- */

static int64_t per_minute(const struct bucket *b)
{
    return atomic_load_explicit(&b->per_minute, memory_order_relaxed);
}

/* How long the bucket takes to fill by `n`; rounded up, so that no more than
 * the limit passes. n <= 10^8, so it fits. */
static int64_t span_ns(int64_t n, int64_t limit)
{
    return (n * minute_ns + limit - 1) / limit;
}

/* How much too full it would be: > 0 is how long to wait. */
static int64_t excess_ns(int64_t full_ns, int64_t cost_ns, int64_t now_ns)
{
    return (full_ns > now_ns ? full_ns - now_ns : 0) + cost_ns - minute_ns;
}

static int64_t ms_up(int64_t ns)
{
    return (ns + ms_ns - 1) / ms_ns;
}

static bool bucket_lets(const struct bucket *b, int64_t n, int64_t now_ms,
                        int64_t *wait_ms)
{
    int64_t limit = per_minute(b), excess;

    if (!limit)
        return true;
    excess = excess_ns(atomic_load_explicit(&b->full_ns, memory_order_relaxed),
                       span_ns(n, limit), now_ms * ms_ns);
    if (excess <= 0)
        return true;
    *wait_ms = ms_up(excess);
    return false;
}

static bool bucket_take(struct bucket *b, int64_t n, int64_t now_ms,
                        int64_t *wait_ms)
{
    int64_t limit = per_minute(b), now_ns = now_ms * ms_ns;
    int64_t full_ns, cost_ns, excess;

    if (!limit)
        return true;
    cost_ns = span_ns(n, limit);
    full_ns = atomic_load_explicit(&b->full_ns, memory_order_relaxed);
    do {
        excess = excess_ns(full_ns, cost_ns, now_ns);
        if (excess > 0) {
            *wait_ms = ms_up(excess);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &b->full_ns, &full_ns, (full_ns > now_ns ? full_ns : now_ns) + cost_ns,
        memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Gives n back, or with n < 0 takes what was used beyond the guess: then the
 * bucket may be in debt, and the next one waits for longer. */
static void bucket_give(struct bucket *b, int64_t n)
{
    int64_t limit = per_minute(b);

    if (!limit || !n)
        return;
    if (n > 0)
        atomic_fetch_sub_explicit(&b->full_ns, span_ns(n, limit),
                                  memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&b->full_ns, span_ns(-n, limit),
                                  memory_order_relaxed);
}

struct limit_view bucket_look(const struct bucket *b, int64_t now_ms)
{
    struct limit_view v = {.limit = per_minute(b)};
    int64_t used_ns = atomic_load_explicit(&b->full_ns, memory_order_relaxed) -
                      now_ms * ms_ns;

    if (!v.limit)
        return v;
    if (used_ns < 0)
        used_ns = 0;
    v.reset_ms = ms_up(used_ns);
    if (used_ns < minute_ns)
        v.remaining =
            (int64_t)((__int128)(minute_ns - used_ns) * v.limit / minute_ns);
    return v;
}

/* --- places --------------------------------------------------------------- */

static int64_t places(const struct limit *l)
{
    int64_t most = atomic_load_explicit(&l->at_once, memory_order_relaxed);
    int64_t learnt = atomic_load_explicit(&l->learnt, memory_order_relaxed);

    if (learnt && (!most || learnt / LEARN_SCALE < most))
        most = learnt / LEARN_SCALE;
    return most ? most : INT64_MAX;
}

static bool place_take(struct limit *l)
{
    int64_t most = places(l);
    int64_t n = atomic_load_explicit(&l->in_flight, memory_order_relaxed);

    do {
        if (n >= most)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &l->in_flight, &n, n + 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

enum limit_bar limit_enter(struct limit *l, int64_t now_ms, int64_t *wait_ms)
{
    enum limit_bar bar = LIMIT_FREE;

    if (!place_take(l)) {
        *wait_ms = AGAIN_MS;
        bar = LIMIT_AT_ONCE;
    } else if (!bucket_take(&l->requests, 1, now_ms, wait_ms)) {
        limit_leave(l);
        bar = LIMIT_REQUESTS;
    }
    count(bar ? &l->n_refused : &l->n_taken, 1);
    return bar;
}

void limit_leave(struct limit *l)
{
    int64_t before =
        atomic_fetch_sub_explicit(&l->in_flight, 1, memory_order_relaxed);

    ENSURE(before > 0); /* each place is left once */
}

void limit_return(struct limit *l)
{
    bucket_give(&l->requests, 1);
    atomic_fetch_sub_explicit(&l->n_taken, 1, memory_order_relaxed);
}

bool limit_may_write(struct limit *l, int64_t now_ms)
{
    int64_t wait_ms;

    return bucket_take(&l->rows, 1, now_ms, &wait_ms);
}

static int64_t bounded(int64_t tokens)
{
    if (tokens < 0)
        return 0;
    return tokens < TOKENS_MOST ? tokens : TOKENS_MOST;
}

enum limit_bar limit_take_tokens(struct limit *l, int64_t tokens,
                                 int64_t now_ms, int64_t *wait_ms)
{
    int64_t limit = per_minute(&l->tokens);

    tokens = bounded(tokens);
    if (limit && tokens > limit) {
        count(&l->n_refused, 1);
        return LIMIT_TOO_LARGE;
    }
    if (bucket_take(&l->tokens, tokens, now_ms, wait_ms))
        return LIMIT_FREE;
    count(&l->n_refused, 1);
    return LIMIT_TOKENS;
}

void limit_settle(struct limit *l, int64_t taken, int64_t used)
{
    bucket_give(&l->tokens, bounded(taken) - bounded(used));
    count(&l->n_tokens, (uint64_t)bounded(used));
}

enum limit_bar limit_look(const struct limit *l, int64_t tokens, int64_t now_ms,
                          int64_t *wait_ms)
{
    int64_t limit = per_minute(&l->tokens);

    tokens = bounded(tokens);
    *wait_ms = AGAIN_MS;
    if (atomic_load_explicit(&l->in_flight, memory_order_relaxed) >= places(l))
        return LIMIT_AT_ONCE;
    if (!bucket_lets(&l->requests, 1, now_ms, wait_ms))
        return LIMIT_REQUESTS;
    if (limit && tokens > limit)
        return LIMIT_TOO_LARGE;
    if (!bucket_lets(&l->tokens, tokens, now_ms, wait_ms))
        return LIMIT_TOKENS;
    return LIMIT_FREE;
}

/* --- learning ------------------------------------------------------------- */

/* An eighth fewer than were in flight, at least one; a lone request that is
 * refused says nothing of how many may come at a time. */
void limit_learn_refused(struct limit *l)
{
    int64_t n = atomic_load_explicit(&l->in_flight, memory_order_relaxed);
    int64_t known = atomic_load_explicit(&l->learnt, memory_order_relaxed);
    int64_t next = (n - 1) * LEARN_SCALE;

    if (n < 2)
        return;
    if (next > n * LEARN_SCALE * 7 / 8)
        next = n * LEARN_SCALE * 7 / 8;
    if (!known || next < known)
        atomic_store_explicit(&l->learnt, next, memory_order_relaxed);
}

int64_t limit_learnt(const struct limit *l)
{
    return atomic_load_explicit(&l->learnt, memory_order_relaxed) / LEARN_SCALE;
}

/* As many successes as there are places make one place more. Two workers at
 * once: one of the steps is lost. */
void limit_learn_served(struct limit *l)
{
    int64_t known = atomic_load_explicit(&l->learnt, memory_order_relaxed);
    int64_t n = atomic_load_explicit(&l->in_flight, memory_order_relaxed);
    int64_t step;

    if (!known || n < known / LEARN_SCALE)
        return;
    step = LEARN_SCALE * LEARN_SCALE / known;
    (void)atomic_compare_exchange_strong_explicit(
        &l->learnt, &known, known + (step > 0 ? step : 1), memory_order_relaxed,
        memory_order_relaxed);
}
