/*
 * pool.h - many objects of one size, taken and given back by hand.
 *
 * For what lives longer than one exchange and dies in no order: connections,
 * calls, dials. Memory given back serves the next taker, newest first, and
 * leaves the process only with the pool. With AddressSanitizer each object
 * is a block of its own, so that a use after pool_give() shows.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"

struct pool {
    size_t size; /* of one object, rounded up */
    struct pool_slab *slabs;
    struct pool_hole *holes; /* given back */
    size_t n_out;            /* taken and not yet given back */
};

void pool_init(struct pool *p, size_t size);
void pool_fini(struct pool *p); /* all objects must have been given back */

/* Zeroed, aligned for any type. Never NULL: no memory ends the process. */
void *pool_take(struct pool *p) MUST_CHECK
NON_NULL_RETURN;
void pool_give(struct pool *p, void *object);
