/*
 * import_shapes.c - four shapes of catalogues.
 *
 *   models.dev    {provider: {models: {id: {cost: {input, output, cache_read,
 *                 cache_write, reasoning, tiers: [{input ..., tier: {type:
 *                 context, size}}], context_over_200k: {...}}}}}}   per 1M
 *   litellm       {id: {litellm_provider, input_cost_per_token, ...,
 *                 input_cost_per_token_above_200k_tokens ...}}      per token
 *   openrouter    {data: [{id, pricing: {prompt, completion,
 *                 input_cache_read, overrides: [{min_prompt_tokens}]}}]}
 *   genai-prices  [{id, models: [{id, match, prices: {input_mtok: 2 or {base,
 *                 tiers: [{start, price}]}}}]}], or one provider's file per 1M
 *
 * A price that they say and that cannot be taken (of some hours, say) leaves
 * its model out: half a price is a wrong one.
 */
#include <string.h>

#include "base/time.h"

#include "routing/import_shape.h"

enum {
    THOUSAND = 1000,
    OVER_200K = 200000,
};

static const int64_t factor_most = INT64_C(100) * NANOS_PER_UNIT;

/* --- models.dev ----------------------------------------------------------- */

static const struct spelling dev_words[] = {
    {"input", INPUT, PER_MTOK},        {"output", OUTPUT, PER_MTOK},
    {"cache_read", CACHED, PER_MTOK},  {"cache_write", CACHE_WRITE, PER_MTOK},
    {"reasoning", THINKING, PER_MTOK},
};

static void dev_tiers(struct reading *r, const struct node *cost)
{
    const struct node *list = node_find(cost, "tiers"),
                      *over = node_find(cost, "context_over_200k");
    const struct node *t = list ? list->child : NULL;
    struct tier *tier;
    int64_t size;

    for (; t; t = t->next) {
        const struct node *what = node_find(t, "tier");
        const char *type = reading_text(node_find(what, "type"));

        if (!type || strcmp(type, "context") != 0 ||
            !reading_count(&size, node_find(what, "size"))) {
            r->why = "a tier that is not of the prompt's length";
            return;
        }
        tier = reading_tier(r, size, false);
        if (tier)
            reading_figures(tier->figures, r, t, dev_words,
                            ARRAY_LEN(dev_words));
    }
    if (list || !over || over->kind != NODE_MAP)
        return;
    tier = reading_tier(r, OVER_200K, false);
    if (tier)
        reading_figures(tier->figures, r, over, dev_words,
                        ARRAY_LEN(dev_words));
}

void shape_models_dev(struct catalogue *c, const struct node *root)
{
    for (const struct node *p = root->child; p; p = p->next) {
        const struct node *models = node_find(p, "models");

        for (const struct node *m = models ? models->child : NULL; m;
             m = m->next) {
            const struct node *cost = node_find(m, "cost");
            struct reading r;

            if (!m->key || !cost || cost->kind != NODE_MAP)
                continue;
            reading_begin(&r);
            reading_figures(r.base, &r, cost, dev_words, ARRAY_LEN(dev_words));
            dev_tiers(&r, cost);
            catalogue_put(
                c,
                &(struct listed){.provider = p->key,
                                 .model = m->key,
                                 .at = m,
                                 .origin = reading_text(node_find(p, "doc"))},
                &r);
        }
    }
}

/* --- litellm -------------------------------------------------------------- */

static const struct spelling lite_words[] = {
    {"input_cost_per_token", INPUT, PER_TOKEN},
    {"output_cost_per_token", OUTPUT, PER_TOKEN},
    {"cache_read_input_token_cost", CACHED, PER_TOKEN},
    {"cache_creation_input_token_cost", CACHE_WRITE, PER_TOKEN},
    {"cache_creation_input_token_cost_above_1hr", CACHE_WRITE_1H, PER_TOKEN},
    {"output_cost_per_reasoning_token", THINKING, PER_TOKEN},
    {"input_cost_per_request", FEE, PER_REQUEST},
};

/* "input_cost_per_token_above_200k_tokens": the figure, and 200000. */
static bool lite_tier_word(const char *key, enum figure *figure, int64_t *edge)
{
    static const char above[] = "_above_", end[] = "k_tokens";

    for (size_t i = 0; i < ARRAY_LEN(lite_words); i++) {
        size_t len = strlen(lite_words[i].word);
        const char *p = key + len;
        int64_t n = 0;

        if (strncmp(key, lite_words[i].word, len) != 0 ||
            strncmp(p, above, strlen(above)) != 0)
            continue;
        for (p += strlen(above); *p >= '0' && *p <= '9' && n < OVER_200K; p++)
            n = n * 10 + (*p - '0');
        if (n == 0 || strcmp(p, end) != 0)
            continue;
        *figure = lite_words[i].figure;
        *edge = n * THOUSAND;
        return true;
    }
    return false;
}

static void lite_tiers(struct reading *r, const struct node *model)
{
    for (const struct node *n = model->child; n; n = n->next) {
        enum figure figure;
        int64_t edge;
        struct tier *tier;

        if (!n->key || !reading_text(n) ||
            !lite_tier_word(n->key, &figure, &edge))
            continue;
        tier = reading_tier(r, edge, false);
        if (tier)
            reading_figure(&tier->figures[figure], r, n, PER_TOKEN);
    }
}

/* [{range: [0, 32000], input_cost_per_token ...}, ...] */
static void lite_ranges(struct reading *r, const struct node *list)
{
    for (const struct node *n = list->child; n; n = n->next) {
        const struct node *range = node_find(n, "range");
        int64_t *figures = r->base, begin;

        if (!range || !reading_count(&begin, range->child)) {
            r->why = "a tier without a range";
            return;
        }
        if (begin > 0) {
            struct tier *tier = reading_tier(r, begin, false);

            if (!tier)
                return;
            figures = tier->figures;
        }
        reading_figures(figures, r, n, lite_words, ARRAY_LEN(lite_words));
    }
}

/* What "input_cost_per_token_flex" is of "input_cost_per_token", in nanos, if
 * that of the output is the same; else 0. */
static int64_t lite_factor(const struct reading *r, const struct node *model,
                           const char *input, const char *output)
{
    const int64_t list[] = {r->base[INPUT], r->base[OUTPUT]};
    const char *text[] = {reading_text(node_find(model, input)),
                          reading_text(node_find(model, output))};
    __int128 factor[ARRAY_LEN(list)];

    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        int64_t its;

        if (!text[i] || list[i] <= 0 ||
            !import_number(&its, text[i], PER_TOKEN))
            return 0;
        factor[i] = ((__int128)its * NANOS_PER_UNIT + list[i] / 2) / list[i];
    }
    return factor[0] == factor[1] && factor[0] <= factor_most
               ? (int64_t)factor[0]
               : 0;
}

static void lite_factors(struct reading *r, const struct node *m)
{
    r->factors.flex = lite_factor(r, m, "input_cost_per_token_flex",
                                  "output_cost_per_token_flex");
    r->factors.priority = lite_factor(r, m, "input_cost_per_token_priority",
                                      "output_cost_per_token_priority");
    r->factors.batch = lite_factor(r, m, "input_cost_per_token_batches",
                                   "output_cost_per_token_batches");
}

void shape_litellm(struct catalogue *c, const struct node *root)
{
    for (const struct node *m = root->child; m; m = m->next) {
        const char *provider = reading_text(node_find(m, "litellm_provider"));
        const struct node *ranges = node_find(m, "tiered_pricing");
        const char *model = m->key;
        struct reading r;

        if (!provider || !model)
            continue;
        if (strncmp(model, provider, strlen(provider)) == 0 &&
            model[strlen(provider)] == '/')
            model += strlen(provider) + 1;
        reading_begin(&r);
        reading_figures(r.base, &r, m, lite_words, ARRAY_LEN(lite_words));
        if (ranges && ranges->kind == NODE_LIST)
            lite_ranges(&r, ranges);
        else
            lite_tiers(&r, m);
        lite_factors(&r, m);
        if (node_find(m, "off_peak_pricing"))
            r.why = "a price of its own at some hours";
        catalogue_put(
            c,
            &(struct listed){.provider = provider,
                             .model = model,
                             .at = m,
                             .origin = reading_text(node_find(m, "source"))},
            &r);
    }
}

/* --- openrouter ----------------------------------------------------------- */

static const struct spelling router_words[] = {
    {"prompt", INPUT, PER_TOKEN},
    {"completion", OUTPUT, PER_TOKEN},
    {"input_cache_read", CACHED, PER_TOKEN},
    {"input_cache_write", CACHE_WRITE, PER_TOKEN},
    {"input_cache_write_1h", CACHE_WRITE_1H, PER_TOKEN},
    {"internal_reasoning", THINKING, PER_TOKEN},
    {"request", FEE, PER_REQUEST},
};

static void router_overrides(struct reading *r, const struct node *list)
{
    for (const struct node *n = list->child; n; n = n->next) {
        struct tier *tier;
        int64_t least;

        if (!reading_count(&least, node_find(n, "min_prompt_tokens"))) {
            r->why = "a price of its own at some hours";
            return;
        }
        tier = reading_tier(r, least, true);
        if (tier)
            reading_figures(tier->figures, r, n, router_words,
                            ARRAY_LEN(router_words));
    }
}

void shape_openrouter(struct catalogue *c, const struct node *root)
{
    const struct node *data = node_find(root, "data");

    for (const struct node *m = data ? data->child : NULL; m; m = m->next) {
        const char *id = reading_text(node_find(m, "id"));
        const struct node *pricing = node_find(m, "pricing"), *overrides;
        struct reading r;

        if (!id || !pricing || pricing->kind != NODE_MAP)
            continue;
        reading_begin(&r);
        reading_figures(r.base, &r, pricing, router_words,
                        ARRAY_LEN(router_words));
        overrides = node_find(pricing, "overrides");
        if (overrides && overrides->kind == NODE_LIST)
            router_overrides(&r, overrides);
        catalogue_put(
            c, &(struct listed){.provider = "openrouter", .model = id, .at = m},
            &r);
    }
}

/* --- genai-prices --------------------------------------------------------- */

static const struct spelling genai_words[] = {
    {"input_mtok", INPUT, PER_MTOK},
    {"output_mtok", OUTPUT, PER_MTOK},
    {"cache_read_mtok", CACHED, PER_MTOK},
    {"cache_write_mtok", CACHE_WRITE, PER_MTOK},
    {"cache_write_5m_mtok", CACHE_WRITE, PER_MTOK},
    {"cache_write_1h_mtok", CACHE_WRITE_1H, PER_MTOK},
    {"output_reasoning_mtok", THINKING, PER_MTOK},
    {"requests_kcount", FEE, PER_1K_REQUESTS},
};

static void genai_figure(struct reading *r, const struct spelling *word,
                         const struct node *n)
{
    const struct node *tiers = node_find(n, "tiers");
    struct tier *tier;
    int64_t start;

    if (n->kind == NODE_MAP)
        n = node_find(n, "base");
    reading_figure(&r->base[word->figure], r, n, word->power);
    for (const struct node *t = tiers ? tiers->child : NULL; t; t = t->next) {
        if (!reading_count(&start, node_find(t, "start"))) {
            r->why = "a tier without its start";
            return;
        }
        tier = reading_tier(r, start, false);
        if (tier)
            reading_figure(&tier->figures[word->figure], r,
                           node_find(t, "price"), word->power);
    }
}

/* Of prices by date the last that has begun. */
static const struct node *genai_dated(struct reading *r,
                                      const struct node *list, int64_t now_ms)
{
    const struct node *best = NULL;

    for (const struct node *n = list->child; n; n = n->next) {
        const struct node *only = node_find(n, "constraint");
        const char *start = reading_text(node_find(only, "start_date"));
        int64_t from_ms;

        if (only && only->kind == NODE_MAP && !start)
            r->why = "a price of its own at some hours";
        if (start && (!time_parse(&from_ms, start) || from_ms > now_ms))
            continue;
        best = node_find(n, "prices");
    }
    return best;
}

static void genai_model(struct catalogue *c, const struct node *provider,
                        const struct node *m)
{
    const struct node *urls = node_find(provider, "pricing_urls");
    const char *id = reading_text(node_find(m, "id"));
    const struct node *prices = node_find(m, "prices");
    struct reading r;

    if (!id || !prices)
        return;
    reading_begin(&r);
    if (prices->kind == NODE_LIST)
        prices = genai_dated(&r, prices, c->now_ms);
    for (size_t i = 0; i < ARRAY_LEN(genai_words); i++) {
        const struct node *n = node_find(prices, genai_words[i].word);

        if (n)
            genai_figure(&r, &genai_words[i], n);
    }
    catalogue_put(c,
                  &(struct listed){
                      .provider = reading_text(node_find(provider, "id")),
                      .model = id,
                      .at = m,
                      .as_of = reading_text(node_find(m, "prices_checked")),
                      .origin = reading_text(urls ? urls->child : NULL),
                      .also_when = node_find(m, "match"),
                  },
                  &r);
}

static void genai_provider(struct catalogue *c, const struct node *p)
{
    const char *id = reading_text(node_find(p, "id"));
    const struct node *models = node_find(p, "models");

    for (const struct node *m = id && models ? models->child : NULL; m;
         m = m->next)
        genai_model(c, p, m);
}

void shape_genai_prices(struct catalogue *c, const struct node *root)
{
    const struct node *list = node_find(root, "providers");

    if (!list && root->kind == NODE_MAP) {
        genai_provider(c, root);
        return;
    }
    for (const struct node *p = (list ? list : root)->child; p; p = p->next)
        genai_provider(c, p);
}
