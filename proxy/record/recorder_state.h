/* recorder_state.h - what recorder.c and recorder_write.c share. */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "record/charging.h"
#include "record/ledger.h"
#include "record/recorder.h"
#include "record/retention.h"
#include "record/routing_log.h"
#include "record/tray.h"

struct gathered {
    struct receipt *receipt;
    int worker;
};

/* In one tray, while its receipts are merged with the others'. */
struct cursor {
    const struct tray *tray;
    uint64_t at, end; /* places */
    int worker;
};

struct recorder {
    struct tray *trays;
    int n_trays;
    pthread_t thread;
    int wake_fd;
    atomic_bool dozing; /* whoever clears it writes to wake_fd */
    atomic_bool ending, reopening, broken;
    /* the thread's own */
    struct intents_file *intents;
    struct purses *purses;
    void (*granted)(void *to);
    void *granted_to;
    void (*warned)(void *to, const struct warning *w);
    void *warned_to;
    pthread_mutex_t lock;    /* of the next */
    struct warning *arrived; /* since the last batch */
    struct gathered *batch; /* all receipts of it, in the order of their ends */
    size_t n_batch, room;
    struct cursor *cursors;   /* one for each tray */
    struct warning *warnings; /* of the batch */
    struct limited limited;
    const struct limited_table *refused; /* of the batch; NULL: none */
    struct ledger *ledger;
    struct charging charging; /* of the batch */
    int64_t swept_at_ms, noted_at_ms, wrote_at_ms;
    struct retention retention;
    struct routing_log log;
    bool failed; /* the batch, at its last try */
    int64_t failed_at_ms, told_at_ms;
    char log_path[PATH_MAX];
};

/* recorder.c: sleeps, unless it is woken. */
void recorder_rest(struct recorder *r, int ms);

/* recorder_gather.c: what all workers have put, as the batch. */
void recorder_gather(struct recorder *r);
void recorder_return(struct recorder *r); /* it is written */

/* recorder_write.c: the batch that was gathered, into the ledger, then into
 * the log. */
void recorder_write(struct recorder *r);
void recorder_failed(struct recorder *r); /* the ledger did: says so */
int64_t recorder_now(struct recorder *r); /* as windows go by it */
void recorder_tell_warnings(struct recorder *r);
