#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

enum {
    SMALLEST = 512,
};

void buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){.limit = limit_bytes};
}

void buf_fini(struct buf *b)
{
    free(b->block);
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
    char *block = malloc(size);

    if (!block)
        fatal("out of memory allocating a buffer of %zu bytes", size);
    if (b->len)
        memcpy(block, b->bytes, b->len);
    free(b->block);
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
    reallocate(b, size < b->limit ? size : b->limit);
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
