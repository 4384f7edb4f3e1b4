/*
 * files.h - the files of a configuration directory, one reader each.
 *
 * Private to this room. Each reader takes the root of its file's tree, NULL
 * if there is nothing in it, and fills its part of the conf. They are called
 * in the order of conf.c's table: prices need to know the vendors.
 */
#pragma once

#include "conf/conf.h"
#include "conf/field.h"

/* A million of a currency: no price or rate is higher, but a slip may be. */
#define MOST_NANOS (1000000LL * 1000000000)

struct load {
    struct conf *conf;
    struct arena *arena;
    struct diag *diag;
};

void server_read(const struct load *l, const struct node *root);
void vendors_read(const struct load *l, const struct node *root);
void prices_read(const struct load *l, const struct node *root);
void policy_read(const struct load *l, const struct node *root);
void keys_read(const struct load *l, const struct node *root);

/* The lists below the word `prices`, behind those already read. Imported ones
 * yield: a model that has a price keeps it. */
void prices_add(const struct load *l, const struct node *map, bool imported);

/* Finds a file by the name that configuration gives it. False: there is none,
 * or it cannot be read; with a complaint at `place`, unless it may be missing
 * and is. The bytes live as long as the conf. */
typedef bool file_finder(void *self, const struct load *l, const char *name,
                         const struct place *place, bool may_be_missing,
                         struct conf_file *out);

/* The files that prices.yaml imports, and what the feed left behind. */
void imports_read(const struct load *l, file_finder *find, void *self);

extern const struct field_table server_fields, vendors_fields, prices_fields,
    policy_fields, keys_fields, budget_fields;

/* For policy_read: the list of one team's budgets. */
void budgets_read(const struct load *l, struct conf_team *team,
                  const struct node *list);

/* The children of a map or list, or none; *n says how many. Complains unless
 * it is of that kind. */
const struct node *children(const struct load *l, const struct node *of,
                            enum node_kind kind, const char *what, size_t *n);

/* A team's floor and objectives. */
void wish_read(const struct load *l, struct conf_wish *wish,
               const struct node *team);

extern const struct field_table floor_fields, objective_fields;

/* `limits` of a team, a vendor or a model; NULL: none. */
struct conf_limits limits_read(const struct load *l, const struct node *map);

extern const struct field_table limits_fields;

/* Of prices.yaml: window.c and quota.c, before the prices. */
void calendars_read(const struct load *l, const struct node *map);
void windows_read(const struct load *l, const struct node *map);
void quotas_read(const struct load *l, const struct node *map);

extern const struct field_table calendar_fields, window_fields, quota_fields,
    priced_fields;

/* The rows of one model below its key: one row, a list of rows, or words that
 * count for all of its `rows`. `priced` has its list's and its own name; the
 * rows go to *next, which moves behind them. */
void priced_read(const struct load *l, struct conf_priced *priced,
                 const struct node *model, enum currency currency,
                 struct conf_price **next);
size_t priced_count(const struct node *model);

/* The zone of that name, of a window or quota; NULL means UTC. Complains at
 * the entry's "zone" and returns NULL if there is no such zone. */
const struct zone *zone_of_entry(const struct load *l, const struct node *entry,
                                 const char *name);

/* "2026-11-15", "2026-11": when somebody looked. False: no such date. */
bool as_of_parse(int64_t *out_unix_ms, const char *text) MUST_CHECK;
const char *check_as_of(const char *text); /* a field_check */
