/*
 * worst.h - the most that one attempt may cost: what is reserved for it.
 *
 * A tokenizer gives at most one token for each byte it reads, so the bytes of
 * the body, and what a vendor's template adds to them, bound the prompt; the
 * output is bounded by what was asked for, or by what the model can give.
 * Both are paid at the dearest rates of any row that is in force about now:
 * whatever tier, window, mode or class the vendor's bill then names.
 *
 *     price_cost(u) <= worst_case()     for each usage u within the bounds
 */
#pragma once

#include "routing/decide.h"

struct bounds {
    int64_t input_tokens, output_tokens;
    enum service_tier tier; /* as asked; the standard one may be given */
};

enum {
    WORST_OUTPUT_TOKENS = 131072, /* of a model whose max_output is not told;
                                     at most its context */
    WORST_IMAGE_TOKENS = 16384,   /* of one image */
    WORST_MESSAGE_TOKENS = 32,    /* a template's own, a message */
    WORST_REQUEST_TOKENS = 512,   /* and once: a preamble for tools */
};

/* `max_tokens` as asked for or as about to be asked (0: not). `body_bytes` of
 * the request as it came. Storage in a cache of its own is not bounded: no
 * vendor bills it with an answer. */
struct bounds bounds_of(const struct offer *offer, const struct query *query,
                        int64_t body_bytes, int64_t max_tokens);

/* Rounded up, and saturating. False: no price. */
bool worst_case(struct money *out, const struct offer *offer,
                int64_t at_unix_ms, const struct bounds *bounds) MUST_CHECK;

/* The largest max_tokens, at most the model's own, with which worst_case()
 * converted to the currency of `left` is at most `left`; 0: not even one. */
int64_t worst_fitting(const struct snapshot *s, const struct offer *offer,
                      const struct query *query, int64_t body_bytes,
                      int64_t at_unix_ms, struct money left);
