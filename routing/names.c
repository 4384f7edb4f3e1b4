#include "routing/names.h"

#include "base/fatal.h"

/* Open addressing, at most half full. */
struct slot {
    const void *value; /* NULL: empty */
    const char *name;
    uint32_t len, scope;
    uint64_t hash;
};

struct names {
    struct slot *slots;
    size_t mask;
    size_t n, most, longest;
};

/* FNV-1a: what stands in the table is ours, so nobody can choose collisions. */
static uint64_t hash_of(uint32_t scope, struct slice name)
{
    uint64_t hash = 0xcbf29ce484222325 ^ scope * 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.bytes[i]) * 0x100000001b3;
    return hash ^ hash >> 29;
}

struct names *names_new(size_t most, struct arena *a)
{
    struct names *n = arena_alloc(a, sizeof(*n));
    size_t size = 16;

    while (size < most * 2)
        size *= 2;
    n->slots = arena_alloc(a, size * sizeof(*n->slots));
    n->mask = size - 1;
    n->most = most;
    return n;
}

/* Where the name stands, or the empty slot where it would. */
static struct slot *seek(const struct names *n, uint64_t hash, uint32_t scope,
                         struct slice name)
{
    size_t at = (size_t)hash & n->mask;

    for (;; at = (at + 1) & n->mask) {
        struct slot *slot = &n->slots[at];

        if (!slot->value || (slot->hash == hash && slot->scope == scope &&
                             slot->len == name.len &&
                             memcmp(slot->name, name.bytes, name.len) == 0))
            return slot;
    }
}

bool names_add(struct names *n, uint32_t scope, const char *name,
               const void *value)
{
    struct slice key = slice_of(name);
    uint64_t hash = hash_of(scope, key);
    struct slot *slot = seek(n, hash, scope, key);

    if (slot->value)
        return false;
    ENSURE(n->n < n->most && value);
    *slot = (struct slot){value, name, (uint32_t)key.len, scope, hash};
    n->n++;
    if (key.len > n->longest)
        n->longest = key.len;
    return true;
}

const void *names_find(const struct names *n, uint32_t scope, struct slice name)
{
    if (name.len > n->longest)
        return NULL;
    return seek(n, hash_of(scope, name), scope, name)->value;
}
