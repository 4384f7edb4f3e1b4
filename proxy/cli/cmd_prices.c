/*
 * cmd_prices.c - the board of prices.
 *
 *   offer                    input  cached  output      compared ...  next
 *   deepseek/deepseek-flash   1.00    0.02    4.00  CNY ...  11-23 01:00Z 2/8
 */
#include <string.h>

#include "cli/prices.h"

enum {
    NAMES_BYTES = 256,
};

/* The request that is asked about: it is in the first tier everywhere. */
static const struct usage sample = {.input_tokens = 1000, .output_tokens = 500};

struct board {
    const struct prices_call *call;
    enum currency currency;
    const struct offer *const *alias_best; /* by alias: the cheapest */
};

/* Is it asked about? A name that means nothing is a part of one. */
static bool wanted(const struct prices_call *p, const struct offer *o)
{
    const char *vendor = option_value(p->args, "--vendor");
    const char *model = option_value(p->args, "--model");
    struct offer_set set;

    if (vendor && strcmp(vendor, o->vendor->name) != 0)
        return false;
    if (!model)
        return true;
    set = snapshot_resolve(p->s, NULL, model);
    for (size_t i = 0; i < set.n; i++)
        if (set.offers[i] == o)
            return true;
    return set.n == 0 && strcasestr(o->name, model);
}

/* Calls tell for each alias, and the model's own name if several sell it, of
 * which `o` is the cheapest. */
static void cheapest_in(const struct board *b, const struct offer *o,
                        void (*tell)(void *to, const char *name), void *to)
{
    const struct snapshot *s = b->call->s;
    struct offer_set set = snapshot_resolve(s, NULL, o->model);

    for (size_t i = 0; i < s->conf->n_aliases; i++)
        if (b->alias_best[i] == o)
            tell(to, s->conf->aliases[i].name);
    if (set.n > 1 && board_cheapest(s, set, b->call->at_unix_ms, &sample) == o)
        tell(to, o->model);
}

static void find_cheapest(struct board *b)
{
    const struct snapshot *s = b->call->s;
    const struct offer **best =
        arena_alloc(b->call->arena,
                    (s->conf->n_aliases + 1) * sizeof(const struct offer *));

    for (size_t i = 0; i < s->conf->n_aliases; i++)
        best[i] = board_cheapest(
            s, snapshot_resolve(s, NULL, s->conf->aliases[i].name),
            b->call->at_unix_ms, &sample);
    b->alias_best = best;
}

static void tell_json(void *to, const char *name)
{
    put_name(to, name);
}

struct names {
    char text[NAMES_BYTES];
    size_t len;
};

static void tell_name(void *to, const char *name)
{
    struct names *n = to;
    int took = snprintf(n->text + n->len, sizeof(n->text) - n->len, "%s%s",
                        n->len ? ", " : "* ", name);

    n->len += took > 0 ? (size_t)took : 0;
    if (n->len >= sizeof(n->text))
        n->len = sizeof(n->text) - 1;
}

static const char *rule_of(const struct offer *o, int64_t at,
                           char text[PRICE_RULE_TEXT])
{
    struct cost cost;

    return price_cost(&cost, o, at, &sample, 0) ? price_rule(&cost, text)
                                                : NULL;
}

static void put_next(cJSON *to, const struct board_price *p)
{
    cJSON *next;
    char rule[PRICE_RULE_TEXT];

    if (p->next_ms == INT64_MAX) {
        put_text(to, "next", NULL);
        return;
    }
    next = put_object(to, "next");
    put_instant(next, "at", p->next_ms);
    if (p->next)
        prices_put_row(put_object(next, "price"), p->next);
    else
        put_text(next, "price", NULL);
    put_text(next, "rule", rule_of(p->offer, p->next_ms, rule));
}

static void put_offer(const struct board *b, cJSON *to,
                      const struct board_price *p)
{
    const struct offer *o = p->offer;
    char rule[PRICE_RULE_TEXT];

    put_text(to, "offer", o->name);
    put_text(to, "vendor", o->vendor->name);
    put_text(to, "model", o->model);
    if (p->now)
        prices_put_row(put_object(to, "price"), p->now);
    else
        put_text(to, "price", NULL);
    if (p->compared) {
        cJSON *c = put_object(to, "compared");

        put_text(c, "currency", currency_name(b->currency));
        put_decimal(c, "input", p->input.nanos);
        put_decimal(c, "cached_input", p->cached.nanos);
        put_decimal(c, "output", p->output.nanos);
        put_decimal(c, "sample", p->cost.nanos);
    } else {
        put_text(to, "compared", NULL);
    }
    put_count(to, "rows", (int64_t)o->n_rows);
    put_text(to, "rule", rule_of(o, b->call->at_unix_ms, rule));
    put_text(to, "source", p->now ? p->now->conf->source : NULL);
    put_text(to, "as_of", p->now ? p->now->conf->as_of : NULL);
    put_yes(to, "imported", o->priced && o->priced->imported);
    put_next(to, p);
    cheapest_in(b, o, tell_json, put_array(to, "cheapest_in"));
}

static void add_next(struct table *t, const struct board_price *p)
{
    char at[TIME_TEXT], input[MONEY_TEXT], output[MONEY_TEXT];

    if (p->next_ms == INT64_MAX)
        table_add(t, "%s", "");
    else if (!p->next)
        table_add(t, "%s: no price", prices_instant(p->next_ms, at));
    else
        table_add(t, "%s: %s in, %s out", prices_instant(p->next_ms, at),
                  decimal_text(p->next->input.nanos_per_mtok, input),
                  decimal_text(p->next->output.nanos_per_mtok, output));
}

static void add_line(const struct board *b, struct table *t,
                     const struct board_price *p)
{
    struct names names = {.text = ""};

    cheapest_in(b, p->offer, tell_name, &names);
    table_add(t, "%s", p->offer->name);
    if (!p->now) {
        for (int i = 0; i < 4; i++)
            table_add(t, "%s", i < 3 ? "?" : "");
    } else {
        table_nanos(t, p->now->input.nanos_per_mtok);
        table_nanos(t, p->now->cached.nanos_per_mtok);
        table_nanos(t, p->now->output.nanos_per_mtok);
        table_add(t, "%s%s%s", currency_name(p->now->currency),
                  p->now->input_most < INT64_MAX ||
                          p->now->output_most < INT64_MAX
                      ? " (tiers)"
                      : "",
                  p->offer->priced->imported ? " imported" : "");
    }
    if (p->compared) {
        table_nanos(t, p->input.nanos);
        table_nanos(t, p->output.nanos);
    } else {
        table_add(t, "?");
        table_add(t, "?");
    }
    add_next(t, p);
    table_add(t, "%s", names.text);
}

static void print_board(const struct board *b)
{
    const struct snapshot *s = b->call->s;
    const char *own = currency_name(b->currency);
    struct table *t = table_new(
        arena_printf(b->call->arena,
                     "offer|input>|cached>|output>|per 1M in|in %s: input>|"
                     "output>|what changes next|cheapest",
                     own),
        b->call->arena);
    char at[TIME_TEXT];

    for (size_t i = 0; i < s->n_offers; i++) {
        struct board_price p;

        if (!wanted(b->call, &s->offers[i]))
            continue;
        p = board_price(s, &s->offers[i], b->call->at_unix_ms, &sample,
                        b->currency);
        add_line(b, t, &p);
    }
    printf("Prices at %s, for prompts of %lld tokens; * cheapest of an alias "
           "or model for %lld in, %lld out\n\n",
           time_text(b->call->at_unix_ms, at), (long long)sample.input_tokens,
           (long long)sample.input_tokens, (long long)sample.output_tokens);
    table_print(t, stdout);
}

static void print_json(const struct board *b)
{
    const struct snapshot *s = b->call->s;
    cJSON *root = json_new(), *offers;

    put_instant(root, "at", b->call->at_unix_ms);
    put_text(root, "currency", currency_name(b->currency));
    offers = put_array(root, "offers");
    for (size_t i = 0; i < s->n_offers; i++) {
        struct board_price p;

        if (!wanted(b->call, &s->offers[i]))
            continue;
        p = board_price(s, &s->offers[i], b->call->at_unix_ms, &sample,
                        b->currency);
        put_offer(b, put_element(offers), &p);
    }
    json_print(stdout, root);
}

static bool any_wanted(const struct prices_call *p)
{
    for (size_t i = 0; i < p->s->n_offers; i++)
        if (wanted(p, &p->s->offers[i]))
            return true;
    fprintf(stderr, "bijia prices: no offer is so called\n");
    return false;
}

static int run(const struct args *args)
{
    struct prices_call call;
    struct board b = {.call = &call};
    int status = prices_open(&call, args, NULL);

    if (status != 0)
        return status;
    status = EXIT_USAGE;
    if (prices_currency(&call, &b.currency)) {
        status = any_wanted(&call) ? 0 : 1;
        if (status == 0) {
            find_cheapest(&b);
            if (option_given(args, "--json"))
                print_json(&b);
            else
                print_board(&b);
        }
    }
    prices_close(&call);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--model", "M", "only this alias, model, offer, or names with M in them"},
    {"--vendor", "V", "only this vendor"},
    {"--currency", "C", "compare in CNY or USD; else in the policy's"},
    {"--at", "TIME", "the prices of this instant; else of now"},
    {"--json", NULL, "print one JSON object"},
};

static const struct command *const inner[] = {
    &command_prices_history, &command_prices_diff,

    &command_prices_cost,    &command_prices_import, &command_prices_war,
};

extern const struct command command_prices;
const struct command command_prices = {
    .name = "prices",
    .usage = "[--model M] [--vendor V] [--currency C] [--at TIME] [--json]",
    .help = "the board: what each model costs now, and what changes next",
    .more = "Prices are per 1,000,000 tokens, in the vendor's currency and in\n"
            "one in which they compare. The next change is a window that\n"
            "opens or closes, or a price that begins or ends. Only prices\n"
            "count here: whether a vendor has a key, `bijia check` tells.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
    .inner = inner,
    .n_inner = ARRAY_LEN(inner),
};
