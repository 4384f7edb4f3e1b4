#include <inttypes.h>
#include <string.h>

#include "base/time.h"

#include "cli/explain.h"

/*
 *   #  offer                    tokens in  out     input  output  cost ...
 *   1  deepseek/deepseek-flash         12  300  0.000012  0.0012  CNY 0.001212
 *   -  qwen/qwen3.5-flash  no_key  no key is configured for the vendor
 *
 * Columns are as wide as their widest text. Parts that nobody bills are left
 * out. The last column is the rule of the price book that was followed.
 */
enum {
    COLUMNS_MOST = 7 + COST_PARTS,
    DECIMALS_MOST = 9,
};

struct table {
    struct arena *arena;
    size_t n_columns, n_rows;
    const char *cells[COLUMNS_MOST]; /* of the row being filled */
    const char *const **rows;
    size_t widths[COLUMNS_MOST];
};

static void add_cell(struct table *t, const char *text)
{
    size_t len = strlen(text);

    if (len > t->widths[t->n_columns])
        t->widths[t->n_columns] = len;
    t->cells[t->n_columns++] = text;
}

static void add_number(struct table *t, int64_t n)
{
    add_cell(t, arena_printf(t->arena, "%" PRId64, n));
}

/* Blanks make up for missing decimals, so that the points stand in line. */
static void add_money(struct table *t, struct money m, bool named)
{
    char text[MONEY_TEXT];
    const char *point = strchr(decimal_text(m.nanos, text), '.');
    int missing = DECIMALS_MOST + 1 - (int)strlen(point);

    add_cell(t, arena_printf(t->arena, "%s%s%s%*s",
                             named ? currency_name(m.currency) : "",
                             named ? " " : "", text, missing, ""));
}

static void end_row(struct table *t)
{
    const char **row = arena_alloc(t->arena, sizeof(t->cells));

    memcpy(row, t->cells, sizeof(t->cells));
    t->rows[t->n_rows++] = row;
    t->n_columns = 0;
}

static void print_rows(FILE *to, const struct table *t, size_t n_columns)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *const *row = t->rows[i];
        size_t last = strlen(row[n_columns - 1]);

        for (size_t j = 0; j + 1 < n_columns; j++)
            fprintf(to, j == 1 ? "%-*s  " : "%*s  ", (int)t->widths[j], row[j]);
        while (last > 0 && row[n_columns - 1][last - 1] == ' ')
            last--;
        fprintf(to, "%.*s\n", (int)last, row[n_columns - 1]);
    }
}

/* Which parts does any listed offer bill? */
static void find_parts(bool billed[COST_PARTS], const struct decision *d)
{
    for (uint32_t i = 0; i < d->n_listed; i++) {
        struct cost cost;

        cost_of_sum(&cost, &d->verdicts[i].cost, &d->verdicts[i].expected);
        for (int p = 0; p < COST_PARTS && cost.row; p++)
            billed[p] |= cost_part(&cost, (enum cost_part)p).nanos > 0;
    }
    billed[COST_INPUT] = billed[COST_OUTPUT] = true;
}

/* The parts of one cost, its total, and the rule behind it. */
static void add_cost(struct table *t, const struct verdict *v,
                     const bool billed[COST_PARTS])
{
    char *rule = arena_alloc(t->arena, PRICE_RULE_TEXT);
    bool known = v->cost.row != NULL;
    struct cost cost;

    cost_of_sum(&cost, &v->cost, &v->expected);
    for (int p = 0; p < COST_PARTS; p++)
        if (billed[p] && known)
            add_money(t, cost_part(&cost, (enum cost_part)p), false);
        else if (billed[p])
            add_cell(t, "?");
    if (known) {
        add_money(t, v->cost.total, true);
        add_money(t, v->compared, true);
        add_cell(t, price_rule(&cost, rule));
        return;
    }
    add_cell(t, "?");
    add_cell(t, "?");
    add_cell(t, "the price book has no price for it");
}

static void add_head(struct table *t, const bool billed[COST_PARTS])
{
    add_cell(t, "#");
    add_cell(t, "offer");
    add_cell(t, "tokens in");
    add_cell(t, "out");
    for (int p = 0; p < COST_PARTS; p++)
        if (billed[p])
            add_cell(t, cost_part_name((enum cost_part)p));
    add_cell(t, "cost");
    add_cell(t, "compared");
    add_cell(t, "by");
}

static void print_listed(FILE *to, const struct explanation *e, struct arena *a)
{
    const struct decision *d = &e->decision;
    bool billed[COST_PARTS] = {false};
    struct table t = {.arena = a};
    size_t n_columns = 0;

    t.rows = arena_alloc(a, (d->n_listed + 1) * sizeof(const char *const *));
    find_parts(billed, d);
    add_head(&t, billed);
    n_columns = t.n_columns;
    end_row(&t);
    for (uint32_t i = 0; i < d->n_listed; i++) {
        const struct verdict *v = &d->verdicts[i];

        add_number(&t, i + 1);
        add_cell(&t, v->offer->name);
        add_number(&t, v->expected.input_tokens);
        add_number(&t, v->expected.output_tokens);
        add_cost(&t, v, billed);
        end_row(&t);
    }
    print_rows(to, &t, n_columns);
}

static void print_others(FILE *to, const struct explanation *e)
{
    const struct decision *d = &e->decision;
    int names = 0, whys = 0;

    for (uint32_t i = d->n_listed; i < d->n_verdicts; i++) {
        int name = (int)strlen(d->verdicts[i].offer->name);
        int why = (int)strlen(why_name(d->verdicts[i].why));

        names = name > names ? name : names;
        whys = why > whys ? why : whys;
    }
    for (uint32_t i = d->n_listed; i < d->n_verdicts; i++) {
        const struct verdict *v = &d->verdicts[i];

        fprintf(to, "-  %-*s  %-*s  %s%s%s\n", names, v->offer->name, whys,
                why_name(v->why), why_help(v->why), v->refusal ? ": " : "",
                v->refusal ? v->refusal : "");
    }
}

/* Why it is expected so, where answers have taught something. */
static void print_reasons(FILE *to, const struct explanation *e)
{
    struct learnt_reasons why = learnt_why(e->outlook);
    const struct decision *d = &e->decision;
    char ahead[MONEY_TEXT];

    fprintf(to,
            "\nAnswers to such requests: %.0f tokens, give or take %.0f (%.0f "
            "seen). It goes on with a chance of %.0f %%.\n",
            why.answer_tokens, why.answer_spread, why.answers_seen,
            100 * why.goes_on);
    if (why.shared_tokens > 0)
        fprintf(to, "%lld tokens of it are common to %.0f requests.\n",
                (long long)why.shared_tokens, why.shared_uses);
    if (why.leader)
        fprintf(to, "Of this kind of traffic alone, %s costs least%s.\n",
                why.leader, why.follows ? "; it is followed" : "");
    for (uint32_t i = 0; i < d->n_listed; i++) {
        const struct verdict *v = &d->verdicts[i];
        struct learnt_offer_reasons r = learnt_why_offer(e->outlook, v->offer);

        fprintf(to, "%u  %s: prompt +-%.1f %%", i + 1, v->offer->name,
                100 * r.tokens_doubt);
        if (r.held_tokens > 0)
            fprintf(to, "; %lld tokens cached %.0f s ago, believed to %.0f %%",
                    (long long)r.held_tokens, r.held_for_s, 100 * r.belief);
        if (v->time != 0)
            fprintf(to, "; waiting %s", decimal_text(v->time, ahead));
        if (v->risk != 0)
            fprintf(to, "; failing %s", decimal_text(v->risk, ahead));
        fprintf(to, "; later turns %s%s\n", v->ahead < 0 ? "-" : "",
                decimal_text(v->ahead < 0 ? -v->ahead : v->ahead, ahead));
    }
}

void explain_table(FILE *to, const struct explanation *e, struct arena *a)
{
    const struct decision *d = &e->decision;
    char at[TIME_TEXT];

    fprintf(to, "%s for %s at %s: %" PRIu32 " of %" PRIu32 " offers\n\n",
            e->query->asked, e->team ? e->team->name : "anybody",
            time_text(e->at_unix_ms, at), d->n_listed, d->n_verdicts);
    if (d->n_listed > 0)
        print_listed(to, e, a);
    if (d->n_listed > 0 && d->n_listed < d->n_verdicts)
        fputc('\n', to);
    print_others(to, e);
    if (e->outlook)
        print_reasons(to, e);
}
