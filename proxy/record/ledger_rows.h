/*
 * ledger_rows.h - the ledger's tables and what goes into their columns.
 *
 * Ids begin with their time (receipt_id_new), so rows arrive nearly in the
 * order of their keys and the tables need no other index. Money is whole
 * nanos beside its currency; names are text, so a row means the same after
 * any reload.
 */
#pragma once

#include <stddef.h>

#include <sqlite3.h>

#include "base/attr.h"

#include "record/ledger_seal.h"
#include "record/receipt.h"

/* Step i of these takes the file from user_version i to i + 1. Never
 * changed once released: a new shape is a new step. */
extern const char *const ledger_steps[];
extern const int n_ledger_steps;

struct ledger_rows {
    sqlite3_stmt *exchange, *attempt;
    struct seal seal; /* of the batch: begun and closed by the ledger */
};

/* 0, or SQLite's code. */
int ledger_rows_prepare(struct ledger_rows *rows, sqlite3 *db) MUST_CHECK;
void ledger_rows_finalize(struct ledger_rows *rows);

/* Adds the receipt's rows; those already there stay as they are. *n_added
 * counts the new ones, *fresh has a bit for each new attempt. 0, or SQLite's
 * code. */
int ledger_rows_add(struct ledger_rows *rows, const struct receipt *receipt,
                    int *n_added, uint32_t *fresh) MUST_CHECK;
