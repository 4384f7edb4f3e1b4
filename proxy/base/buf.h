/*
 * buf.h - a queue of bytes that grows up to a limit given at its birth.
 *
 * Empty it holds no memory. Large blocks come back from malloc warm, since
 * main() raises glibc's trim and mmap thresholds (fresh pages were half the
 * cost of a 512 KiB request).
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/slice.h"

struct buf {
    char *bytes; /* the first byte still queued */
    size_t len;
    char *block;
    size_t size, limit;
};

void buf_init(struct buf *b, size_t limit_bytes);
void buf_fini(struct buf *b); /* gives the memory back; `b` is empty then */

/* Takes over a block from malloc() of `size` bytes, of which `bytes` are
 * queued. `b` is empty and has room for them. */
void buf_adopt(struct buf *b, char *block, size_t size, struct slice bytes);

/* At least `want` writable bytes behind the queued ones, or NULL: the limit
 * would be passed. buf_grow() then says how many were written. */
char *buf_room(struct buf *b, size_t want) MUST_CHECK;
void buf_grow(struct buf *b, size_t written);

/* 0, or -1: the limit would be passed and nothing was added. */
int buf_add(struct buf *b, struct slice bytes) MUST_CHECK;
void buf_drop(struct buf *b, size_t n); /* the first n bytes are consumed */
