#include "record/tray.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

void tray_init(struct tray *t)
{
    *t = (struct tray){0};
    atomic_init(&t->full, NULL);
    atomic_init(&t->used, NULL);
    atomic_init(&t->n_returned, 0);
}

static void free_all(struct slip *s)
{
    while (s) {
        struct slip *next = s->next;

        free(s);
        s = next;
    }
}

void tray_fini(struct tray *t)
{
    free_all(t->spare);
    free_all(atomic_load(&t->full));
    free_all(atomic_load(&t->used));
}

static void push(_Atomic(struct slip *) *to, struct slip *first,
                 struct slip *last)
{
    struct slip *head = atomic_load_explicit(to, memory_order_relaxed);

    do
        last->next = head;
    while (!atomic_compare_exchange_weak_explicit(
        to, &head, first, memory_order_seq_cst, memory_order_relaxed));
}

static struct slip *take_all(_Atomic(struct slip *) *from)
{
    return atomic_exchange_explicit(from, NULL, memory_order_acquire);
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

void tray_cancel(struct tray *t)
{
    ENSURE(t->n_reserved > t->n_put);
    t->n_reserved--;
}

static struct slip *slip_take(struct tray *t)
{
    struct slip *s = t->spare;

    if (!s)
        s = take_all(&t->used);
    if (s) {
        t->spare = s->next;
        return s;
    }
    s = malloc(sizeof(*s));
    if (!s)
        fatal("out of memory keeping a receipt");
    return s;
}

void tray_put(struct tray *t, const struct receipt *receipt)
{
    struct slip *s;

    ENSURE(t->n_reserved > t->n_put);
    ENSURE(receipt->n_attempts <= RECEIPT_ATTEMPTS &&
           receipt->n_others <= RECEIPT_OTHERS);
    t->n_put++;
    s = slip_take(t);
    /* `others` stand last, and most receipts have few. */
    memcpy(&s->receipt, receipt,
           offsetof(struct receipt, others) +
               receipt->n_others * sizeof(receipt->others[0]));
    push(&t->full, s, s);
}

struct slip *tray_empty(struct tray *t)
{
    struct slip *newest = take_all(&t->full);
    struct slip *oldest = NULL;

    while (newest) {
        struct slip *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void tray_return(struct tray *t, struct slip *slips)
{
    struct slip *last = slips;
    uint64_t n = 1;

    if (!slips)
        return;
    for (; last->next; last = last->next)
        n++;
    push(&t->used, slips, last);
    atomic_fetch_add_explicit(&t->n_returned, n, memory_order_relaxed);
}

bool tray_has_more(const struct tray *t)
{
    return atomic_load_explicit(&t->full, memory_order_seq_cst) != NULL;
}
