/*
 * prefix_steps.h - the inner loop of naming a prompt's beginning.
 *
 * Each step takes four words of the text at once. A word, mixed with a key
 * that changes by step, adds the product of its halves to one sum, and is
 * itself added to its neighbour's: so no zero hides what it meets.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    PREFIX_LANES = 4,
    PREFIX_STEP_BYTES = 8 * PREFIX_LANES,
};

#define PREFIX_KEY_STEP UINT64_C(0x9e3779b97f4a7c15) /* between two steps */

struct prefix_sums {
    uint64_t sum[PREFIX_LANES];
    uint64_t key[PREFIX_LANES];
};

void prefix_steps(struct prefix_sums *s, const char *bytes, size_t n_steps);
/* The same; only if cpu_level is that or above. */
void prefix_steps_avx2(struct prefix_sums *s, const char *bytes,
                       size_t n_steps);
void prefix_steps_avx512(struct prefix_sums *s, const char *bytes,
                         size_t n_steps);
