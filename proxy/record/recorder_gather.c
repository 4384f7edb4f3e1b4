/* recorder_gather.c - what stands in the workers' trays, merged. */
#include <stdlib.h>

#include "base/fatal.h"

#include "record/recorder_state.h"

/* All cursors at their trays' first. How many receipts there are. */
static size_t begin(struct recorder *r)
{
    size_t n = 0;

    for (int w = 0; w < r->n_trays; w++) {
        struct cursor *c = &r->cursors[w];
        const struct tray *t = &r->trays[w];

        *c = (struct cursor){
            .tray = t, .at = tray_begin(t), .end = tray_end(t), .worker = w};
        n += c->end - c->at;
    }
    return n;
}

static void make_room(struct recorder *r, size_t n)
{
    if (n <= r->room)
        return;
    while (r->room < n)
        r->room = r->room ? 2 * r->room : 1024;
    free(r->batch);
    r->batch = malloc(r->room * sizeof(*r->batch));
    if (!r->batch)
        fatal("out of memory gathering receipts");
}

static const struct tray_place *next_of(const struct cursor *c)
{
    return tray_at(c->tray, c->at);
}

/* Whose next ended before the others' next. */
static size_t earliest(const struct cursor *cursors, size_t n)
{
    size_t first = 0;

    for (size_t i = 1; i < n; i++)
        if (next_of(&cursors[i])->ended_ms < next_of(&cursors[first])->ended_ms)
            first = i;
    return first;
}

static void swap(struct cursor *a, struct cursor *b)
{
    struct cursor c = *a;

    *a = *b;
    *b = c;
}

/* Each worker's are in the order of their ends. Cursors that have come to
 * their ends stand behind the others. */
static void merge(struct recorder *r)
{
    struct cursor *cursors = r->cursors;
    size_t n = (size_t)r->n_trays;

    for (size_t i = 0; i < n;)
        if (cursors[i].at < cursors[i].end)
            i++;
        else
            swap(&cursors[i], &cursors[--n]);
    while (n > 0) {
        struct cursor *c = &cursors[earliest(cursors, n)];

        r->batch[r->n_batch++] =
            (struct gathered){next_of(c)->receipt, c->worker};
        if (++c->at == c->end)
            swap(c, &cursors[--n]);
    }
}

void recorder_gather(struct recorder *r)
{
    make_room(r, begin(r));
    r->n_batch = 0;
    merge(r);
}

void recorder_return(struct recorder *r)
{
    for (int i = 0; i < r->n_trays; i++)
        tray_return(&r->trays[r->cursors[i].worker], r->cursors[i].end);
}
