/*
 * learn.h - what answers have taught, and what it says of the next request.
 *
 *   learnt_prepare   before decide(): what is known of this very request
 *   learnt_look      tokens, answer and cache of one offer (conditions.look)
 *   learnt_weigh     what the choice means for later (conditions.weigh)
 *   learnt_sent      an offer has taken it on
 *   learnt_answered  after the answer: its usage teaches
 *
 * It knows: tokens per class of text at each offer; how long answers are, by
 * who asks what; which prompt beginnings each offer holds in its cache, as
 * hashes, and how often it truly reads them (a client's prompt_cache_key or
 * user is one more name for them); how likely a conversation goes
 * on, and when; what each kind of traffic would have cost at one offer alone.
 *
 * One block of memory without pointers, of fixed size: see learnt_bytes().
 * It is saved and loaded as it lies. Not locked: who shares it locks it. An
 * outlook is its owner's own; what of it only some requests ask for is filled
 * in when they do.
 */
#pragma once

#include "base/arena.h"

#include "routing/decide.h"

enum {
    LEARNT_OFFERS = 512, /* beyond these none is learnt of */
    LEARNT_NOBODY = UINT16_MAX,
    LEARNT_RIVALS = 16, /* offers compared for one kind of traffic */
    LEARNT_TURNS = 5,   /* of a conversation looked ahead */
};

struct learnt;

struct learnt_limits {
    uint32_t blocks; /* of prompts; 128 bytes each */
    uint32_t tails;  /* ends of requests that may go on; 32 bytes each */
};

extern const struct learnt_limits learnt_limits_small; /* 9.4 MiB */

size_t learnt_bytes(struct learnt_limits limits);
/* In `bytes` of that size, zeroed, aligned to 64. */
struct learnt *learnt_init(void *bytes, struct learnt_limits limits,
                           const uint64_t key[2]);
/* The key by which prompts are named: see prefix.h. */
const uint64_t *learnt_key(const struct learnt *l);
/* How long a text is in the tokens that all else is compared by. */
int64_t learnt_reference_tokens(const struct query *query);

/* Each offer of a snapshot by its number here, found by name; an array by
 * offer->index, in `a`. Takes the vendors' cache rules over. */
const uint16_t *learnt_bind(struct learnt *l, const struct snapshot *s,
                            struct arena *a);

/* What is known of one request. Lives in the arena given to prepare. */
struct outlook;

struct outlook *learnt_prepare(struct learnt *l, const uint16_t *numbers,
                               const struct query *query, int64_t now_unix_ms,
                               struct arena *a);

/* Fills in input_tokens, output_tokens and cached_tokens. */
void learnt_look(struct outlook *o, const struct offer *offer,
                 struct offer_state *out);

/* Sets `ahead` of each listed verdict. */
void learnt_weigh(struct outlook *o, const struct snapshot *snapshot,
                  struct verdict *const *listed, uint32_t n);

/* What must be kept until the answer's usage is known. Some 400 bytes. */
struct lesson;

/* `v` of the decision `d` has taken the request on: from now on its cache
 * holds the prompt. The lesson lives in `a`; the outlook is not needed any
 * more. NULL: the offer is not learnt of. */
struct lesson *learnt_sent(struct learnt *l, struct outlook *o,
                           const struct snapshot *snapshot,
                           const struct decision *d, const struct verdict *v,
                           struct arena *a);

/* It answered with `usage`, which cost `nanos` of the snapshot's currency. */
void learnt_answered(struct learnt *l, const struct lesson *x,
                     const struct usage *usage, int64_t nanos);

/* A learnt that was read from a file, `len` bytes: is it one of ours, of these
 * limits? What it says is bounded then; it is not believed further. */
bool learnt_is_sound(struct learnt *l, size_t len, struct learnt_limits limits);

/* For people: what is known of each offer, and how much of the rest. */
struct learnt_offer {
    const char *name;
    uint32_t answers, counted;
    double weight[TOKEN_CLASSES]; /* true tokens to the family's estimate */
    double verbosity;             /* answers against those of the others */
    double cache_believed;        /* share of hits that are hits */
};

typedef void learnt_teller(void *to, const struct learnt_offer *offer);
void learnt_tell(const struct learnt *l, learnt_teller *tell, void *to);

struct learnt_counts {
    uint32_t offers, blocks, blocks_most, contexts, kinds, following;
    uint64_t bytes;
};

struct learnt_counts learnt_count(const struct learnt *l);

/* Why an outlook expects what it does. */
struct learnt_reasons {
    double answer_tokens, answer_spread; /* mean, mean distance from it */
    double answers_seen;                 /* of such requests */
    double goes_on;                      /* chance that it does, in 12 min */
    int64_t shared_tokens;               /* that other requests begin with */
    double shared_uses;
    const char *leader; /* best for this kind alone; NULL: not known */
    bool follows;       /* the kind follows it */
};

struct learnt_reasons learnt_why(struct outlook *o);

struct learnt_offer_reasons {
    int64_t held_tokens; /* its cache should hold; of its own counting */
    double belief;       /* share of it that is believed */
    double held_for_s;   /* since it was last used */
    double tokens_doubt; /* standard deviation of the prompt's length, share */
    uint32_t answers;
};

struct learnt_offer_reasons learnt_why_offer(struct outlook *o,
                                             const struct offer *offer);
