#include <pthread.h>
#include <string.h>

#include "base/digest.h"

#include "routing/compile.h"

/* A secret's id tells two keys apart in memory and means nothing outside:
 * the key it is made with is drawn once per process. */
static struct hmac_key id_key;
static pthread_once_t id_key_once = PTHREAD_ONCE_INIT;

static void id_key_draw(void)
{
    char bytes[DIGEST_BYTES];

    random_bytes(bytes, sizeof(bytes));
    hmac_key_init(&id_key, (struct slice){bytes, sizeof(bytes)});
    wipe(bytes, sizeof(bytes));
}

static uint64_t secret_id(struct slice text)
{
    unsigned char digest[DIGEST_BYTES];
    uint64_t id;

    pthread_once(&id_key_once, id_key_draw);
    hmac_sha256(digest, &id_key, text);
    memcpy(&id, digest, sizeof(id));
    return id;
}

static void wipe_text(void *text)
{
    wipe(text, strlen(text));
}

/* What a header can carry and a vendor would have issued. */
static const char *secret_is_unfit(struct slice text)
{
    if (text.len > SECRET_BYTES_MOST)
        return "is longer than 512 bytes";
    for (size_t i = 0; i < text.len; i++)
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~')
            return "holds a blank or a character that no key has";
    return NULL;
}

struct key_list {
    struct secret *keys;
    uint32_t n;
};

static void add_key(struct compiling *c, struct key_list *list,
                    const struct place *at, struct slice text)
{
    const char *unfit = secret_is_unfit(text);
    uint64_t id;
    char *copy;

    if (unfit) {
        diag_error(c->diag, at, "the key found here %s", unfit);
        return;
    }
    id = secret_id(text);
    for (uint32_t i = 0; i < list->n; i++)
        if (list->keys[i].id == id)
            return;
    if (list->n == VENDOR_KEYS_MOST) {
        diag_error(c->diag, at, "more than %d keys for one vendor",
                   VENDOR_KEYS_MOST);
        return;
    }
    copy = arena_strndup(c->arena, text.bytes, text.len);
    arena_defer(c->arena, wipe_text, copy);
    list->keys[list->n++] = (struct secret){.text = copy, .id = id};
}

/* Several keys stand one a line, or with commas between. */
static void split_keys(struct compiling *c, struct key_list *list,
                       const struct place *at, const char *text)
{
    static const char blanks[] = " \t\r", ends[] = "\n,";

    while (*text) {
        size_t len = strcspn(text, ends);
        const char *next = text + len + (text[len] != '\0');

        while (len > 0 && strchr(blanks, *text)) {
            text++;
            len--;
        }
        while (len > 0 && strchr(blanks, text[len - 1]))
            len--;
        if (len > 0)
            add_key(c, list, at, (struct slice){text, len});
        text = next;
    }
}

void compile_vendor_keys(struct compiling *c, struct vendor *v)
{
    const struct conf_vendor *conf = v->conf;
    struct key_list list = {0};

    if (conf->n_keys == 0 || v->auth == AUTH_NONE)
        return;
    list.keys = arena_alloc(c->arena, VENDOR_KEYS_MOST * sizeof(*list.keys));
    for (size_t i = 0; i < conf->n_keys; i++) {
        const struct conf_key_source *from = &conf->keys[i];
        int before = c->diag->errors;
        char *text = c->secrets->read(c->secrets->self, from, c->conf->dir,
                                      c->arena, c->diag);

        if (text) {
            split_keys(c, &list, &from->place, text);
            wipe_text(text);
        } else if (from->file && c->diag->errors == before) {
            diag_warning(c->diag, &from->place, "there is no file %s",
                         from->file);
        }
    }
    v->keys = list.keys;
    v->n_keys = list.n;
}
