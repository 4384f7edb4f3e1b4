#include "routing/prefix_steps.h"

#include <string.h>

void prefix_steps(struct prefix_sums *s, const char *bytes, size_t n_steps)
{
    for (; n_steps > 0; n_steps--, bytes += PREFIX_STEP_BYTES) {
        uint64_t words[PREFIX_LANES];

        memcpy(words, bytes, sizeof(words));
        for (int i = 0; i < PREFIX_LANES; i++) {
            uint64_t word = words[i] ^ s->key[i];

            s->sum[i] += (word & UINT32_MAX) * (word >> 32) + words[i ^ 1];
            s->key[i] += PREFIX_KEY_STEP;
        }
    }
}
