#include "serve/quotas.h"

#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

#include "routing/window.h"

#include "record/ledger_read.h"

enum {
    SLOTS_MOST = 1024,
    USED_BITS = 40, /* a quota has at most 10^12 tokens; the rest of a word is
                       its period's number */
};

struct quotas {
    struct arena *arena;
    const char *names[SLOTS_MOST]; /* the main thread's, as is n */
    uint32_t n;
    _Atomic uint64_t words[SLOTS_MOST];
};

struct quotas *quotas_new(void)
{
    struct arena *arena = arena_new();
    struct quotas *q = arena_alloc(arena, sizeof(*q));

    q->arena = arena;
    return q;
}

void quotas_free(struct quotas *q)
{
    if (q)
        arena_free(q->arena);
}

static uint64_t word_of(uint32_t period, int64_t used)
{
    return (uint64_t)period << USED_BITS | (uint64_t)used;
}

static int64_t used_in(uint64_t word)
{
    return (int64_t)(word & ((UINT64_C(1) << USED_BITS) - 1));
}

/* What is left of the period `number` by what `word` says. */
static int64_t left_in(uint64_t word, const struct conf_quota *quota,
                       uint32_t number)
{
    uint32_t counted = (uint32_t)(word >> USED_BITS);
    int64_t used = used_in(word);

    if (number == 0 || counted > number)
        return 0;
    if (counted < number)
        return quota->tokens;
    return used < quota->tokens ? quota->tokens - used : 0;
}

static uint64_t restored(const struct snapshot *s,
                         const struct conf_quota *quota)
{
    int64_t now = clock_unix_ms(), begins, ends, used = 0;
    struct arena *a = arena_new();
    const char *dir = conf_path(s->conf, s->conf->server.state_dir, a);

    if (!quota_period(quota, now, &begins, &ends)) {
        arena_free(a);
        return 0;
    }
    for (size_t i = 0; i < s->n_offers && used < quota->tokens; i++)
        if (s->offers[i].quota == quota)
            used += ledger_tokens_since(dir, s->offers[i].vendor->name,
                                        s->offers[i].model, begins);
    arena_free(a);
    if (used > quota->tokens)
        used = quota->tokens;
    log_line(LOG_INFO, "quota", "name=%s tokens=%lld used=%lld", quota->name,
             (long long)quota->tokens, (long long)used);
    return used > 0 ? word_of(quota_period_number(quota, now), used) : 0;
}

uint32_t quotas_slot(struct quotas *q, const struct snapshot *s, size_t i)
{
    const struct conf_quota *quota = &s->conf->quotas[i];

    for (uint32_t slot = 0; slot < q->n; slot++)
        if (strcmp(q->names[slot], quota->name) == 0)
            return slot;
    if (q->n == SLOTS_MOST)
        return SLOTS_MOST - 1;
    q->names[q->n] = arena_strndup(q->arena, quota->name, strlen(quota->name));
    atomic_store(&q->words[q->n], restored(s, quota));
    return q->n++;
}

int64_t quotas_left(const struct quotas *q, uint32_t slot,
                    const struct conf_quota *quota, int64_t unix_ms)
{
    return left_in(atomic_load_explicit(&q->words[slot], memory_order_relaxed),
                   quota, quota_period_number(quota, unix_ms));
}

int64_t quotas_take(struct quotas *q, uint32_t slot,
                    const struct conf_quota *quota, int64_t unix_ms,
                    int64_t tokens)
{
    uint32_t number = quota_period_number(quota, unix_ms);
    uint64_t word = atomic_load_explicit(&q->words[slot], memory_order_relaxed);
    int64_t taken, used;

    do {
        int64_t left = left_in(word, quota, number);

        taken = tokens < left ? tokens : left;
        if (taken <= 0)
            return 0;
        used = word >> USED_BITS == number ? used_in(word) : 0;
    } while (!atomic_compare_exchange_weak_explicit(
        &q->words[slot], &word, word_of(number, used + taken),
        memory_order_relaxed, memory_order_relaxed));
    return taken;
}
