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

static const char *check_vendor_pair(const char *text)
{
    const char *equals = strchr(text, '=');

    return equals && equals != text && !check_vendor(equals + 1)
               ? NULL
               : "wants SOURCE'S-NAME=VENDOR";
}

static const char *check_feed(const char *text)
{
    return strstr(text, "://") && strncmp(text, "https://", 8) != 0
               ? "wants a file or an https:// URL"
               : NULL;
}

static const struct field feed_rows[] = {
    FIELD(conf, "from", feed.from, .kind = FIELD_TEXT, .init = "", .max = 1024,
          .check = check_feed, .live = true,
          .help = "a file, or an https:// URL"),
    FIELD(conf, "format", feed.format, .kind = FIELD_CHOICE,
          .init = "models.dev",
          .choices = "models.dev litellm openrouter genai-prices", .live = true,
          .help = "whose shape it has"),
    FIELD(conf, "every", feed.every_ms, .kind = FIELD_DURATION, .init = "30m",
          .min = 1000, .max = INT64_C(7) * DAY_MS, .live = true,
          .help = "how often it is read"),
    FIELD(conf, "ca_file", feed.ca_file, .kind = FIELD_TEXT, .init = "",
          .max = 1024, .live = true,
          .help = "authorities (PEM) for its URL; absent: the system's"),
    FIELD(conf, "vendors", feed.vendors, .kind = FIELD_WORDS, .init = "",
          .max = 64, .check = check_vendor_pair, .live = true,
          .help = "zai=glm: the source's name of a vendor and ours, where "
                  "the address does not tell"),
};

static const struct field_table feed_fields = FIELD_TABLE(feed_rows);

static const struct field file_rows[] = {
    FIELD(conf, "stale_after_days", stale_after_days, .kind = FIELD_COUNT,
          .init = "120", .min = 1, .max = 36500, .live = true,
          .help = "`bijia check` warns of prices read longer ago"),
    FIELD(conf, "imports", imports, .kind = FIELD_WORDS, .init = "", .max = 8,
          .live = true,
          .help = "files that `bijia prices import` wrote; each goes before "
                  "the next, and the prices below before all"),
    SECTION("feed", &feed_fields,
            "prices that the running program goes on reading; those above go "
            "before them"),
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

static bool is_priced(const struct conf *c, const char *list, const char *model)
{
    for (size_t i = 0; i < c->n_priced; i++)
        if (strcmp(c->priced[i].list, list) == 0 &&
            strcmp(c->priced[i].model, model) == 0)
            return true;
    return false;
}

/* What has been read already, with room for as much again as is given. */
struct book {
    struct conf_price *rows, *next_row;
    struct conf_priced *priced, *next_priced;
};

static struct book make_room(const struct load *l, size_t n_models,
                             size_t n_rows)
{
    const struct conf *c = l->conf;
    struct book b = {
        .rows = arena_alloc(l->arena, (c->n_prices + n_rows) * sizeof(*b.rows)),
        .priced =
            arena_alloc(l->arena, (c->n_priced + n_models) * sizeof(*b.priced)),
    };

    for (size_t i = 0; i < c->n_prices; i++)
        b.rows[i] = c->prices[i];
    for (size_t i = 0; i < c->n_priced; i++) {
        b.priced[i] = c->priced[i];
        b.priced[i].rows = b.rows + (c->priced[i].rows - c->prices);
    }
    b.next_row = b.rows + c->n_prices;
    b.next_priced = b.priced + c->n_priced;
    return b;
}

static void add_list(const struct load *l, struct book *b,
                     const struct node *list, bool imported)
{
    size_t n;
    const struct node *m = children(l, list, NODE_MAP, "a vendor's prices", &n);
    const char *name = arena_strndup(l->arena, list->key, strlen(list->key));

    if (!check_key(list, check_vendor, "a vendor", l->diag))
        return;
    for (; m; m = m->next) {
        if (!check_key(m, check_model, "this", l->diag) ||
            (imported && is_priced(l->conf, name, m->key)))
            continue;
        *b->next_priced = (struct conf_priced){
            .place = m->key_place,
            .list = name,
            .model = arena_strndup(l->arena, m->key, strlen(m->key)),
            .imported = imported,
        };
        priced_read(l, b->next_priced++, m, currency_of(l->conf, name),
                    &b->next_row);
    }
}

void prices_add(const struct load *l, const struct node *map, bool imported)
{
    size_t n, n_models, n_rows;
    const struct node *list = children(l, map, NODE_MAP, "\"prices\"", &n);
    struct book b;

    count(list, &n_models, &n_rows);
    b = make_room(l, n_models, n_rows);
    for (; list; list = list->next)
        add_list(l, &b, list, imported);
    l->conf->prices = b.rows;
    l->conf->n_prices = (size_t)(b.next_row - b.rows);
    l->conf->priced = b.priced;
    l->conf->n_priced = (size_t)(b.next_priced - b.priced);
}

static void read_prices(const struct load *l, const struct node *map)
{
    prices_add(l, map, false);
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

    const struct node *feed = node_find(root, "feed");

    fields_read(&prices_fields, root, l->conf, l->arena, l->diag);
    if (feed)
        l->conf->feed.place = feed->key_place;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct node *n = node_find(root, parts[i].word);

        if (n)
            parts[i].read(l, n);
    }
}
