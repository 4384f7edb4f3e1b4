#include "timers.h"

#include <stdlib.h>

#include "base/fatal.h"

/* heap[1] is the earliest; the children of i are 2i and 2i + 1. */
static struct timer **heap;
static size_t heap_n, heap_cap;

static void heap_put(size_t place, struct timer *t)
{
    heap[place] = t;
    t->place = place;
}

static void heap_rise(struct timer *t, size_t place)
{
    for (; place > 1 && heap[place / 2]->due_ns > t->due_ns; place /= 2)
        heap_put(place, heap[place / 2]);
    heap_put(place, t);
}

static void heap_sink(struct timer *t, size_t place)
{
    for (;;) {
        size_t child = place * 2;
        if (child > heap_n)
            break;
        if (child < heap_n && heap[child + 1]->due_ns < heap[child]->due_ns)
            child++;
        if (heap[child]->due_ns >= t->due_ns)
            break;
        heap_put(place, heap[child]);
        place = child;
    }
    heap_put(place, t);
}

void timer_set(struct timer *t, int64_t due_ns)
{
    timer_clear(t);
    if (heap_n + 1 >= heap_cap) {
        heap_cap = heap_cap ? heap_cap * 2 : 1024;
        struct timer **more = realloc(heap, heap_cap * sizeof(struct timer *));
        if (!more)
            fatal("no memory for %zu timers", heap_cap);
        heap = more;
    }
    t->due_ns = due_ns;
    heap_rise(t, ++heap_n);
}

void timer_clear(struct timer *t)
{
    if (t->place == 0)
        return;
    size_t place = t->place;
    struct timer *last = heap[heap_n--];
    t->place = 0;
    if (last == t)
        return;
    if (place > 1 && heap[place / 2]->due_ns > last->due_ns)
        heap_rise(last, place);
    else
        heap_sink(last, place);
}

struct timer *timer_first(void)
{
    return heap_n ? heap[1] : NULL;
}
