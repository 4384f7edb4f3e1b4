/*
 * member.h - one word's value, from its node into the struct's member.
 *
 * Private to this room: field.c walks the words, this reads each of them by
 * its kind, within its limits, or says what is wrong and leaves the member.
 */
#pragma once

#include "conf/field.h"

struct reading {
    const struct field_table *table;
    const struct node *map;
    void *item;
    struct arena *arena;
    struct diag *diag;
};

/* Not for a FIELD_SECTION; of FIELD_BY_HAND it reads nothing. */
void member_read(const struct reading *r, const struct field *f,
                 const struct node *n);
