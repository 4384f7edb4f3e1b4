/*
 * prefix.c - a chat's beginning, cut at the ends of messages and within long
 * ones, each cut named by a keyed hash of all before it.
 *
 * One multiplication for a word or two: a vendor's cache that is guessed
 * wrongly costs a little money, so nothing stronger is needed; the key keeps
 * the names from being guessed back.
 */
#include "routing/prefix.h"

#include <string.h>

#include "base/attr.h"
#include "base/cpu.h"

#include "routing/prefix_steps.h"

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word_at(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

static uint64_t fold_in(uint64_t hash, const char *bytes, const uint64_t key[2])
{
    return fold(hash ^ word_at(bytes) ^ key[0], word_at(bytes + 8) ^ key[1]);
}

/* Past the whole steps of the `len` bytes. */
static const char *hash_steps(uint64_t *hash, const char *bytes, size_t len,
                              const uint64_t key[2])
{
    size_t n = len / PREFIX_STEP_BYTES;
    struct prefix_sums s = {
        .key = {key[0], key[1], ~key[0], ~key[1]},
    };

    if (n == 0)
        return bytes;
#ifdef __x86_64__
    if (cpu_level >= CPU_AVX512)
        prefix_steps_avx512(&s, bytes, n);
    else if (cpu_level >= CPU_AVX2)
        prefix_steps_avx2(&s, bytes, n);
    else
#endif
        prefix_steps(&s, bytes, n);
    *hash = fold(*hash ^ s.sum[0] ^ key[0], s.sum[1] ^ key[1]);
    *hash = fold(*hash ^ s.sum[2] ^ key[0], s.sum[3] ^ key[1]);
    return bytes + n * PREFIX_STEP_BYTES;
}

static uint64_t hash_on(uint64_t hash, const char *bytes, size_t len,
                        const uint64_t key[2])
{
    const char *end = bytes + len;
    char last[16] = "";

    hash ^= len;
    bytes = hash_steps(&hash, bytes, len, key);
    for (; (size_t)(end - bytes) >= sizeof(last); bytes += sizeof(last))
        hash = fold_in(hash, bytes, key);
    memcpy(last, bytes, (size_t)(end - bytes));
    return fold_in(hash, last, key);
}

struct cutting {
    uint64_t *names;
    int64_t *bytes; /* where each ends */
    uint32_t n;
    uint64_t hash;
    int64_t at, cut_at;
    const uint64_t *key;
};

static void cut(struct cutting *c)
{
    if (c->n == PREFIX_BLOCKS_MOST || c->at == c->cut_at)
        return;
    c->names[c->n] = c->hash | 1;
    c->bytes[c->n++] = c->at;
    c->cut_at = c->at;
}

static void take(struct cutting *c, const char *bytes, size_t len)
{
    for (size_t n; len > 0; bytes += n, len -= n) {
        n = len < PREFIX_BLOCK_BYTES ? len : PREFIX_BLOCK_BYTES;
        c->hash = hash_on(c->hash, bytes, n, c->key);
        c->at += (int64_t)n;
        if (n < len)
            cut(c);
    }
}

static uint64_t hint_of(const struct chat *chat, const uint64_t key[2])
{
    static const enum chat_key fields[] = {CHAT_PROMPT_CACHE_KEY, CHAT_USER};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct chat_field *f = &chat->field[fields[i]];

        if (f->kind == JSON_STRING && f->value.len > 2) /* more than quotes */
            return hash_on(~key[0] + i, chat->body.bytes + f->value.at,
                           f->value.len, key) |
                   1;
    }
    return 0;
}

/* tokens * part / whole; part <= whole. By 64 bits if that does. */
static int32_t share_of(int64_t tokens, int64_t part, int64_t whole)
{
    int64_t product;

    if (__builtin_mul_overflow(tokens, part, &product))
        return (int32_t)((__int128)tokens * part / whole);
    return (int32_t)(product / whole);
}

void prefix_of_chat(struct prefix *out, const struct chat *chat, int64_t tokens,
                    const uint64_t key[2], struct arena *a)
{
    const struct chat_field *tools = &chat->field[CHAT_TOOLS];
    const char *body = chat->body.bytes;
    size_t most = chat->body.len / PREFIX_BLOCK_BYTES + chat->n_messages + 1;
    struct cutting c = {.hash = key[0], .key = key};
    int32_t *ends;

    if (most > PREFIX_BLOCKS_MOST)
        most = PREFIX_BLOCKS_MOST;
    c.names = arena_alloc(a, most * sizeof(*c.names));
    c.bytes = arena_alloc(a, most * sizeof(*c.bytes));
    ends = arena_alloc(a, most * sizeof(*ends));
    if (tools->kind == JSON_ARRAY)
        take(&c, body + tools->value.at, tools->value.len);
    for (size_t i = 0; i < chat->n_messages && c.n < most; i++) {
        take(&c, body + chat->messages[i].object.at,
             chat->messages[i].object.len);
        cut(&c);
    }
    for (uint32_t i = 0; i < c.n; i++)
        ends[i] = share_of(tokens, c.bytes[i], c.at);
    *out = (struct prefix){.names = c.names,
                           .ends = ends,
                           .n = c.n,
                           .hint = hint_of(chat, key),
                           .full = true};
}
