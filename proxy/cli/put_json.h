/*
 * put_json.h - the members of a JSON answer, one call each.
 *
 * Amounts and rates are texts: a number would be read as a double. Out of
 * memory ends the program.
 */
#pragma once

#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/money.h"

cJSON *json_new(void);
cJSON *put_object(cJSON *to, const char *word);
cJSON *put_array(cJSON *to, const char *word);
cJSON *put_element(cJSON *array); /* a new object at its end */

void put_text(cJSON *to, const char *word, const char *text); /* NULL: null */
void put_count(cJSON *to, const char *word, int64_t n);
void put_yes(cJSON *to, const char *word, bool yes);
void put_decimal(cJSON *to, const char *word, int64_t nanos); /* "0.0375" */
void put_money(cJSON *to, const char *word, struct money m);
void put_instant(cJSON *to, const char *word, int64_t unix_ms);
void put_name(cJSON *array, const char *text); /* at its end */

/* On one line; the tree is gone then. */
void json_print(FILE *to, cJSON *root);
