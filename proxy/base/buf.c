#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

/*
 * Small blocks come in a few sizes, of which each thread keeps some: nearly
 * every request needs one or two for a moment, and malloc() would cut them
 * off larger pieces and join them again.
 */
enum {
    SMALLEST = 512,
    SIZES_KEPT = 4, /* 512, 1024, 2048, 4096 */
    LARGEST_KEPT = SMALLEST << (SIZES_KEPT - 1),
    KEPT_MOST = 64, /* of each */
};

struct kept {
    struct kept *next;
};

static _Thread_local struct kept *kept[SIZES_KEPT];
static _Thread_local unsigned n_kept[SIZES_KEPT];

/* -1: no block of that size is kept. */
static int place_of(size_t size)
{
    for (int i = 0; i < SIZES_KEPT; i++)
        if (size == (size_t)SMALLEST << i)
            return i;
    return -1;
}

static char *block_take(size_t size)
{
    int i = place_of(size);
    struct kept *block = i >= 0 ? kept[i] : NULL;

    if (block) {
        kept[i] = block->next;
        n_kept[i]--;
        return (char *)block;
    }
    return malloc(size);
}

static void block_give(char *bytes, size_t size)
{
    int i = place_of(size);
    struct kept *block = (void *)bytes;

    if (!bytes || i < 0 || KEEPS_NOTHING || n_kept[i] == KEPT_MOST) {
        free(bytes);
        return;
    }
    block->next = kept[i];
    kept[i] = block;
    n_kept[i]++;
}

void buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){.limit = limit_bytes};
}

void buf_fini(struct buf *b)
{
    block_give(b->block, b->size);
    buf_init(b, b->limit);
}

void buf_adopt(struct buf *b, char *block, size_t size, struct slice bytes)
{
    ENSURE(!b->block && bytes.len <= b->limit && bytes.bytes >= block &&
           bytes.bytes + bytes.len <= block + size);
    b->block = block;
    b->size = size;
    b->bytes = block + (bytes.bytes - block);
    b->len = bytes.len;
}

static void reallocate(struct buf *b, size_t size)
{
    char *block = block_take(size);

    if (!block)
        fatal("out of memory allocating a buffer of %zu bytes", size);
    if (b->len)
        memcpy(block, b->bytes, b->len);
    block_give(b->block, b->size);
    b->block = b->bytes = block;
    b->size = size;
}

char *buf_room(struct buf *b, size_t want)
{
    size_t size = b->size ? b->size : SMALLEST;

    if (want > b->limit - b->len)
        return NULL;
    if (b->block && b->len + want <= b->size) {
        if ((size_t)(b->bytes - b->block) + b->len + want > b->size) {
            memmove(b->block, b->bytes, b->len);
            b->bytes = b->block;
        }
        return b->bytes + b->len;
    }
    while (size < b->len + want)
        size *= 2;
    if (size > b->limit && (size > LARGEST_KEPT || KEEPS_NOTHING))
        size = b->limit;
    reallocate(b, size);
    return b->bytes + b->len;
}

void buf_grow(struct buf *b, size_t written)
{
    b->len += written;
}

int buf_add(struct buf *b, struct slice bytes)
{
    char *room;

    if (!bytes.len)
        return 0;
    room = buf_room(b, bytes.len);
    if (!room)
        return -1;
    memcpy(room, bytes.bytes, bytes.len);
    b->len += bytes.len;
    return 0;
}

void buf_drop(struct buf *b, size_t n)
{
    ENSURE(n <= b->len);
    b->len -= n;
    b->bytes = b->len ? b->bytes + n : b->block;
}
