/*
 * headroom.h - what a vendor grants each of our keys, so that an offer
 * without room is passed over before it fails.
 *
 * Known from data (`limits` of a vendor or model, or of the price list),
 * learnt from 429s (how many at a time) and from x-ratelimit-... headers (a
 * bucket that is empty rests its key until it is filled again).
 */
#pragma once

#include "http/http.h"
#include "serve/edition.h"

struct room { /* what an attempt holds; all zero: nothing */
    struct limit *key, *model;
    int64_t tokens;
};

/* Would the key take a request of so many tokens for `offer` now? */
bool headroom_look(const struct door_key *key, const struct offer *offer,
                   int64_t tokens, int64_t now_ms, int64_t *wait_ms);
/* Takes what it needs: true, and then exactly one headroom_leave(). */
bool headroom_enter(struct room *out, const struct door_key *key,
                    const struct offer *offer, int64_t tokens,
                    int64_t now_ms) MUST_CHECK;
/* `used` tokens; `fault` teaches. Empties `room`. */
void headroom_leave(struct room *room, int64_t used, enum fault fault);

/* How long the vendor's headers ask us to leave the key alone; 0: there is
 * room. */
int64_t headroom_rest_ms(const struct http_head *head);
