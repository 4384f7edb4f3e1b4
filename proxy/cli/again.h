/*
 * again.h - one request of the past decided again, by a snapshot of other
 * rules or prices.
 *
 * What is known of it: who asked for what, when, how many tokens it was. Its
 * text is not: prompts and answers are taken to be as long as they were,
 * whoever serves, and as much of a prompt to be cached.
 */
#pragma once

#include "routing/learn.h"

struct again {
    const struct snapshot *snapshot;
    const char *without; /* a vendor that is not there; NULL */
    struct learnt *learnt;
    const uint16_t *numbers;
    struct outlook *outlook;
    const struct again_request *request;
};

struct again_request {
    const char *team, *asked;
    int64_t at_unix_ms, input, cached, output, thinking;
    bool marked; /* for the cache */
};

struct again_answer {
    const struct offer *offer; /* NULL: nobody would have */
    struct money cost;         /* the vendor's currency; 0: it is not known */
};

/* `w->snapshot` and `w->without` are set. In `kept`. */
void again_begin(struct again *w, struct arena *kept);
/* `a` is for the time of the call. Learns from it as the proxy does. */
void again_decide(struct again *w, const struct again_request *request,
                  struct again_answer *out, struct arena *a);
