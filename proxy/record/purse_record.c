/* purse_record.c - accounts as the recorder sees them: wanted, planned,
 * granted, closed. */
#include <stdlib.h>

#include "base/fatal.h"

#include "record/purse_state.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* --- the recorder's side ----------------------------------------------------
 */

bool purses_want(const struct purses *p)
{
    return atomic_load(&p->want);
}

struct account *purses_wanted(struct purses *p)
{
    struct account *list;

    if (!atomic_load(&p->want))
        return NULL;
    pthread_mutex_lock(&p->lock);
    list = p->wanted;
    p->wanted = NULL;
    atomic_store(&p->want, false);
    pthread_mutex_unlock(&p->lock);
    return list;
}

void batch_add_wanted(struct batch *b, struct account *list)
{
    for (struct account *a = list, *next; a; a = next) {
        next = a->next;
        a->from_wanted = true;
        batch_charge(b, a, 0);
    }
}

void batch_charge(struct batch *b, struct account *a, int64_t nanos)
{
    a->delta = nanos_add(a->delta, nanos);
    if (a->in_batch)
        return;
    a->in_batch = true;
    a->batch_next = b->first;
    b->first = a;
}

void batch_end(struct batch *b, struct account *a, int64_t nanos)
{
    a->n_ended++;
    batch_charge(b, a, nanos);
}

void batch_forget_charges(struct batch *b)
{
    for (struct account *a = b->first; a; a = a->batch_next) {
        a->delta = 0;
        a->n_ended = 0;
    }
}

struct account *account_next(const struct account *a)
{
    return a->batch_next;
}

enum {
    LEASE_AHEAD = 4, /* times what one request, or one batch, took */
};

/* Room for those that wait, and for as much again as is under way; and so
 * much that few have to wait: who waits wakes the recorder, and its batches
 * get small and dear. */
static int64_t room_for(const struct account *a)
{
    int64_t wanted = nanos_add(nanos_add(a->wanted, a->wanted), a->reserved);
    int64_t pace = larger(a->delta, a->asked);

    return larger(nanos_add(wanted, wanted), pace > INT64_MAX / LEASE_AHEAD
                                                 ? INT64_MAX
                                                 : pace * LEASE_AHEAD);
}

void account_plan(struct account *a, struct account_plan *out)
{
    *out = (struct account_plan){
        .account = a,
        .team = a->purse->team,
        .key = &a->key,
        .no = a->no,
        .delta = a->delta,
    };
    pthread_mutex_lock(&a->purse->lock);
    if (a->closing && a->open && a->n_holds == 0 && !a->waited) {
        a->covered = a->used;
        out->closing = true;
    }
    a->closing = false;
    if (!out->closing)
        out->room = room_for(a);
    a->wanted = 0;
    out->cap = a->cap;
    out->least = a->covered;
    account_plan_from(out, a->used);
    pthread_mutex_unlock(&a->purse->lock);
}

/* Never beyond the cap, except for what is used already; never less than
 * workers may already be counting on. */
void account_plan_from(struct account_plan *plan, int64_t used)
{
    int64_t target = nanos_add(used, plan->room);

    if (target > plan->cap)
        target = larger(plan->cap, used);
    plan->used = used;
    plan->covered = larger(target, plan->least);
}

bool account_grant(const struct account_plan *plan)
{
    struct account *a = plan->account;
    bool waited;

    pthread_mutex_lock(&a->purse->lock);
    if (!a->open) {
        a->open = true;
        a->no = plan->no;
        a->used = plan->used;
    }
    if (!plan->closing)
        a->covered = larger(a->covered, plan->covered);
    if (a->from_wanted)
        a->queued = false;
    ENSURE(a->n_holds >= a->n_ended);
    a->n_holds -= a->n_ended;
    waited = a->waited;
    a->waited = false;
    pthread_mutex_unlock(&a->purse->lock);
    a->delta = 0;
    a->n_ended = 0;
    a->in_batch = a->from_wanted = false;
    return waited;
}

void account_recorded(struct account *a)
{
    pthread_mutex_lock(&a->purse->lock);
    ENSURE(a->n_holds > 0);
    a->n_holds--;
    pthread_mutex_unlock(&a->purse->lock);
}

static size_t close_idle(struct purse *purse, int64_t before_mono_ms,
                         struct account **list)
{
    size_t n = 0;

    pthread_mutex_lock(&purse->lock);
    for (size_t i = 0; i < purse->room; i++)
        for (struct account *a = purse->table[i]; a; a = a->same)
            if (a->open && !a->queued && a->n_holds == 0 &&
                a->last_mono_ms < before_mono_ms) {
                a->closing = true;
                account_want(a, list);
                n++;
            }
    pthread_mutex_unlock(&purse->lock);
    return n;
}

size_t purses_close_idle(struct purses *p, int64_t before_mono_ms)
{
    struct account *list = NULL, *last;
    size_t n = 0;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < TEAMS_ROOM; i++)
        for (struct purse *purse = p->table[i]; purse; purse = purse->same)
            n += close_idle(purse, before_mono_ms, &list);
    last = list;
    while (last && last->next)
        last = last->next;
    if (last) {
        last->next = p->wanted;
        p->wanted = list;
        atomic_store(&p->want, true);
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

void account_drop(struct account *a)
{
    struct purse *purse = a->purse;
    struct account **at;
    bool idle;

    pthread_mutex_lock(&purse->lock);
    idle = a->n_holds == 0 && !a->queued && a->used == a->covered;
    if (idle) {
        at = account_place(purse, &a->key);
        while (*at != a)
            at = &(*at)->same;
        *at = a->same;
        purse->n--;
    }
    pthread_mutex_unlock(&purse->lock);
    if (idle)
        free(a);
}
