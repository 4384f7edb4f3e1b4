/*
 * table.h - texts in columns that stand in line, on any terminal.
 *
 * Columns are as wide as their widest text, counted as a terminal draws it: a
 * Chinese character is two columns wide. What a terminal would obey or hide is
 * shown as '?'. All memory is the arena's.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/money.h"

struct table;

enum {
    TABLE_COLUMNS_MOST = 64,
};

/* `titles`: "offer|input>|output>"; those that end in '>' stand at the right
 * of their column. Lent. */
struct table *table_new(const char *titles, struct arena *a) MUST_CHECK
NON_NULL_RETURN;

/* The next cell of the row being filled; the last one ends the row. */
void table_add(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* An amount or a rate; blanks make up for missing decimals, so that the
 * points stand in line. */
void table_nanos(struct table *t, int64_t nanos);

void table_print(const struct table *t, FILE *to);
