/*
 * tail.h - a line of the routing log as people read it.
 *
 * Reading (tail_line.c): is it one, and does it pass the filters? Showing
 * (tail_table.c): columns that keep their places, whatever the characters'
 * width; nothing of a line reaches a terminal that the terminal would obey.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/attr.h"

struct tail_filter { /* NULL: all */
    const char *team;
    const char *vendor; /* that answered or was tried */
    const char *model;  /* asked, or answering: "model", "vendor/model" */
    const char *status; /* "429", "4xx", "error": 400 and above */
};

/* Could `text` be a filter for the status? */
bool tail_status_is_fit(const char *text);
bool tail_filter_is_empty(const struct tail_filter *filter);

/* A line as its object, the caller's to delete; NULL: it is damaged. */
cJSON *tail_parse(const char *line, size_t len);
bool tail_passes(const cJSON *line, const struct tail_filter *filter);

enum {
    TAIL_COLUMNS = 11,
};

struct tail_table {
    FILE *to;
    bool colours;
    int widths[TAIL_COLUMNS]; /* they only grow */
};

void tail_table_init(struct tail_table *t, FILE *to, bool colours);
void tail_table_head(struct tail_table *t);
void tail_table_row(struct tail_table *t, const cJSON *line);
void tail_table_damaged(struct tail_table *t, const char *line);
