/*
 * ledger_seal.h - a chain of hashes over what was spent.
 *
 * Each batch gets a number and a seal: SHA-256 of the seal before it, its
 * number, and the hashes of what it holds in ascending order: one of all its
 * receipts, one after the other in the order of their ids, and one of each
 * attempt that a restart found, or that an older bijia wrote. Who changes,
 * adds or removes a row later breaks the chain from there on; who keeps the
 * last seal elsewhere (`ledger verify` tells it) can prove all before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/attr.h"
#include "base/digest.h"
#include "base/money.h"
#include "base/slice.h"

struct seal {
    int64_t n; /* of the batch under way, from 1 */
    unsigned char before[DIGEST_BYTES], now[DIGEST_BYTES];
    unsigned char (*rows)[DIGEST_BYTES];
    size_t n_rows, room; /* of the hashes */
    struct sha256 receipts;
    size_t n_receipts; /* in it */
    sqlite3_stmt *add;
};

/* SQLite's codes. */
int seal_prepare(struct seal *s, sqlite3 *db) MUST_CHECK;
void seal_finalize(struct seal *s); /* may be prepared again */
void seal_fini(struct seal *s);

/* A transaction begins: looks up where the chain ends if `again`. */
int seal_begin(struct seal *s, bool again) MUST_CHECK;
/* In the order of their ids. */
void seal_add_receipt(struct seal *s, struct slice id, struct slice body);
/* Before the commit: writes the seal, if rows were added. */
int seal_close(struct seal *s) MUST_CHECK;
void seal_committed(struct seal *s);

/* Adds all rows that have no seal yet: those of a recovery. */
int seal_adopt(struct seal *s) MUST_CHECK;

/* What stands for the beginning of the chain: see ledger_prune.h. All zero:
 * nothing was removed. */
struct checkpoint {
    int64_t n; /* the last seal removed */
    unsigned char hash[DIGEST_BYTES];
    int64_t before_ms, at_ms;
    int64_t n_exchanges, n_attempts; /* ever removed */
    int64_t nanos[CURRENCY_COUNT];   /* what they cost, of teams' accounts */
};

/* The latest. SQLite's code. */
int seal_last_checkpoint(sqlite3 *db, struct checkpoint *out) MUST_CHECK;
/* Its row goes into the seal of the batch. */
void seal_add_checkpoint(struct seal *s, const struct checkpoint *c);

/* Reads the whole chain, from the last checkpoint on; tells each seal that does
 * not hold. head: of the last, in hex. */
int seal_verify(sqlite3 *db, char head[DIGEST_HEX],
                void (*tell)(void *to, const char *problem),
                void *to) MUST_CHECK;
