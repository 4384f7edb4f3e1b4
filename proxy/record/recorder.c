/*
 * The recorder's thread:
 *
 *   doze -> gather -> write -> [try again]* -> log -> grant -> return -> pause
 *     ^        ^                                                         |
 *     |        +---------------------------------------------------------+
 *     +-- nothing had come
 *
 * The first receipt after a quiet time is written at once; under load there
 * is one batch each GATHER_MS, so a batch grows with the load and no worker
 * makes a system call to wake us, unless it waits for a lease. Where so many
 * come that a worker's places could run out, one sooner.
 *
 * One transaction holds the rows of what has ended, what each account has
 * spent by them, and the leases that are wanted. Only then are leases granted
 * and the places of intents free.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fatal.h"
#include "base/log.h"

#include "record/recorder_state.h"

enum {
    /* A longer one makes a receipt cheaper (by a tenth from 40 ms to 100).
     * What has gathered stands in intents: a kill loses none of it, after a
     * power cut its leases are charged. */
    GATHER_MS = 100,
    SWEEP_MS = 60 * 1000,     /* between looks for idle accounts */
    LEASE_MS = 5 * 60 * 1000, /* an idle account keeps its lease so long */
    /* Receipts of a batch: with as many as this gathered, and as many again
     * while they are written, streams may hold most of a worker's places. */
    BATCH_MOST = TRAY_RECEIPTS * 3 / 32,
};

_Static_assert((int)INTENTS >= TRAY_RECEIPTS,
               "an exchange that has a place for its receipt finds one for its "
               "intent");

/* ---- the workers' side ---- */

static void wake(struct recorder *r)
{
    uint64_t one = 1;

    if (write(r->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        fatal("the recorder's eventfd: %s", strerror(errno));
}

bool recorder_healthy(const struct recorder *r)
{
    return !atomic_load_explicit(&r->broken, memory_order_relaxed);
}

bool recorder_reserve(struct recorder *r, int w)
{
    return recorder_healthy(r) && tray_reserve(&r->trays[w]);
}

void recorder_cancel(struct recorder *r, int w)
{
    tray_cancel(&r->trays[w]);
}

/* Pushed first, asked second; the thread says that it dozes first and looks
 * second: one of us sees the other. */
void recorder_put(struct recorder *r, int w, const struct receipt *receipt)
{
    tray_put(&r->trays[w], receipt);
    if (atomic_load(&r->dozing) && atomic_exchange(&r->dozing, false))
        wake(r);
}

/* Purses call it: an account wants cover. */
static void on_want(void *to, bool urgent)
{
    struct recorder *r = to;

    if (atomic_exchange(&r->dozing, false) || urgent)
        wake(r);
}

struct purses *recorder_purses(struct recorder *r)
{
    return r->purses;
}

struct intents *recorder_intents(struct recorder *r, int w)
{
    return intents_of(r->intents, w);
}

void recorder_on_granted(struct recorder *r, void (*fn)(void *to), void *to)
{
    r->granted = fn;
    r->granted_to = to;
}

void recorder_on_warning(struct recorder *r,
                         void (*fn)(void *to, const struct warning *w),
                         void *to)
{
    r->warned = fn;
    r->warned_to = to;
}

void recorder_warn(struct recorder *r, const struct warning *w)
{
    struct warning *copy = malloc(sizeof(*copy));

    if (!copy)
        fatal("out of memory warning of a budget");
    *copy = *w;
    pthread_mutex_lock(&r->lock);
    copy->next = r->arrived;
    r->arrived = copy;
    pthread_mutex_unlock(&r->lock);
}

void recorder_limited(struct recorder *r, const char *team, const char *key_id,
                      enum limited_by by)
{
    if (limited_add(&r->limited, team, key_id, by) &&
        atomic_exchange(&r->dozing, false))
        wake(r);
}

struct retention *recorder_retention(struct recorder *r)
{
    return &r->retention;
}

void recorder_prune(struct recorder *r, int64_t before_unix_ms)
{
    retention_ask(&r->retention, before_unix_ms);
    wake(r);
}

void recorder_reopen(struct recorder *r)
{
    atomic_store(&r->reopening, true);
    wake(r);
}

/* ---- the recorder's thread ---- */

void recorder_rest(struct recorder *r, int ms)
{
    struct pollfd p = {.fd = r->wake_fd, .events = POLLIN};
    uint64_t n;

    if (poll(&p, 1, ms) == 1 && read(r->wake_fd, &n, sizeof(n)) < 0 &&
        errno != EAGAIN)
        fatal("the recorder's eventfd: %s", strerror(errno));
}

static bool has_more(const struct recorder *r)
{
    for (int w = 0; w < r->n_trays; w++)
        if (tray_end(&r->trays[w]) != tray_begin(&r->trays[w]))
            return true;
    return purses_want(r->purses) || retention_asked(&r->retention);
}

/* As many as the last batch had came meanwhile, and will again. */
static int gather_ms(const struct recorder *r)
{
    return r->n_batch > BATCH_MOST ? (int)(GATHER_MS * BATCH_MOST / r->n_batch)
                                   : GATHER_MS;
}

static int doze_ms(struct recorder *r)
{
    int64_t wait_ms = limited_wait_ms(&r->limited, clock_mono_ms());

    if (ledger_lags(r->ledger))
        return LEDGER_REST_MS + GATHER_MS;
    return wait_ms < 0 || wait_ms > SWEEP_MS ? SWEEP_MS : (int)wait_ms;
}

static void doze(struct recorder *r)
{
    atomic_store(&r->dozing, true);
    if (!has_more(r) && !atomic_load(&r->ending) && !atomic_load(&r->reopening))
        recorder_rest(r, doze_ms(r));
    atomic_store(&r->dozing, false);
}

static struct warning *take_warnings(struct recorder *r)
{
    struct warning *list;

    pthread_mutex_lock(&r->lock);
    list = r->arrived;
    r->arrived = NULL;
    pthread_mutex_unlock(&r->lock);
    return list;
}

static bool gather(struct recorder *r)
{
    recorder_gather(r);
    r->warnings = take_warnings(r);
    charging_want(&r->charging, purses_wanted(r->purses));
    r->refused =
        limited_take(&r->limited, clock_mono_ms(), atomic_load(&r->ending));
    return r->n_batch > 0 || r->warnings || r->refused ||
           charging_any(&r->charging);
}

/* Leases of accounts that nobody used for a while are given back. */
static void sweep(struct recorder *r)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - r->swept_at_ms < SWEEP_MS)
        return;
    r->swept_at_ms = now_ms;
    purses_close_idle(r->purses, now_ms - LEASE_MS);
}

static void failed_aside(struct recorder *r, const char *event)
{
    log_line(LOG_ERROR, event, "problem=\"%s\"", ledger_problem(r->ledger));
    if (ledger_recover(r->ledger))
        recorder_failed(r);
}

/* One piece of old rows. False: there is none. */
static bool prune(struct recorder *r)
{
    int rc = r->failed ? 0 : retention_step(&r->retention, r->ledger);

    if (rc < 0)
        failed_aside(r, "ledger_prune");
    return rc > 0;
}

/* Once nothing comes: whoever reads the accounts' rows finds what is spent. */
static void fold(struct recorder *r)
{
    if (r->failed || !ledger_lags(r->ledger) ||
        clock_mono_ms() - r->wrote_at_ms < LEDGER_REST_MS)
        return;
    if (ledger_fold(r->ledger))
        failed_aside(r, "ledger_fold");
}

static void *run(void *arg)
{
    struct recorder *r = arg;

    for (;;) {
        bool ending = atomic_load(&r->ending);

        if (atomic_exchange(&r->reopening, false))
            routing_log_reopen(&r->log);
        sweep(r);
        if (gather(r)) {
            recorder_write(r);
            r->wrote_at_ms = clock_mono_ms();
            if (!ending) {
                (void)prune(r);
                recorder_rest(r, gather_ms(r));
            }
        } else if (!ending && prune(r)) {
            recorder_rest(r, GATHER_MS);
        } else if (ending) {
            if (!r->failed && (ledger_rest(r->ledger) ||
                               ledger_note_time(r->ledger, recorder_now(r))))
                recorder_failed(r);
            return NULL;
        } else {
            fold(r);
            doze(r);
        }
    }
}

/* ---- beginning and end ---- */

static int make_directory(const char *dir, char *error, size_t error_size)
{
    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return 0;
    snprintf(error, error_size, "cannot make %s: %s", dir, strerror(errno));
    return -1;
}

/* What an earlier process left under way, before anything new is. */
static int resume(struct recorder *r, const char *dir, char *error,
                  size_t error_size)
{
    struct resumed told;

    if (ledger_resume(r->ledger, dir, &told)) {
        snprintf(error, error_size, "%s/ledger.db: %s", dir,
                 ledger_problem(r->ledger));
        return -1;
    }
    FAILPOINT("resumed");
    if (told.n_open + told.n_settled + told.n_leases > 0)
        log_line(LOG_WARN, "ledger_resumed",
                 "open=%" PRId64 " settled=%" PRId64 " leases=%" PRId64
                 " note=\"open ones and leases are charged in full, as "
                 "estimated\"",
                 told.n_open, told.n_settled, told.n_leases);
    purses_time(r->purses, ledger_high_ms(r->ledger));
    r->intents = intents_create(dir, ledger_id(r->ledger), r->n_trays, error,
                                error_size);
    return r->intents ? 0 : -1;
}

static int open_files(struct recorder *r, const char *dir, char *error,
                      size_t error_size)
{
    if (make_directory(dir, error, error_size))
        return -1;
    if (snprintf(r->log_path, sizeof(r->log_path), "%s/routing.jsonl", dir) >=
        (int)sizeof(r->log_path)) {
        snprintf(error, error_size, "the name of state_dir is too long");
        return -1;
    }
    r->ledger = ledger_open(dir, error, error_size);
    if (!r->ledger || resume(r, dir, error, error_size))
        return -1;
    if (routing_log_open(&r->log, r->log_path)) {
        snprintf(error, error_size, "cannot open %s: %s", r->log_path,
                 strerror(errno));
        return -1;
    }
    return 0;
}

/* Signals are the main thread's. */
static int start_thread(struct recorder *r)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        pthread_setname_np(r->thread, "bijia-rec");
    return rc;
}

static void *make(size_t n, size_t size)
{
    void *p = aligned_alloc(CACHE_LINE_BYTES,
                            (n * size + CACHE_LINE_BYTES - 1) /
                                CACHE_LINE_BYTES * CACHE_LINE_BYTES);

    if (!p)
        fatal("out of memory starting the recorder");
    memset(p, 0, n * size);
    return p;
}

static void destroy(struct recorder *r)
{
    r->warnings = take_warnings(r);
    r->warned = NULL;
    recorder_tell_warnings(r);
    pthread_mutex_destroy(&r->lock);
    limited_fini(&r->limited);
    if (r->log.text)
        routing_log_close(&r->log);
    intents_close(r->intents);
    ledger_close(r->ledger);
    purses_free(r->purses);
    charging_fini(&r->charging);
    for (int w = 0; w < r->n_trays; w++)
        tray_fini(&r->trays[w]);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    free(r->trays);
    free(r->batch);
    free(r->cursors);
    free(r);
}

struct recorder *recorder_new(const char *state_dir, int n_workers, char *error,
                              size_t error_size)
{
    struct recorder *r = make(1, sizeof(*r));
    int rc;

    ENSURE(n_workers > 0);
    r->n_trays = n_workers;
    r->trays = make((size_t)n_workers, sizeof(*r->trays));
    r->cursors = make((size_t)n_workers, sizeof(*r->cursors));
    for (int w = 0; w < n_workers; w++)
        tray_init(&r->trays[w]);
    pthread_mutex_init(&r->lock, NULL);
    r->purses = purses_new(on_want, r);
    r->swept_at_ms = clock_mono_ms();
    retention_init(&r->retention);
    limited_init(&r->limited);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->wake_fd < 0) {
        snprintf(error, error_size, "eventfd: %s", strerror(errno));
    } else if (open_files(r, state_dir, error, error_size) == 0) {
        rc = start_thread(r);
        if (rc == 0)
            return r;
        snprintf(error, error_size, "the recorder's thread: %s", strerror(rc));
    }
    destroy(r);
    return NULL;
}

void recorder_free(struct recorder *r)
{
    if (!r)
        return;
    atomic_store(&r->ending, true);
    wake(r);
    pthread_join(r->thread, NULL);
    destroy(r);
}
