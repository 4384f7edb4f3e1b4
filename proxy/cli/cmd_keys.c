#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"

#include "conf/conf.h"

#include "routing/suggest.h"
#include "routing/team_key.h"

#include "cli/keys_file.h"
#include "cli/options.h"

enum {
    NAME_BYTES_MOST = 128,
};

struct keys_call {
    const struct args *args;
    struct arena *arena;
    const char *dir;
    const struct conf *conf;
};

static bool team_exists(const struct conf *conf, const char *team)
{
    struct suggestion s = {.word = team};
    char near[SUGGESTION_TEXT];

    for (size_t i = 0; i < conf->n_teams; i++) {
        if (strcmp(conf->teams[i].name, team) == 0)
            return true;
        suggest(&s, conf->teams[i].name);
    }
    fprintf(stderr, "bijia keys: policy.yaml has no team \"%s\"%s\n", team,
            suggestion_text(&s, near));
    return false;
}

static bool name_is_fit(const char *name)
{
    if (strlen(name) > NAME_BYTES_MOST)
        return false;
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f)
            return false;
    return true;
}

static int write_keys(const struct keys_call *k, const struct conf_key *keys,
                      size_t n)
{
    if (keys_file_write(k->dir, keys, n, k->arena) == 0)
        return 0;
    fprintf(stderr, "bijia keys: %s/keys.yaml cannot be written: %s\n", k->dir,
            strerror(errno));
    return 1;
}

static bool id_is_taken(const struct conf *conf, struct slice id)
{
    for (size_t i = 0; i < conf->n_keys; i++)
        if (slice_is(id, conf->keys[i].id))
            return true;
    return false;
}

/* Draws a key whose id is new, and what keys.yaml keeps of it. */
static bool make_key(char text[TEAM_KEY_LEN + 1], struct conf_key *out,
                     const struct keys_call *k)
{
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX], at[TIME_TEXT];
    struct slice id, secret;
    struct hmac_key pepper;

    if (pepper_load(&pepper, k->conf, k->arena) < 0)
        return false;
    do {
        team_key_make(text);
        if (!team_key_parse((struct slice){text, TEAM_KEY_LEN}, &id, &secret))
            return false;
    } while (id_is_taken(k->conf, id));
    hmac_sha256(digest, &pepper, secret);
    wipe(&pepper, sizeof(pepper));
    out->id = arena_strndup(k->arena, id.bytes, id.len);
    out->digest = arena_printf(k->arena, "%s", digest_text(digest, hex));
    out->created = arena_printf(k->arena, "%s", time_text(clock_unix_ms(), at));
    return true;
}

static int keys_new(const struct keys_call *k)
{
    const char *team = k->args->words[1];
    const char *name = option_value(k->args, "--name");
    size_t n = k->conf->n_keys;
    struct conf_key *keys = arena_alloc(k->arena, (n + 1) * sizeof(*keys));
    char text[TEAM_KEY_LEN + 1];
    int status;

    if (!team)
        return usage_error(k->args, "whose key? Name a team");
    if (name && !name_is_fit(name))
        return usage_error(k->args, "--name takes one line of at most %d bytes",
                           NAME_BYTES_MOST);
    if (!team_exists(k->conf, team))
        return 1;
    if (n > 0)
        memcpy(keys, k->conf->keys, n * sizeof(*keys));
    keys[n].team = team;
    keys[n].name = name ? name : "";
    if (!make_key(text, &keys[n], k))
        return 1;
    status = write_keys(k, keys, n + 1);
    if (status == 0) {
        printf("%s\n", text);
        fprintf(stderr,
                "This is shown once. Key %s of team \"%s\" is in %s/keys.yaml; "
                "a running bijia reads it on SIGHUP.\n",
                keys[n].id, team, k->dir);
    }
    wipe(text, sizeof(text));
    return status;
}

static int keys_list(const struct keys_call *k)
{
    size_t width = strlen("TEAM");

    for (size_t i = 0; i < k->conf->n_keys; i++)
        if (strlen(k->conf->keys[i].team) > width)
            width = strlen(k->conf->keys[i].team);
    printf("%-8s  %-*s  %-24s  %s\n", "ID", (int)width, "TEAM", "CREATED",
           "NAME");
    for (size_t i = 0; i < k->conf->n_keys; i++) {
        const struct conf_key *key = &k->conf->keys[i];

        printf("%-8s  %-*s  %-24s  %s\n", key->id, (int)width, key->team,
               key->created ? key->created : "", key->name ? key->name : "");
    }
    return 0;
}

static int keys_revoke(const struct keys_call *k)
{
    const char *id = k->args->words[1];
    size_t n = 0;
    struct conf_key *keys =
        arena_alloc(k->arena, k->conf->n_keys * sizeof(*keys));

    if (!id)
        return usage_error(k->args, "which key? Give its id");
    for (size_t i = 0; i < k->conf->n_keys; i++)
        if (strcmp(k->conf->keys[i].id, id) != 0)
            keys[n++] = k->conf->keys[i];
    if (n == k->conf->n_keys) {
        fprintf(stderr, "bijia keys: there is no key with the id \"%s\"\n", id);
        return 1;
    }
    if (write_keys(k, keys, n) != 0)
        return 1;
    fprintf(stderr,
            "Key %s is revoked; a running bijia refuses it from SIGHUP on.\n",
            id);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct keys_call *k);
    bool writes;
} verbs[] = {
    {"new", keys_new, true},
    {"list", keys_list, false},
    {"revoke", keys_revoke, true},
};

static int run_verb(size_t verb, struct keys_call *k)
{
    static struct diag diag;

    if (verbs[verb].writes && dir_lock(k->dir) < 0) {
        fprintf(stderr, "bijia keys: %s: %s\n", k->dir, strerror(errno));
        return 1;
    }
    if (conf_load(&k->conf, k->dir, k->arena, &diag) < 0) {
        diag_print(&diag);
        return 1;
    }
    return verbs[verb].run(k);
}

static int run(const struct args *args)
{
    struct keys_call k = {
        .args = args,
        .dir = option_conf_dir(args, NULL),
    };

    for (size_t i = 0; args->n_words > 0 && i < ARRAY_LEN(verbs); i++) {
        int status;

        if (strcmp(verbs[i].name, args->words[0]) != 0)
            continue;
        k.arena = arena_new();
        status = run_verb(i, &k);
        arena_free(k.arena);
        return status;
    }
    return usage_error(args, "new, list or revoke?");
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--name", "NAME", "with new: whose key it is, for people"},
};

extern const struct command command_keys;
const struct command command_keys = {
    .name = "keys",
    .usage = "new TEAM [--name NAME] | list | revoke ID",
    .help = "make, list and revoke the keys of teams",
    .more = "new    prints a key on stdout, once: it cannot be shown again.\n"
            "       Stored are its id and a digest made with the pepper, a\n"
            "       secret file that is drawn with the first key.\n"
            "list   shows ids, teams and names.\n"
            "revoke takes a key out of keys.yaml.\n"
            "A running bijia follows on SIGHUP.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 2,
    .run = run,
};
