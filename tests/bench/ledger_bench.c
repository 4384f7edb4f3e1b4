/*
 * ledger_bench.c - what one receipt costs the recorder: CPU of its thread.
 *
 *     ledger_bench [DIR [RATE [SECONDS [ATTEMPTS [OTHERS [TEAMS]]]]]]
 *
 * RATE receipts a second (0: as fast as they are taken) from two workers into
 * DIR (of the file system to be measured), each charged to two accounts of one
 * of TEAMS in turn (0: to none). Prints one line of JSON. Not a test: figures
 * depend on the machine.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "unit/record/world.h"

enum {
    WORKERS = 2,
    TICK_US = 1000,
    OPEN_US = 500 * 1000,
};

static struct recorder *recorder;
static struct snapshot *snapshot;
static long rate, seconds = 5, n_attempts = 1, n_others = 10, n_teams;
static struct purse **purses;
static atomic_long turn;
static atomic_long n_put, n_refused;
static atomic_long put_cpu_ns;

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A day's budget and the sum of all, as a team with a budget has. */
static const struct claim claims[] = {
    {.key = {.scope = ACCOUNT_ALL, .period = PERIOD_TOTAL},
     .cap_nanos = INT64_MAX,
     .nanos = 900000},
    {.key = {.scope = ACCOUNT_TEAM, .period = PERIOD_DAY},
     .cap_nanos = 1000000000000000000,
     .nanos = 900000},
};

static uint32_t charge(int w)
{
    static const int64_t charges[] = {31000, 31000};
    struct purse *purse = purses[turn++ % n_teams];
    struct intents *in = recorder_intents(recorder, w);
    uint32_t place = intents_take(in);
    struct refused refused;

    while (place && purse_take(purse, claims, 2, 0, intents_hold(in, place),
                               &refused) != TAKE_DONE)
        usleep(TICK_US);
    if (!place)
        return 0;
    intents_open(in, place);
    purse_settle(intents_hold(in, place), charges, claims, NULL);
    intents_settle(in, place);
    return place;
}

static void put_one(int w)
{
    struct receipt r;

    if (!recorder_reserve(recorder, w)) {
        n_refused++;
        usleep(TICK_US);
        return;
    }
    world_receipt(&r, snapshot);
    r.n_attempts = (uint32_t)n_attempts;
    r.n_others = (uint32_t)n_others;
    r.chosen = (int32_t)n_attempts - 1;
    for (long i = 0; i < n_attempts; i++) {
        r.attempts[i] = r.attempts[i < n_attempts - 1 ? 0 : 1];
        receipt_id_new(r.attempts[i].id);
    }
    if (n_teams > 0)
        r.attempts[n_attempts - 1].place = charge(w);
    recorder_put(recorder, w, &r);
    n_put++;
}

static void *work(void *arg)
{
    int w = *(const int *)arg;
    int64_t begin = clock_ns(CLOCK_MONOTONIC), cpu;
    int64_t until = begin + seconds * 1000000000, now;
    int64_t n = 0;

    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while ((now = clock_ns(CLOCK_MONOTONIC)) < until) {
        int64_t due =
            rate > 0 ? (now - begin) * rate / WORKERS / 1000000000 : n + 64;

        for (; n < due; n++)
            put_one(w);
        if (rate > 0)
            usleep(TICK_US);
    }
    put_cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    return NULL;
}

/* With their accounts open: the first that asks has to wait. */
static void make_teams(void)
{
    struct refused refused;
    struct hold hold;
    char name[32];

    purses = calloc((size_t)n_teams + 1, sizeof(struct purse *));
    if (!purses)
        fatal("out of memory making teams");
    for (long i = 0; i < n_teams; i++) {
        snprintf(name, sizeof(name), "team-%04ld", i);
        purses[i] = purses_find(recorder_purses(recorder), name);
        ENSURE(purse_take(purses[i], claims, 2, 0, &hold, &refused) ==
               TAKE_WAIT);
    }
    usleep(OPEN_US);
}

static long number_at(int i, int argc, char **argv, long otherwise)
{
    return i < argc ? strtol(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "ledger-bench";
    int workers[WORKERS] = {0, 1};
    pthread_t threads[WORKERS];
    int64_t begin_ns, cpu_ns;
    char error[256];

    rate = number_at(2, argc, argv, 10000);
    seconds = number_at(3, argc, argv, seconds);
    n_attempts = number_at(4, argc, argv, n_attempts);
    n_others = number_at(5, argc, argv, n_others);
    n_teams = number_at(6, argc, argv, n_teams);
    snapshot = world_new(1);
    recorder = recorder_new(dir, WORKERS, error, sizeof(error));
    if (!recorder) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    make_teams();
    begin_ns = clock_ns(CLOCK_MONOTONIC);
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int w = 0; w < WORKERS; w++)
        pthread_create(&threads[w], NULL, work, &workers[w]);
    for (int w = 0; w < WORKERS; w++)
        pthread_join(threads[w], NULL);
    recorder_free(recorder);
    begin_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns - put_cpu_ns;
    snapshot_release(snapshot);
    free(purses);
    printf("{\"rate_wanted\":%ld,\"receipts\":%ld,\"refused\":%ld,"
           "\"per_second\":%.0f,\"recorder_cpu_us_per_receipt\":%.2f,"
           "\"worker_cpu_us_per_receipt\":%.2f}\n",
           rate, n_put, n_refused, (double)n_put * 1e9 / (double)begin_ns,
           (double)cpu_ns / 1e3 / (double)n_put,
           (double)put_cpu_ns / 1e3 / (double)n_put);
    return 0;
}
