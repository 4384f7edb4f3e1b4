#include "base/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/fatal.h"

/*
 * The wheel: SLOTS lists of timers, one per tick. A timer due beyond the
 * wheel's horizon waits in its last slot and is put in again from there; one
 * whose deadline was moved later stays where it is until its slot comes.
 * `armed_ms` is the tick that the one libevent timer waits for.
 */
enum {
    SLOTS = 1024,
    WORDS = SLOTS / 64,
};

struct posted {
    struct posted *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *events;
    struct event *tick, *wake;
    int wake_fd;

    pthread_mutex_t lock; /* of the posted list, alone */
    struct posted *first, **last;

    struct loop_timer *slots[SLOTS];
    uint64_t used[WORDS]; /* a bit per slot that is not empty */
    int64_t turned_ms;    /* every earlier tick has been run */
    int64_t armed_ms;     /* 0: not armed */
    int64_t stopped_ms;   /* where the clock stands; 0: it runs */
    char *scratch;
};

int64_t loop_now_ms(const struct loop *l)
{
    return l->stopped_ms ? l->stopped_ms : clock_mono_ms();
}

void loop_stop_clock(struct loop *l)
{
    l->stopped_ms = clock_mono_ms();
}

void loop_start_clock(struct loop *l)
{
    l->stopped_ms = 0;
}

struct event_base *loop_events(struct loop *l)
{
    return l->events;
}

char *loop_scratch(struct loop *l)
{
    return l->scratch;
}

static int64_t tick_of(int64_t ms)
{
    return (ms + LOOP_TICK_MS - 1) / LOOP_TICK_MS * LOOP_TICK_MS;
}

static size_t slot_of(int64_t tick_ms)
{
    return (size_t)(tick_ms / LOOP_TICK_MS) % SLOTS;
}

static void arm(struct loop *l, int64_t tick_ms)
{
    int64_t wait_ms = tick_ms - clock_mono_ms();
    struct timeval wait;

    if (wait_ms < 0)
        wait_ms = 0;
    wait.tv_sec = wait_ms / 1000;
    wait.tv_usec = (wait_ms % 1000) * 1000;
    l->armed_ms = tick_ms;
    if (event_add(l->tick, &wait) != 0)
        fatal("cannot arm a timer");
}

/* The horizon counts from turned_ms, so that no two ticks share a slot. */
static void link_timer(struct loop *l, struct loop_timer *t)
{
    int64_t horizon_ms = l->turned_ms + (SLOTS - 2) * LOOP_TICK_MS;
    size_t slot;

    t->slot_ms = tick_of(t->due_ms);
    if (t->slot_ms > horizon_ms)
        t->slot_ms = horizon_ms;
    if (t->slot_ms <= l->turned_ms)
        t->slot_ms = l->turned_ms + LOOP_TICK_MS;
    slot = slot_of(t->slot_ms);
    t->next = l->slots[slot];
    if (t->next)
        t->next->prev = &t->next;
    t->prev = &l->slots[slot];
    l->slots[slot] = t;
    l->used[slot / 64] |= 1ULL << (slot % 64);
    if (!l->armed_ms || t->slot_ms < l->armed_ms)
        arm(l, t->slot_ms);
}

static void unlink_timer(struct loop_timer *t)
{
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = NULL;
    t->next = NULL;
}

/* The first tick after turned_ms whose slot holds timers, or 0. */
static int64_t next_tick(const struct loop *l)
{
    size_t first = slot_of(l->turned_ms) + 1;

    for (size_t i = 0; i < SLOTS;) {
        size_t slot = (first + i) % SLOTS;
        uint64_t word = l->used[slot / 64] >> (slot % 64);

        if (!word) {
            i += 64 - slot % 64;
            continue;
        }
        i += (size_t)__builtin_ctzll(word);
        return i < SLOTS ? l->turned_ms + (int64_t)(i + 1) * LOOP_TICK_MS : 0;
    }
    return 0;
}

void timer_set(struct loop *l, struct loop_timer *t, int64_t after_ms)
{
    int64_t now_ms = loop_now_ms(l);

    t->due_ms = now_ms + (after_ms > 0 ? after_ms : 0);
    if (t->prev && t->slot_ms <= t->due_ms)
        return; /* later: looked at again when its slot comes */
    if (t->prev)
        unlink_timer(t);
    if (!l->armed_ms && !next_tick(l)) /* all is still: catch up */
        l->turned_ms = tick_of(now_ms) - LOOP_TICK_MS;
    link_timer(l, t);
}

void timer_stop(struct loop_timer *t)
{
    t->due_ms = 0;
    if (t->prev)
        unlink_timer(t);
}

/* Fires what is due in one slot; what is not due yet moves on. New timers
 * never enter the slot being run: link_timer() keeps behind turned_ms. */
static void run_slot(struct loop *l, int64_t tick_ms, int64_t now_ms)
{
    size_t slot = slot_of(tick_ms);
    struct loop_timer *t;

    l->turned_ms = tick_ms;
    l->used[slot / 64] &= ~(1ULL << (slot % 64));
    while ((t = l->slots[slot])) {
        unlink_timer(t);
        if (t->due_ms > now_ms) {
            link_timer(l, t);
            continue;
        }
        t->due_ms = 0;
        t->fn(t->arg);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    int64_t now_ms = clock_mono_ms(), tick_ms;

    (void)fd;
    (void)what;
    l->armed_ms = 0;
    while ((tick_ms = next_tick(l)) && tick_ms <= now_ms)
        run_slot(l, tick_ms, now_ms);
    if (l->turned_ms < now_ms - LOOP_TICK_MS)
        l->turned_ms = now_ms / LOOP_TICK_MS * LOOP_TICK_MS;
    if (tick_ms && (!l->armed_ms || tick_ms < l->armed_ms))
        arm(l, tick_ms);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    struct posted *p, *next;
    uint64_t count;

    (void)what;
    if (read((int)fd, &count, sizeof(count)) < 0)
        return;
    pthread_mutex_lock(&l->lock);
    p = l->first;
    l->first = NULL;
    l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    for (; p; p = next) {
        next = p->next;
        p->fn(p->arg);
        free(p);
    }
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct posted *p = calloc(1, sizeof(*p));
    uint64_t one = 1;

    if (!p)
        fatal("out of memory posting to a loop");
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&l->lock);
    *l->last = p;
    l->last = &p->next;
    pthread_mutex_unlock(&l->lock);
    if (write(l->wake_fd, &one, sizeof(one)) < 0)
        fatal("cannot wake a loop");
}

struct loop *loop_new(void)
{
    struct event_config *config = event_config_new();
    struct loop *l = calloc(1, sizeof(*l));

    if (!l || !config || !(l->scratch = malloc(LOOP_SCRATCH_BYTES)))
        fatal("out of memory making a loop");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    l->events = event_base_new_with_config(config);
    event_config_free(config);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!l->events || l->wake_fd < 0)
        fatal("cannot make an event loop");
    pthread_mutex_init(&l->lock, NULL);
    l->last = &l->first;
    l->turned_ms = tick_of(clock_mono_ms()) - LOOP_TICK_MS;
    l->tick = event_new(l->events, -1, 0, on_tick, l);
    l->wake =
        event_new(l->events, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    if (!l->tick || !l->wake || event_add(l->wake, NULL) != 0)
        fatal("cannot make an event loop");
    return l;
}

void loop_run(struct loop *l)
{
    event_base_loop(l->events, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void stop(void *arg)
{
    struct loop *l = arg;

    event_base_loopbreak(l->events);
}

void loop_stop(struct loop *l)
{
    loop_post(l, stop, l);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    on_wake(l->wake_fd, 0, l);
    event_free(l->tick);
    event_free(l->wake);
    event_base_free(l->events);
    close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    free(l->scratch);
    free(l);
}
