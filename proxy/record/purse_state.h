/* purse_state.h - what purse.c and purse_record.c share of the accounts. */
#pragma once

#include <assert.h>

#include "base/attr.h"

#include "record/purse.h"

enum {
    TEAMS_ROOM = 1024,
};

/* Of teams by the thousand no account is in the cache when it is needed: what
 * a request looks at fills the first line, with the beginning of the key, and
 * the third; the name between is looked at if there is one. */
struct account {
    struct account *same; /* next in its place of the table */
    /* under the purse's lock */
    int64_t used;     /* spent + reserved */
    int64_t reserved; /* by holds not yet settled */
    int64_t covered;  /* durable: used <= covered */
    int64_t cap;      /* as claimed last */
    int64_t asked;    /* by the last that took or waits */
    struct account_key key;
    int64_t no; /* of its row; set before `open`, then never again */
    struct purse *purse;
    struct account *next; /* in the list of the wanted */
    int64_t wanted; /* of those that wait: their sum since the last plan */
    int64_t warned; /* the largest fraction told */
    int64_t last_mono_ms;
    uint32_t n_holds; /* not yet recorded */
    bool open;        /* its row is known */
    bool queued;      /* was put into the list of the wanted, not granted */
    bool waited, closing;
    /* the recorder's alone */
    bool in_batch, from_wanted;
    uint32_t n_ended; /* holds whose rows are in the batch */
    struct account *batch_next;
    int64_t delta;
};

static_assert(offsetof(struct account, key.who) == CACHE_LINE_BYTES, "");

struct purse {
    pthread_mutex_t lock;
    struct account **table;
    size_t room;
    struct purses *all;
    struct purse *same; /* next in its place */
    size_t n;
    char team[];
};

struct purses {
    pthread_mutex_t lock; /* of the two below */
    struct purse *table[TEAMS_ROOM];
    struct account *wanted;
    _Atomic(int64_t) high_ms;
    atomic_bool want;
    void (*wake)(void *to, bool urgent);
    void *to;
};

/* Where the account's purse keeps those of its place in the table. */
struct account **account_place(struct purse *purse,
                               const struct account_key *key);
/* Puts it into `list` unless it is in such a list already. Under the lock. */
void account_want(struct account *a, struct account **list);
/* Gives such a list on. Without the lock. */
void purses_give_on(struct purses *p, struct account *list, bool urgent);
int64_t nanos_add(int64_t a, int64_t b); /* saturates above */
