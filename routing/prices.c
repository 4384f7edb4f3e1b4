#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routing/compile.h"
#include "routing/price.h"
#include "routing/suggest.h"

enum {
    NAME_BYTES = 512, /* room for "vendor/model" */
    LISTED_BYTES = 256,
};

static const uint32_t nobody = UINT32_MAX;

/* The index of the offer a price speaks of, or nobody: then it was told. */
static uint32_t offer_of(struct compiling *c, const struct conf_price *p)
{
    char name[NAME_BYTES], near[SUGGESTION_TEXT];
    struct suggestion s = {.word = p->model};
    const struct vendor *v =
        names_find(c->names, NAMES_VENDOR, slice_of(p->vendor));
    const struct offer_set *set;

    snprintf(name, sizeof(name), "%s/%s", p->vendor, p->model);
    set = names_find(c->names, NAMES_OFFER, slice_of(name));
    if (set)
        return set->offers[0]->index;
    if (!v) {
        diag_warning(c->diag, &p->place,
                     "a price of \"%s\", but no vendor is so called",
                     p->vendor);
        return nobody;
    }
    for (uint32_t i = 0; i < v->n_offers; i++)
        suggest(&s, c->offers[v->first_offer + i].model);
    diag_warning(c->diag, &p->place,
                 "a price of \"%s\", but \"%s\" has no such model%s", p->model,
                 p->vendor, suggestion_text(&s, near));
    return nobody;
}

static struct rate rate_or(bool has, struct rate rate, struct rate otherwise)
{
    return has ? rate : otherwise;
}

static struct price_row row_of(const struct conf_price *p)
{
    return (struct price_row){
        .from_ms = p->from_ms,
        .until_ms = p->until_ms,
        .currency = p->currency,
        .input = p->input,
        .cached = rate_or(p->has_cached, p->cached, p->input),
        .cache_write = rate_or(p->has_cache_write, p->cache_write, p->input),
        .output = p->output,
        .thinking = rate_or(p->has_thinking, p->thinking, p->output),
        .conf = p,
    };
}

/* A row that an earlier one covers whole is a price that somebody believes in
 * and that is never used. */
static void check_reached(struct compiling *c, const struct offer *o,
                          const struct price_row *row)
{
    const struct conf_price *p = row->conf;

    for (const struct price_row *r = o->rows; r < row; r++) {
        if (r->from_ms > p->from_ms || r->until_ms < p->until_ms)
            continue;
        diag_warning(c->diag, &p->place,
                     "this price of \"%s\" is never used: the one in line %d "
                     "holds before it does; the first that holds counts, so "
                     "put the newest first",
                     o->name, r->conf->place.line);
        return;
    }
}

static void fill_rows(struct compiling *c, const uint32_t *of)
{
    const struct conf *conf = c->conf;
    struct price_row *rows =
        arena_alloc(c->arena, conf->n_prices * sizeof(*rows));
    struct price_row **next =
        arena_alloc(c->arena, c->s->n_offers * sizeof(struct price_row *));

    for (size_t i = 0; i < c->s->n_offers; i++) {
        struct offer *o = &c->offers[i];

        next[i] = rows;
        rows += o->n_rows;
        o->rows = next[i];
    }
    for (size_t i = 0; i < conf->n_prices; i++) {
        struct price_row *row;

        if (of[i] == nobody)
            continue;
        row = next[of[i]]++;
        *row = row_of(&conf->prices[i]);
        check_reached(c, &c->offers[of[i]], row);
    }
}

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

    for (size_t i = 0; i < c->conf->n_prices; i++) {
        const struct conf_price *p = &c->conf->prices[i];
        struct money one = {0, p->currency}, there;

        if (told[p->currency] ||
            price_convert(&there, c->s, one, c->s->currency, INT64_MAX))
            continue;
        told[p->currency] = true;
        diag_warning(c->diag, &p->place,
                     "prices in %s, but no exchange rate leads to %s: such "
                     "offers are never chosen",
                     currency_name(p->currency), currency_name(c->s->currency));
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
                     "%zu of %u models of \"%s\" have no price and are never "
                     "chosen (a free one has a price of 0): %s",
                     n, v->n_offers, v->name, list);
}

void compile_prices(struct compiling *c)
{
    const struct conf *conf = c->conf;
    uint32_t *of = arena_alloc(c->arena, conf->n_prices * sizeof(*of));

    for (size_t i = 0; i < conf->n_prices; i++) {
        of[i] = offer_of(c, &conf->prices[i]);
        if (of[i] != nobody)
            c->offers[of[i]].n_rows++;
    }
    fill_rows(c, of);
    sort_exchange_rates(c);
    check_comparable(c);
    for (size_t i = 0; i < c->s->n_vendors; i++)
        check_priced(c, &c->vendors[i]);
}
