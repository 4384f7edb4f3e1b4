/* war_print.c - the replay, for people and for programs. */
#include <inttypes.h>
#include <string.h>

#include "cli/war.h"

enum {
    TITLES_BYTES = 2048,
};

/* --- for people ----------------------------------------------------------- */

static const char *price_text(const struct price_row *row,
                              char text[4 * MONEY_TEXT])
{
    char input[MONEY_TEXT], output[MONEY_TEXT];

    if (!row)
        return "?";
    snprintf(text, 4 * MONEY_TEXT, "%s/%s",
             decimal_text(row->input.nanos_per_mtok, input),
             decimal_text(row->output.nanos_per_mtok, output));
    return text;
}

static void print_changes(const struct war *w, FILE *to)
{
    struct table *t =
        table_new("day|model|what|before>|after>|per 1M in|note", w->arena);
    char day[TIME_TEXT], before[4 * MONEY_TEXT], after[4 * MONEY_TEXT];

    for (size_t i = 0; i < w->n_days; i++)
        for (size_t k = 0; k < w->days[i].n_changes; k++) {
            const struct war_change *c = &w->days[i].changes[k];
            const struct price_row *row = c->after ? c->after : c->before;
            const char *note = row->conf->note;

            if (!note && c->before)
                note = c->before->conf->note;
            table_add(t, "%s", k == 0 ? war_day_text(&w->days[i], day) : "");
            table_add(t, "%s", c->offer->name);
            table_add(t, "%s", war_change_name(c));
            table_add(t, "%s", price_text(c->before, before));
            table_add(t, "%s", price_text(c->after, after));
            table_add(t, "%s", currency_name(row->currency));
            table_add(t, "%s", note ? note : "");
        }
    fprintf(to, "Who changed what (input/output per 1M tokens)\n\n");
    table_print(t, to);
}

static void add_cost(struct table *t, const struct war_cost *c, bool named)
{
    char text[MONEY_TEXT];

    if (named && c->offer && c->n_equal > 0)
        table_add(t, "%s +%d", c->offer->name, c->n_equal);
    else if (named)
        table_add(t, "%s", c->offer ? c->offer->name : "");
    if (c->offer)
        table_add(t, "%s", decimal_text(c->cost.nanos, text));
    else
        table_add(t, "%s", "?");
}

static const char *titles(const struct war *w, char text[TITLES_BYTES])
{
    size_t len = (size_t)snprintf(text, TITLES_BYTES,
                                  "day|cheapest|>|cheapest paid|>|dearest|>");

    for (size_t v = 0; v < w->s->n_vendors && len < TITLES_BYTES; v++)
        len += (size_t)snprintf(text + len, TITLES_BYTES - len, "|%s>",
                                w->s->vendors[v].name);
    return text;
}

static void print_kind(const struct war *w, int kind, FILE *to)
{
    const struct usage *u = &war_kinds[kind].usage;
    char names[TITLES_BYTES], day[TIME_TEXT];
    struct table *t = table_new(titles(w, names), w->arena);

    for (size_t i = 0; i < w->n_days; i++) {
        const struct war_day *d = &w->days[i];

        table_add(t, "%s", war_day_text(d, day));
        add_cost(t, &d->cheapest[kind], true);
        add_cost(t, &d->cheapest_paid[kind], true);
        add_cost(t, &d->dearest[kind], true);
        for (size_t v = 0; v < w->s->n_vendors; v++)
            add_cost(t, &d->vendors[kind][v], false);
    }
    fprintf(to,
            "\n%d times %s (%" PRId64 " tokens in, %" PRId64
            " out), in %s\n(under a vendor's name: its cheapest model; +1: "
            "another one asks the same; ?: no known price)\n\n",
            WAR_REQUESTS, war_kinds[kind].title, u->input_tokens,
            u->output_tokens, currency_name(w->currency));
    table_print(t, to);
}

void war_print(const struct war *w, FILE *to)
{
    print_changes(w, to);
    for (int k = 0; k < WAR_KINDS; k++)
        print_kind(w, k, to);
}

/* --- for programs --------------------------------------------------------- */

static void put_price(cJSON *to, const char *word, const struct price_row *row)
{
    cJSON *o;

    if (!row) {
        put_text(to, word, NULL);
        return;
    }
    o = put_object(to, word);
    put_decimal(o, "input", row->input.nanos_per_mtok);
    put_decimal(o, "output", row->output.nanos_per_mtok);
    put_text(o, "currency", currency_name(row->currency));
    put_text(o, "note", row->conf->note);
    put_text(o, "source", row->conf->source);
}

static void put_cost(cJSON *to, const char *word, const struct war_cost *c)
{
    cJSON *o;

    if (!c->offer) {
        put_text(to, word, NULL);
        return;
    }
    o = put_object(to, word);
    put_text(o, "offer", c->offer->name);
    put_decimal(o, "amount", c->cost.nanos);
    put_count(o, "equal", c->n_equal);
}

static void put_day(const struct war *w, cJSON *to, const struct war_day *d)
{
    cJSON *changes, *costs;
    char day[TIME_TEXT];

    put_text(to, "day", war_day_text(d, day));
    changes = put_array(to, "changes");
    for (size_t i = 0; i < d->n_changes; i++) {
        cJSON *o = put_element(changes);

        put_text(o, "offer", d->changes[i].offer->name);
        put_text(o, "what", war_change_name(&d->changes[i]));
        put_price(o, "before", d->changes[i].before);
        put_price(o, "after", d->changes[i].after);
    }
    costs = put_object(to, "costs");
    for (int k = 0; k < WAR_KINDS; k++) {
        cJSON *o = put_object(costs, war_kinds[k].name), *vendors;

        put_cost(o, "cheapest", &d->cheapest[k]);
        put_cost(o, "cheapest_paid", &d->cheapest_paid[k]);
        put_cost(o, "dearest", &d->dearest[k]);
        vendors = put_object(o, "vendors");
        for (size_t v = 0; v < w->s->n_vendors; v++)
            put_cost(vendors, w->s->vendors[v].name, &d->vendors[k][v]);
    }
}

void war_json(const struct war *w, FILE *to)
{
    cJSON *root = json_new(), *kinds, *days;

    put_text(root, "currency", currency_name(w->currency));
    put_count(root, "requests", WAR_REQUESTS);
    kinds = put_array(root, "kinds");
    for (int k = 0; k < WAR_KINDS; k++) {
        cJSON *o = put_element(kinds);

        put_text(o, "name", war_kinds[k].name);
        put_text(o, "title", war_kinds[k].title);
        put_count(o, "input", war_kinds[k].usage.input_tokens);
        put_count(o, "output", war_kinds[k].usage.output_tokens);
    }
    days = put_array(root, "days");
    for (size_t i = 0; i < w->n_days; i++)
        put_day(w, put_element(days), &w->days[i]);
    json_print(to, root);
}
