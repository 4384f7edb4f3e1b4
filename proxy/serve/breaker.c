#include "serve/breaker.h"

enum state {
    CLOSED,
    OPEN,
    HALF_OPEN,
};

/* The word, taken apart. */
struct view {
    uint32_t generation;
    bool probing;
    enum state state;
    uint32_t failures;
};

static struct view unpack(uint64_t word)
{
    return (struct view){
        .generation = (uint32_t)(word >> 32),
        .probing = word >> 18 & 1,
        .state = (enum state)(word >> 16 & 3),
        .failures = (uint32_t)(word & BREAKER_FAILURES_MOST),
    };
}

static uint64_t pack(struct view v)
{
    return (uint64_t)v.generation << 32 | (uint64_t)v.probing << 18 |
           (uint64_t)v.state << 16 | v.failures;
}

static bool lets(const struct breaker *b, struct view v,
                 struct breaker_rules rules, int64_t now_ms)
{
    if (v.state == OPEN)
        return now_ms - atomic_load(&b->opened_ms) >= rules.open_ms;
    return v.state == CLOSED || !v.probing;
}

bool breaker_lets(const struct breaker *b, struct breaker_rules rules,
                  int64_t now_ms)
{
    return lets(b, unpack(atomic_load(&b->word)), rules, now_ms);
}

bool breaker_begin(struct breaker *b, struct breaker_rules rules,
                   int64_t now_ms, struct breaker_pass *out)
{
    uint64_t word = atomic_load(&b->word);
    struct view v;

    do {
        v = unpack(word);
        if (!lets(b, v, rules, now_ms))
            return false;
        if (v.state == CLOSED)
            break;
        if (v.state == OPEN)
            v = (struct view){.generation = v.generation + 1,
                              .state = HALF_OPEN};
        v.probing = true;
    } while (!atomic_compare_exchange_weak(&b->word, &word, pack(v)));
    *out = (struct breaker_pass){v.generation, v.probing};
    return true;
}

static void note_opening(struct breaker *b, int64_t now_ms)
{
    int64_t before_ms = atomic_load(&b->opened_ms);

    while (before_ms < now_ms &&
           !atomic_compare_exchange_weak(&b->opened_ms, &before_ms, now_ms))
        ;
}

static struct view after_success(struct view v)
{
    if (v.state == HALF_OPEN)
        return (struct view){.generation = v.generation + 1, .state = CLOSED};
    v.failures = 0;
    return v;
}

static struct view after_failure(struct view v, int64_t failures_most)
{
    if (v.state == CLOSED && v.failures + 1 < failures_most) {
        v.failures++;
        return v;
    }
    return (struct view){.generation = v.generation + 1, .state = OPEN};
}

/* The same again, for example, if the pass is of an older generation. */
static struct view after(struct view v, struct breaker_rules rules,
                         struct breaker_pass pass, enum breaker_verdict verdict)
{
    if (v.generation != pass.generation || v.state == OPEN)
        return v;
    if (verdict == BREAKER_GOOD)
        return after_success(v);
    if (verdict == BREAKER_BAD)
        return after_failure(v, rules.failures);
    v.probing = false; /* if it was a probe, its slot is free again */
    return v;
}

void breaker_end(struct breaker *b, struct breaker_rules rules, int64_t now_ms,
                 struct breaker_pass pass, enum breaker_verdict verdict)
{
    uint64_t word = atomic_load(&b->word), next;

    do {
        struct view to = after(unpack(word), rules, pass, verdict);

        next = pack(to);
        if (next == word)
            return;
        if (to.state == OPEN)
            note_opening(b, now_ms);
    } while (!atomic_compare_exchange_weak(&b->word, &word, next));
}
