#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/fatal.h"
#include "base/time.h"

#include "cli/explain.h"

static void add_text(cJSON *to, const char *word, const char *text)
{
    if (!cJSON_AddStringToObject(to, word, text ? text : ""))
        fatal("out of memory writing JSON");
}

static void add_count(cJSON *to, const char *word, int64_t n)
{
    if (!cJSON_AddNumberToObject(to, word, (double)n))
        fatal("out of memory writing JSON");
}

static cJSON *add_object(cJSON *to, const char *word)
{
    cJSON *o = cJSON_AddObjectToObject(to, word);

    if (!o)
        fatal("out of memory writing JSON");
    return o;
}

/* Amounts are text: a number would be read as a double. */
static cJSON *add_money(cJSON *to, const char *word, struct money m)
{
    cJSON *o = add_object(to, word);
    char text[MONEY_TEXT];

    add_text(o, "amount", decimal_text(m.nanos, text));
    add_text(o, "currency", currency_name(m.currency));
    return o;
}

static void add_cost(cJSON *to, const struct cost *cost)
{
    cJSON *parts = add_object(add_money(to, "cost", cost->total), "parts");
    const struct conf_price *price = cost->row->conf;
    char text[MONEY_TEXT], rule[PRICE_RULE_TEXT];
    cJSON *row = add_object(to, "price");

    for (int p = 0; p < COST_PARTS; p++) {
        struct money part = cost_part(cost, (enum cost_part)p);

        if (part.nanos > 0 || (p < COST_RATED && cost->tokens[p] > 0))
            add_text(parts, cost_part_name((enum cost_part)p),
                     decimal_text(part.nanos, text));
    }
    add_text(row, "rule", price_rule(cost, rule));
    add_text(row, "file", price->place.file);
    add_count(row, "line", price->place.line);
    add_text(row, "source", price->source);
    add_text(row, "as_of", price->as_of);
}

static void add_verdict(cJSON *list, const struct verdict *v, uint32_t rank)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *tokens;
    struct cost cost;

    if (!o || !cJSON_AddItemToArray(list, o))
        fatal("out of memory writing JSON");
    if (rank > 0)
        add_count(o, "rank", rank);
    add_text(o, "vendor", v->offer->vendor->name);
    add_text(o, "model", v->offer->model);
    add_text(o, "why", why_name(v->why));
    if (rank == 0)
        add_text(o, "why_help", why_help(v->why));
    if (v->refusal)
        add_text(o, "refusal", v->refusal);
    tokens = add_object(o, "tokens");
    add_count(tokens, "input", v->expected.input_tokens);
    add_count(tokens, "output", v->expected.output_tokens);
    add_count(tokens, "cached", v->expected.cached_tokens);
    if (v->time != 0)
        add_count(o, "waiting_nanos", v->time);
    if (v->risk != 0)
        add_count(o, "failing_nanos", v->risk);
    if (v->ahead != 0)
        add_count(o, "ahead_nanos", v->ahead);
    if (!v->cost.row)
        return;
    cost_of_sum(&cost, &v->cost, &v->expected);
    add_cost(o, &cost);
    if (v->comparable)
        add_money(o, "compared", v->compared);
}

void explain_json(FILE *to, const struct explanation *e)
{
    const struct decision *d = &e->decision;
    cJSON *o = cJSON_CreateObject();
    char at[TIME_TEXT];
    cJSON *list;
    char *text;

    if (!o)
        fatal("out of memory writing JSON");
    add_text(o, "asked", e->query->asked);
    if (e->team)
        add_text(o, "team", e->team->name);
    add_text(o, "at", time_text(e->at_unix_ms, at));
    add_text(o, "currency", currency_name(e->snapshot->currency));
    add_count(o, "listed", d->n_listed);
    list = cJSON_AddArrayToObject(o, "offers");
    for (uint32_t i = 0; i < d->n_verdicts; i++)
        add_verdict(list, &d->verdicts[i], i < d->n_listed ? i + 1 : 0);
    text = cJSON_Print(o);
    if (!text)
        fatal("out of memory writing JSON");
    fprintf(to, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(o);
}
