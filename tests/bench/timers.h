/*
 * timers.h - the moments at which the mock's streams have their next chunk.
 *
 * A binary heap of timers that live inside their owners; earliest first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t due_ns;
    size_t place; /* in the heap, from 1; 0 = not set */
    void *owner;
};

void timer_set(struct timer *t, int64_t due_ns);
void timer_clear(struct timer *t);
/* The earliest timer, still set; NULL when there is none. */
struct timer *timer_first(void);
