#include "serve/revoke.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int compare(const void *a, const void *b)
{
    return strcmp((*(const struct conf_key *const *)a)->id,
                  (*(const struct conf_key *const *)b)->id);
}

static const struct conf_key **sorted(const struct conf *conf, struct arena *a)
{
    const struct conf_key **keys =
        arena_alloc(a, (conf->n_keys + 1) * sizeof(const struct conf_key *));

    for (size_t i = 0; i < conf->n_keys; i++)
        keys[i] = &conf->keys[i];
    qsort(keys, conf->n_keys, sizeof(const struct conf_key *), compare);
    return keys;
}

/* The same key: its team and secret, too. */
static bool stands_in(const struct conf_key **keys, size_t n,
                      const struct team_key *key)
{
    const struct conf_key wanted = {.id = key->id};
    const struct conf_key *at = &wanted;
    const struct conf_key **found =
        n ? bsearch(&at, keys, n, sizeof(const struct conf_key *), compare)
          : NULL;
    unsigned char digest[DIGEST_BYTES];

    return found && strcmp((*found)->team, key->team->name) == 0 &&
           digest_parse(digest, (*found)->digest) &&
           digest_equal(digest, key->digest);
}

static void mark(const struct edition *e, const struct conf *conf,
                 struct arena *a)
{
    const struct conf_key **keys = sorted(conf, a);

    for (size_t i = 0; i < e->snapshot->n_keys; i++) {
        const struct team_key *key = &e->snapshot->keys[i];

        if (stands_in(keys, conf->n_keys, key) ||
            atomic_exchange(&e->key_limits[i]->revoked, true))
            continue;
        log_line(LOG_INFO, "key_revoked", "key=%s team=%s", key->id,
                 key->team->name);
    }
}

void revoke_missing(const struct edition *e, const char *dir)
{
    struct arena *a = arena_new();
    struct diag *diag = arena_alloc(a, sizeof(*diag));
    const struct conf *conf;

    if (conf_load_keys(&conf, dir, a, diag) == 0)
        mark(e, conf, a);
    else
        log_line(LOG_ERROR, "keys",
                 "note=\"keys.yaml cannot be read: the keys stay\"");
    arena_free(a);
}
