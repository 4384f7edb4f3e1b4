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

extern const struct field_table server_fields, vendors_fields, prices_fields,
    policy_fields, keys_fields;

/* The children of a map or list, or none; *n says how many. Complains unless
 * it is of that kind. */
const struct node *children(const struct load *l, const struct node *of,
                            enum node_kind kind, const char *what, size_t *n);
