/* vendors.c - vendors.yaml: accounts, their keys and models. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

enum {
    SECOND = 1000,
    HOUR = 3600 * SECOND,
    VENDORS_MOST = 1000,
    MODELS_MOST = 4096,
    KEYS_MOST = 64,
    HEADERS_MOST = 16,
    HEADER_BYTES_MOST = 512,
    TOKENS_MOST = 100000000,
};

#define ABILITY(word, member, text)                                     \
    FIELD(conf_model, word, member, .kind = FIELD_YES_NO, .init = "no", \
          .live = true, .help = (text))
#define TOKENS(word, member, text)                                             \
    FIELD(conf_model, word, member, .kind = FIELD_COUNT, .init = "", .min = 1, \
          .max = TOKENS_MOST, .live = true, .help = (text))

static const struct field model_rows[] = {
    FIELD(conf_model, "sent_as", sent_as, .kind = FIELD_TEXT, .init = "",
          .max = 120, .check = check_model, .live = true,
          .help = "what the vendor calls it, if not by this name"),
    FIELD(conf_model, "chat_path", chat_path, .kind = FIELD_TEXT, .init = "",
          .max = 256, .check = check_template, .live = true,
          .help = "as the vendor's chat_path, for this model"),
    FIELD(conf_model, "quirks", quirks, .kind = FIELD_WORDS, .init = "",
          .max = 64, .check = check_vendor, .live = true,
          .help = "further quirks, of this model"),
    TOKENS("context", context_tokens,
           "tokens of prompt and answer together; absent: not known"),
    TOKENS("max_output", max_output_tokens,
           "tokens of its longest answer; absent: not known"),
    ABILITY("tools", tools, "takes tools"),
    ABILITY("vision", vision, "takes images"),
    ABILITY("json_object", json_object, "takes response_format json_object"),
    ABILITY("json_schema", json_schema,
            "takes response_format json_schema and keeps to it"),
    ABILITY("thinking", thinking, "can think before it answers"),
    ABILITY("always_thinks", always_thinks,
            "and cannot be told not to; such requests go elsewhere"),
    FIELD(conf_model, "first_byte", first_byte_ms, .kind = FIELD_DURATION,
          .init = "", .min = 10, .max = HOUR, .live = true,
          .help = "as timeouts.first_byte, for this model"),
    BY_HAND("limits", &limits_fields,
            "what the vendor grants each key for this model; absent: as "
            "prices.yaml says"),
};

static const struct field key_rows[] = {
    FIELD(conf_key_source, "env", env, .kind = FIELD_TEXT, .init = "",
          .check = check_env, .live = true,
          .help = "name of an environment variable"),
    FIELD(conf_key_source, "file", file, .kind = FIELD_TEXT, .init = "",
          .live = true, .help = "name of a file, relative to this directory"),
};

static const struct field_table model_fields = FIELD_TABLE(model_rows),
                                key_fields = FIELD_TABLE(key_rows);

static const struct field cache_rows[] = {
    FIELD(conf_vendor, "none", cache.none, .kind = FIELD_YES_NO, .init = "no",
          .live = true, .help = "it keeps no prompts"),
    FIELD(conf_vendor, "ttl", cache.ttl_ms, .kind = FIELD_DURATION, .init = "",
          .min = SECOND, .live = true,
          .help = "how long a prompt's beginning is kept since its last use; "
                  "absent: learnt"),
    FIELD(conf_vendor, "usable_after", cache.usable_after_ms,
          .kind = FIELD_DURATION, .init = "0s", .max = HOUR, .live = true,
          .help = "how soon after it was sent it can be read"),
    FIELD(conf_vendor, "least", cache.least_tokens, .kind = FIELD_COUNT,
          .init = "", .max = TOKENS_MOST, .live = true,
          .help = "tokens; shorter beginnings are not kept"),
    FIELD(conf_vendor, "whole_units", cache.whole_units, .kind = FIELD_YES_NO,
          .init = "no", .live = true,
          .help = "a hit ends where an earlier request ended, or where two "
                  "parted"),
};

static const struct field_table cache_fields = FIELD_TABLE(cache_rows);

static const struct field vendor_rows[] = {
    FIELD(conf_vendor, "base_url", base_url, .kind = FIELD_TEXT, .max = 1024,
          .check = check_url, .live = true,
          .help = "where its API begins: https://host[:port][/path]"),
    FIELD(conf_vendor, "chat_path", chat_path, .kind = FIELD_TEXT, .init = "",
          .max = 256, .check = check_template, .live = true,
          .help = "of chat completions, below base_url; {model}: the model's "
                  "name; absent: the adapter's"),
    FIELD(conf_vendor, "stream_path", stream_path, .kind = FIELD_TEXT,
          .init = "", .max = 256, .check = check_template, .live = true,
          .help = "the same for streams, where that differs"),
    FIELD(conf_vendor, "adapter", adapter, .kind = FIELD_TEXT, .init = "openai",
          .max = 64, .check = check_vendor, .live = true,
          .help = "the language it speaks"),
    FIELD(conf_vendor, "currency", currency, .kind = FIELD_CURRENCY,
          .live = true, .help = "in which it bills: CNY or USD"),
    FIELD(conf_vendor, "region", region, .kind = FIELD_TEXT, .init = "",
          .max = 64, .check = check_vendor, .live = true,
          .help = "where it computes, for people and policies: cn, us, own"),
    FIELD(conf_vendor, "auth", auth, .kind = FIELD_CHOICE, .init = "bearer",
          .choices = "bearer api-key x-api-key x-goog-api-key none",
          .live = true,
          .help = "how the key is sent: as \"Authorization: Bearer\", in the "
                  "header of that name, or not at all"),
    BY_HAND("keys", &key_fields,
            "list of {env: NAME} or {file: NAME}; each may hold several "
            "keys, by line or comma"),
    BY_HAND("headers", NULL,
            "map of further headers, the same with each request: {NAME: "
            "VALUE}"),
    FIELD(conf_vendor, "quirks", quirks, .kind = FIELD_WORDS, .init = "",
          .max = 64, .check = check_vendor, .live = true,
          .help = "where it departs from OpenAI's language"),
    FIELD(conf_vendor, "tokenizer", tokenizer, .kind = FIELD_TEXT,
          .init = "generic", .max = 64, .check = check_vendor, .live = true,
          .help = "family by which its tokens are estimated"),
    FIELD(conf_vendor, "ca_file", ca_file, .kind = FIELD_TEXT, .init = "",
          .live = true,
          .help = "PEM file of authorities to trust instead of the system's"),
    FIELD(conf_vendor, "forward_proxy", forward_proxy, .kind = FIELD_TEXT,
          .init = "", .max = 1024, .check = check_proxy, .live = true,
          .help = "proxy to dial through; the environment's is never used"),
    FIELD(conf_vendor, "idle", idle_ms, .kind = FIELD_DURATION, .init = "50s",
          .min = 100, .max = HOUR, .live = true,
          .help = "kept connections are closed then; stay below the vendor's "
                  "own time"),
    FIELD(conf_vendor, "first_byte", first_byte_ms, .kind = FIELD_DURATION,
          .init = "", .min = 10, .max = HOUR, .live = true,
          .help = "as timeouts.first_byte, for this vendor"),
    FIELD(conf_vendor, "silence", silence_ms, .kind = FIELD_DURATION,
          .init = "", .min = 10, .max = HOUR, .live = true,
          .help = "as timeouts.silence, for this vendor"),
    FIELD(conf_vendor, "cancel_stops_billing", cancel_stops_billing,
          .kind = FIELD_YES_NO, .init = "no", .live = true,
          .help = "closing a stream ends the bill as well"),
    FIELD(conf_vendor, "price_list", price_list, .kind = FIELD_TEXT, .init = "",
          .max = 64, .check = check_vendor, .live = true,
          .help = "name below \"prices\" in prices.yaml; absent: its own"),
    FIELD(conf_vendor, "price_at", price_at, .kind = FIELD_CHOICE,
          .init = "admission", .choices = "admission first_byte end",
          .live = true,
          .help = "the instant whose price bills a request that is under way "
                  "when prices change"),
    BY_HAND("limits", &limits_fields,
            "what the vendor grants each key, over all models"),
    SECTION("cache", &cache_fields, "how it keeps prompts"),
    BY_HAND("models", &model_fields, "by the vendor's own names"),
};

static const struct field_table vendor_fields = FIELD_TABLE(vendor_rows);

static const struct field file_rows[] = {
    BY_HAND("vendors", &vendor_fields, "accounts, by names of your choice"),
};

const struct field_table vendors_fields = FIELD_TABLE(file_rows);

static void read_models(const struct load *l, struct conf_vendor *v,
                        const struct node *map)
{
    size_t n;
    const struct node *m = children(l, map, NODE_MAP, "\"models\"", &n);
    struct conf_model *model = arena_alloc(l->arena, n * sizeof(*model));

    if (n > MODELS_MOST) {
        diag_error(l->diag, node_head(map), "more than %d models", MODELS_MOST);
        return;
    }
    v->models = model;
    v->n_models = n;
    for (; m; m = m->next, model++) {
        model->place = m->key_place;
        model->name = arena_strndup(l->arena, m->key, strlen(m->key));
        if (!check_key(m, check_model, "this", l->diag))
            continue;
        fields_read(&model_fields, m, model, l->arena, l->diag);
        model->limits = limits_read(l, node_find(m, "limits"));
        if (model->always_thinks && !model->thinking)
            diag_error(l->diag, &m->key_place,
                       "\"always_thinks: yes\" wants \"thinking: yes\"");
        if (model->context_tokens &&
            model->max_output_tokens > model->context_tokens)
            diag_error(l->diag, &m->key_place,
                       "\"max_output\" is more than the whole \"context\"");
    }
}

/* A key that stands in the file is refused, and its line is not shown. */
static bool is_literal(const struct load *l, const struct node *source)
{
    static const char *const words[] = {"key",    "api_key", "apikey",
                                        "secret", "token",   "value"};
    const struct node *found = source->kind == NODE_TEXT ? source : NULL;

    for (size_t i = 0; i < ARRAY_LEN(words) && !found; i++)
        found = node_find(source, words[i]);
    if (found)
        diag_secret(l->diag, node_head(found),
                    "a key never stands in a configuration file: write "
                    "{env: NAME} or {file: NAME}, and if this was a key, "
                    "change it");
    return found;
}

static void read_key(const struct load *l, struct conf_key_source *key,
                     const struct node *n)
{
    key->place = n->place;
    if (is_literal(l, n))
        return;
    fields_read(&key_fields, n, key, l->arena, l->diag);
    if (n->kind == NODE_MAP && !key->env == !key->file &&
        !node_find(n, "env") == !node_find(n, "file"))
        diag_error(l->diag, &n->place,
                   "a key wants one of {env: NAME} and {file: NAME}");
}

static void read_keys(const struct load *l, struct conf_vendor *v,
                      const struct node *list)
{
    bool one =
        list->kind == NODE_MAP || (list->kind == NODE_TEXT && !list->nothing);
    size_t n = 1;
    const struct node *k = list;
    struct conf_key_source *key;

    if (!one)
        k = children(l, list, NODE_LIST, "\"keys\"", &n);
    if (n > KEYS_MOST) {
        diag_error(l->diag, node_head(list), "more than %d keys", KEYS_MOST);
        return;
    }
    key = arena_alloc(l->arena, n * sizeof(*key));
    v->keys = key;
    v->n_keys = n;
    for (; n > 0; n--, k = k->next)
        read_key(l, key++, k);
}

static void read_headers(const struct load *l, struct conf_vendor *v,
                         const struct node *map)
{
    size_t n;
    const struct node *h = children(l, map, NODE_MAP, "\"headers\"", &n);
    struct conf_header *header;

    if (n > HEADERS_MOST) {
        diag_error(l->diag, node_head(map), "more than %d headers",
                   HEADERS_MOST);
        return;
    }
    header = arena_alloc(l->arena, n * sizeof(*header));
    v->headers = header;
    v->n_headers = n;
    for (; h; h = h->next, header++) {
        const char *wrong = check_header_name(h->key);

        header->place = h->key_place;
        header->name = arena_strndup(l->arena, h->key, strlen(h->key));
        header->value = "";
        if (wrong)
            diag_secret(l->diag, &h->key_place, "%s", wrong);
        else if (h->kind != NODE_TEXT || strlen(h->text) > HEADER_BYTES_MOST ||
                 check_header_value(h->text))
            diag_secret(l->diag, node_head(h),
                        "a header's value is one line of printable ASCII");
        else
            header->value = arena_strndup(l->arena, h->text, strlen(h->text));
    }
}

static void check_vendor_keys(const struct load *l, const struct conf_vendor *v)
{
    bool none = v->auth && strcmp(v->auth, "none") == 0;

    if (none && v->n_keys > 0)
        diag_error(l->diag, &v->place,
                   "\"keys\" are given, but \"auth: none\" never sends one");
    if (!none && v->n_keys == 0)
        diag_error(l->diag, &v->place,
                   "\"keys\" is missing: write a list of {env: NAME} or "
                   "{file: NAME}, or \"auth: none\"");
}

static void read_vendor(const struct load *l, struct conf_vendor *v,
                        const struct node *n)
{
    const struct node *keys = node_find(n, "keys"),
                      *models = node_find(n, "models"),
                      *headers = node_find(n, "headers"),
                      *url = node_find(n, "base_url");

    v->place = n->key_place;
    v->name = arena_strndup(l->arena, n->key, strlen(n->key));
    if (!check_key(n, check_vendor, "a vendor", l->diag))
        return;
    fields_read(&vendor_fields, n, v, l->arena, l->diag);
    if (n->kind != NODE_MAP)
        return;
    v->limits = limits_read(l, node_find(n, "limits"));
    if (keys)
        read_keys(l, v, keys);
    check_vendor_keys(l, v);
    if (headers)
        read_headers(l, v, headers);
    if (v->base_url && url_is_exposed(v->base_url))
        diag_warning(l->diag, &url->place,
                     "keys and prompts travel to this host unencrypted: use "
                     "https://");
    if (models)
        read_models(l, v, models);
}

void vendors_read(const struct load *l, const struct node *root)
{
    const struct node *map = node_find(root, "vendors"), *n;
    size_t count = 0;
    struct conf_vendor *v;

    fields_read(&vendors_fields, root, l->conf, l->arena, l->diag);
    n = map ? children(l, map, NODE_MAP, "\"vendors\"", &count) : NULL;
    if (count > VENDORS_MOST) {
        diag_error(l->diag, node_head(map), "more than %d vendors",
                   VENDORS_MOST);
        return;
    }
    v = arena_alloc(l->arena, count * sizeof(*v));
    l->conf->vendors = v;
    l->conf->n_vendors = count;
    for (; n; n = n->next)
        read_vendor(l, v++, n);
}
