/*
 * ledger_report.h - all rows of a span of time, one attempt after the other,
 * for whoever adds them up. Reads beside a running writer and changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/money.h"

#include "vendors/usage.h"

/* One attempt with its exchange, or an exchange without any. Texts are lent
 * for the call, never NULL. */
struct ledger_report_row {
    const char *id; /* of the exchange: its rows come one after the other */
    int64_t at_unix_ms;
    const char *team, *key_id, *asked;
    int32_t status;
    const char *vendor, *model; /* that answered, or "" */
    bool has_runner_up;
    struct money cost, runner_up; /* of the exchange, one currency */
    bool has_attempt;
    const char *attempt_vendor, *attempt_model, *fault;
    struct usage usage;
    struct money attempt_cost;
};

typedef void ledger_report_each(void *to, const struct ledger_report_row *row);

struct ledger_span { /* unix ms, [from, to) */
    int64_t from_ms, to_ms;
};

/* Those of exchanges in the span, oldest first. 0, or -1 and a message; 1:
 * there is no ledger yet. */
int ledger_report(const char *state_dir, struct ledger_span span,
                  ledger_report_each *each, void *to, char *error,
                  size_t error_size) MUST_CHECK;

/* Requests that limits refused, which have no row of their own: one call for
 * each key and hour that begins in the span. Results as above. */
struct ledger_limited_row {
    int64_t hour_unix_ms;
    const char *team, *key_id; /* "": several */
    int64_t n;
};

typedef void ledger_limited_each(void *to,
                                 const struct ledger_limited_row *row);

int ledger_report_limited(const char *state_dir, struct ledger_span span,
                          ledger_limited_each *each, void *to, char *error,
                          size_t error_size) MUST_CHECK;

/* Requests before that instant were removed from it; 0: none. */
int ledger_report_removed(const char *state_dir, int64_t *before_unix_ms,
                          char *error, size_t error_size) MUST_CHECK;
