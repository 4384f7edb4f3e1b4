#include "vendors/edit.h"

#include <string.h>

#include "base/fatal.h"

void edits_init(struct edits *e, struct slice body, struct arena *a)
{
    *e = (struct edits){.arena = a, .body = body};
}

struct edit *edits_add(struct edits *e, size_t at, size_t remove,
                       struct slice insert)
{
    struct edit *edit = arena_alloc(e->arena, sizeof(*edit));
    struct edit *before = e->last;

    ENSURE(at <= e->body.len && remove <= e->body.len - at);
    while (before && before->at > at)
        before = before->prev;
    *edit = (struct edit){at, remove, insert, before ? before->next : e->first,
                          before};
    if (edit->next)
        edit->next->prev = edit;
    else
        e->last = edit;
    if (before)
        before->next = edit;
    else
        e->first = edit;
    e->n++;
    return edit;
}

static size_t put(struct slice *out, size_t n, struct slice piece)
{
    if (piece.len)
        out[n++] = piece;
    return n;
}

/* A writev of thousands of crumbs costs more than one copy. */
static void join(struct slice *slices, size_t *n, size_t len, struct arena *a)
{
    char *whole = arena_alloc(a, len), *to = whole;

    for (size_t i = 0; i < *n; i++) {
        memcpy(to, slices[i].bytes, slices[i].len);
        to += slices[i].len;
    }
    slices[0] = (struct slice){whole, len};
    *n = 1;
}

struct slice *edits_slices(const struct edits *e, size_t *n_slices, size_t *len)
{
    struct slice *out =
        arena_alloc(e->arena, (2 * e->n + 1) * sizeof(struct slice));
    size_t n = 0, from = 0;

    for (const struct edit *edit = e->first; edit; edit = edit->next) {
        ENSURE(edit->at >= from);
        n = put(out, n, (struct slice){e->body.bytes + from, edit->at - from});
        n = put(out, n, edit->insert);
        from = edit->at + edit->remove;
    }
    n = put(out, n, (struct slice){e->body.bytes + from, e->body.len - from});
    *len = 0;
    for (size_t i = 0; i < n; i++)
        *len += out[i].len;
    if (n > EDIT_SLICES_MAX)
        join(out, &n, *len, e->arena);
    *n_slices = n;
    return out;
}
