/*
 * program.h - the running program, as main.c's thread and the admin plane see
 * it. Nothing here is a worker's: they are spoken to by loop_post().
 */
#pragma once

#include <pthread.h>

#include "serve/watch.h"
#include "serve/worker.h"

enum {
    WORKERS_MOST = 64,
};

struct program {
    const char *dir;
    struct loop
        *loop; /* main's: signals, the drain deadline, the admin plane */
    struct recorder *recorder;
    struct health *health;
    struct quotas *quotas;
    struct limits *limits;
    struct edition *edition; /* the newest */
    struct worker workers[WORKERS_MOST];
    pthread_t threads[WORKERS_MOST];
    int n_workers, n_draining;
    struct feed *feed; /* of prices */
    struct hook *hook; /* of warnings */
    struct loop_timer deadline, saving;
    struct memory *memory; /* what has been learnt */
    struct watch keys;     /* keys.yaml: a key is made or revoked */
    bool draining;
    pthread_mutex_t waking; /* of the next */
    bool loops_end;         /* the recorder wakes no worker any more */
    int64_t began_ms;       /* loop time */
    struct arena *arena;    /* texts of the first edition that must last */
};

/* Reads the files again. False: they are refused, the edition stays. */
bool program_reload(struct program *p);
/* Finishes what is running, and ends; asked twice: ends at once. */
void program_drain(struct program *p);
/* keys.yaml may have changed: looks at once. */
void program_look_at_keys(struct program *p);
