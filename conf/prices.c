/* prices.c - prices.yaml: dated prices, dated exchange rates. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

/* A million of a currency: no price or rate is higher, but a slip may be. */
#define MOST_NANOS (1000000LL * 1000000000)

#define PRICE(word, member, preset, ...)                                \
    FIELD(conf_price, word, member, .kind = FIELD_RATE, .init = preset, \
          .max = MOST_NANOS, .live = true, __VA_ARGS__)

static const struct field price_rows[] = {
    FIELD(conf_price, "from", from_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true,
          .help = "holds from this instant on; absent: since "
                  "ever"),
    FIELD(conf_price, "until", until_ms, .kind = FIELD_INSTANT, .init = "",
          .live = true,
          .help = "holds until just before this instant; "
                  "absent: for ever"),
    PRICE("input", input, NULL, .help = "a prompt's tokens"),
    PRICE("cached_input", cached, "",
          .has = offsetof(struct conf_price, has_cached),
          .help = "of these, read from the vendor's cache; absent: as input"),
    PRICE("cache_write", cache_write, "",
          .has = offsetof(struct conf_price, has_cache_write),
          .help = "of these, written to its cache; absent: as input"),
    PRICE("output", output, NULL, .help = "an answer's tokens"),
    PRICE("thinking_output", thinking, "",
          .has = offsetof(struct conf_price, has_thinking),
          .help = "of these, thinking; absent: as output"),
    FIELD(conf_price, "free", free, .kind = FIELD_YES_NO, .init = "no",
          .live = true, .help = "a price of 0 is meant"),
    FIELD(conf_price, "currency", currency, .kind = FIELD_CURRENCY, .init = "",
          .live = true, .help = "absent: the vendor's"),
    FIELD(conf_price, "source", source, .kind = FIELD_TEXT, .init = "",
          .max = 512, .live = true, .help = "where the price was read"),
    FIELD(conf_price, "as_of", as_of, .kind = FIELD_TEXT, .init = "", .max = 32,
          .live = true, .help = "when it was read"),
};

static const struct field_table price_fields = FIELD_TABLE(price_rows);

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
    BY_HAND("exchange_rates", &exchange_fields,
            "list; the latest of an instant or before holds"),
    BY_HAND("prices", &price_fields,
            "by vendor, then by model: one row or a list of rows"),
};

const struct field_table prices_fields = FIELD_TABLE(file_rows);

static const struct {
    const char *word;
    size_t offset;
} parts[] = {
    {"input", offsetof(struct conf_price, input)},
    {"cached_input", offsetof(struct conf_price, cached)},
    {"cache_write", offsetof(struct conf_price, cache_write)},
    {"output", offsetof(struct conf_price, output)},
    {"thinking_output", offsetof(struct conf_price, thinking)},
};

static int64_t nanos_of(const struct conf_price *p, size_t part)
{
    const struct rate *rate =
        (const void *)((const char *)p + parts[part].offset);

    return rate->nanos_per_mtok;
}

/* Missing is not zero, and zero has to be meant. */
static void check_zeros(const struct load *l, const struct conf_price *p,
                        const struct node *row)
{
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct node *n = node_find(row, parts[i].word);

        if (!n || n->kind != NODE_TEXT || nanos_of(p, i) != 0)
            continue;
        any = true;
        if (!p->free)
            diag_error(l->diag, &n->place,
                       "\"%s\" is 0: if that is meant, say \"free: yes\" as "
                       "well; if it is not known, leave it out",
                       parts[i].word);
    }
    if (p->free && !any)
        diag_error(l->diag, node_head(node_find(row, "free")),
                   "\"free: yes\", but no price here is 0");
}

static void check_price(const struct load *l, const struct conf_price *p,
                        const struct node *row)
{
    const struct node *n;

    check_zeros(l, p, row);
    if (p->from_ms >= p->until_ms)
        diag_error(l->diag, &node_find(row, "until")->place,
                   "\"until\" is not later than \"from\": the row never "
                   "holds");
    if (p->has_cached && p->cached.nanos_per_mtok > p->input.nanos_per_mtok)
        if ((n = node_find(row, "cached_input")))
            diag_warning(l->diag, &n->place,
                         "\"cached_input\" is dearer than \"input\"");
}

static void read_price(const struct load *l, struct conf_price *p,
                       const struct node *row)
{
    int before = l->diag->errors;

    p->place = row->place;
    p->from_ms = INT64_MIN;
    p->until_ms = INT64_MAX;
    fields_read(&price_fields, row, p, l->arena, l->diag);
    if (l->diag->errors == before)
        check_price(l, p, row);
    if (!p->has_cached)
        p->cached = p->input;
    if (!p->has_cache_write)
        p->cache_write = p->input;
    if (!p->has_thinking)
        p->thinking = p->output;
}

static size_t count_rows(const struct node *model)
{
    return model->kind == NODE_LIST ? model->n_children : 1;
}

static enum currency currency_of(const struct conf *c, const char *vendor)
{
    for (size_t i = 0; i < c->n_vendors; i++)
        if (strcmp(c->vendors[i].name, vendor) == 0)
            return c->vendors[i].currency;
    return CURRENCY_CNY; /* routing complains: there is no such vendor */
}

/* The rows of one model, one or a list; returns where the next may go. */
static struct conf_price *read_model(const struct load *l, struct conf_price *p,
                                     const char *vendor,
                                     const struct node *model)
{
    const struct node *row = model->kind == NODE_LIST ? model->child : model;
    const char *name = arena_strndup(l->arena, model->key, strlen(model->key));
    enum currency currency = currency_of(l->conf, vendor);

    if (!check_key(model, check_model, "this", l->diag))
        return p;
    if (!row)
        diag_error(l->diag, &model->key_place,
                   "an empty list: leave the model out if it has no price");
    for (; row; row = model->kind == NODE_LIST ? row->next : NULL, p++) {
        *p = (struct conf_price){
            .vendor = vendor, .model = name, .currency = currency};
        read_price(l, p, row);
    }
    return p;
}

static void read_prices(const struct load *l, const struct node *map)
{
    size_t n = 0, n_vendors, n_models;
    const struct node *vendors =
        children(l, map, NODE_MAP, "\"prices\"", &n_vendors);
    struct conf_price *first, *p;

    for (const struct node *v = vendors; v; v = v->next)
        for (const struct node *m = v->child; m; m = m->next)
            n += count_rows(m);
    first = p = arena_alloc(l->arena, n * sizeof(*p));
    for (const struct node *v = vendors; v; v = v->next) {
        const struct node *m =
            children(l, v, NODE_MAP, "a vendor's prices", &n_models);
        const char *vendor = arena_strndup(l->arena, v->key, strlen(v->key));

        if (check_key(v, check_vendor, "a vendor", l->diag))
            for (; m; m = m->next)
                p = read_model(l, p, vendor, m);
    }
    l->conf->prices = first;
    l->conf->n_prices = (size_t)(p - first);
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
    const struct node *rates = node_find(root, "exchange_rates"),
                      *prices = node_find(root, "prices");

    fields_read(&prices_fields, root, l->conf, l->arena, l->diag);
    if (rates)
        read_exchange_rates(l, rates);
    if (prices)
        read_prices(l, prices);
}
