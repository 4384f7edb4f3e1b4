/*
 * charging.h - what one batch of the recorder changes in accounts.
 *
 * charging_want, charging_add ... charging_move -> (committed)
 * -> charging_free, charging_grant; or, if it was not, charging_again and the
 * same receipts anew.
 */
#pragma once

#include "record/intents.h"
#include "record/ledger.h"

struct charging {
    struct batch batch;
    struct account_plan *plans;
    size_t n_plans, room;
};

void charging_fini(struct charging *c);
void charging_want(struct charging *c, struct account *wanted);
bool charging_any(const struct charging *c);

/* If it is not fresh, its attempts were charged before: their accounts take
 * part, with nothing. */
void charging_add(struct charging *c, struct intents *in,
                  const struct receipt *receipt, bool fresh);
void charging_again(struct charging *c);
int charging_move(struct charging *c, struct ledger *l) MUST_CHECK;

/* The rows are durable: places are free, leases hold. True: somebody waits. */
void charging_free(struct intents *in, const struct receipt *receipt);
bool charging_grant(struct charging *c);
