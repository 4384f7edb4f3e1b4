#include "vendors/pieces.h"

#include "vendors/edit.h"

enum {
    FIRST_ROOM = 64,
};

void pieces_init(struct pieces *p, struct arena *a)
{
    *p = (struct pieces){.arena = a};
}

void pieces_add(struct pieces *p, struct slice bytes)
{
    if (!bytes.len)
        return;
    if (p->n == p->room) {
        struct slice *old = p->list;

        p->room = p->room ? p->room * 2 : FIRST_ROOM;
        p->list = arena_alloc(p->arena, p->room * sizeof(*p->list));
        if (p->n)
            memcpy(p->list, old, p->n * sizeof(*p->list));
    }
    p->list[p->n++] = bytes;
    p->len += bytes.len;
}

void pieces_text(struct pieces *p, const char *constant)
{
    pieces_add(p, slice_of(constant));
}

struct slice *pieces_slices(struct pieces *p, size_t *n, size_t *len)
{
    *n = p->n;
    *len = p->len;
    if (p->n <= EDIT_SLICES_MAX)
        return p->list;
    p->list[0] = arena_join(p->arena, p->list, p->n);
    *n = 1;
    return p->list;
}
