/*
 * receipt.h - all that remains of an exchange.
 *
 * Made once, when the exchange has ended, and never changed: a plain value
 * that is copied into a tray. Names are indexes into the snapshot it was
 * decided by, which the receipt keeps alive until it is written.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#include "routing/decide.h"

enum {
    RECEIPT_ATTEMPTS = 6,
    RECEIPT_OTHERS = 32,
    RECEIPT_ID = 33, /* 32 hex digits and a NUL: receipt_id_new() */
};

struct receipt_attempt {
    char id[RECEIPT_ID];
    uint16_t offer;
    uint8_t fault;
    bool maybe_billed; /* not NONE, but the vendor may charge for it */
    bool estimated;    /* `usage` is ours */
    bool unpriced;     /* billed, but nobody knows how much */
    uint32_t place;    /* of its intent: see intents.h; 0: none */
    int32_t status;    /* the vendor's; 0: none came */
    int32_t first_byte_ms, total_ms; /* -1: never */
    struct usage usage;
    struct money cost;   /* 0 nanos if surely not billed */
    struct money stated; /* the vendor's own figure; 0: none */
};

struct receipt_other {
    uint16_t offer;
    uint8_t why;           /* enum why; WHY_LISTED: dearer than the chosen */
    struct money compared; /* its expected cost; listed ones only */
};

struct receipt {
    char id[RECEIPT_ID];
    bool stream, has_runner_up;
    uint8_t fault;             /* the exchange's end */
    uint16_t runner_up;        /* offer */
    int64_t at_unix_ms;        /* when the request had come */
    struct snapshot *snapshot; /* a reference of its own */
    uint32_t team;
    char key_id[16];
    char asked[96]; /* bounded, printable; not known if refused early */
    int32_t status; /* the client's */
    uint32_t n_attempts, n_others, others_omitted;
    int32_t chosen; /* index into attempts, -1: none answered */
    int64_t estimated_input, expected_output;
    struct money expected; /* of the first listed offer, compared currency */
    struct money cost;     /* of all attempts, compared currency */
    struct money runner_up_cost; /* same usage there, compared currency */
    int32_t first_byte_ms, total_ms;
    struct receipt_attempt attempts[RECEIPT_ATTEMPTS];
    struct receipt_other others[RECEIPT_OTHERS];
};

/* What is read of most: up to the first attempt's end. */
static inline void receipt_prefetch(const struct receipt *r)
{
    const size_t end =
        offsetof(struct receipt, attempts) + sizeof(struct receipt_attempt);

    for (size_t i = 0; i < end; i += CACHE_LINE_BYTES)
        __builtin_prefetch((const char *)r + i);
}
