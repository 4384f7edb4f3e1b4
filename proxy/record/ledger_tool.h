/*
 * ledger_tool.h - what may be done with a ledger while another process
 * writes it: copied, checked, told.
 *
 * Opened read-only; the writer is never held up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"

struct ledger_tool;

enum {
    LEDGER_PROBLEM = 512,
};

/* NULL and a message. */
struct ledger_tool *ledger_tool_open(const char *path,
                                     char problem[LEDGER_PROBLEM]) MUST_CHECK;
void ledger_tool_close(struct ledger_tool *t);

/* A whole copy as of one instant, in a new file; on the disk when it returns.
 * False: problem. */
bool ledger_backup(struct ledger_tool *t, const char *to,
                   char problem[LEDGER_PROBLEM]) MUST_CHECK;

struct ledger_verdict {
    int64_t n_exchanges, n_attempts, n_accounts, n_seals;
    int64_t n_problems; /* each told by tell() */
    char head[65];      /* the last seal's hash, in hex; "": none */
    /* what the last checkpoint stands for: 0 attempts: none */
    int64_t n_removed_attempts, removed_before_ms, first_seal;
};

/* Is the file whole, is each attempt in an exchange, is each team's account
 * the sum of its exchanges, does the chain of seals hold? tell() gets each
 * problem in a sentence. False: it could not be read. */
bool ledger_verify(struct ledger_tool *t, struct ledger_verdict *out,
                   void (*tell)(void *to, const char *problem), void *to,
                   char problem[LEDGER_PROBLEM]) MUST_CHECK;

/* One line per attempt, of exchanges of [from, to) in unix ms, oldest first:
 * CSV with a head (RFC 4180), or JSON lines. Amounts are decimals. */
bool ledger_export(struct ledger_tool *t, bool json, int64_t from_ms,
                   int64_t to_ms, FILE *out,
                   char problem[LEDGER_PROBLEM]) MUST_CHECK;
