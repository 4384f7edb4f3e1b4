/*
 * edit.h - small changes over bytes that stay where they are.
 *
 * A body goes out as before + patch + after: a list of slices for writev,
 * nothing copied but the patches. Edits may be added in any order; they must
 * not overlap. Adding is cheap when it goes on roughly from front to back.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

enum {
    EDIT_SLICES_MAX = 256, /* a body of more pieces is put together in one */
};

struct edit {
    size_t at, remove; /* bytes [at, at + remove) make way for `insert` */
    struct slice insert;
    struct edit *next, *prev; /* by `at`; equal: in the order added */
};

struct edits {
    struct arena *arena;
    struct slice body;
    struct edit *first, *last;
    size_t n;
};

void edits_init(struct edits *e, struct slice body, struct arena *a);

/* `insert` must outlive the arena. What is returned may still be given
 * another `insert`. */
struct edit *edits_add(struct edits *e, size_t at, size_t remove,
                       struct slice insert);

/* The changed body as at most EDIT_SLICES_MAX slices, which live in the
 * arena; *len is their sum. */
struct slice *edits_slices(const struct edits *e, size_t *n_slices,
                           size_t *len);
