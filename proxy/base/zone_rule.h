/*
 * zone_rule.h - "EST5EDT,M3.2.0,M11.1.0": how a zone's clocks will change.
 *
 * The rule behind the known changes of a TZif file (POSIX's TZ, with hours
 * from -167 to 167), worked out year by year.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum {
    ZONE_RULE_LAST_YEAR = 2100,
    /* room that zone_rule_apply() may need */
    ZONE_RULE_CHANGES = 2 * (ZONE_RULE_LAST_YEAR - 1969) + 1,
};

/* Appends the changes of `rule` behind the `n` known ones; returns how many
 * there are then. A rule that cannot be read appends nothing. */
size_t zone_rule_apply(struct slice rule, int64_t *at_ms, int64_t *offset_ms,
                       size_t n);
