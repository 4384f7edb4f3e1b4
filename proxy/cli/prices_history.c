/*
 * prices_history.c - all rows of a model's prices, the oldest first.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/prices.h"

struct entry {
    const struct offer *offer;
    const struct price_row *row;
};

/* By date; of one date, and of rows that narrow it, as the file has them. */
static int by_date(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->offer != b->offer)
        return a->offer->index < b->offer->index ? -1 : 1;
    if (a->row->from_ms != b->row->from_ms)
        return a->row->from_ms < b->row->from_ms ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static void conditions(const struct price_row *row, char text[PRICE_RULE_TEXT])
{
    struct cost cost = {.row = row, .factor_nanos = NANOS_PER_UNIT};

    price_rule(&cost, text);
}

static void put_entry(cJSON *to, const struct entry *e)
{
    char rule[PRICE_RULE_TEXT];

    put_text(to, "offer", e->offer->name);
    if (e->row->from_ms == INT64_MIN)
        put_text(to, "from", NULL);
    else
        put_instant(to, "from", e->row->from_ms);
    if (e->row->until_ms == INT64_MAX)
        put_text(to, "until", NULL);
    else
        put_instant(to, "until", e->row->until_ms);
    prices_put_row(put_object(to, "price"), e->row);
    conditions(e->row, rule);
    put_text(to, "rule", rule);
    put_text(to, "source", e->row->conf->source);
    put_text(to, "as_of", e->row->conf->as_of);
    put_text(to, "note", e->row->conf->note);
}

static void add_entry(struct table *t, const struct entry *e)
{
    const struct conf_price *c = e->row->conf;
    char from[TIME_TEXT], until[TIME_TEXT], rule[PRICE_RULE_TEXT];

    conditions(e->row, rule);
    table_add(t, "%s", e->offer->name);
    table_add(t, "%s",
              e->row->from_ms == INT64_MIN
                  ? "ever"
                  : prices_instant(e->row->from_ms, from));
    table_add(t, "%s",
              e->row->until_ms == INT64_MAX
                  ? ""
                  : prices_instant(e->row->until_ms, until));
    table_nanos(t, e->row->input.nanos_per_mtok);
    table_nanos(t, e->row->cached.nanos_per_mtok);
    table_nanos(t, e->row->output.nanos_per_mtok);
    table_add(t, "%s", currency_name(e->row->currency));
    table_add(t, "%s", rule);
    table_add(t, "%s", c->as_of ? c->as_of : "");
    table_add(t, "%s%s%s", c->source ? c->source : "", c->note ? "; " : "",
              c->note ? c->note : "");
}

static struct entry *gather(const struct prices_call *p, struct offer_set set,
                            size_t *n)
{
    struct entry *all;

    *n = 0;
    for (size_t i = 0; i < set.n; i++)
        *n += set.offers[i]->n_rows;
    all = arena_alloc(p->arena, (*n + 1) * sizeof(*all));
    *n = 0;
    for (size_t i = 0; i < set.n; i++)
        for (size_t k = 0; k < set.offers[i]->n_rows; k++)
            all[(*n)++] =
                (struct entry){set.offers[i], &set.offers[i]->rows[k]};
    if (*n > 1)
        qsort(all, *n, sizeof(*all), by_date);
    return all;
}

static int tell(const struct prices_call *p, struct offer_set set)
{
    struct table *t = table_new(
        "offer|from|until|input>|cached>|output>|per 1M in|rule|as of|source",
        p->arena);
    size_t n;
    const struct entry *all = gather(p, set, &n);
    cJSON *root, *rows;

    if (option_given(p->args, "--json")) {
        root = json_new();
        rows = put_array(root, "rows");
        for (size_t i = 0; i < n; i++)
            put_entry(put_element(rows), &all[i]);
        json_print(stdout, root);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        add_entry(t, &all[i]);
    table_print(t, stdout);
    return 0;
}

static int run(const struct args *args)
{
    struct prices_call call;
    struct offer_set set;
    int status;

    if (args->n_words == 0)
        return usage_error(args, "of which model?");
    status = prices_open(&call, args, NULL);
    if (status != 0)
        return status;
    set = snapshot_resolve(call.s, NULL, args->words[0]);
    if (set.n > 0)
        status = tell(&call, set);
    else
        status = prices_offer(&call, args->words[0]) ? 0 : 1;
    prices_close(&call);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--json", NULL, "print one JSON object"},
};

const struct command command_prices_history = {
    .name = "prices history",
    .usage = "MODEL [--json]",
    .help = "all dated prices of a model, the oldest first",
    .more = "MODEL is an alias, a model, or VENDOR/MODEL. Each row is told\n"
            "with its conditions, its source, and when it was read.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 1,
    .run = run,
};
