#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routing/compile.h"
#include "routing/price.h"
#include "routing/price_cover.h"
#include "routing/suggest.h"

enum {
    NAME_BYTES = 512, /* room for "list/model" */
    LISTED_BYTES = 256,
};

static const char *list_of(const struct vendor *v)
{
    return v->conf->price_list ? v->conf->price_list : v->name;
}

/* --- rows ----------------------------------------------------------------- */

/* By service tier; NULL: all are 1. */
static const int64_t *factors_of(const struct conf_factors *f, struct arena *a)
{
    const int64_t said[TIER_COUNT] = {
        [TIER_FLEX] = f->flex,   [TIER_PRIORITY] = f->priority,
        [TIER_FAST] = f->fast,   [TIER_SCALE] = f->scale,
        [TIER_BATCH] = f->batch,
    };
    int64_t *factors = NULL;

    for (int i = 0; i < TIER_COUNT; i++) {
        if (said[i] > 0 && !factors) {
            factors = arena_alloc(a, TIER_COUNT * sizeof(*factors));
            for (int k = 0; k < TIER_COUNT; k++)
                factors[k] = NANOS_PER_UNIT;
        }
        if (said[i] > 0)
            factors[i] = said[i];
    }
    return factors;
}

/* The last length inside an edge. */
static int64_t most(int64_t at_most, int64_t below)
{
    if (at_most > 0)
        return at_most;
    return below > 0 ? below - 1 : INT64_MAX;
}

static struct price_row row_of(const struct conf_price *p, struct arena *a)
{
    return (struct price_row){
        .from_ms = p->from_ms,
        .until_ms = p->until_ms,
        .input_most = most(p->input_at_most, p->input_below),
        .output_most = most(p->output_at_most, p->output_below),
        .window = p->when,
        .has_thinks = p->has_thinks,
        .thinks = p->thinks,
        .currency = p->currency,
        .input = p->input,
        .cached = p->cached,
        .cached_marked = p->cached_marked,
        .cache_write = p->cache_write,
        .cache_write_1h = p->cache_write_1h,
        .output = p->output,
        .thinking = p->thinking,
        .storage = p->storage,
        .fee_nanos = p->fee_nanos,
        .factors = factors_of(&p->factors, a),
        .conf = p,
    };
}

/* Of lists in several currencies the account's own counts; if there is none
 * in it, the account is billed in what there is. */
static bool has_currency(const struct conf_priced *m, enum currency c)
{
    for (size_t i = 0; i < m->n_rows; i++)
        if (m->rows[i].currency == c)
            return true;
    return false;
}

static void fill_rows(struct compiling *c, struct offer *o)
{
    const struct conf_priced *m = o->priced;
    enum currency own = o->vendor->conf->currency;
    bool only_own = has_currency(m, own);
    struct price_row *rows = arena_alloc(c->arena, m->n_rows * sizeof(*rows));

    o->rows = rows;
    for (size_t i = 0; i < m->n_rows; i++) {
        const struct conf_price *p = &m->rows[i];

        if (only_own && p->currency != own)
            continue;
        rows[o->n_rows++] = row_of(p, c->arena);
        o->caches = o->caches || p->cache_least > 0 || p->writes_unasked;
    }
    o->quota = m->quota;
    price_cover_check(c, o);
}

/* --- lists ---------------------------------------------------------------- */

/* Nobody sells what the book has a price of: is it a slip? */
static void check_sold(struct compiling *c, const struct conf_priced *m)
{
    char near[SUGGESTION_TEXT];
    struct suggestion s = {.word = m->model};
    bool known = false;

    if (m->imported)
        return;
    for (size_t i = 0; i < c->s->n_vendors; i++) {
        const struct vendor *v = &c->vendors[i];

        if (strcmp(list_of(v), m->list) != 0)
            continue;
        known = true;
        for (uint32_t k = 0; k < v->n_offers; k++) {
            const char *model = c->offers[v->first_offer + k].model;

            if (strcmp(model, m->model) == 0)
                return;
            suggest(&s, model);
        }
    }
    if (known)
        diag_warning(c->diag, &m->place,
                     "a price of \"%s\", but \"%s\" has no such model%s",
                     m->model, m->list, suggestion_text(&s, near));
    else
        diag_warning(c->diag, &m->place,
                     "a price of \"%s\", but no vendor is so called", m->list);
}

static void compile_lists(struct compiling *c)
{
    const struct conf *conf = c->conf;
    char name[NAME_BYTES];

    for (size_t i = 0; i < conf->n_priced; i++) {
        const struct conf_priced *m = &conf->priced[i];

        if (!names_add(c->names, NAMES_PRICED,
                       arena_printf(c->arena, "%s/%s", m->list, m->model), m))
            diag_error(c->diag, &m->place, "\"%s\" has two prices of \"%s\"",
                       m->list, m->model);
    }
    for (size_t i = 0; i < c->s->n_offers; i++) {
        struct offer *o = &c->offers[i];

        snprintf(name, sizeof(name), "%s/%s", list_of(o->vendor), o->model);
        o->priced = names_find(c->names, NAMES_PRICED, slice_of(name));
        if (o->priced)
            fill_rows(c, o);
    }
    for (size_t i = 0; i < conf->n_priced; i++)
        check_sold(c, &conf->priced[i]);
}

/* --- exchange rates ------------------------------------------------------- */

static int later_first(const void *left, const void *right)
{
    const struct conf_exchange_rate *const *a = left, *const *b = right;

    if ((*a)->from_ms != (*b)->from_ms)
        return (*a)->from_ms > (*b)->from_ms ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

static void sort_exchange_rates(struct compiling *c)
{
    const struct conf *conf = c->conf;
    const struct conf_exchange_rate **rates =
        arena_alloc(c->arena, conf->n_exchange_rates *
                                  sizeof(const struct conf_exchange_rate *));
    size_t n = 0;

    for (size_t i = 0; i < conf->n_exchange_rates; i++) {
        const struct conf_exchange_rate *r = &conf->exchange_rates[i];

        if (r->rate_nanos > 0 && r->base != r->quote)
            rates[n++] = r;
        else
            diag_error(c->diag, &r->place,
                       "an exchange rate wants two currencies and a number "
                       "above zero");
    }
    if (n > 1)
        qsort(rates, n, sizeof(const struct conf_exchange_rate *), later_first);
    c->s->rates = rates;
    c->s->n_rates = n;
}

/* Each currency that cannot be compared is told once. */
static void check_comparable(struct compiling *c)
{
    bool told[CURRENCY_COUNT] = {false};

    for (size_t i = 0; i < c->s->n_offers; i++) {
        const struct offer *o = &c->offers[i];
        enum currency from = o->n_rows > 0 ? o->rows->currency : c->s->currency;
        struct money one = {0, from}, there;

        if (told[from] ||
            price_convert(&there, c->s, one, c->s->currency, INT64_MAX))
            continue;
        told[from] = true;
        diag_warning(c->diag, &o->rows->conf->place,
                     "prices in %s, but no exchange rate leads to %s: such "
                     "offers are never chosen",
                     currency_name(from), currency_name(c->s->currency));
    }
}

/* One complaint a vendor, however many models have no price. */
static void check_priced(struct compiling *c, const struct vendor *v)
{
    char list[LISTED_BYTES];
    size_t len = 0, n = 0;

    for (uint32_t i = 0; i < v->n_offers; i++) {
        const struct offer *o = &c->offers[v->first_offer + i];
        int took;

        if (o->n_rows > 0)
            continue;
        n++;
        took = snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
                        o->model);
        len += took > 0 ? (size_t)took : 0;
        if (len >= sizeof(list))
            len = sizeof(list) - 1;
    }
    if (n > 0)
        diag_warning(c->diag, &v->conf->place,
                     "%zu of %u models of \"%s\" have no price and are %s "
                     "chosen (a free one has a price of 0): %s",
                     n, v->n_offers, v->name,
                     c->s->unpriced_last ? "only the last to be" : "never",
                     list);
}

void compile_prices(struct compiling *c)
{
    compile_lists(c);
    sort_exchange_rates(c);
    check_comparable(c);
    for (size_t i = 0; i < c->s->n_vendors; i++)
        check_priced(c, &c->vendors[i]);
}
