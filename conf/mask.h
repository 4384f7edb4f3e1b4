/*
 * mask.h - stars over what looks like a secret.
 *
 * The second line of defence: no complaint is meant to show one, but a line
 * is quoted because it is wrong, and a key may stand just where it must not.
 * A star too many does no harm, so the rules are coarse.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Of a line of YAML, in place: keys by their look, passwords in URLs, and the
 * values of words that promise a secret. */
void mask_line(char *s, size_t len);

/* Of a message, in place: by their look alone. */
void mask_message(char *s, size_t len);

/* Does a word (api_key, password) promise that its value is a secret? */
bool mask_names_secret(const char *word, size_t len);
