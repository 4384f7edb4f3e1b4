#include "routing/team_key.h"

#include <string.h>

#include "routing/compile.h"
#include "routing/suggest.h"

static const char digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum {
    BASE = sizeof(digits) - 1,
    ID_AT = 3, /* behind "bj_" */
    SECRET_AT = ID_AT + TEAM_KEY_ID + 1,
    CHECK_AT = SECRET_AT + TEAM_KEY_SECRET,
};

static bool all_digits(const char *text, size_t len)
{
    bool all = true;

    for (size_t i = 0; i < len; i++) {
        unsigned c = (unsigned char)text[i];

        all &= (c - '0' < 10) | ((c | 0x20) - 'a' < 26);
    }
    return all;
}

/* The number of `bytes`, big-endian, in exactly `len` digits: what does not
 * fit is lost. Destroys `bytes`. */
static void write_digits(char *out, size_t len, unsigned char *bytes, size_t n)
{
    while (len > 0) {
        unsigned rest = 0;

        for (size_t i = 0; i < n; i++) {
            rest = rest << 8 | bytes[i];
            bytes[i] = (unsigned char)(rest / BASE);
            rest %= BASE;
        }
        out[--len] = digits[rest];
    }
}

static void write_check(char out[TEAM_KEY_CHECK], const char *key)
{
    uint32_t crc = digest_crc32((struct slice){key, CHECK_AT});

    for (size_t i = TEAM_KEY_CHECK; i-- > 0; crc /= BASE)
        out[i] = digits[crc % BASE];
}

void team_key_make(char text[TEAM_KEY_LEN + 1])
{
    unsigned char bytes[DIGEST_BYTES];

    memcpy(text, "bj_", ID_AT);
    random_bytes(bytes, sizeof(bytes));
    write_digits(text + ID_AT, TEAM_KEY_ID, bytes, sizeof(bytes));
    text[SECRET_AT - 1] = '_';
    random_bytes(bytes, sizeof(bytes));
    write_digits(text + SECRET_AT, TEAM_KEY_SECRET, bytes, sizeof(bytes));
    write_check(text + CHECK_AT, text);
    text[TEAM_KEY_LEN] = '\0';
    wipe(bytes, sizeof(bytes));
}

bool team_key_id_is_fit(const char *id)
{
    return strlen(id) == TEAM_KEY_ID && all_digits(id, TEAM_KEY_ID);
}

bool team_key_parse(struct slice presented, struct slice *id,
                    struct slice *secret)
{
    const char *key = presented.bytes;
    char check[TEAM_KEY_CHECK];

    if (presented.len != TEAM_KEY_LEN || memcmp(key, "bj_", ID_AT) != 0 ||
        key[SECRET_AT - 1] != '_' || !all_digits(key + ID_AT, TEAM_KEY_ID) ||
        !all_digits(key + SECRET_AT, TEAM_KEY_SECRET + TEAM_KEY_CHECK))
        return false;
    write_check(check, key);
    if (memcmp(check, key + CHECK_AT, TEAM_KEY_CHECK) != 0)
        return false;
    *id = (struct slice){key + ID_AT, TEAM_KEY_ID};
    *secret = (struct slice){key + SECRET_AT, TEAM_KEY_SECRET};
    return true;
}

const struct team_key *team_key_check(const struct snapshot *s,
                                      struct slice presented)
{
    unsigned char digest[DIGEST_BYTES];
    const struct team_key *key;
    struct slice id, secret;

    if (!team_key_parse(presented, &id, &secret))
        return NULL;
    key = snapshot_find_key(s, id);
    if (!key)
        return NULL;
    hmac_sha256(digest, &s->pepper, secret);
    return digest_equal(digest, key->digest) ? key : NULL;
}

static void wipe_pepper(void *snapshot)
{
    struct snapshot *s = snapshot;

    wipe(&s->pepper, sizeof(s->pepper));
}

const char *pepper_path(const struct conf *conf, struct arena *a)
{
    const struct conf_server *server = &conf->server;

    return server->pepper_file
               ? server->pepper_file
               : arena_printf(a, "%s/pepper", server->state_dir);
}

int pepper_read(struct hmac_key *out, const struct conf_key_source *from,
                const char *dir, const struct secret_source *secrets,
                struct arena *a, struct diag *diag)
{
    int before = diag->errors;
    char *text = secrets->read(secrets->self, from, dir, a, diag);
    size_t len = text ? strcspn(text, " \t\r\n") : 0;

    if (len >= PEPPER_BYTES_LEAST)
        hmac_key_init(out, (struct slice){text, len});
    else if (diag->errors == before)
        diag_error(diag, &from->place,
                   "the teams' keys are checked with the pepper in %s, which "
                   "%s; without the one they were made with they open nothing",
                   from->file, text ? "is too short" : "does not exist");
    if (text)
        wipe(text, strlen(text));
    return diag->errors > before ? -1 : 0;
}

static void take_pepper(struct compiling *c)
{
    struct conf_key_source from = {
        .place = c->conf->keys[0].place,
        .file = pepper_path(c->conf, c->arena),
    };

    if (pepper_read(&c->s->pepper, &from, c->conf->dir, c->secrets, c->arena,
                    c->diag) == 0)
        arena_defer(c->arena, wipe_pepper, c->s);
}

static const struct team *team_of(struct compiling *c, const struct conf_key *k)
{
    const struct team *team = snapshot_find_team(c->s, k->team);
    struct suggestion s = {.word = k->team};
    char near[SUGGESTION_TEXT];

    if (team)
        return team;
    for (size_t i = 0; !diag_full(c->diag) && i < c->s->n_teams; i++)
        suggest(&s, c->s->teams[i].name);
    diag_warning(c->diag, &k->place,
                 "key %s is of team \"%s\", which the policy does not name: it "
                 "is refused%s",
                 k->id, k->team, suggestion_text(&s, near));
    return NULL;
}

void compile_keys(struct compiling *c)
{
    const struct conf *conf = c->conf;
    struct team_key *keys = arena_alloc(c->arena, conf->n_keys * sizeof(*keys));
    size_t n = 0;

    for (size_t i = 0; i < conf->n_keys; i++) {
        const struct conf_key *from = &conf->keys[i];
        struct team_key *key = &keys[n];

        key->id = from->id;
        key->name = from->name;
        key->expires_ms = from->expires_ms ? from->expires_ms : INT64_MAX;
        key->team = team_of(c, from);
        if (!team_key_id_is_fit(from->id))
            diag_error(c->diag, &from->place,
                       "a key's id is 8 letters and digits, not \"%s\"",
                       from->id);
        else if (!digest_parse(key->digest, from->digest))
            diag_error(c->diag, &from->place,
                       "the digest of key %s is not 64 hex digits", from->id);
        else if (key->team && !names_add(c->names, NAMES_KEY, key->id, key))
            diag_error(c->diag, &from->place, "a second key %s", from->id);
        else if (key->team)
            n++;
    }
    c->s->keys = keys;
    c->s->n_keys = n;
    if (conf->n_keys > 0)
        take_pepper(c);
}
