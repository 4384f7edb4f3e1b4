/*
 * compile.h - how a snapshot is made, for the files that make it.
 *
 *   compile_vendors   URLs, adapters, quirks           vendor.c
 *                     and their keys                   vendor_keys.c
 *   compile_offers    models of vendors, their names   offer.c
 *   compile_prices    rows, exchange rates             prices.c
 *   compile_policy    aliases, teams and their rules   policy.c
 *                     and their budgets                budget.c
 *   compile_keys      the teams' keys                  team_key.c
 *
 * Each goes on after an error, so that all complaints are told at once.
 */
#pragma once

#include "base/zone.h"

#include "conf/conf.h"
#include "conf/diag.h"

#include "routing/names.h"
#include "routing/snapshot.h"

struct compiling {
    struct snapshot *s;
    const struct conf *conf;
    struct arena *arena;
    struct names *names;
    const struct secret_source *secrets;
    struct diag *diag;
    /* the snapshot's own, while they may still be written */
    struct vendor *vendors;
    struct offer *offers;
    const struct offer **each; /* by index: what offer_sets point into */
    const struct zone *zone;   /* the last that a budget named: mostly the one
                                  that the next one does */
};

void compile_vendors(struct compiling *c);
void compile_offers(struct compiling *c);
void compile_prices(struct compiling *c);
void compile_policy(struct compiling *c);
void compile_keys(struct compiling *c);

/* The budgets of one team, for compile_policy; its aliases are known. */
void compile_budgets(struct compiling *c, struct team *team);

/* The bits of the quirks called so; complains of those that are not. */
uint64_t compile_quirks(struct compiling *c, const struct conf_words *words);

/* The keys of one vendor, for compile_vendors. */
void compile_vendor_keys(struct compiling *c, struct vendor *v);
