/*
 * decide.h - which offers to try, cheapest first, and why not the others.
 *
 * A pure function: the same snapshot, query and conditions give the same
 * decision. That is what lets `explain` show it, `replay` repeat it against
 * other prices, and a test pin it.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/money.h"

#include "routing/prefix.h"
#include "routing/price.h"
#include "routing/snapshot.h"

/* All that a decision may know of a request. Plain data: kept in the receipt
 * so that the decision can be made again. Never a prompt. */
struct query {
    const char *asked; /* the model the client named */
    const struct team *team;
    uint32_t needs; /* NEED_... */
    struct text_count text;
    uint32_t n_messages;
    int64_t n_images, image_bytes;
    int64_t max_tokens; /* 0: not asked */
    int64_t n;          /* choices */
    bool stream;
    enum service_tier tier; /* the class of service asked for */
    struct prefix prefix;
    const struct chat *chat; /* what adapters may refuse; NULL in replay */
};

/* What the world knew of one offer when it was asked. */
struct verdict;

struct offer_state {
    bool available;        /* the breaker lets requests through */
    bool key_ready;        /* at least one key is not cooling down */
    bool disabled;         /* by hand */
    bool crowded;          /* every key that is not cooling is at its limits */
    int32_t latency_ms;    /* to the first byte, smoothed; 0: not known */
    int32_t fails_ppm;     /* attempts that fail, of a million */
    int64_t failed_nanos;  /* what a failed one is billed, in the snapshot's
                              currency */
    int32_t input_ppm;     /* true tokens per million estimated; 0: unknown */
    int32_t output_tokens; /* mean of one choice; 0: not known */
    int64_t input_tokens;  /* of this prompt there; 0: as estimated */
    int64_t cached_tokens; /* of these, what its cache is believed to hold */
    int64_t quota_left;    /* tokens of offer->quota; 0: none, or used up */
};

struct conditions {
    int64_t now_unix_ms;
    /* Fills *out for one offer. Pure for the length of one decide(). */
    void (*look)(const void *self, const struct offer *offer,
                 struct offer_state *out);
    /* May set `ahead` of the n listed verdicts, which come as found. NULL: none
     * is set. */
    void (*weigh)(const void *self, const struct snapshot *snapshot,
                  struct verdict *const *listed, uint32_t n);
    const void *self;
};

enum why { /* an offer is not on the list; the words stand in sieve.c */
    WHY_LISTED,
    WHY_RESIDENCY, /* it computes elsewhere than the team's data may go */
    WHY_FLOOR,     /* it can do less than the team wants at least */
    WHY_TEAM,      /* the team may not use it */
    WHY_NO_KEY,    /* no key is configured */
    WHY_UNPRICED,
    WHY_TOOLS,
    WHY_VISION,
    WHY_JSON,
    WHY_THINKING,
    WHY_CONTEXT,    /* the prompt does not fit */
    WHY_OUTPUT,     /* max_tokens is more than it can give */
    WHY_CANNOT_SAY, /* the adapter refuses: see verdict.refusal */
    WHY_PRICE_CAP,
    WHY_NO_RATE,  /* no exchange rate to compare by */
    WHY_DISABLED, /* by hand, over the admin plane */
    WHY_BREAKER,  /* failing lately */
    WHY_KEYS_COOLING,
    WHY_HEADROOM, /* the vendor's limits leave no room now */
    WHY_COUNT,
};

struct verdict {
    const struct offer *offer;
    enum why why;
    const char *refusal; /* with WHY_CANNOT_SAY */
    struct usage expected;
    struct cost_sum cost;  /* expected, in the offer's own currency */
    struct money compared; /* the same in the snapshot's currency */
    bool comparable;       /* else `compared` is 0 and means nothing */
    int32_t latency_ms;
    int64_t time;  /* what waiting for it is worth, as the team's objective
                      says: nanos of the snapshot's currency */
    int64_t risk;  /* what failing there costs, as likely as it is: the bill
                      of the failed attempt, and its time; nanos of the
                      snapshot's currency */
    int64_t ahead; /* what this choice will cost later, more than another;
                      nanos of the snapshot's currency, may be negative */
};

struct decision {
    struct verdict *verdicts; /* those listed first, in the order to try */
    uint32_t n_listed, n_verdicts;
};

enum {
    EXPECTED_OUTPUT_TOKENS = 300, /* until answers have been seen */
};

/* All that query->asked may mean, each with a verdict: the listed ones by
 * compared cost, what their time is worth, their risk and what lies ahead
 * (those without a price, if the policy lists them at all, behind the rest),
 * then latency (unknown: last), then name; the others behind them in the
 * snapshot's order, each with the first reason that holds. An offer that is
 * out shows what it would have cost, where that is known. Nobody called so:
 * no verdicts.
 * Everything lives in `a`. */
void decide(struct decision *out, const struct snapshot *snapshot,
            const struct query *query, const struct conditions *conditions,
            struct arena *a);

/* What an offer is expected to consume: the tokenizer's estimate, corrected
 * by what was seen; the mean answer (or EXPECTED_OUTPUT_TOKENS), at most
 * max_tokens and what the model can give, for each choice; whether it thinks,
 * and in which class of service, as asked. Pure. */
struct usage usage_expected(const struct offer *offer,
                            const struct query *query,
                            const struct offer_state *state);

void query_of_chat(struct query *out, const struct chat *chat,
                   const struct team *team);

const char *why_name(enum why why); /* "price_cap" */
const char *why_help(enum why why); /* a sentence for people */
