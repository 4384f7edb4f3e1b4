/* keys_file.h - DIR/keys.yaml and the pepper, as `bijia keys` writes them. */
#pragma once

#include "conf/conf.h"

#include "routing/team_key.h"

/* Writes keys.yaml of `n` keys anew. 0, or -1 and errno. */
int keys_file_write(const char *dir, const struct conf_key *keys, size_t n,
                    struct arena *a) MUST_CHECK;

/* Makes `out` of the pepper, drawing one if there is none yet and no key that
 * was made with it. 0, or -1 and the reason in `a`. */
int pepper_load(struct hmac_key *out, const struct conf *conf, struct arena *a,
                const char **why) MUST_CHECK;
