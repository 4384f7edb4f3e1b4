#include "serve/health.h"

#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"

#include "serve/breaker.h"

/*
 * Slots stand in blocks, made before their number is known to any worker.
 */
enum {
    SLOTS_MOST = 16384,
    BLOCK_SLOTS = 256,
    NAMES = 2 * SLOTS_MOST, /* of the hash table */
    DEFAULT_FAILURES = 5,
    DEFAULT_OPEN_MS = 10000,
    HALVED_MS = 10 * 60 * 1000, /* what is known, without a sample */
};

/* A smoothed figure: its value in 1/256, and of how many samples (at most
 * 255) in the low byte. 0: none. */
typedef _Atomic uint64_t mean_word;

struct slot {
    _Alignas(64) struct breaker breaker;
    _Atomic int64_t cool_until_ms;
    _Atomic bool disabled;
    struct tally_offer tally;
    mean_word latency_ms, input_ppm, output_tokens;
    _Atomic int64_t latency_at_ms; /* its last sample */
    _Atomic uint64_t failing;      /* see fails_learn */
    const char *name;              /* the main thread's */
};

struct health {
    struct arena *arena;
    struct slot *_Atomic blocks[SLOTS_MOST / BLOCK_SLOTS];
    _Atomic int64_t failures, open_ms;
    uint32_t n_slots;      /* the main thread's, as is what follows */
    uint16_t names[NAMES]; /* slot number + 1, or 0; open addressing */
};

/* Slots and names */

struct health *health_new(void)
{
    struct arena *arena = arena_new();
    struct health *h = arena_alloc(arena, sizeof(*h));

    h->arena = arena;
    atomic_store(&h->failures, DEFAULT_FAILURES);
    atomic_store(&h->open_ms, DEFAULT_OPEN_MS);
    return h;
}

void health_free(struct health *h)
{
    if (h)
        arena_free(h->arena);
}

static struct slot *slot_at(const struct health *h, uint32_t number)
{
    struct slot *block = atomic_load_explicit(&h->blocks[number / BLOCK_SLOTS],
                                              memory_order_acquire);

    return &block[number % BLOCK_SLOTS];
}

static struct slot *block_new(struct health *h)
{
    char *bytes =
        arena_alloc(h->arena, (BLOCK_SLOTS + 1) * sizeof(struct slot));
    size_t to_line = -(uintptr_t)bytes % sizeof(struct slot);

    return (void *)(bytes + to_line);
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash;
}

static uint32_t slot_new(struct health *h, const char *name)
{
    uint32_t number = h->n_slots++;

    if (number % BLOCK_SLOTS == 0)
        atomic_store_explicit(&h->blocks[number / BLOCK_SLOTS], block_new(h),
                              memory_order_release);
    slot_at(h, number)->name = arena_strndup(h->arena, name, strlen(name));
    return number;
}

uint32_t health_slot(struct health *h, const char *name)
{
    uint32_t at = hash_of(name) % NAMES;

    for (; h->names[at]; at = (at + 1) % NAMES)
        if (strcmp(slot_at(h, h->names[at] - 1U)->name, name) == 0)
            return h->names[at] - 1U;
    if (h->n_slots == SLOTS_MOST)
        return SLOTS_MOST - 1;
    h->names[at] = (uint16_t)(h->n_slots + 1);
    return slot_new(h, name);
}

void health_set_rules(struct health *h, struct health_rules rules)
{
    int64_t failures = rules.failures;

    if (failures < 1)
        failures = 1;
    if (failures > BREAKER_FAILURES_MOST)
        failures = BREAKER_FAILURES_MOST;
    atomic_store(&h->failures, failures);
    atomic_store(&h->open_ms, rules.open_ms > 0 ? rules.open_ms : 0);
}

/* Attempts */

static struct breaker_rules rules_of(const struct health *h)
{
    return (struct breaker_rules){atomic_load(&h->failures),
                                  atomic_load(&h->open_ms)};
}

static bool is_cool(const struct slot *s, int64_t now_ms)
{
    return now_ms <
           atomic_load_explicit(&s->cool_until_ms, memory_order_relaxed);
}

static bool is_disabled(const struct slot *s)
{
    return atomic_load_explicit(&s->disabled, memory_order_relaxed);
}

struct tally_offer *health_tally(struct health *h, uint32_t slot)
{
    return &slot_at(h, slot)->tally;
}

void health_disable(struct health *h, uint32_t slot, bool disabled)
{
    atomic_store(&slot_at(h, slot)->disabled, disabled);
}

bool health_begin(struct health *h, uint32_t slot, int64_t now_ms,
                  struct health_ticket *out)
{
    struct slot *s = slot_at(h, slot);
    struct breaker_pass pass;

    if (is_disabled(s) || is_cool(s, now_ms) ||
        !breaker_begin(&s->breaker, rules_of(h), now_ms, &pass))
        return false;
    *out = (struct health_ticket){slot, pass.generation, pass.probe};
    return true;
}

static enum breaker_verdict verdict_of(enum fault fault)
{
    if (fault == FAULT_NONE)
        return BREAKER_GOOD;
    return fault_traits(fault)->blame == BLAME_OFFER ? BREAKER_BAD
                                                     : BREAKER_NEITHER;
}

/* Smoothed figures */

static int32_t mean_read(const mean_word *mean)
{
    uint64_t word = atomic_load_explicit(mean, memory_order_relaxed);

    return word ? (int32_t)((word >> 8) / 256) : 0;
}

/* The first samples weigh 1, 1/2, 1/3 ..., later ones 1/16; a sample counts
 * as at most `spread` times away from what is known. Two workers at once: one
 * sample is lost. */
static void mean_learn(mean_word *mean, int64_t sample, int64_t spread)
{
    enum {
        SLOWEST = 16,
        SURE = 4
    };

    uint64_t word = atomic_load_explicit(mean, memory_order_relaxed);
    int64_t n = (int64_t)(word & 0xFF), value = (int64_t)(word >> 8);

    sample *= 256;
    if (n >= SURE && sample > value * spread)
        sample = value * spread;
    if (n >= SURE && sample < value / spread)
        sample = value / spread;
    if (n < SLOWEST)
        n++;
    value += (sample - value) / n;
    if (value < 256)
        value = 256;
    (void)atomic_compare_exchange_strong_explicit(
        mean, &word, (uint64_t)value << 8 | (uint64_t)n, memory_order_relaxed,
        memory_order_relaxed);
}

/* Halved every HALVED_MS, and evenly in between. */
static int64_t faded(int64_t value, int64_t idle_ms)
{
    int64_t times = idle_ms > 0 ? idle_ms / HALVED_MS : 0;
    int64_t rest = idle_ms > 0 ? idle_ms % HALVED_MS : 0;

    if (times > 30)
        return 0;
    value >>= times;
    return value - value * rest / (2 * (int64_t)HALVED_MS);
}

/* After a pause a sample weighs as much as all before it. */
static void latency_learn(struct slot *s, int64_t sample, int64_t now_ms)
{
    const int64_t spread = 8;
    uint64_t word = atomic_load_explicit(&s->latency_ms, memory_order_relaxed);
    int64_t idle_ms =
        now_ms - atomic_exchange_explicit(&s->latency_at_ms, now_ms,
                                          memory_order_relaxed);

    if ((word & 0xFF) > 1 && idle_ms >= HALVED_MS)
        (void)atomic_compare_exchange_strong_explicit(
            &s->latency_ms, &word, (word & ~UINT64_C(0xFF)) | 1,
            memory_order_relaxed, memory_order_relaxed);
    mean_learn(&s->latency_ms, sample, spread);
}

/* How often it fails: millionths in the low bits, above them when that was. */
enum {
    FAILS_BITS = 20, /* a million fits */
    FAILS_ALL = 1000000,
    FAILS_OF = 32,                           /* attempts, about */
    FAILS_CHANCE = 2 * FAILS_ALL / FAILS_OF, /* so many mean nothing */
};

static int64_t fails_at(uint64_t word, int64_t now_ms)
{
    int64_t ppm = (int64_t)(word & ((1U << FAILS_BITS) - 1));

    return faded(ppm, now_ms - (int64_t)(word >> FAILS_BITS));
}

/* What can be told of it: one or two may happen to anybody. */
static int32_t fails_told(uint64_t word, int64_t now_ms)
{
    int64_t ppm = fails_at(word, now_ms);

    return ppm > FAILS_CHANCE ? (int32_t)(ppm - FAILS_CHANCE) : 0;
}

static void fails_learn(struct slot *s, bool failed, int64_t now_ms)
{
    uint64_t word = atomic_load_explicit(&s->failing, memory_order_relaxed);
    int64_t ppm = fails_at(word, now_ms);

    ppm += ((failed ? FAILS_ALL : 0) - ppm) / FAILS_OF;
    (void)atomic_compare_exchange_strong_explicit(
        &s->failing, &word, (uint64_t)now_ms << FAILS_BITS | (uint64_t)ppm,
        memory_order_relaxed, memory_order_relaxed);
}

/* What a failed attempt was billed, on average. */
static int64_t failed_cost(const struct tally_offer *t)
{
    uint64_t n = 0, nanos;

    for (int i = 0; i < FAULT_COUNT; i++)
        if (i != FAULT_NONE && i != FAULT_CLIENT_GONE)
            n += atomic_load_explicit(&t->attempts[i], memory_order_relaxed);
    nanos = atomic_load_explicit(&t->failed_nanos, memory_order_relaxed);
    return n > 0 ? (int64_t)(nanos / n) : 0;
}

static int64_t clamp(int64_t x, int64_t least, int64_t most)
{
    if (x < least)
        return least;
    return x > most ? most : x;
}

void health_end(struct health *h, struct health_ticket ticket, enum fault fault,
                int32_t first_byte_ms, int64_t now_ms)
{
    struct slot *s = slot_at(h, ticket.slot);

    if (fault == FAULT_NONE && first_byte_ms > 0)
        latency_learn(s, first_byte_ms, now_ms);
    if (verdict_of(fault) != BREAKER_NEITHER)
        fails_learn(s, fault != FAULT_NONE, now_ms);
    breaker_end(&s->breaker, rules_of(h), now_ms,
                (struct breaker_pass){ticket.generation, ticket.probe},
                verdict_of(fault));
}

void health_cool(struct health *h, uint32_t slot, int64_t until_ms)
{
    struct slot *s = slot_at(h, slot);
    int64_t before_ms = atomic_load(&s->cool_until_ms);

    while (before_ms < until_ms && !atomic_compare_exchange_weak(
                                       &s->cool_until_ms, &before_ms, until_ms))
        ;
}

void health_learn(struct health *h, uint32_t slot, int64_t estimated_input,
                  int64_t true_input, int64_t output_tokens)
{
    enum {
        MILLION = 1000000,
        TOKENS_MOST = 100000000,
        PPM_LEAST = MILLION / 4,
        PPM_MOST = 4 * MILLION,
        PPM_SPREAD = 2,
        OUTPUT_SPREAD = 8,
    };

    struct slot *s = slot_at(h, slot);

    if (estimated_input > 0 && true_input > 0) {
        int64_t counted = clamp(true_input, 1, TOKENS_MOST);
        int64_t guessed = clamp(estimated_input, 1, TOKENS_MOST);

        mean_learn(&s->input_ppm,
                   clamp(counted * MILLION / guessed, PPM_LEAST, PPM_MOST),
                   PPM_SPREAD);
    }
    if (output_tokens > 0)
        mean_learn(&s->output_tokens, clamp(output_tokens, 1, TOKENS_MOST),
                   OUTPUT_SPREAD);
}

int64_t health_cool_until(const struct health *h, uint32_t slot)
{
    return atomic_load_explicit(&slot_at(h, slot)->cool_until_ms,
                                memory_order_relaxed);
}

void health_look(const struct health *h, uint32_t slot, int64_t now_ms,
                 struct health_view *out)
{
    const struct slot *s = slot_at(h, slot);

    *out = (struct health_view){
        .available = !is_cool(s, now_ms) &&
                     breaker_lets(&s->breaker, rules_of(h), now_ms),
        .disabled = is_disabled(s),
        .latency_ms =
            (int32_t)faded(mean_read(&s->latency_ms),
                           now_ms - atomic_load_explicit(&s->latency_at_ms,
                                                         memory_order_relaxed)),
        .fails_ppm = fails_told(
            atomic_load_explicit(&s->failing, memory_order_relaxed), now_ms),
        .input_ppm = mean_read(&s->input_ppm),
        .output_tokens = mean_read(&s->output_tokens),
        .cool_until_ms =
            atomic_load_explicit(&s->cool_until_ms, memory_order_relaxed),
    };
    if (out->fails_ppm > 0)
        out->failed_nanos = failed_cost(&s->tally);
}
