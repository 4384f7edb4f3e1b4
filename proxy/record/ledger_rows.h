/*
 * ledger_rows.h - the ledger's tables and what goes into their columns.
 *
 * A receipt is one row of `receipt`: its id, the number of its seal, and all
 * else as a JSON array, which costs a third of a row of many columns for the
 * exchange and another for each attempt. The views `exchange` and `attempt`
 * show it column by column, together with the rows of older ledgers and those
 * that a restart finds, whoever reads the file.
 *
 * Ids begin with their time (receipt_id_new), so rows arrive nearly in the
 * order of their keys and the tables need no other index. Money is whole
 * nanos beside its currency; names are text, so a row means the same after
 * any reload.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#include "record/receipt.h"

/* Step i of these takes the file from user_version i to i + 1. Never
 * changed once released: a new shape is a new step. */
extern const char *const ledger_steps[];
extern const int n_ledger_steps;

enum {
    BODY_BYTES = 32 * 1024, /* with six attempts, and the longest names */
};

/* Returns its length; no NUL. In the order in which the views read it. */
size_t receipt_body(char out[BODY_BYTES], const struct receipt *r);
