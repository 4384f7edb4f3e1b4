/*
 * prefix.h - a prompt's beginning as a chain of names.
 *
 * Each name stands for all of the prompt up to the end of its block, so equal
 * names mean equal beginnings. They are keyed hashes (or a trace's own
 * numbers): no text can be read out of them. 0 is not a name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#include "vendors/chat.h"

enum {
    PREFIX_BLOCK_BYTES = 2048, /* of a message that is longer */
    PREFIX_BLOCKS_MOST = 1024, /* of one prompt; what lies behind is not seen */
};

struct prefix {
    const uint64_t *names;
    const int32_t *ends; /* where each ends, in reference tokens; ascending */
    uint32_t n;
    uint64_t hint; /* what the client calls its conversation; 0: nothing */
    bool
        full; /* the last block is whole: the next prompt may go on behind it */
};

/* The beginning of `chat` (the hint: its prompt_cache_key, else its user),
 * which is `tokens` long. The arrays live in `a`. */
void prefix_of_chat(struct prefix *out, const struct chat *chat, int64_t tokens,
                    const uint64_t key[2], struct arena *a);
