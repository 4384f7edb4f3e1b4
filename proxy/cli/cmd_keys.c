#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"

#include "conf/value.h"

#include "admin/key_store.h"
#include "cli/options.h"

#define DEFAULT_GRACE "1h"

struct keys_call {
    const struct args *args;
    struct key_store store;
};

static int failed(const struct keys_call *k)
{
    if (k->store.is_usage)
        return usage_error(k->args, "%s", k->store.why);
    fprintf(stderr, "bijia keys: %s\n", k->store.why);
    return 1;
}

/* The key alone goes to stdout. */
static int show(struct key_made *made, const struct keys_call *k)
{
    printf("%s\n", made->text);
    fprintf(stderr,
            "This is shown once. Key %s of team \"%s\" is in %s/keys.yaml; a "
            "running bijia reads it within a second.\n",
            made->id, made->team, k->store.dir);
    wipe(made->text, sizeof(made->text));
    return 0;
}

static int keys_new(struct keys_call *k)
{
    struct key_wish wish = {.team = k->args->words[1],
                            .name = option_value(k->args, "--name")};
    const char *expires = option_value(k->args, "--expires");
    struct key_made made;

    if (!wish.team)
        return usage_error(k->args, "whose key? Name a team");
    if (expires && !key_store_expiry(&wish.expires_ms, expires))
        return usage_error(k->args,
                           "--expires wants a duration such as 30d, or an "
                           "instant, found \"%s\"",
                           expires);
    if (key_store_new(&k->store, &wish, &made) != 0)
        return failed(k);
    return show(&made, k);
}

static int keys_rotate(struct keys_call *k)
{
    const char *id = k->args->words[1];
    const char *grace = option_value(k->args, "--grace");
    struct key_made made;
    int64_t grace_ms;

    if (!id)
        return usage_error(k->args, "which key? Give its id");
    if (!value_parse(&grace_ms, FIELD_DURATION, grace ? grace : DEFAULT_GRACE))
        return usage_error(k->args,
                           "--grace wants a duration such as 24h or 0s, found "
                           "\"%s\"",
                           grace);
    if (key_store_rotate(&k->store, id, grace_ms, &made) != 0)
        return failed(k);
    fprintf(stderr,
            grace_ms ? "Key %s is good for another %s.\n"
                     : "Key %s is revoked.\n",
            id, grace ? grace : DEFAULT_GRACE);
    return show(&made, k);
}

static int keys_revoke(struct keys_call *k)
{
    const char *id = k->args->words[1];

    if (!id)
        return usage_error(k->args, "which key? Give its id");
    if (key_store_revoke(&k->store, id) != 0)
        return failed(k);
    fprintf(stderr,
            "Key %s is revoked; a running bijia refuses it within a second.\n",
            id);
    return 0;
}

static void print_key(const struct conf_key *key, int width)
{
    char at[TIME_TEXT] = "never";

    if (key->expires_ms)
        time_text(key->expires_ms, at);
    if (key->expires_ms && key->expires_ms <= clock_unix_ms())
        memcpy(at, "expired", sizeof("expired"));
    printf("%-8s  %-*s  %-24s  %-24s  %s\n", key->id, width, key->team,
           key->created ? key->created : "", at, key->name ? key->name : "");
}

static int keys_list(struct keys_call *k)
{
    static struct diag diag;
    const struct conf *conf;
    size_t width = strlen("TEAM");

    if (conf_load(&conf, k->store.dir, k->store.arena, &diag) < 0) {
        diag_print(&diag);
        return 1;
    }
    for (size_t i = 0; i < conf->n_keys; i++)
        if (strlen(conf->keys[i].team) > width)
            width = strlen(conf->keys[i].team);
    printf("%-8s  %-*s  %-24s  %-24s  %s\n", "ID", (int)width, "TEAM",
           "CREATED", "EXPIRES", "NAME");
    for (size_t i = 0; i < conf->n_keys; i++)
        print_key(&conf->keys[i], (int)width);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct keys_call *k);
} verbs[] = {
    {"new", keys_new},
    {"list", keys_list},
    {"rotate", keys_rotate},
    {"revoke", keys_revoke},
};

static int run(const struct args *args)
{
    struct keys_call k = {
        .args = args,
        .store = {.dir = option_conf_dir(args, NULL)},
    };

    for (size_t i = 0; args->n_words > 0 && i < ARRAY_LEN(verbs); i++) {
        int status;

        if (strcmp(verbs[i].name, args->words[0]) != 0)
            continue;
        k.store.arena = arena_new();
        status = verbs[i].run(&k);
        arena_free(k.store.arena);
        return status;
    }
    return usage_error(args, "new, list, rotate or revoke?");
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--name", "NAME", "with new: whose key it is, for people"},
    {"--expires", "WHEN", "with new: 30d, or an instant; else never"},
    {"--grace", "TIME",
     "with rotate: how long the old key stays good; " DEFAULT_GRACE
     " unless said"},
};

extern const struct command command_keys;
const struct command command_keys = {
    .name = "keys",
    .usage = "new TEAM [--name NAME] [--expires WHEN] | list | rotate ID "
             "[--grace TIME] | revoke ID",
    .help = "make, list, rotate and revoke the keys of teams",
    .more = "new    prints a key on stdout, once: it cannot be shown again.\n"
            "       Stored are its id and a digest made with the pepper, a\n"
            "       secret file that is drawn with the first key.\n"
            "list   shows ids, teams, names and when they end.\n"
            "rotate makes a key's successor; the old one goes after a while.\n"
            "revoke takes a key out of keys.yaml.\n"
            "A running bijia follows within a second.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 2,
    .run = run,
};
