/*
 * key_memory.h - the keys that were found good, so that the next request with
 * one of them need not be checked from scratch.
 *
 * Holds no key, but a keyed hash of each, which proves as much: the hash's own
 * key is drawn at random and never leaves. Of one thread, and of one snapshot:
 * to be emptied when that changes. Whether a key was revoked or has expired is
 * not remembered; ask each time.
 */
#pragma once

#include <stdint.h>

#include "routing/team_key.h"

enum {
    KEY_MEMORY_PLACES = 128,
};

struct key_memory {
    uint64_t secret[2];

    struct {
        uint64_t mark[2];
        const struct team_key *key; /* NULL: nothing is there */
    } places[KEY_MEMORY_PLACES];
};

/* Also empties one that was in use. */
void key_memory_init(struct key_memory *m);

/* As team_key_check(), whose answers it remembers if they are good. */
const struct team_key *key_memory_check(struct key_memory *m,
                                        const struct snapshot *s,
                                        struct slice presented);
