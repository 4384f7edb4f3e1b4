/*
 * edition.h - a snapshot as the workers use it: with the health slots of its
 * offers and keys, and what can be written of a vendor's request beforehand.
 *
 * Made by the main thread at start and at each reload, then never changed.
 * Refcounted: an exchange keeps the edition it began with.
 */
#pragma once

#include <stdint.h>

#include "routing/snapshot.h"

#include "http/http.h"
#include "record/purse.h"
#include "serve/health.h"
#include "serve/limits.h"
#include "serve/memory.h"
#include "serve/quotas.h"
#include "serve/upstream.h"

/* One key of one vendor (or no key, with AUTH_NONE). */
struct door_key {
    uint32_t slot; /* in health: its cool-down */
    struct upstream_lane lane;
    struct slice head;   /* Host, Authorization and constant header lines */
    struct slice secret; /* the key itself, to keep it out of what is told */
    struct limit *limit; /* what the vendor grants the key, over all models */
    struct limit *const *model_limits; /* and for each of its offers */
};

struct vendor_doors {
    const struct door_key *keys;
    uint32_t n_keys; /* at least 1 unless the vendor has no key yet */
};

struct edition {
    struct snapshot *snapshot;
    const uint32_t *offer_slots;        /* by offer index */
    struct memory_offers learnt;        /* see edition_bind */
    const uint32_t *quota_slots;        /* by the quota's index */
    const struct vendor_doors *vendors; /* by vendor index */
    struct purse **purses;              /* by team index */
    struct limit *const *team_limits;   /* by team index */
    struct limit *const *key_limits;    /* by the place in snapshot->keys */
    struct http_limits limits;
    struct health_rules rules;
};

/* Takes the reference to `snapshot` over. Main thread only. */
struct edition *edition_new(struct snapshot *snapshot, struct health *health,
                            struct quotas *quotas,
                            struct limits *limits) MUST_CHECK
NON_NULL_RETURN;
/* Once, before any exchange begins with it. */
void edition_bind(struct edition *e, struct memory *m);
void edition_find_purses(struct edition *e, struct purses *purses);
struct edition *edition_retain(struct edition *e);
void edition_release(void *edition); /* fits arena_defer */
