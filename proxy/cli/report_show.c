#include "cli/report_show.h"

#include <inttypes.h>
#include <string.h>

#include "base/time.h"

#include "cli/put_json.h"
#include "cli/table.h"

static bool has_baseline(const struct report *r)
{
    return r->baseline || r->runner_up || r->again;
}

static int64_t saved(const struct report_line *l)
{
    return l->baseline_cost - l->compared_cost;
}

static const char *baseline_text(const struct report *r)
{
    if (r->runner_up)
        return "each request's runner-up";
    if (r->again)
        return "each request decided again by the other policy";
    return r->baseline->name;
}

/* --- table ---------------------------------------------------------------- */

static const char *titles(const struct report *r)
{
    static const char *const first[] = {"",      "TEAM",   "KEY",
                                        "MODEL", "VENDOR", "DAY"};
    const char *text = arena_printf(
        r->arena,
        "%s|REQUESTS>|ANSWERED>%s|FAILED TRIES>|INPUT>|CACHED>|OUTPUT>",
        first[r->by], r->total.limited ? "|LIMITED>" : "");

    for (int c = 0; c < CURRENCY_COUNT; c++)
        if (report_has(r, (enum currency)c))
            text = arena_printf(r->arena, "%s|%s>|FAILED %s>", text,
                                currency_name((enum currency)c),
                                currency_name((enum currency)c));
    if (has_baseline(r))
        text = arena_printf(r->arena, "%s|BASELINE %s>|SAVED>", text,
                            currency_name(r->snapshot->currency));
    return text;
}

static void add_line(const struct report *r, struct table *t,
                     const struct report_line *l)
{
    const int64_t counts[] = {l->failed_attempts, l->input_tokens,
                              l->cached_tokens, l->output_tokens};

    table_add(t, "%s", *l->name ? l->name : "-");
    table_add(t, "%" PRId64, l->requests);
    table_add(t, "%" PRId64, l->answered);
    if (r->total.limited)
        table_add(t, "%" PRId64, l->limited);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        table_add(t, "%" PRId64, counts[i]);
    for (int c = 0; c < CURRENCY_COUNT; c++)
        if (report_has(r, (enum currency)c)) {
            table_nanos(t, l->cost[c]);
            table_nanos(t, l->failed_cost[c]);
        }
    if (has_baseline(r)) {
        table_nanos(t, l->baseline_cost);
        table_nanos(t, saved(l));
    }
}

void report_table(const struct report *r, FILE *to)
{
    struct table *t = table_new(titles(r), r->arena);
    char at[TIME_TEXT];

    for (const struct report_line *l = r->lines; l; l = l->next)
        add_line(r, t, l);
    if (r->n_lines != 1)
        add_line(r, t, &r->total);
    table_print(t, to);
    if (r->removed_before_ms)
        fprintf(to, "of requests before %s some were removed from the ledger\n",
                time_text(r->removed_before_ms, at));
    if (has_baseline(r))
        fprintf(to,
                "baseline: %s, with the prices of each request's instant and "
                "the tokens it took;\n%" PRId64 " of %" PRId64
                " requests are compared\n",
                baseline_text(r), r->total.compared, r->total.requests);
}

/* --- CSV ------------------------------------------------------------------ */

/* As RFC 4180 has it; what a spreadsheet would run begins with a "'". */
static void csv_text(const char *text, FILE *to)
{
    bool runs = *text && strchr("=+-@\t\r", *text);

    fputs(runs ? "\"'" : "\"", to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void csv_nanos(int64_t nanos, FILE *to)
{
    char text[MONEY_TEXT];

    fprintf(to, ",%s", decimal_text(nanos, text));
}

static void csv_line(const struct report *r, const struct report_line *l,
                     FILE *to)
{
    csv_text(l->name, to);
    fprintf(to,
            ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
            ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64,
            l->requests, l->answered, l->limited, l->attempts,
            l->failed_attempts, l->estimated, l->input_tokens, l->cached_tokens,
            l->output_tokens);
    for (int c = 0; c < CURRENCY_COUNT; c++) {
        csv_nanos(l->cost[c], to);
        csv_nanos(l->failed_cost[c], to);
    }
    if (has_baseline(r)) {
        csv_nanos(l->baseline_cost, to);
        csv_nanos(saved(l), to);
    }
    fputs("\r\n", to);
}

void report_csv(const struct report *r, FILE *to)
{
    fputs("name,requests,answered,limited,attempts,failed_attempts,estimated,"
          "input_tokens,cached_tokens,output_tokens",
          to);
    for (int c = 0; c < CURRENCY_COUNT; c++)
        fprintf(to, ",cost_%s,failed_cost_%s", currency_name((enum currency)c),
                currency_name((enum currency)c));
    if (has_baseline(r))
        fprintf(to, ",baseline_%s,saved_%s",
                currency_name(r->snapshot->currency),
                currency_name(r->snapshot->currency));
    fputs("\r\n", to);
    for (const struct report_line *l = r->lines; l; l = l->next)
        csv_line(r, l, to);
}

/* --- JSON ----------------------------------------------------------------- */

static void put_costs(cJSON *to, const char *word,
                      const int64_t nanos[CURRENCY_COUNT])
{
    cJSON *costs = put_object(to, word);

    for (int c = 0; c < CURRENCY_COUNT; c++)
        if (nanos[c])
            put_decimal(costs, currency_name((enum currency)c), nanos[c]);
}

static void put_line(const struct report *r, cJSON *to,
                     const struct report_line *l)
{
    cJSON *baseline;

    put_text(to, "name", l->name);
    put_count(to, "requests", l->requests);
    put_count(to, "answered", l->answered);
    put_count(to, "limited", l->limited);
    put_count(to, "attempts", l->attempts);
    put_count(to, "failed_attempts", l->failed_attempts);
    put_count(to, "estimated", l->estimated);
    put_count(to, "input_tokens", l->input_tokens);
    put_count(to, "cached_tokens", l->cached_tokens);
    put_count(to, "output_tokens", l->output_tokens);
    put_costs(to, "cost", l->cost);
    put_costs(to, "failed_cost", l->failed_cost);
    if (!has_baseline(r))
        return;
    baseline = put_object(to, "baseline");
    put_count(baseline, "requests", l->compared);
    put_text(baseline, "currency", currency_name(r->snapshot->currency));
    put_decimal(baseline, "would_have_cost", l->baseline_cost);
    put_decimal(baseline, "did_cost", l->compared_cost);
    put_decimal(baseline, "saved", saved(l));
}

void report_json(const struct report *r, const struct report_told *told,
                 FILE *to)
{
    cJSON *root = json_new(), *rows;

    if (told->from_unix_ms != INT64_MIN)
        put_instant(root, "from", told->from_unix_ms);
    if (told->to_unix_ms != INT64_MAX)
        put_instant(root, "to", told->to_unix_ms);
    if (r->removed_before_ms)
        put_instant(root, "removed_before", r->removed_before_ms);
    put_text(root, "by", told->by);
    put_text(root, "baseline", told->baseline);
    rows = put_array(root, "rows");
    for (const struct report_line *l = r->lines; l; l = l->next)
        put_line(r, put_element(rows), l);
    put_line(r, put_object(root, "total"), &r->total);
    json_print(to, root);
}
