/*
 * tray.h - one worker's receipts on their way to the recorder.
 *
 * A bounded queue from one thread to one other that never locks. A place is
 * only a count, so ten thousand exchanges under way cost nothing here; a
 * receipt's memory is taken when it is put and used again once written, so
 * there is as much of it as the recorder was ever behind.
 *
 *   worker:    tray_reserve -> tray_put | tray_cancel
 *   recorder:  tray_empty -> (written) -> tray_return
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#include "record/receipt.h"

enum {
    /* More than a worker may have exchanges at once (10,000 connections by
     * default), so that the rest is patience with a slow disk. At worst
     * 36 MiB. */
    TRAY_RECEIPTS = 16384,
};

struct slip {
    struct slip *next;
    struct receipt receipt;
};

struct tray {
    /* the worker's */
    _Alignas(CACHE_LINE_BYTES) struct slip *spare;
    uint64_t n_reserved; /* ever, less the cancelled */
    uint64_t n_put;      /* ever */
    /* both push and take all: no ABA */
    _Alignas(CACHE_LINE_BYTES) _Atomic(struct slip *) full;
    _Alignas(CACHE_LINE_BYTES) _Atomic(struct slip *) used;
    /* the recorder's */
    _Alignas(CACHE_LINE_BYTES) _Atomic(uint64_t) n_returned; /* ever */
};

void tray_init(struct tray *t);
void tray_fini(struct tray *t); /* both threads have done with it */

/* False: TRAY_RECEIPTS are reserved or not yet returned. */
bool tray_reserve(struct tray *t) MUST_CHECK;
/* Copies; never fails after a tray_reserve(). */
void tray_put(struct tray *t, const struct receipt *receipt);
void tray_cancel(struct tray *t);

/* All that was put since, oldest first, linked by `next`; NULL: nothing. */
struct slip *tray_empty(struct tray *t);
/* The list that tray_empty() gave, written now. */
void tray_return(struct tray *t, struct slip *slips);
bool tray_has_more(const struct tray *t);
