/*
 * names.h - everything of a snapshot that can be asked for by name.
 *
 * One table for all kinds: the kind (for a team's own alias, the team) is
 * part of the key. Filled once, then only read: no locks, no growth. Names
 * that are longer than any in it are refused unread.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

enum names_scope {
    NAMES_VENDOR,     /* struct vendor */
    NAMES_OFFER,      /* by "vendor/model": struct offer_set of one */
    NAMES_MODEL,      /* by the model alone: struct offer_set */
    NAMES_TEAM,       /* struct team */
    NAMES_KEY,        /* by id: struct team_key */
    NAMES_ALIAS,      /* the policy's: struct offer_set */
    NAMES_PRICED,     /* by "list/model": struct conf_priced */
    NAMES_TEAM_ALIAS, /* plus the team's index: struct offer_set */
};

struct names;

/* Room for `most` names. */
struct names *names_new(size_t most, struct arena *a) MUST_CHECK
NON_NULL_RETURN;

/* `name` and `value` must live as long as the table. False: within `scope`
 * the name is taken already, and nothing was changed. */
bool names_add(struct names *n, uint32_t scope, const char *name,
               const void *value) MUST_CHECK;

/* What was added under that name, or NULL. */
const void *names_find(const struct names *n, uint32_t scope,
                       struct slice name);
