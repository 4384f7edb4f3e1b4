#include "admin/keys_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fatal.h"
#include "base/file.h"
#include "base/time.h"

enum {
    ENTRY_BYTES = 2048, /* of one key, at most */
    HEAD_BYTES = 256,
};

static const char head[] =
    "# Written by `bijia keys`. No key stands here, only what is needed to\n"
    "# recognise one; see `bijia keys --help`.\n";

static const char none[] = "[]\n";

/* `text` in double quotes, as YAML (and JSON) read it. */
static size_t add_quoted(char *out, const char *text)
{
    size_t len = 0;

    out[len++] = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            out[len++] = '\\';
        out[len++] = *text;
    }
    out[len++] = '"';
    out[len] = '\0';
    return len;
}

static size_t add_key(char *out, const struct conf_key *k)
{
    char expires[TIME_TEXT] = "";

    const struct {
        const char *word, *text;
    } words[] = {
        {"- id: ", k->id},
        {"\n  team: ", k->team},
        {"\n  name: ", k->name},
        {"\n  digest: ", k->digest},
        {"\n  created: ", k->created},
        {"\n  expires: ", expires},
    };

    size_t len = 0;

    if (k->expires_ms)
        time_text(k->expires_ms, expires);

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t n = strlen(words[i].word);

        if (!words[i].text || !*words[i].text)
            continue;
        ENSURE(len + n + 2 * strlen(words[i].text) + 4 < ENTRY_BYTES);
        memcpy(out + len, words[i].word, n);
        len += n + add_quoted(out + len + n, words[i].text);
    }
    out[len++] = '\n';
    return len;
}

int keys_file_write(const char *dir, const struct conf_key *keys, size_t n,
                    struct arena *a)
{
    char *bytes = arena_alloc(a, HEAD_BYTES + (n + 1) * ENTRY_BYTES);
    size_t len = sizeof(head) - 1;

    memcpy(bytes, head, len);
    for (size_t i = 0; i < n; i++)
        len += add_key(bytes + len, &keys[i]);
    if (n == 0) {
        memcpy(bytes + len, none, sizeof(none));
        len += sizeof(none) - 1;
    }
    return file_replace(arena_printf(a, "%s/keys.yaml", dir),
                        (struct slice){bytes, len}, a);
}

/* 32 random bytes in hex, in a file that nobody else can read. */
static int pepper_draw(const char *path, struct arena *a)
{
    unsigned char bytes[DIGEST_BYTES];
    char text[DIGEST_HEX];
    const char *slash = strrchr(path, '/');
    int status;

    random_bytes(bytes, sizeof(bytes));
    digest_text(bytes, text);
    text[DIGEST_HEX - 1] = '\n';
    if (slash && slash > path)
        mkdir(arena_strndup(a, path, (size_t)(slash - path)), 0700);
    status = file_create(path, (struct slice){text, sizeof(text)}, a);
    wipe(bytes, sizeof(bytes));
    wipe(text, sizeof(text));
    return status;
}

int pepper_load(struct hmac_key *out, const struct conf *conf, struct arena *a,
                const char **why)
{
    const char *name = pepper_path(conf, a);
    const char *path =
        *name == '/' ? name : arena_printf(a, "%s/%s", conf->dir, name);
    struct conf_key_source from = {.place = {path, 1, 1}, .file = path};
    struct diag *diag = arena_alloc(a, sizeof(*diag));
    int status;

    /* with keys there, a lost pepper must be found, not replaced */
    if (conf->n_keys == 0 && pepper_draw(path, a) < 0 && errno != EEXIST) {
        *why = arena_printf(a, "%s cannot be made: %s", path, strerror(errno));
        return -1;
    }
    status = pepper_read(out, &from, conf->dir, &secrets_of_process, a, diag);
    if (status < 0)
        *why = diag->text;
    return status;
}
