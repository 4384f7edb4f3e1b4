/* near.h - the word somebody probably meant. */
#pragma once

#include <stddef.h>

/* How many letters must be added, left out, changed or swapped to make one
 * of the other; at most `most` + 1. */
size_t near_distance(const char *a, const char *b, size_t most);

/* May `written` be a mistyped `meant`? Smaller is nearer; 0: no. */
size_t near_rank(const char *written, const char *meant);
