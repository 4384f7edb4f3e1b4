#include "base/pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

enum {
    SLAB_BYTES = 16 * 1024,
    ALIGN = alignof(max_align_t),
};

struct pool_slab {
    struct pool_slab *older;
    alignas(max_align_t) unsigned char bytes[];
};

struct pool_hole {
    struct pool_hole *next;
};

void pool_init(struct pool *p, size_t size)
{
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    ENSURE(size >= sizeof(struct pool_hole) && size <= SLAB_BYTES / 2);
    *p = (struct pool){.size = size};
}

void pool_fini(struct pool *p)
{
    ENSURE(p->n_out == 0);
    while (p->slabs) {
        struct pool_slab *slab = p->slabs;

        p->slabs = slab->older;
        free(slab);
    }
    pool_init(p, p->size);
}

#if KEEPS_NOTHING

void *pool_take(struct pool *p)
{
    void *object = calloc(1, p->size);

    if (!object)
        fatal("out of memory allocating %zu bytes", p->size);
    p->n_out++;
    return object;
}

void pool_give(struct pool *p, void *object)
{
    ENSURE(p->n_out > 0);
    p->n_out--;
    free(object);
}

#else

static void dig(struct pool *p)
{
    struct pool_slab *slab = malloc(sizeof(*slab) + SLAB_BYTES);

    if (!slab)
        fatal("out of memory allocating a slab of %d bytes", SLAB_BYTES);
    slab->older = p->slabs;
    p->slabs = slab;
    for (size_t at = 0; at + p->size <= SLAB_BYTES; at += p->size) {
        struct pool_hole *hole = (void *)(slab->bytes + at);

        hole->next = p->holes;
        p->holes = hole;
    }
}

void *pool_take(struct pool *p)
{
    struct pool_hole *hole;

    if (!p->holes)
        dig(p);
    hole = p->holes;
    ENSURE(hole);
    p->holes = hole->next;
    p->n_out++;
    return memset(hole, 0, p->size);
}

void pool_give(struct pool *p, void *object)
{
    struct pool_hole *hole = object;

    ENSURE(p->n_out > 0);
    p->n_out--;
    hole->next = p->holes;
    p->holes = hole;
}

#endif
