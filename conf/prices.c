/* prices.c - prices.yaml as a whole, and its exchange rates. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

static const struct field exchange_rows[] = {
    FIELD(conf_exchange_rate, "pair", pair, .kind = FIELD_CHOICE,
          .choices = "USD/CNY CNY/USD", .live = true,
          .help = "USD/CNY: what one USD costs in CNY"),
    FIELD(conf_exchange_rate, "from", from_ms, .kind = FIELD_INSTANT,
          .live = true, .help = "holds from this instant on, until the next"),
    FIELD(conf_exchange_rate, "rate", rate_nanos, .kind = FIELD_DECIMAL,
          .min = 1, .max = MOST_NANOS, .live = true, .help = "such as 6.7195"),
    FIELD(conf_exchange_rate, "source", source, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "where the rate was read"),
};

static const struct field_table exchange_fields = FIELD_TABLE(exchange_rows);

static const struct field file_rows[] = {
    FIELD(conf, "stale_after_days", stale_after_days, .kind = FIELD_COUNT,
          .init = "120", .min = 1, .max = 36500, .live = true,
          .help = "`bijia check` warns of prices read longer ago"),
    BY_HAND("calendars", &calendar_fields, "days, by name: holidays"),
    BY_HAND("windows", &window_fields,
            "times of day by the clocks of a place, by name"),
    BY_HAND("quotas", &quota_fields,
            "tokens that cost nothing, by name: free ones, packages"),
    BY_HAND("exchange_rates", &exchange_fields,
            "list; the latest of an instant or before holds"),
    BY_HAND("prices", &priced_fields,
            "by vendor (or price_list), then by model: one row, a list of "
            "rows, or words and their `rows`"),
};

const struct field_table prices_fields = FIELD_TABLE(file_rows);

/* Of a list that several accounts share, the first one's. */
static enum currency currency_of(const struct conf *c, const char *list)
{
    for (size_t i = 0; i < c->n_vendors; i++)
        if (strcmp(c->vendors[i].name, list) == 0)
            return c->vendors[i].currency;
    for (size_t i = 0; i < c->n_vendors; i++)
        if (c->vendors[i].price_list &&
            strcmp(c->vendors[i].price_list, list) == 0)
            return c->vendors[i].currency;
    return CURRENCY_CNY; /* routing complains: there is no such vendor */
}

/* What is there to be read: models and rows. */
static void count(const struct node *lists, size_t *n_models, size_t *n_rows)
{
    *n_models = *n_rows = 0;
    for (const struct node *list = lists; list; list = list->next)
        for (const struct node *m = list->child; m; m = m->next) {
            ++*n_models;
            *n_rows += priced_count(m);
        }
}

static void read_prices(const struct load *l, const struct node *map)
{
    size_t n, n_models, n_rows;
    const struct node *list = children(l, map, NODE_MAP, "\"prices\"", &n);
    struct conf_price *row;
    struct conf_priced *priced;

    count(list, &n_models, &n_rows);
    row = arena_alloc(l->arena, n_rows * sizeof(*row));
    priced = arena_alloc(l->arena, n_models * sizeof(*priced));
    l->conf->prices = row;
    l->conf->priced = priced;
    for (; list; list = list->next) {
        const struct node *m =
            children(l, list, NODE_MAP, "a vendor's prices", &n_models);
        const char *name =
            arena_strndup(l->arena, list->key, strlen(list->key));

        if (!check_key(list, check_vendor, "a vendor", l->diag))
            continue;
        for (; m; m = m->next) {
            if (!check_key(m, check_model, "this", l->diag))
                continue;
            *priced = (struct conf_priced){
                .place = m->key_place,
                .list = name,
                .model = arena_strndup(l->arena, m->key, strlen(m->key)),
            };
            priced_read(l, priced++, m, currency_of(l->conf, name), &row);
        }
    }
    l->conf->n_prices = (size_t)(row - l->conf->prices);
    l->conf->n_priced = (size_t)(priced - l->conf->priced);
}

static void read_exchange_rates(const struct load *l, const struct node *list)
{
    size_t n;
    const struct node *row =
        children(l, list, NODE_LIST, "\"exchange_rates\"", &n);
    struct conf_exchange_rate *x = arena_alloc(l->arena, n * sizeof(*x));

    l->conf->exchange_rates = x;
    l->conf->n_exchange_rates = n;
    for (; row; row = row->next, x++) {
        x->place = row->place;
        fields_read(&exchange_fields, row, x, l->arena, l->diag);
        x->base = CURRENCY_USD;
        x->quote = CURRENCY_CNY;
        if (x->pair && strcmp(x->pair, "CNY/USD") == 0) {
            x->base = CURRENCY_CNY;
            x->quote = CURRENCY_USD;
        }
    }
}

void prices_read(const struct load *l, const struct node *root)
{
    static const struct {
        const char *word;
        void (*read)(const struct load *l, const struct node *n);
    } parts[] = {
        /* each may name what stands in those before it */
        {"calendars", calendars_read}, {"windows", windows_read},
        {"quotas", quotas_read},       {"exchange_rates", read_exchange_rates},
        {"prices", read_prices},
    };

    fields_read(&prices_fields, root, l->conf, l->arena, l->diag);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct node *n = node_find(root, parts[i].word);

        if (n)
            parts[i].read(l, n);
    }
}
