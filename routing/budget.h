/*
 * budget.h - a budget of the policy, and the window of time it is in.
 *
 * A window is known by the instant it begins: a key in the ledger, never a
 * counter that a job resets.
 */
#pragma once

#include <stdint.h>

#include "base/zone.h"

#include "routing/snapshot.h"

enum budget_period {
    PERIOD_DAY,
    PERIOD_MONTH,
    PERIOD_TOTAL,
};

enum budget_each {
    EACH_TEAM,
    EACH_KEY,
    EACH_USER,
};

enum at_cap {
    AT_CAP_REFUSE,
    AT_CAP_FREE_ONLY,
    AT_CAP_DOWNGRADE,
};

enum {
    BUDGET_WARNINGS_MOST = 8,
};

/* Where a warning is due. */
struct budget_mark {
    int64_t fraction_nanos; /* 1,000,000,000 is all of it */
    int64_t nanos;          /* that amount */
};

struct budget {
    const struct conf_budget *conf;
    enum budget_period period;
    enum budget_each each;
    enum at_cap at_cap;
    struct money cap;
    const struct zone *zone;                        /* NULL with PERIOD_TOTAL */
    struct budget_mark marks[BUDGET_WARNINGS_MOST]; /* as configured */
    uint32_t n_marks;
};

/* When the window of a team's i-th budget that holds `unix_ms` began; 0 with
 * PERIOD_TOTAL. It names the account: of two of a kind whose zones have this
 * midnight in common the second's is told a millisecond later. */
int64_t budget_window_ms(const struct budget *all, size_t i, int64_t unix_ms);
/* When it ends; INT64_MAX with PERIOD_TOTAL. */
int64_t budget_window_end_ms(const struct budget *b, int64_t unix_ms);
