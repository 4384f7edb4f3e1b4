/*
 * match.h - which offers a word of an alias or a rule means.
 *
 *   vendor/model   that one; unless nothing is so called: see the next
 *   model          it, at every vendor that sells it
 *   vendor/x*      that vendor's models that begin with x
 *   x*             every vendor's models that begin with x
 *
 * A model's own name may have a '/' in it ("meta-llama/llama-3.3"): only a
 * known vendor's name before the first '/' makes it a vendor's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "routing/snapshot.h"

/* Does it end in '*'? */
bool word_is_pattern(const char *word);

/* One bit for each offer of a snapshot. */
size_t bits_words(const struct snapshot *s);

static inline bool bits_have(const uint64_t *bits, uint32_t index)
{
    return (bits[index / 64] >> index % 64 & 1) != 0;
}

static inline void bits_set(uint64_t *bits, uint32_t index)
{
    bits[index / 64] |= (uint64_t)1 << index % 64;
}

/* Sets the bits of the offers that `word` means, leaves the others as they
 * are, and returns how many it means. */
size_t match_offers(const struct snapshot *s, const char *word, uint64_t *bits);

/* The same for a word about vendors, a name or "begin*": their offers. Counts
 * the vendors. */
size_t match_vendors(const struct snapshot *s, const char *word,
                     uint64_t *bits);
