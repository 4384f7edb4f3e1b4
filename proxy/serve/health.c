#include "serve/health.h"

#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"

/*
 * A slot's breaker is one word, moved by compare-and-swap, so that each
 * transition happens once however many workers see its cause:
 *
 *   generation (32 bits) | probing (1) | state (2) | failures in a row (16)
 *
 * `opened_ms` goes with the state OPEN. It is raised before the word moves and
 * never lowered, so a late writer cannot make an open breaker look older.
 *
 * Slots stand in blocks, made before their number is known to any worker.
 */
enum {
    SLOTS_MOST = 16384,
    BLOCK_SLOTS = 256,
    NAMES = 2 * SLOTS_MOST, /* of the hash table */
    FAILURES_MOST = 0xFFFF,
    DEFAULT_FAILURES = 5,
    DEFAULT_OPEN_MS = 10000,
};

enum state {
    CLOSED,
    OPEN,
    HALF_OPEN,
};

/* A smoothed figure: its value in 1/256, and of how many samples (at most
 * 255) in the low byte. 0: none. */
typedef _Atomic uint64_t mean_word;

struct slot {
    _Alignas(64) _Atomic uint64_t breaker;
    _Atomic int64_t opened_ms, cool_until_ms;
    mean_word latency_ms, input_ppm, output_tokens;
    const char *name; /* the main thread's */
};

struct health {
    struct arena *arena;
    struct slot *_Atomic blocks[SLOTS_MOST / BLOCK_SLOTS];
    _Atomic int64_t failures, open_ms;
    uint32_t n_slots;      /* the main thread's, as is what follows */
    uint16_t names[NAMES]; /* slot number + 1, or 0; open addressing */
};

struct breaker {
    uint32_t generation;
    bool probing;
    enum state state;
    uint32_t failures;
};

static struct breaker unpack(uint64_t word)
{
    return (struct breaker){
        .generation = (uint32_t)(word >> 32),
        .probing = word >> 18 & 1,
        .state = (enum state)(word >> 16 & 3),
        .failures = (uint32_t)(word & FAILURES_MOST),
    };
}

static uint64_t pack(struct breaker b)
{
    return (uint64_t)b.generation << 32 | (uint64_t)b.probing << 18 |
           (uint64_t)b.state << 16 | b.failures;
}

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
    if (failures > FAILURES_MOST)
        failures = FAILURES_MOST;
    atomic_store(&h->failures, failures);
    atomic_store(&h->open_ms, rules.open_ms > 0 ? rules.open_ms : 0);
}

/* The breaker */

static bool is_due(const struct health *h, const struct slot *s, int64_t now_ms)
{
    int64_t opened_ms = atomic_load(&s->opened_ms);

    return now_ms - opened_ms >= atomic_load(&h->open_ms);
}

/* Would it let an attempt through? */
static bool lets(const struct health *h, const struct slot *s, struct breaker b,
                 int64_t now_ms)
{
    if (b.state == OPEN)
        return is_due(h, s, now_ms);
    return b.state == CLOSED || !b.probing;
}

static bool is_cool(const struct slot *s, int64_t now_ms)
{
    return now_ms <
           atomic_load_explicit(&s->cool_until_ms, memory_order_relaxed);
}

bool health_begin(struct health *h, uint32_t slot, int64_t now_ms,
                  struct health_ticket *out)
{
    struct slot *s = slot_at(h, slot);
    uint64_t word = atomic_load(&s->breaker);
    struct breaker b;

    if (is_cool(s, now_ms))
        return false;
    do {
        b = unpack(word);
        if (!lets(h, s, b, now_ms))
            return false;
        if (b.state == CLOSED)
            break;
        if (b.state == OPEN)
            b = (struct breaker){.generation = b.generation + 1,
                                 .state = HALF_OPEN};
        b.probing = true;
    } while (!atomic_compare_exchange_weak(&s->breaker, &word, pack(b)));
    *out = (struct health_ticket){slot, b.generation, b.probing};
    return true;
}

static void note_opening(struct slot *s, int64_t now_ms)
{
    int64_t before_ms = atomic_load(&s->opened_ms);

    while (before_ms < now_ms &&
           !atomic_compare_exchange_weak(&s->opened_ms, &before_ms, now_ms))
        ;
}

static struct breaker after_success(struct breaker b)
{
    if (b.state == HALF_OPEN)
        return (struct breaker){.generation = b.generation + 1,
                                .state = CLOSED};
    b.failures = 0;
    return b;
}

static struct breaker after_failure(struct breaker b, int64_t failures_most)
{
    if (b.state == CLOSED && b.failures + 1 < failures_most) {
        b.failures++;
        return b;
    }
    return (struct breaker){.generation = b.generation + 1, .state = OPEN};
}

/* What the end of an attempt makes of the breaker; `*moves` false: nothing,
 * for example because it began in an older generation. */
static struct breaker after(const struct health *h, struct breaker b,
                            struct health_ticket ticket, enum fault fault)
{
    if (b.generation != ticket.generation || b.state == OPEN ||
        (b.state == HALF_OPEN && !ticket.probe))
        return b;
    if (fault == FAULT_NONE)
        return after_success(b);
    if (fault_traits(fault)->blame == BLAME_OFFER)
        return after_failure(b, atomic_load(&h->failures));
    b.probing = false; /* no probe of a closed one can be lost by this */
    return b;
}

static void settle(struct health *h, struct slot *s,
                   struct health_ticket ticket, enum fault fault,
                   int64_t now_ms)
{
    uint64_t word = atomic_load(&s->breaker), next;

    do {
        struct breaker to = after(h, unpack(word), ticket, fault);

        next = pack(to);
        if (next == word)
            return;
        if (to.state == OPEN)
            note_opening(s, now_ms);
    } while (!atomic_compare_exchange_weak(&s->breaker, &word, next));
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

static int64_t clamp(int64_t x, int64_t least, int64_t most)
{
    if (x < least)
        return least;
    return x > most ? most : x;
}

void health_end(struct health *h, struct health_ticket ticket, enum fault fault,
                int32_t first_byte_ms, int64_t now_ms)
{
    enum {
        LATENCY_SPREAD = 8
    };

    struct slot *s = slot_at(h, ticket.slot);

    if (fault == FAULT_NONE && first_byte_ms > 0)
        mean_learn(&s->latency_ms, first_byte_ms, LATENCY_SPREAD);
    settle(h, s, ticket, fault, now_ms);
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

void health_look(const struct health *h, uint32_t slot, int64_t now_ms,
                 struct health_view *out)
{
    const struct slot *s = slot_at(h, slot);
    struct breaker b = unpack(atomic_load(&s->breaker));

    *out = (struct health_view){
        .available = !is_cool(s, now_ms) && lets(h, s, b, now_ms),
        .latency_ms = mean_read(&s->latency_ms),
        .input_ppm = mean_read(&s->input_ppm),
        .output_tokens = mean_read(&s->output_tokens),
        .cool_until_ms =
            atomic_load_explicit(&s->cool_until_ms, memory_order_relaxed),
    };
}
