/*
 * intents.h - each attempt that is under way, in memory that outlives us.
 *
 * Before an attempt is dispatched, what it may cost and who pays is written
 * into a place of a mapped file; when it ends, what it did cost; when that is
 * in the ledger, the place is free again. The mapping outlives a process that
 * is killed at any instruction, so a restart finds each open attempt and each
 * receipt that was not written yet, one by one. It does not outlive the
 * machine: after a power cut the file is not believed, and the leases of the
 * ledger tell what may have been spent (see recover.h).
 *
 *   FREE -> OPEN [intents_open] -> SETTLED [intents_settle]
 *   SETTLED -> FREE [intents_free, by the recorder]
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vendors/usage.h"

#include "record/purse.h"
#include "record/receipt.h"

enum {
    INTENTS = 32768, /* of one worker: as many as TRAY_RECEIPTS */
    INTENT_NAME = 132,
    INTENT_TEXT = 64,
};

enum intent_state {
    INTENT_FREE,
    INTENT_OPEN,
    INTENT_SETTLED,
};

/* What is known before the dispatch. Names are text: a restart may read other
 * files than we did. */
struct intent {
    _Atomic(uint32_t) state; /* the last to be written */
    uint32_t n;              /* the exchange's n-th attempt, from 1 */
    int64_t at_unix_ms;
    char id[RECEIPT_ID], exchange[RECEIPT_ID];
    char key_id[16], asked[96];
    char team[INTENT_NAME], vendor[INTENT_TEXT], model[INTENT_NAME];
    uint8_t stream, currency, base_currency, estimated;
    int64_t bound_nanos; /* in `currency`: the vendor's */
    uint32_t n_accounts;

    struct {
        int64_t no;      /* of the ledger's row; in the account's currency: */
        int64_t nanos;   /* reserved */
        int64_t charged; /* once settled */
    } accounts[CLAIMS_MOST]; /* the first is the team's, in base_currency */

    /* once settled */
    int64_t cost_nanos;
    struct usage usage;
};

struct intents;
struct intents_file;

struct intents_head {
    char magic[8];
    char boot[40];   /* of the machine that wrote it */
    char ledger[40]; /* the ledger it belongs to */
    uint32_t version, intent_bytes, n_workers, n_intents;
};

/* Who looks at what an earlier process left. */
struct intents_reader {
    int (*each)(void *to, const struct intent *intent);
    void *to;
    bool believed; /* told: the file is of this machine's life, and whole */
};

/* Opens `dir`/intents and calls each() for every place that is not free, if
 * the file can be believed. Makes no change. False: a message. */
bool intents_read(const char *dir, const char *ledger_id,
                  struct intents_reader *reader, char *error,
                  size_t error_size) MUST_CHECK;

/* Makes the file anew, all places free. */
struct intents_file *intents_create(const char *dir, const char *ledger_id,
                                    int n_workers, char *error,
                                    size_t error_size) MUST_CHECK;
void intents_close(struct intents_file *f);
struct intents *intents_of(struct intents_file *f, int worker);

/* --- the worker's side -----------------------------------------------------
 */

/* A free place, number from 1, or 0. Its intent is to be filled, except for
 * `state`; then intents_open(). */
uint32_t intents_take(struct intents *in);
struct intent *intents_at(struct intents *in, uint32_t place);
struct hold *intents_hold(struct intents *in, uint32_t place);
void intents_open(struct intents *in, uint32_t place);
/* hold->parts[].charged and the intent's cost, usage, estimated are told. */
void intents_settle(struct intents *in, uint32_t place);
/* Gives a place back that was taken and never opened. */
void intents_untake(struct intents *in, uint32_t place);

/* --- the recorder's side ---------------------------------------------------
 */

/* The attempt's row is in the ledger. */
void intents_free(struct intents *in, uint32_t place);
