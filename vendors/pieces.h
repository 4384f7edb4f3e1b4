/*
 * pieces.h - a body put together from slices of another.
 *
 * Texts of a megabyte are pointed at, not copied; what comes in many crumbs
 * is put together in one at the end. Everything added must outlive the arena.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

struct pieces {
    struct arena *arena;
    struct slice *list;
    size_t n, room, len;
};

void pieces_init(struct pieces *p, struct arena *a);
void pieces_add(struct pieces *p, struct slice bytes);
void pieces_text(struct pieces *p, const char *constant);

/* All of it as at most EDIT_SLICES_MAX slices; *len is their sum. */
struct slice *pieces_slices(struct pieces *p, size_t *n, size_t *len);
