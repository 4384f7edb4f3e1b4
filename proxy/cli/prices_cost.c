/*
 * prices_cost.c - what a usage object costs, part by part.
 *
 * Reads one object or many, one behind the other; each is a vendor's usage, a
 * whole answer that has one within, or {"offer", "at", "usage"}. By the
 * function that chooses and bills.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/json_scan.h"

#include "cli/prices.h"

enum {
    USAGE_BYTES_MOST = 256 << 20,
    NAME_BYTES = 512,
};

/* One object, taken apart. */
struct item {
    struct slice usage;
    const struct offer *offer;
    int64_t at_unix_ms;
    bool has_tier;
    enum service_tier tier; /* OpenAI says it beside the usage */
    const char *why;        /* it cannot be priced */
};

static const char *const usage_names[] = {"usage", "usageMetadata"};

static bool is_usage_name(struct json_text key)
{
    for (size_t i = 0; i < ARRAY_LEN(usage_names); i++)
        if (json_text_is(key, usage_names[i]))
            return true;
    return false;
}

/* A text of the object; false: none, or too long. */
static bool take_text(struct json_scan *s, char out[NAME_BYTES])
{
    struct json_text text;
    int64_t len;

    if (json_peek(s) != JSON_STRING) {
        json_skip(s);
        return false;
    }
    if (!json_text(s, &text))
        return false;
    len = json_text_decode(text, out, NAME_BYTES - 1);
    if (len < 0)
        return false;
    out[len] = '\0';
    return true;
}

static void take_offer(const struct prices_call *p, struct item *item,
                       struct json_scan *s)
{
    char name[NAME_BYTES];
    struct offer_set set = {.n = 0};

    if (take_text(s, name))
        set = snapshot_resolve(p->s, NULL, name);
    item->offer = set.n == 1 ? set.offers[0] : NULL;
    if (set.n != 1)
        item->why = "no such offer";
}

static void take_at(struct item *item, struct json_scan *s)
{
    char text[NAME_BYTES];

    if (!take_text(s, text) || !time_parse(&item->at_unix_ms, text))
        item->why = "\"at\" is no instant";
}

static void take_tier(struct item *item, struct json_scan *s)
{
    char name[NAME_BYTES];

    item->has_tier =
        take_text(s, name) && service_tier_find(&item->tier, slice_of(name));
}

static void item_read(const struct prices_call *p, struct item *item,
                      struct slice object)
{
    struct json_scan s;
    struct json_text key;

    json_scan_init(&s, object);
    if (json_peek(&s) != JSON_OBJECT) {
        item->why = "not a JSON object";
        return;
    }
    item->usage = object;
    for (json_enter(&s); json_member(&s, &key);) {
        if (is_usage_name(key) && json_peek(&s) == JSON_OBJECT)
            json_value(&s, &item->usage);
        else if (json_text_is(key, "offer"))
            take_offer(p, item, &s);
        else if (json_text_is(key, "at"))
            take_at(item, &s);
        else if (json_text_is(key, "service_tier"))
            take_tier(item, &s);
        else
            json_skip(&s);
    }
}

/* --- answers -------------------------------------------------------------- */

struct priced {
    struct usage_reading read;
    struct cost cost;
};

static void price_item(struct priced *out, struct item *item)
{
    enum usage_found found;

    if (item->why)
        return;
    if (!item->offer) {
        item->why = "which offer? Give --offer";
        return;
    }
    found = usage_read(&out->read, item->usage);
    if (found == USAGE_NONE)
        item->why = "it says nothing of tokens";
    else if (found == USAGE_BAD)
        item->why = "it says what cannot be: a part is larger than its whole, "
                    "or a count is missing or no whole number";
    if (item->why)
        return;
    if (!out->read.has_tier && item->has_tier)
        out->read.usage.tier = item->tier;
    if (!price_bill(&out->cost, item->offer, item->at_unix_ms, &out->read.usage,
                    0))
        item->why = "the price book has no price for it";
}

static bool is_billed(const struct cost *c, enum cost_part part)
{
    return cost_part(c, part).nanos > 0 ||
           (part < COST_RATED && c->tokens[part] > 0);
}

static void put_parts(cJSON *to, const struct cost *c)
{
    cJSON *parts = put_array(to, "parts");

    for (int i = 0; i < COST_PARTS; i++) {
        enum cost_part part = (enum cost_part)i;
        cJSON *o;

        if (!is_billed(c, part))
            continue;
        o = put_element(parts);
        put_text(o, "part", cost_part_name(part));
        if (part < COST_RATED)
            put_count(o, "tokens", c->tokens[part]);
        put_decimal(o, "amount", cost_part(c, part).nanos);
    }
}

static void put_usage(cJSON *to, const struct usage *u)
{
    cJSON *o = put_object(to, "usage");

    put_count(o, "input", u->input_tokens);
    put_count(o, "cached", u->cached_tokens);
    put_count(o, "cache_write", u->cache_write_tokens);
    put_count(o, "cache_write_1h", u->cache_write_1h_tokens);
    put_count(o, "output", u->output_tokens);
    put_count(o, "thinking", u->thinking_tokens);
    put_text(o, "service_tier", service_tier_name(u->tier));
}

static void answer_json(const struct item *item, const struct priced *p)
{
    cJSON *root = json_new();
    char rule[PRICE_RULE_TEXT];
    struct money stated = {p->read.stated_cost_nanos, CURRENCY_USD};

    if (item->why) {
        put_text(root, "error", item->why);
        json_print(stdout, root);
        return;
    }
    put_text(root, "offer", item->offer->name);
    put_instant(root, "at", item->at_unix_ms);
    put_decimal(root, "amount", p->cost.total.nanos);
    put_text(root, "currency", currency_name(p->cost.total.currency));
    put_parts(root, &p->cost);
    put_text(root, "rule", price_rule(&p->cost, rule));
    put_text(root, "source", p->cost.row->conf->source);
    put_usage(root, &p->read.usage);
    if (p->read.has_stated_cost)
        put_money(root, "stated", stated);
    json_print(stdout, root);
}

static void answer_table(const struct item *item, const struct priced *p,
                         struct arena *a)
{
    const struct cost *c = &p->cost;
    struct table *t;
    char at[TIME_TEXT], rule[PRICE_RULE_TEXT], stated[MONEY_TEXT];

    if (item->why) {
        fprintf(stderr, "bijia prices cost: %s\n", item->why);
        return;
    }
    t = table_new(
        arena_printf(a, "part|tokens>|%s>", currency_name(c->total.currency)),
        a);
    for (int i = 0; i < COST_PARTS; i++) {
        enum cost_part part = (enum cost_part)i;

        if (!is_billed(c, part))
            continue;
        table_add(t, "%s", cost_part_name(part));
        if (part < COST_RATED)
            table_add(t, "%" PRId64, c->tokens[part]);
        else
            table_add(t, "%s", "");
        table_nanos(t, cost_part(c, part).nanos);
    }
    table_add(t, "total");
    table_add(t, "%" PRId64,
              p->read.usage.input_tokens + p->read.usage.output_tokens);
    table_nanos(t, c->total.nanos);
    printf("%s at %s\n\n", item->offer->name, time_text(item->at_unix_ms, at));
    table_print(t, stdout);
    printf("\nby %s\n", price_rule(c, rule));
    if (c->row->conf->source)
        printf("   %s%s%s\n", c->row->conf->source,
               c->row->conf->as_of ? ", as of " : "",
               c->row->conf->as_of ? c->row->conf->as_of : "");
    if (p->read.has_stated_cost)
        printf("the vendor states USD %s\n",
               decimal_text(p->read.stated_cost_nanos, stated));
}

/* --- all of the input ----------------------------------------------------- */

/* NULL: told. */
static const char *take_input(const struct prices_call *p, size_t *len)
{
    const char *name = option_value(p->args, "--usage");
    bool from_file = name && strcmp(name, "-") != 0;
    char *bytes = from_file ? file_read(name, len, USAGE_BYTES_MOST, p->arena)
                            : stdin_read(len, USAGE_BYTES_MOST, p->arena);

    if (!bytes)
        fprintf(stderr, "bijia prices cost: %s: %s\n",
                from_file ? name : "stdin", strerror(errno));
    return bytes;
}

static bool only_space(struct slice rest)
{
    return strspn(rest.bytes, " \t\r\n") == rest.len; /* a NUL follows it */
}

static int price_all(const struct prices_call *p, struct item given)
{
    struct slice rest = {.bytes = take_input(p, &rest.len)};
    bool json = option_given(p->args, "--json");
    int status = 0;

    if (!rest.bytes)
        return 1;
    do {
        struct item item = given;
        struct priced priced = {.cost = {.row = NULL}};
        struct json_scan s;
        struct slice object;

        json_scan_init(&s, rest);
        s.any_bytes = true;
        if (json_value(&s, &object)) {
            rest.len -= (size_t)(s.at - rest.bytes);
            rest.bytes = s.at;
            item_read(p, &item, object);
        } else {
            item.why = s.why;
            rest.len = 0;
            rest.bytes = "";
        }
        price_item(&priced, &item);
        if (json)
            answer_json(&item, &priced);
        else
            answer_table(&item, &priced, p->arena);
        status |= item.why != NULL;
        if (!json && !item.why && !only_space(rest))
            printf("\n");
    } while (!only_space(rest));
    return status;
}

static int run(const struct args *args)
{
    const char *name = option_value(args, "--offer");
    struct prices_call call;
    struct item given = {.why = NULL};
    int status = prices_open(&call, args, NULL);

    if (status != 0)
        return status;
    given.at_unix_ms = call.at_unix_ms;
    if (name)
        given.offer = prices_offer(&call, name);
    status = name && !given.offer ? 1 : price_all(&call, given);
    prices_close(&call);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--offer", "OFFER", "VENDOR/MODEL, or a model only one vendor sells"},
    {"--at", "TIME", "by the price of this instant; else of now"},
    {"--usage", "FILE", "of the usage; else, or with -, from stdin"},
    {"--json", NULL, "print one JSON object for each usage"},
};

const struct command command_prices_cost = {
    .name = "prices cost",
    .usage = "--offer OFFER [--at TIME] [--usage FILE|-] [--json]",
    .help = "what a usage object costs, in any vendor's spelling",
    .more =
        "Reads what vendors send: a usage object (OpenAI, Anthropic,\n"
        "Gemini, DeepSeek, Mistral, xAI, Moonshot ...), a whole answer, or\n"
        "{\"offer\": ..., \"at\": ..., \"usage\": {...}}; one, or many in a\n"
        "row. Prices it by the function that chooses and bills. Exit\n"
        "status 1: one of them has no price or is no usage.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
