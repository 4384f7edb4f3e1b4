/*
 * report.h - the ledger added up: by team, key, model, vendor or day.
 *
 * Money is exact: amounts are summed in the currency in which they were
 * billed, and shown apart. Only what is compared with the baseline is
 * converted, by the exchange rate of each request's instant.
 *
 * The baseline is what the same usage would have cost elsewhere: at one fixed
 * vendor's model by the price of the instant (tokens counted as they were,
 * the same part of them cached), or at each request's own runner-up as it was
 * noted then; or what another policy, yesterday's perhaps, would have chosen
 * with the prices of that instant. It is priced once for each exchange, by the
 * last attempt that used any tokens; what attempts cost that failed before it
 * counts against us. So `saved` may be negative.
 */
#pragma once

#include "base/zone.h"

#include "routing/snapshot.h"

#include "cli/again.h"
#include "record/ledger_report.h"

enum report_by {
    REPORT_ALL,
    REPORT_TEAM,
    REPORT_KEY,
    REPORT_MODEL,
    REPORT_VENDOR,
    REPORT_DAY,
};

struct report_line {
    const char *name;
    struct report_line *next;
    int64_t requests, answered; /* with a status below 400 */
    int64_t limited;            /* refused by limits; not among the requests */
    int64_t attempts, failed_attempts, estimated;
    int64_t input_tokens, cached_tokens, output_tokens;
    int64_t cost[CURRENCY_COUNT], failed_cost[CURRENCY_COUNT]; /* nanos */
    /* of requests that have a baseline, in the policy's currency: */
    int64_t compared, compared_cost, baseline_cost;
};

struct report {
    struct arena *arena;
    const struct snapshot *snapshot;
    enum report_by by;
    const struct zone *zone;      /* whose days count */
    const struct offer *baseline; /* NULL: none, or one of the next two */
    struct again *again;          /* another policy; NULL: none */
    bool runner_up;
    int64_t removed_before_ms; /* older requests have no rows; 0: all have */
    struct report_line *lines; /* as found */
    struct report_line total;
    size_t n_lines;
    struct report_line **table; /* by a hash of the name */
    size_t n_table;
    /* the exchange at hand */
    char id[64], team[160], asked[160];
    struct report_line *line;
    int64_t at_unix_ms;
    struct usage usage; /* of its last attempt that used any */
    bool used, has_runner_up;
    int64_t spent, runner_up_cost; /* policy's currency */
};

bool report_by_parse(enum report_by *out, const char *name) MUST_CHECK;

/* `arena`, `snapshot`, `by`, `zone` and the baseline are set by then. */
void report_begin(struct report *r);
void report_add(void *report, const struct ledger_report_row *row);
/* By vendor or model it counts in the total alone: it came to none. */
void report_add_limited(void *report, const struct ledger_limited_row *row);
void report_end(struct report *r);

/* Sorted: days by name, all else dearest first. */
void report_sort(struct report *r);
bool report_has(const struct report *r, enum currency c);
