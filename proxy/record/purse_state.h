/* purse_state.h - what purse.c and purse_record.c share of the accounts. */
#pragma once

#include "record/purse.h"

enum {
    TEAMS_ROOM = 1024,
};

struct account {
    struct account_key key;
    struct purse *purse;
    struct account *same; /* next in its place of the table */
    struct account *next; /* in the list of the wanted */
    /* under the purse's lock */
    int64_t used;     /* spent + reserved */
    int64_t reserved; /* by holds not yet settled */
    int64_t covered;  /* durable: used <= covered */
    int64_t cap;      /* as claimed last */
    int64_t wanted;   /* of those that wait: their sum since the last plan */
    int64_t asked;    /* by the last that took or waits */
    int64_t warned;   /* the largest fraction told */
    int64_t no;       /* of its row; set before `open`, then never again */
    int64_t last_mono_ms;
    uint32_t n_holds; /* not yet recorded */
    bool open;        /* its row is known */
    bool queued;      /* was put into the list of the wanted, not granted */
    bool waited, closing;
    /* the recorder's alone */
    struct account *batch_next;
    int64_t delta;
    bool in_batch, from_wanted;
};

struct purse {
    pthread_mutex_t lock;
    struct purses *all;
    struct purse *same; /* next in its place */
    struct account **table;
    size_t room, n;
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
