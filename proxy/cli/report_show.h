/* report_show.h - a report as a table, CSV or JSON. */
#pragma once

#include <stdio.h>

#include "cli/report.h"

struct report_told {           /* for the head of JSON */
    const char *by, *baseline; /* NULL: none */
    int64_t from_unix_ms, to_unix_ms;
};

void report_table(const struct report *r, FILE *to);
void report_csv(const struct report *r, FILE *to);
void report_json(const struct report *r, const struct report_told *told,
                 FILE *to);
