/*
 * tray.h - one worker's receipts on their way to the recorder.
 *
 * A bounded queue from one thread to one other that never locks: a ring of
 * places, which are numbered from 0 on for ever. One is only a count until a
 * receipt is put, so ten thousand exchanges under way cost nothing here; a
 * receipt's memory is taken when it is put and used again once written, so
 * there is as much of it as the recorder was ever behind.
 *
 *   worker:    tray_reserve -> tray_put | tray_cancel
 *   recorder:  tray_end -> tray_at* -> (written) -> tray_return
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
     * default), so that the rest is patience with a slow disk: half a second
     * at 40,000 requests a second. At worst 63 MiB. */
    TRAY_RECEIPTS = 32768,
};

struct tray_place {
    struct receipt *receipt;
    int64_t ended_ms; /* it did: unix ms, as far as its worker's clock runs */
};

struct tray {
    struct tray_place *places;
    /* the worker's */
    _Alignas(CACHE_LINE_BYTES) uint64_t n_reserved; /* ever, less cancelled */
    uint64_t n_reused;       /* of the returned, whose memory is in use again */
    _Atomic(uint64_t) n_put; /* ever */
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

/* What was put and not returned stands at the places from tray_begin() up to
 * tray_end(), oldest first. */
uint64_t tray_begin(const struct tray *t);
uint64_t tray_end(const struct tray *t);
/* Valid until it is returned. */
const struct tray_place *tray_at(const struct tray *t, uint64_t place);
/* All before `end`, written now. */
void tray_return(struct tray *t, uint64_t end);
