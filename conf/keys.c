/* keys.c - keys.yaml: digests of the teams' keys; `bijia keys` writes it. */
#include <stdlib.h>
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

static const struct field key_rows[] = {
    FIELD(conf_key, "id", id, .kind = FIELD_TEXT, .max = 64,
          .check = check_vendor, .live = true,
          .help = "the part of the key that is no secret"),
    FIELD(conf_key, "team", team, .kind = FIELD_TEXT, .max = 128,
          .check = check_name, .live = true, .help = "a team of policy.yaml"),
    FIELD(conf_key, "name", name, .kind = FIELD_TEXT, .init = "", .max = 128,
          .live = true, .help = "whose it is, for people"),
    FIELD(conf_key, "digest", digest, .kind = FIELD_TEXT, .max = 64,
          .check = check_digest, .live = true,
          .help = "HMAC-SHA256 of the key with the pepper"),
    FIELD(conf_key, "created", created, .kind = FIELD_TEXT, .init = "",
          .max = 64, .live = true, .help = "when it was made"),
    FIELD(conf_key, "expires", expires_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true, .help = "from then on it is refused; absent: never"),
};

const struct field_table keys_fields = FIELD_TABLE(key_rows);

static int compare(const void *a, const void *b)
{
    const struct conf_key *x = *(const struct conf_key *const *)a,
                          *y = *(const struct conf_key *const *)b;
    int order = strcmp(x->id, y->id);

    if (order == 0)
        order = x->place.line - y->place.line;
    return order ? order : x->place.column - y->place.column;
}

static void check_ids(const struct load *l, const struct conf_key *keys,
                      size_t n)
{
    const struct conf_key **all =
        arena_alloc(l->arena, n * sizeof(const struct conf_key *));
    size_t n_all = 0;

    for (size_t i = 0; i < n; i++)
        if (keys[i].id)
            all[n_all++] = &keys[i];
    qsort(all, n_all, sizeof(const struct conf_key *), compare);
    for (size_t i = 1; i < n_all; i++)
        if (strcmp(all[i - 1]->id, all[i]->id) == 0)
            diag_error(l->diag, &all[i]->place,
                       "the key \"%s\" stands here a second time, first on "
                       "line %d",
                       all[i]->id, all[i - 1]->place.line);
}

void keys_read(const struct load *l, const struct node *root)
{
    size_t n;
    const struct node *k = children(l, root, NODE_LIST, "the file", &n);
    struct conf_key *key = arena_alloc(l->arena, n * sizeof(*key));

    l->conf->keys = key;
    l->conf->n_keys = n;
    for (; k; k = k->next, key++) {
        key->place = k->place;
        fields_read(&keys_fields, k, key, l->arena, l->diag);
    }
    check_ids(l, l->conf->keys, n);
}
