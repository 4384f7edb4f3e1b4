/*
 * learn_parts.h - what is learnt, for the files that learn it.
 *
 *   learn.c          the whole: offers, an outlook and its parts
 *   learn_blocks.c   who holds which beginning of which prompt
 *   learn_return.c   does a conversation go on, and when
 *   learn_size.c     tokens by class of text; the length of answers
 *   learn_weigh.c    what a choice means for later
 *   learn_rivals.c   what one offer alone would have cost
 *
 * Instants are kept as ticks of 10 ms that wrap after 497 days.
 */
#pragma once

#include "routing/learn.h"

enum {
    TICK_MS = 10,
    BLOCK_HOLDERS = 8,
    BLOCK_WAYS = 4,
    RETURN_BINS = 7,
    CONTEXTS = 4096,
    CONTEXT_LEVELS = 5,
    CLASSES = 512,
    SAID = 512,
    SAID_OFFERS = 12,
    OFFER_NAME = 120,
    AGE_BINS = 6,
};

/* --- blocks --- */

struct holder { /* of a block: an offer's cache */
    uint16_t offer;
    uint16_t unit; /* where units count: since when a hit may end here; 0: no */
    uint32_t first, last;
};

struct block {
    uint64_t name;        /* 0: free */
    uint32_t first, last; /* met at all */
    uint32_t child;       /* of the last request that went on behind it */
    uint32_t gap;         /* between its uses, smoothed; ticks */
    uint16_t branches;    /* times that a request went on otherwise */
    uint16_t uses : 15;
    uint16_t unit : 1; /* a hit may end here, had all gone to one offer */
    uint32_t tail;     /* the last request through here; its number */
    struct holder holders[BLOCK_HOLDERS];
};

_Static_assert(sizeof(struct block) == 128, "two cache lines");

/* --- conversations --- */

struct tail {        /* a request, until it goes on or is forgotten */
    uint32_t number; /* 0: none */
    uint32_t at, input;
    uint16_t blocks;
    uint64_t kind_key; /* of the conversation, as it began */
    uint8_t turn, size, growth, gap, kind;
    uint8_t went; /* the bin in which it went on; see learn_return.c */
    bool looks;   /* ahead; else it follows its kind's leader */
};

enum {
    RETURN_TURNS = 8,
    RETURN_SIZES = 10,
    RETURN_GROWTHS = 16,
    RETURN_GAPS = 10,
    RETURN_KINDS = 64,
    RETURN_WEIGHTS = RETURN_BINS + 2 * RETURN_TURNS + 2 * RETURN_SIZES +
                     2 * RETURN_GROWTHS + RETURN_GAPS * RETURN_BINS +
                     RETURN_KINDS,
};

struct returns {
    float weights[RETURN_WEIGHTS], seen[RETURN_WEIGHTS];
    uint32_t next;               /* number of the next tail */
    uint32_t swept[RETURN_BINS]; /* all tails before are older than the bin */
    float growth[RETURN_TURNS];  /* tokens a turn adds */
    float growth_n[RETURN_TURNS];
    float grows[RETURN_KINDS]; /* the same by kind of conversation */
    float grows_n[RETURN_KINDS];
    float gap_ms, gap_n;
};

/* The chance that it goes on before the end of each bin. */
struct chance {
    float by[RETURN_BINS];
};

/* --- sizes --- */

struct offer_learnt {
    char name[OFFER_NAME];
    /* its cache */
    uint32_t ttl, usable_after, least; /* ticks, tokens; ttl 0: no cache */
    bool units, ttl_known;
    float hits[AGE_BINS], tries[AGE_BINS];
    /* tokens true to estimated, by class, and how sure */
    float weight[TOKEN_CLASSES], doubt[TOKEN_CLASSES];
    uint32_t counted;
    /* how much longer its answers are than others' to the same: as a
     * logarithm, as a factor */
    float talk, verbosity;
    uint32_t answers;
};

struct context {
    uint64_t key;
    uint32_t last;
    float mean, spread, n;
};

/* To one kind of request, by offer: how many answers, and the mean logarithm
 * of their lengths. The first that has none ends the list. */
struct said {
    uint64_t key;
    uint32_t last;
    uint16_t offers[SAID_OFFERS];
    float n[SAID_OFFERS], log[SAID_OFFERS];
};

/* --- rivals --- */

struct kind { /* of traffic */
    uint64_t key;
    uint32_t last, n;
    uint16_t offers[LEARNT_RIVALS];
    float alone[LEARNT_RIVALS]; /* had it all gone there */
    float all;                  /* that was paid */
    /* for conversations that look ahead, and what following the leader would
     * have cost them */
    float paid, against;
    uint8_t n_offers, follows; /* follows: the leader, usually */
    uint16_t leader;
};

struct learnt {
    uint64_t magic, bytes;
    uint64_t key[2]; /* of the names of prompts; random */
    struct learnt_limits limits;
    uint64_t blocks_at, tails_at;
    uint32_t n_offers;
    float spent, explored; /* nanos, fading: for exploration's budget */
    float answers;         /* that were paid so, fading alike */
    struct returns returns;
    struct offer_learnt offers[LEARNT_OFFERS];
    struct context contexts[CONTEXTS];
    struct said said[SAID];
    struct kind kinds[CLASSES];
};

static inline uint32_t tick_of(int64_t unix_ms)
{
    return (uint32_t)(unix_ms / TICK_MS);
}

static inline struct tail *tail_at(struct learnt *l, uint32_t number)
{
    struct tail *tails = (void *)((char *)l + l->tails_at);

    return &tails[number % l->limits.tails];
}

enum {
    OUTLOOK_FAMILIES = 16,
};

struct outlook {
    struct learnt *l;
    const uint16_t *numbers;
    const struct query *query;
    uint32_t now;
    int64_t now_ms;
    /* the prompt */
    struct block **blocks; /* NULL: not known */
    uint32_t known;        /* leading blocks that are known */
    struct block *hinted;  /* of the client's hint; NULL: not known */
    uint64_t hint;         /* its name; 0: none */
    uint16_t hinted_at;    /* the offer that served it last, and still holds it;
                              LEARNT_NOBODY */
    int32_t input;         /* reference tokens */
    float split[OUTLOOK_FAMILIES][TOKEN_CLASSES]; /* see split_of */
    bool has_split[OUTLOOK_FAMILIES];
    uint32_t n_offers; /* whose numbers are known */
    int32_t *depth;    /* reference tokens each may hold */
    uint32_t *age;     /* ticks since it was last used */
    int32_t *soon;     /* tokens it holds, but cannot read yet */
    int32_t shared;    /* tokens that many others begin with */
    float shared_uses, shared_gap;
    /* the conversation */
    struct tail tail; /* this request's */
    struct tail *parent;
    uint32_t parent_number;
    bool expects; /* the next two are known: see returns_expect */
    struct chance chance[LEARNT_TURNS];
    float input_then[LEARNT_TURNS + 1];
    /* the answer */
    uint64_t contexts[CONTEXT_LEVELS];
    float answer, answer_spread; /* reference tokens */
    float answer_seen;
    /* rivals */
    struct kind *kind, *wide; /* wide: all that is asked so */
    uint64_t kind_key, wide_key;
    uint16_t leader; /* LEARNT_NOBODY: not known */
    double premium;  /* nanos paid to learn */
    int32_t alone_depth[LEARNT_RIVALS];
};

struct lesson {
    uint32_t now, age;
    uint16_t number;
    uint8_t n_rivals;
    int32_t input, depth;
    int64_t n; /* choices */
    float split[TOKEN_CLASSES];
    uint64_t contexts[CONTEXT_LEVELS];
    double premium;
    /* what the rivals alone would have cost: for the prompt, for the answer */
    uint64_t kind_key, wide_key;
    uint16_t rivals[LEARNT_RIVALS], leader;
    bool looks;
    float prompt[LEARNT_RIVALS], said[LEARNT_RIVALS];
    int64_t expected_input, expected_output;
};

/* The prompt's tokens by class, as the offer's family counts them. */
const float *split_of(struct outlook *o, const struct offer *offer);
uint64_t mix(uint64_t a, uint64_t b);

/* learn_blocks.c */
void blocks_find(struct outlook *o, struct arena *a);
void blocks_keep(struct learnt *l, struct outlook *o, uint16_t offer);
int32_t blocks_alone(const struct outlook *o, const struct offer_learnt *v);
/* Of an offer: the share of the believed tokens that are truly read. */
float cache_belief(const struct offer_learnt *v, uint32_t age);
void cache_learn(struct offer_learnt *v, uint32_t age, float share);

/* learn_return.c */
bool tail_is_sound(const struct tail *t);
void returns_init(struct returns *r);
void returns_look(struct learnt *l, struct outlook *o);
/* Whether it goes on, and when: only a choice among several asks. Of the
 * learnt's state that it was prepared with. */
void returns_expect(struct outlook *o);
void returns_start(struct learnt *l, struct outlook *o);
float chance_by(const struct chance *c, uint32_t ticks);

/* learn_size.c */
void size_init(struct offer_learnt *v);
float size_input(const float split[TOKEN_CLASSES],
                 const struct offer_learnt *v);
float size_output(const struct outlook *o, const struct offer_learnt *v,
                  float input);
void size_look(struct learnt *l, struct outlook *o);
void size_learn(struct learnt *l, const struct lesson *x,
                struct offer_learnt *v, const struct usage *usage);

/* learn_rivals.c */
void rivals_look(struct learnt *l, struct outlook *o);
void rivals_note(struct learnt *l, struct outlook *o, struct lesson *x,
                 const struct snapshot *snapshot, const struct decision *d);
void rivals_learn(struct learnt *l, const struct lesson *x,
                  const struct usage *usage, double cost_nanos);
