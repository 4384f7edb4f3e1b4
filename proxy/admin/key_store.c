#include "admin/key_store.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"

#include "conf/value.h"

#include "routing/suggest.h"

#include "admin/keys_file.h"

/* One change: the keys as they are, and room for one more. */
struct change {
    struct key_store *store;
    const struct conf *conf;
    struct conf_key *keys;
    size_t n;
};

static int fail(struct key_store *s, const char *why)
{
    s->why = why;
    return -1;
}

static int change_begin(struct change *c, struct key_store *s)
{
    struct diag *diag = arena_alloc(s->arena, sizeof(*diag));

    *c = (struct change){.store = s};
    if (conf_load(&c->conf, s->dir, s->arena, diag) < 0)
        return fail(s, diag->text);
    c->n = c->conf->n_keys;
    c->keys = arena_alloc(s->arena, (c->n + 1) * sizeof(*c->keys));
    if (c->n > 0)
        memcpy(c->keys, c->conf->keys, c->n * sizeof(*c->keys));
    return 0;
}

static int change_write(const struct change *c)
{
    struct key_store *s = c->store;

    if (keys_file_write(s->dir, c->keys, c->n, s->arena) == 0)
        return 0;
    return fail(s, arena_printf(s->arena, "%s/keys.yaml cannot be written: %s",
                                s->dir, strerror(errno)));
}

/* Runs `work` under the directory's lock. */
static int locked(struct key_store *s,
                  int (*work)(struct change *c, const void *with,
                              struct key_made *out),
                  const void *with, struct key_made *out)
{
    int lock = dir_lock(s->dir), status;
    struct change c;

    if (lock < 0)
        return fail(s,
                    arena_printf(s->arena, "%s: %s", s->dir, strerror(errno)));
    status = change_begin(&c, s);
    if (status == 0)
        status = work(&c, with, out);
    dir_unlock(lock);
    return status;
}

static struct conf_key *find(const struct change *c, struct slice id)
{
    for (size_t i = 0; i < c->n; i++)
        if (slice_is(id, c->keys[i].id))
            return &c->keys[i];
    return NULL;
}

static struct conf_key *find_asked(const struct change *c, const char *id)
{
    struct conf_key *key = find(c, slice_of(id));

    if (!key)
        fail(c->store, arena_printf(c->store->arena,
                                    "there is no key with the id \"%s\"", id));
    return key;
}

/* --- new ------------------------------------------------------------------ */

static bool team_exists(const struct change *c, const char *team)
{
    struct suggestion s = {.word = team};
    char near[SUGGESTION_TEXT];

    for (size_t i = 0; i < c->conf->n_teams; i++) {
        if (strcmp(c->conf->teams[i].name, team) == 0)
            return true;
        suggest(&s, c->conf->teams[i].name);
    }
    fail(c->store,
         arena_printf(c->store->arena, "policy.yaml has no team \"%s\"%s", team,
                      suggestion_text(&s, near)));
    return false;
}

static bool name_is_fit(const char *name)
{
    if (strlen(name) > KEY_NAME_MOST)
        return false;
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f)
            return false;
    return true;
}

/* Draws a key whose id is new, adds what keys.yaml keeps of it, writes. */
static int add(struct change *c, const struct key_wish *wish,
               struct key_made *out)
{
    struct arena *a = c->store->arena;
    struct conf_key *key = &c->keys[c->n];
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX], at[TIME_TEXT];
    struct slice id, secret;
    struct hmac_key pepper;

    if (pepper_load(&pepper, c->conf, a, &c->store->why) < 0)
        return -1;
    do {
        team_key_make(out->text);
        if (!team_key_parse((struct slice){out->text, TEAM_KEY_LEN}, &id,
                            &secret))
            return fail(c->store, "a key that was drawn is none");
    } while (find(c, id));
    hmac_sha256(digest, &pepper, secret);
    wipe(&pepper, sizeof(pepper));
    *key = (struct conf_key){
        .id = arena_strndup(a, id.bytes, id.len),
        .team = wish->team,
        .name = wish->name ? wish->name : "",
        .digest = arena_printf(a, "%s", digest_text(digest, hex)),
        .created = arena_printf(a, "%s", time_text(clock_unix_ms(), at)),
        .expires_ms = wish->expires_ms,
    };
    out->id = key->id;
    out->team = key->team;
    c->n++;
    return change_write(c);
}

static int work_new(struct change *c, const void *with, struct key_made *out)
{
    const struct key_wish *wish = with;

    return team_exists(c, wish->team) ? add(c, wish, out) : -1;
}

int key_store_new(struct key_store *s, const struct key_wish *wish,
                  struct key_made *out)
{
    if (wish->name && !name_is_fit(wish->name)) {
        s->is_usage = true;
        return fail(s, arena_printf(s->arena,
                                    "a key's name is one line of at most %d "
                                    "bytes",
                                    KEY_NAME_MOST));
    }
    return locked(s, work_new, wish, out);
}

/* --- rotate, revoke ------------------------------------------------------- */

static void take_out(struct change *c, const struct conf_key *key)
{
    size_t at = (size_t)(key - c->keys);

    memmove(&c->keys[at], &c->keys[at + 1], (c->n - at - 1) * sizeof(*c->keys));
    c->n--;
}

struct rotation {
    const char *id;
    int64_t grace_ms;
};

static int work_rotate(struct change *c, const void *with, struct key_made *out)
{
    const struct rotation *r = with;
    struct conf_key *old = find_asked(c, r->id);
    int64_t until_ms = clock_unix_ms() + r->grace_ms;
    struct key_wish wish;

    if (!old)
        return -1;
    wish = (struct key_wish){.team = old->team, .name = old->name};
    if (r->grace_ms == 0)
        take_out(c, old);
    else if (!old->expires_ms || old->expires_ms > until_ms)
        old->expires_ms = until_ms;
    return add(c, &wish, out);
}

int key_store_rotate(struct key_store *s, const char *id, int64_t grace_ms,
                     struct key_made *out)
{
    const struct rotation r = {id, grace_ms};

    return locked(s, work_rotate, &r, out);
}

static int work_revoke(struct change *c, const void *with, struct key_made *out)
{
    struct conf_key *key = find_asked(c, with);

    (void)out;
    if (!key)
        return -1;
    take_out(c, key);
    return change_write(c);
}

int key_store_revoke(struct key_store *s, const char *id)
{
    return locked(s, work_revoke, id, NULL);
}

bool key_store_expiry(int64_t *out, const char *text)
{
    int64_t span_ms;

    if (time_parse(out, text))
        return *out > 0;
    if (!value_parse(&span_ms, FIELD_DURATION, text) || span_ms <= 0)
        return false;
    *out = clock_unix_ms() + span_ms;
    return true;
}
