#include "record/tray.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

void tray_init(struct tray *t)
{
    *t = (struct tray){.places =
                           calloc(TRAY_RECEIPTS, sizeof(struct tray_place))};
    if (!t->places)
        fatal("out of memory making a tray");
    atomic_init(&t->n_put, 0);
    atomic_init(&t->n_returned, 0);
}

static struct tray_place *place_at(const struct tray *t, uint64_t place)
{
    return &t->places[place % TRAY_RECEIPTS];
}

void tray_fini(struct tray *t)
{
    for (uint64_t i = t->n_reused; i < t->n_put; i++)
        free(place_at(t, i)->receipt);
    free(t->places);
}

bool tray_reserve(struct tray *t)
{
    uint64_t returned =
        atomic_load_explicit(&t->n_returned, memory_order_relaxed);

    if (t->n_reserved - returned >= TRAY_RECEIPTS)
        return false;
    t->n_reserved++;
    return true;
}

static uint64_t n_put(const struct tray *t)
{
    return atomic_load_explicit(&t->n_put, memory_order_relaxed);
}

void tray_cancel(struct tray *t)
{
    ENSURE(t->n_reserved > n_put(t));
    t->n_reserved--;
}

/* What was returned is used again before there is more, so there are never
 * more than TRAY_RECEIPTS, and each stands at a place of its own. */
static struct receipt *memory_for_one(struct tray *t)
{
    struct receipt *r;

    if (t->n_reused <
        atomic_load_explicit(&t->n_returned, memory_order_acquire))
        return place_at(t, t->n_reused++)->receipt;
    r = malloc(sizeof(*r));
    if (!r)
        fatal("out of memory keeping a receipt");
    return r;
}

/* Most have one attempt of many, and few others. */
static void copy(struct receipt *to, const struct receipt *from)
{
    ENSURE(from->n_attempts <= RECEIPT_ATTEMPTS &&
           from->n_others <= RECEIPT_OTHERS);
    memcpy(to, from,
           offsetof(struct receipt, attempts) +
               from->n_attempts * sizeof(from->attempts[0]));
    memcpy(to->others, from->others, from->n_others * sizeof(from->others[0]));
}

void tray_put(struct tray *t, const struct receipt *receipt)
{
    uint64_t place = n_put(t);
    struct receipt *r;

    ENSURE(t->n_reserved > place);
    r = memory_for_one(t);
    copy(r, receipt);
    *place_at(t, place) = (struct tray_place){
        .receipt = r, .ended_ms = receipt->at_unix_ms + receipt->total_ms};
    /* in one order with what recorder_put() asks next */
    atomic_store_explicit(&t->n_put, place + 1, memory_order_seq_cst);
}

uint64_t tray_begin(const struct tray *t)
{
    return atomic_load_explicit(&t->n_returned, memory_order_relaxed);
}

uint64_t tray_end(const struct tray *t)
{
    return atomic_load_explicit(&t->n_put, memory_order_seq_cst);
}

const struct tray_place *tray_at(const struct tray *t, uint64_t place)
{
    return place_at(t, place);
}

void tray_return(struct tray *t, uint64_t end)
{
    atomic_store_explicit(&t->n_returned, end, memory_order_release);
}
