#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "routing/compile.h"
#include "routing/suggest.h"
#include "routing/url.h"

static void read_url(struct compiling *c, struct vendor *v)
{
    const char *text = v->conf->base_url;
    struct url url;
    const char *wrong = url_read(&url, text, c->arena);

    if (wrong)
        diag_error(c->diag, &v->conf->place, "the base_url of \"%s\" %s",
                   v->name, wrong);
    v->tls = url.tls;
    v->host = url.host;
    v->port = url.port;
    v->base_path = url.path;
}

static enum price_at price_at_of(const char *word)
{
    if (word && strcmp(word, "first_byte") == 0)
        return PRICE_AT_FIRST_BYTE;
    return word && strcmp(word, "end") == 0 ? PRICE_AT_END : PRICE_AT_ADMISSION;
}

static void read_auth(struct compiling *c, struct vendor *v)
{
    static const char *const names[] = {
        [AUTH_BEARER] = "bearer",
        [AUTH_API_KEY] = "api-key",
        [AUTH_X_API_KEY] = "x-api-key",
        [AUTH_X_GOOG_API_KEY] = "x-goog-api-key",
        [AUTH_NONE] = "none",
    };
    const char *auth = v->conf->auth;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (auth && strcmp(auth, names[i]) == 0) {
            v->auth = (enum auth_kind)i;
            return;
        }
    }
    if (auth)
        diag_error(c->diag, &v->conf->place,
                   "\"%s\" wants auth \"%s\"; known are bearer, api-key, "
                   "x-api-key, x-goog-api-key, none",
                   v->name, auth);
}

/* Words that were looked for in vain, and those that would have been found. */
struct listing {
    char text[512];
    size_t len;
    struct suggestion near;
};

static void list_add(void *to, const char *name, const char *help)
{
    struct listing *l = to;
    int n = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s",
                     l->len ? ", " : "", name);

    (void)help;
    suggest(&l->near, name);
    if (n > 0 && l->len + (size_t)n < sizeof(l->text))
        l->len += (size_t)n;
    else
        l->text[l->len] = '\0';
}

uint64_t compile_quirks(struct compiling *c, const struct conf_words *words)
{
    uint64_t all = 0;

    for (size_t i = 0; i < words->n; i++) {
        const struct conf_word *word = &words->items[i];
        uint64_t quirk = quirk_find(word->text);
        struct listing known = {.near = {.word = word->text}};
        char near[SUGGESTION_TEXT];

        all |= quirk;
        if (quirk)
            continue;
        quirk_list(list_add, &known);
        diag_error(c->diag, &word->place,
                   "no quirk is called \"%s\"%s Known: %s", word->text,
                   known.near.best ? suggestion_text(&known.near, near) : ".",
                   known.text);
    }
    return all;
}

static void read_language(struct compiling *c, struct vendor *v)
{
    const struct conf_vendor *conf = v->conf;
    const struct adapter *adapter = adapter_find(conf->adapter);
    struct manner *m = &v->manner;

    m->adapter = adapter;
    m->quirks = compile_quirks(c, &conf->quirks);
    if (!adapter) {
        struct listing known = {.near = {.word = conf->adapter}};

#define ROW(name) list_add(&known, #name, NULL);
        ADAPTERS(ROW)
#undef ROW
        diag_error(c->diag, &conf->place,
                   "\"%s\" speaks \"%s\", which no adapter knows; known: %s",
                   v->name, conf->adapter, known.text);
        return;
    }
    m->chat_path = conf->chat_path ? conf->chat_path : adapter->chat_path;
    m->stream_path = conf->stream_path || conf->chat_path
                         ? conf->stream_path
                         : adapter->stream_path;
}

/* Has the vendor a header of its own that begins the adapter's `line`? */
static bool is_overruled(const struct conf_vendor *conf, const char *line)
{
    for (size_t i = 0; i < conf->n_headers; i++) {
        size_t len = strlen(conf->headers[i].name);

        if (strncasecmp(line, conf->headers[i].name, len) == 0 &&
            line[len] == ':')
            return true;
    }
    return false;
}

static void read_headers(struct compiling *c, struct vendor *v)
{
    const struct conf_vendor *conf = v->conf;
    const char *line = v->manner.adapter ? v->manner.adapter->headers : "";

    v->headers = "";
    for (const char *end; *line; line = end) {
        end = strstr(line, "\r\n") + 2;
        if (!is_overruled(conf, line))
            v->headers = arena_printf(c->arena, "%s%.*s", v->headers,
                                      (int)(end - line), line);
    }
    for (size_t i = 0; i < conf->n_headers; i++)
        v->headers =
            arena_printf(c->arena, "%s%s: %s\r\n", v->headers,
                         conf->headers[i].name, conf->headers[i].value);
}

static void read_tokenizer(struct compiling *c, struct vendor *v)
{
    const char *name = v->conf->tokenizer;
    struct listing known = {.near = {.word = name}};
    char near[SUGGESTION_TEXT];

    v->tokenizer = tokenizer_find(name);
    if (v->tokenizer >= 0)
        return;
    for (int i = 0; tokenizer_name(i); i++)
        list_add(&known, tokenizer_name(i), NULL);
    diag_error(c->diag, &v->conf->place,
               "no tokenizer family is called \"%s\"%s Known: %s", name,
               known.near.best ? suggestion_text(&known.near, near) : ".",
               known.text);
}

static void compile_vendor(struct compiling *c, struct vendor *v)
{
    const struct conf_vendor *conf = v->conf;
    const struct conf_server *server = &c->conf->server;

    v->name = conf->name;
    if (!names_add(c->names, NAMES_VENDOR, v->name, v))
        diag_error(c->diag, &conf->place, "a second vendor is called \"%s\"",
                   v->name);
    read_auth(c, v);
    read_url(c, v);
    read_language(c, v);
    read_headers(c, v);
    read_tokenizer(c, v);
    v->idle_ms = conf->idle_ms;
    v->first_byte_ms =
        conf->first_byte_ms ? conf->first_byte_ms : server->first_byte_ms;
    v->price_at = price_at_of(conf->price_at);
    v->silence_ms = conf->silence_ms ? conf->silence_ms : server->silence_ms;
    compile_vendor_keys(c, v);
}

void compile_vendors(struct compiling *c)
{
    size_t n = c->conf->n_vendors;

    c->vendors = arena_alloc(c->arena, n * sizeof(*c->vendors));
    c->s->vendors = c->vendors;
    c->s->n_vendors = n;
    for (size_t i = 0; i < n; i++) {
        c->vendors[i].conf = &c->conf->vendors[i];
        c->vendors[i].index = (uint32_t)i;
        compile_vendor(c, &c->vendors[i]);
    }
}
