#include "cli/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "base/time.h"

#include "routing/price.h"

enum {
    FIRST_TABLE = 256,
    DAY_TEXT = 10, /* "2026-11-22" */
};

static const char *const by_names[] = {"all",   "team",   "key",
                                       "model", "vendor", "day"};

bool report_by_parse(enum report_by *out, const char *name)
{
    for (size_t i = 1; i < ARRAY_LEN(by_names); i++)
        if (strcmp(by_names[i], name) == 0) {
            *out = (enum report_by)i;
            return true;
        }
    return false;
}

/* --- lines ---------------------------------------------------------------- */

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261U;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash;
}

static struct report_line **place_of(const struct report *r, const char *name)
{
    size_t at = hash_of(name) & (r->n_table - 1);

    while (r->table[at] && strcmp(r->table[at]->name, name) != 0)
        at = (at + 1) & (r->n_table - 1);
    return &r->table[at];
}

static void table_resize(struct report *r, size_t n)
{
    r->n_table = n;
    r->table = arena_alloc(r->arena, n * sizeof(struct report_line *));
    for (struct report_line *l = r->lines; l; l = l->next)
        *place_of(r, l->name) = l;
}

static struct report_line *line_named(struct report *r, const char *name)
{
    struct report_line **place = place_of(r, name), *line = *place;

    if (line)
        return line;
    line = arena_alloc(r->arena, sizeof(*line));
    line->name = arena_strndup(r->arena, name, strlen(name));
    line->next = r->lines;
    r->lines = line;
    *place = line;
    if (++r->n_lines * 2 > r->n_table)
        table_resize(r, 2 * r->n_table);
    return line;
}

/* The local day as its midnight would be written. */
static void day_text(char out[TIME_TEXT], const struct report *r, int64_t at)
{
    time_text(zone_local(r->zone, at).day * DAY_MS, out);
    out[DAY_TEXT] = '\0';
}

/* Of an attempt; of an exchange when there is none. */
static struct report_line *line_of(struct report *r,
                                   const struct ledger_report_row *row)
{
    bool attempt = row->has_attempt;
    const char *vendor = attempt ? row->attempt_vendor : row->vendor;
    const char *model = attempt ? row->attempt_model : row->model;
    char text[512];

    switch (r->by) {
    case REPORT_ALL: return line_named(r, "all");
    case REPORT_TEAM: return line_named(r, row->team);
    case REPORT_KEY: return line_named(r, row->key_id);
    case REPORT_VENDOR: return line_named(r, vendor);
    case REPORT_DAY: day_text(text, r, row->at_unix_ms); break;
    case REPORT_MODEL:
        snprintf(text, sizeof(text), "%s%s%s", vendor, *vendor ? "/" : "",
                 model);
        break;
    }
    return line_named(r, text);
}

/* --- adding --------------------------------------------------------------- */

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static void add_attempt(struct report_line *l,
                        const struct ledger_report_row *row)
{
    bool failed = strcmp(row->fault, "none") != 0;
    enum currency c = row->attempt_cost.currency;

    l->attempts++;
    l->failed_attempts += failed;
    l->estimated += row->usage.estimated;
    l->input_tokens = plus(l->input_tokens, row->usage.input_tokens);
    l->cached_tokens = plus(l->cached_tokens, row->usage.cached_tokens);
    l->output_tokens = plus(l->output_tokens, row->usage.output_tokens);
    l->cost[c] = plus(l->cost[c], row->attempt_cost.nanos);
    if (failed)
        l->failed_cost[c] = plus(l->failed_cost[c], row->attempt_cost.nanos);
}

static bool to_policy(const struct report *r, struct money m, int64_t at,
                      int64_t *out)
{
    struct money compared;

    if (!price_convert(&compared, r->snapshot, m, r->snapshot->currency, at))
        return false;
    *out = compared.nanos;
    return true;
}

/* As the other policy would have had it; false: it leaves it to nobody. */
static bool again_of(const struct report *r, int64_t *out)
{
    const struct again_request request = {
        .team = r->team,
        .asked = r->asked,
        .at_unix_ms = r->at_unix_ms,
        .input = r->usage.input_tokens,
        .cached = r->usage.cached_tokens,
        .output = r->usage.output_tokens,
        .thinking = r->usage.thinking_tokens,
        .marked = r->usage.marked,
    };
    struct again_answer answer;
    struct arena *a = arena_new();

    again_decide(r->again, &request, &answer, a);
    arena_free(a);
    return answer.offer && to_policy(r, answer.cost, r->at_unix_ms, out);
}

/* What the exchange at hand would have cost; false: nobody knows. */
static bool baseline_of(const struct report *r, int64_t *out)
{
    const struct snapshot *s = r->snapshot;
    struct usage usage = r->usage;
    struct money compared;
    struct cost cost;

    if (r->runner_up) {
        *out = r->runner_up_cost;
        return r->has_runner_up;
    }
    if (r->again && r->used)
        return again_of(r, out);
    if (!r->baseline || !r->used)
        return false;
    if (!price_bill(&cost, r->baseline, r->at_unix_ms, &usage, 0) ||
        !price_convert(&compared, s, cost.total, s->currency, r->at_unix_ms))
        return false;
    *out = compared.nanos;
    return true;
}

static void compare(struct report_line *l, int64_t spent, int64_t baseline)
{
    l->compared++;
    l->compared_cost = plus(l->compared_cost, spent);
    l->baseline_cost = plus(l->baseline_cost, baseline);
}

/* The exchange at hand has no further rows. Its baseline counts where its
 * last attempt does. */
static void close_exchange(struct report *r)
{
    int64_t baseline;

    if (!r->line || !baseline_of(r, &baseline))
        return;
    compare(r->line, r->spent, baseline);
    compare(&r->total, r->spent, baseline);
}

static void open_exchange(struct report *r, const struct ledger_report_row *row)
{
    close_exchange(r);
    snprintf(r->id, sizeof(r->id), "%s", row->id);
    snprintf(r->team, sizeof(r->team), "%s", row->team);
    snprintf(r->asked, sizeof(r->asked), "%s", row->asked);
    r->at_unix_ms = row->at_unix_ms;
    r->used = false;
    r->has_runner_up = false;
    r->spent = 0;
    r->runner_up_cost = 0;
    (void)!to_policy(r, row->cost, row->at_unix_ms, &r->spent);
    if (row->has_runner_up)
        r->has_runner_up =
            to_policy(r, row->runner_up, row->at_unix_ms, &r->runner_up_cost);
    r->total.requests++;
    r->total.answered += row->status < 400;
}

void report_begin(struct report *r)
{
    r->total.name = "total";
    table_resize(r, FIRST_TABLE);
}

static bool is_by_offer(const struct report *r)
{
    return r->by == REPORT_VENDOR || r->by == REPORT_MODEL;
}

void report_add(void *report, const struct ledger_report_row *row)
{
    struct report *r = report;
    bool first = !r->line || strcmp(r->id, row->id) != 0;
    struct report_line *line = line_of(r, row);

    if (first)
        open_exchange(r, row);
    /* by vendor or model a request counts wherever it was tried, and is
     * answered where it was answered */
    line->requests += first || r->line != line;
    if (is_by_offer(r))
        line->answered += row->has_attempt && row->status < 400 &&
                          strcmp(row->fault, "none") == 0;
    else
        line->answered += first && row->status < 400;
    r->line = line;
    if (!row->has_attempt)
        return;
    add_attempt(line, row);
    add_attempt(&r->total, row);
    if (row->usage.input_tokens + row->usage.output_tokens > 0) {
        r->usage = row->usage;
        r->used = true;
    }
}

void report_add_limited(void *report, const struct ledger_limited_row *row)
{
    struct report *r = report;
    char day[TIME_TEXT];

    r->total.limited = plus(r->total.limited, row->n);
    if (is_by_offer(r))
        return;
    day_text(day, r, row->hour_unix_ms);
    line_named(r, r->by == REPORT_TEAM  ? row->team
                  : r->by == REPORT_KEY ? row->key_id
                  : r->by == REPORT_DAY ? day
                                        : "all")
        ->limited += row->n;
}

void report_end(struct report *r)
{
    close_exchange(r);
    r->line = NULL;
}

/* --- order ---------------------------------------------------------------- */

bool report_has(const struct report *r, enum currency c)
{
    return r->total.cost[c] != 0;
}

static int64_t weight(const struct report_line *l)
{
    int64_t sum = 0;

    for (int c = 0; c < CURRENCY_COUNT; c++)
        sum = plus(sum, l->cost[c]);
    return sum;
}

static int by_cost(const void *a, const void *b)
{
    const struct report_line *x = *(struct report_line *const *)a,
                             *y = *(struct report_line *const *)b;
    int64_t wx = weight(x), wy = weight(y);

    if (wx != wy)
        return wx < wy ? 1 : -1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct report_line *const *)a)->name,
                  (*(struct report_line *const *)b)->name);
}

void report_sort(struct report *r)
{
    struct report_line **all =
        arena_alloc(r->arena, (r->n_lines + 1) * sizeof(struct report_line *));
    struct report_line **end = &r->lines;
    size_t n = 0;

    for (struct report_line *l = r->lines; l; l = l->next)
        all[n++] = l;
    qsort(all, n, sizeof(struct report_line *),
          r->by == REPORT_DAY ? by_name : by_cost);
    for (size_t i = 0; i < n; i++) {
        *end = all[i];
        end = &all[i]->next;
    }
    *end = NULL;
}
