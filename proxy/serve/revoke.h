/* revoke.h - keys that keys.yaml does not hold any more, or not as they were.
 */
#pragma once

#include "serve/edition.h"

/* Marks those of `e` so that every worker refuses them from the next request
 * on. Reads keys.yaml in `dir` alone; what cannot be read revokes nothing. */
void revoke_missing(const struct edition *e, const char *dir);
