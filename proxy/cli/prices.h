/*
 * prices.h - what the commands of `bijia prices` share.
 */
#pragma once

#include "base/time.h"

#include "routing/board.h"

#include "cli/options.h"
#include "cli/put_json.h"
#include "cli/table.h"

struct prices_call {
    const struct args *args;
    struct snapshot *s;
    struct arena *arena;
    int64_t at_unix_ms;
};

/* Loads the configuration, reads --at if the command has it. `dir` NULL: the
 * usual one. Returns 0, or the exit status after telling what is wrong. */
int prices_open(struct prices_call *p, const struct args *args,
                const char *dir) MUST_CHECK;
void prices_close(struct prices_call *p);

/* The currency of --currency, else of the policy. False: told. */
bool prices_currency(const struct prices_call *p,
                     enum currency *out) MUST_CHECK;

/* "vendor/model" or, if only one vendor sells it, "model"; NULL: told. */
const struct offer *prices_offer(const struct prices_call *p, const char *name);

/* The row's prices as members of `to`: "input", "cached_input" ... */
void prices_put_row(cJSON *to, const struct price_row *row);

/* "2026-11-23 01:00Z", "2026-11-22"; a short instant for tables. */
const char *prices_instant(int64_t unix_ms, char text[TIME_TEXT]);

extern const struct command command_prices_history, command_prices_diff,
    command_prices_cost, command_prices_war, command_prices_import;
