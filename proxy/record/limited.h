/*
 * limited.h - requests that limits refused, or budgets too often: counted, not
 * written one by one.
 *
 *   worker: limited_add --> a count for its key (a lock, a few compares)
 *   recorder: limited_take, a second after the first, then once a minute
 *     --> the hour's row in the ledger, one line in the routing log for a key
 *
 * So a team at a hundred times its limit costs as much disk as one at twice
 * its limit.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

enum limited_by {
    LIMITED_REQUESTS,
    LIMITED_TOKENS,
    LIMITED_AT_ONCE,
    LIMITED_TOO_LARGE,
    LIMITED_BUDGET, /* beyond those that have rows of their own */
    LIMITED_KINDS,
};

enum {
    LIMITED_MOST = 1024, /* keys between two takes; the last: all others */
    LIMITED_PLACES = 2 * LIMITED_MOST,
    LIMITED_TEAM = 132,
};

struct limited_count {
    char team[LIMITED_TEAM], key_id[16]; /* "": several */
    int64_t from_unix_ms;                /* of the first */
    uint64_t n[LIMITED_KINDS];
};

struct limited_table {
    struct limited_count counts[LIMITED_MOST];
    uint16_t places[LIMITED_PLACES]; /* number + 1; by a hash of the key */
    size_t n;
};

struct limited {
    pthread_mutex_t lock;
    struct limited_table *now, *taken; /* what fills, what was taken */
    int64_t first_ms, took_ms;         /* loop time */
};

void limited_init(struct limited *l);
void limited_fini(struct limited *l);

/* True: it is the first since the last take. Any thread. */
bool limited_add(struct limited *l, const char *team, const char *key_id,
                 enum limited_by by);

/* --- the recorder's side ---------------------------------------------------
 */

/* How long until there is something to take; -1: there is nothing. */
int64_t limited_wait_ms(struct limited *l, int64_t mono_ms);
/* What has gathered, if it is due or `now`; NULL: nothing. The same until the
 * next take. */
const struct limited_table *limited_take(struct limited *l, int64_t mono_ms,
                                         bool now);
uint64_t limited_sum(const struct limited_count *c);
/* One line of the routing log. */
void limited_line(struct buf *out, const struct limited_count *c,
                  int64_t to_unix_ms);
