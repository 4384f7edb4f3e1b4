/*
 * key_memory.h - the keys that were found good, so that the next request with
 * one of them need not be checked from scratch.
 *
 * Holds no key, but a keyed hash of each, which proves as much: the hash's own
 * key is drawn at random and never leaves. Of one thread, and of one snapshot:
 * to be made anew when that changes. Whether a key was revoked or has expired
 * is not remembered; ask each time.
 */
#pragma once

#include <stdint.h>

#include "routing/team_key.h"

struct key_place {
    uint64_t mark[2];
    const struct team_key *key; /* NULL: nothing is there */
};

struct key_memory {
    uint64_t secret[2];
    struct key_place *places; /* last + 1 of them, a power of two */
    size_t last;
    struct arena *arena;
};

/* Empty, with room for the keys of `s`: 36 to 72 bytes for each, at most
 * 1.5 MiB. */
void key_memory_init(struct key_memory *m, const struct snapshot *s);
void key_memory_fini(struct key_memory *m);

/* As team_key_check(), whose answers it remembers if they are good. */
const struct team_key *key_memory_check(struct key_memory *m,
                                        const struct snapshot *s,
                                        struct slice presented);
