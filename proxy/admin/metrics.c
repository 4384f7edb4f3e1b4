/* metrics.c - GET /metrics, as Prometheus reads it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/json_write.h"

#include "routing/budget.h"

#include "admin/desk.h"
#include "serve/feed.h"
#include "serve/hook.h"

enum {
    METRICS_BYTES = 64 << 20,
    LINE_BYTES = 1024,
};

static void PRINTF_LIKE(2, 3) add(struct buf *b, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list list;
    int n;

    va_start(list, fmt);
    n = vsnprintf(line, sizeof(line), fmt, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof(line))
        return; /* half a line would be no line */
    if (buf_add(b, (struct slice){line, (size_t)n}) != 0)
        fatal("the metrics are larger than %d bytes", METRICS_BYTES);
}

static void head(struct buf *b, const char *name, const char *type,
                 const char *help)
{
    add(b, "# HELP bijia_%s %s\n# TYPE bijia_%s %s\n", name, help, name, type);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- what is there of each offer ------------------------------------------ */

/* vendor="..",model="..": names hold neither blanks nor quotes' kin; what
 * they hold of '"' and '\' is escaped. */
static void label_value(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; *text && n + 3 < size; text++) {
        if (*text == '"' || *text == '\\')
            out[n++] = '\\';
        out[n++] = *text;
    }
    out[n] = '\0';
}

struct labels {
    char vendor[160], model[400];
};

static void labels_of(struct labels *out, const struct offer *o)
{
    label_value(out->vendor, sizeof(out->vendor), o->vendor->name);
    label_value(out->model, sizeof(out->model), o->model);
}

typedef void each_offer(struct buf *b, const struct program *p,
                        const struct offer *o, const struct labels *l);

static const struct tally_offer *tally_of(const struct program *p,
                                          const struct offer *o)
{
    return health_tally(p->health, p->edition->offer_slots[o->index]);
}

static void attempts(struct buf *b, const struct program *p,
                     const struct offer *o, const struct labels *l)
{
    for (int f = 0; f < FAULT_COUNT; f++) {
        uint64_t n = read_counter(&tally_of(p, o)->attempts[f]);

        if (n)
            add(b,
                "bijia_attempts_total{vendor=\"%s\",model=\"%s\",fault=\"%s\"} "
                "%llu\n",
                l->vendor, l->model, fault_traits((enum fault)f)->name,
                (unsigned long long)n);
    }
}

static void tokens(struct buf *b, const struct program *p,
                   const struct offer *o, const struct labels *l)
{
    const struct tally_offer *t = tally_of(p, o);

    const struct {
        const char *kind;
        uint64_t n;
    } rows[] = {{"input", read_counter(&t->input_tokens)},
                {"cached", read_counter(&t->cached_tokens)},
                {"output", read_counter(&t->output_tokens)}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].n)
            add(b,
                "bijia_tokens_total{vendor=\"%s\",model=\"%s\",kind=\"%s\"} "
                "%llu\n",
                l->vendor, l->model, rows[i].kind,
                (unsigned long long)rows[i].n);
}

static void cost_row(struct buf *b, const char *name, const struct program *p,
                     const struct labels *l, uint64_t nanos)
{
    char text[MONEY_TEXT];

    if (nanos)
        add(b, "bijia_%s{vendor=\"%s\",model=\"%s\",currency=\"%s\"} %s\n",
            name, l->vendor, l->model,
            currency_name(p->edition->snapshot->currency),
            decimal_text((int64_t)nanos, text));
}

static void cost(struct buf *b, const struct program *p, const struct offer *o,
                 const struct labels *l)
{
    cost_row(b, "cost_total", p, l, read_counter(&tally_of(p, o)->cost_nanos));
}

static void failed_cost(struct buf *b, const struct program *p,
                        const struct offer *o, const struct labels *l)
{
    cost_row(b, "failed_cost_total", p, l,
             read_counter(&tally_of(p, o)->failed_nanos));
}

static void stated(struct buf *b, const struct program *p,
                   const struct offer *o, const struct labels *l)
{
    cost_row(b, "stated_cost_total", p, l,
             read_counter(&tally_of(p, o)->stated_nanos));
}

static void stated_ours(struct buf *b, const struct program *p,
                        const struct offer *o, const struct labels *l)
{
    cost_row(b, "stated_cost_ours_total", p, l,
             read_counter(&tally_of(p, o)->stated_ours_nanos));
}

static void stated_off(struct buf *b, const struct program *p,
                       const struct offer *o, const struct labels *l)
{
    uint64_t n = read_counter(&tally_of(p, o)->stated_off);

    if (n)
        add(b,
            "bijia_stated_cost_differs_total{vendor=\"%s\",model=\"%s\"} "
            "%llu\n",
            l->vendor, l->model, (unsigned long long)n);
}

static void ready(struct buf *b, const struct program *p, const struct offer *o,
                  const struct labels *l)
{
    struct health_view v;

    health_look(p->health, p->edition->offer_slots[o->index],
                loop_now_ms(p->loop), &v);
    add(b, "bijia_offer_ready{vendor=\"%s\",model=\"%s\"} %d\n", l->vendor,
        l->model, v.available && !v.disabled);
}

static void span_rows(struct buf *b, const char *name, const char *labels,
                      const struct tally_histogram *h)
{
    const char *comma = *labels ? "," : "";
    unsigned long long sum = 0;

    for (int i = 0; i < TALLY_SPANS; i++) {
        sum += read_counter(&h->n[i]);
        if (i < TALLY_SPANS - 1)
            add(b, "bijia_%s_bucket{%s%sle=\"%d.%03d\"} %llu\n", name, labels,
                comma, tally_ends_ms[i] / 1000, tally_ends_ms[i] % 1000, sum);
    }
    add(b, "bijia_%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma, sum);
    add(b, "bijia_%s_sum{%s} %llu.%03llu\n", name, labels,
        (unsigned long long)read_counter(&h->sum_ms) / 1000,
        (unsigned long long)read_counter(&h->sum_ms) % 1000);
    add(b, "bijia_%s_count{%s} %llu\n", name, labels, sum);
}

static void first_byte(struct buf *b, const struct program *p,
                       const struct offer *o, const struct labels *l)
{
    const struct tally_histogram *h = &tally_of(p, o)->first_byte;
    char labels[sizeof(*l) + 32];
    uint64_t n = 0;

    for (int i = 0; i < TALLY_SPANS; i++)
        n += read_counter(&h->n[i]);
    if (!n)
        return;
    snprintf(labels, sizeof(labels), "vendor=\"%s\",model=\"%s\"", l->vendor,
             l->model);
    span_rows(b, "first_byte_seconds", labels, h);
}

static const struct {
    const char *name, *type, *help;
    each_offer *row;
} of_offers[] = {
    {"attempts_total", "counter", "Attempts by how they ended.", attempts},
    {"tokens_total", "counter", "Tokens as billed; cached are part of input.",
     tokens},
    {"cost_total", "counter", "What all attempts cost.", cost},
    {"failed_cost_total", "counter", "What attempts that failed cost.",
     failed_cost},
    {"stated_cost_total", "counter",
     "What vendors that state their cost say that they bill.", stated},
    {"stated_cost_ours_total", "counter",
     "What these same answers cost by the price book.", stated_ours},
    {"stated_cost_differs_total", "counter",
     "Of these, answers where the two differ by more than 1 percent.",
     stated_off},
    {"offer_ready", "gauge",
     "1 if it may be tried: not disabled, not cooling, breaker closed.", ready},
    {"first_byte_seconds", "histogram", "From an attempt's start.", first_byte},
};

/* --- teams, requests, the program ----------------------------------------- */

static const struct {
    const char *name, *type, *help;
    size_t offset; /* of a 64-bit atomic in struct limit */
} of_teams[] = {
    {"team_requests_total", "counter", "Requests that passed the limits.",
     offsetof(struct limit, n_taken)},
    {"team_limited_total", "counter", "Requests that the limits refused.",
     offsetof(struct limit, n_refused)},
    {"team_tokens_total", "counter", "Tokens counted against the limits.",
     offsetof(struct limit, n_tokens)},
    {"team_in_flight", "gauge", "Requests at work.",
     offsetof(struct limit, in_flight)},
};

static void add_teams(struct buf *b, const struct program *p)
{
    const struct snapshot *s = p->edition->snapshot;
    char name[400];

    for (size_t m = 0; m < ARRAY_LEN(of_teams); m++) {
        head(b, of_teams[m].name, of_teams[m].type, of_teams[m].help);
        for (size_t i = 0; i < s->n_teams; i++) {
            const char *limit = (const char *)p->edition->team_limits[i];
            uint64_t n = read_counter(
                (const _Atomic uint64_t *)(const void *)(limit +
                                                         of_teams[m].offset));

            if (!n)
                continue;
            label_value(name, sizeof(name), s->teams[i].name);
            add(b, "bijia_%s{team=\"%s\"} %llu\n", of_teams[m].name, name,
                (unsigned long long)n);
        }
    }
}

static void sum_requests(struct tally_requests *out, const struct program *p)
{
    memset(out, 0, sizeof(*out));
    for (int w = 0; w < p->n_workers; w++) {
        const struct tally_requests *t = &p->workers[w].tally;

        for (int i = 0; i < TALLY_CLASSES; i++)
            out->by_class[i] += read_counter(&t->by_class[i]);
        for (int i = 0; i < TALLY_SPANS; i++)
            out->total.n[i] += read_counter(&t->total.n[i]);
        out->total.sum_ms += read_counter(&t->total.sum_ms);
        out->streams += read_counter(&t->streams);
    }
}

static void add_requests(struct buf *b, const struct program *p)
{
    struct tally_requests sum;

    sum_requests(&sum, p);
    head(b, "requests_total", "counter", "Chat requests by status class.");
    for (int i = 2; i < TALLY_CLASSES; i++)
        add(b, "bijia_requests_total{status=\"%dxx\"} %llu\n", i,
            (unsigned long long)read_counter(&sum.by_class[i]));
    head(b, "streams_total", "counter", "Of these, those that stream.");
    add(b, "bijia_streams_total %llu\n",
        (unsigned long long)read_counter(&sum.streams));
    head(b, "request_seconds", "histogram", "From head to last byte.");
    span_rows(b, "request_seconds", "", &sum.total);
}

static void add_gauge(struct buf *b, const char *name, const char *help,
                      int64_t n)
{
    head(b, name, "gauge", help);
    add(b, "bijia_%s %lld\n", name, (long long)n);
}

static void add_feed(struct buf *b, const struct program *p)
{
    struct feed_counts c = feed_count(p->feed);

    const struct {
        const char *result;
        uint64_t n;
    } rows[] = {
        {"changed", c.changed}, {"same", c.same}, {"refused", c.refused}};

    head(b, "feed_readings_total", "counter",
         "Of the feed of prices, by what came of them.");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add(b, "bijia_feed_readings_total{result=\"%s\"} %llu\n",
            rows[i].result, (unsigned long long)rows[i].n);
    add_gauge(b, "feed_held", "Prices that its last reading held back.",
              (int64_t)c.held);
}

static void warning_row(void *to, const struct hook_count *c)
{
    static const char *const eaches[] = {"all", "team", "key", "user"},
                             *const periods[] = {"day", "month", "total"};
    char team[400], fraction[MONEY_TEXT];

    label_value(team, sizeof(team), c->team);
    add(to,
        "bijia_budget_warnings_total{team=\"%s\",each=\"%s\",per=\"%s\","
        "fraction=\"%s\"} %llu\n",
        team, eaches[c->scope], periods[c->period],
        decimal_text(c->fraction_nanos, fraction), (unsigned long long)c->n);
}

/* Of teams' budgets, in the windows of now, as far as they were used. */
struct budget_rows {
    struct buf *out;
    const struct program *program;
    int64_t now_ms;
    const char *name;
    bool amounts; /* else what is spent */
};

static void budget_row(const struct budget_rows *r, const struct budget *b,
                       const char *team, const struct account_view *v)
{
    char label[400], text[MONEY_TEXT];

    label_value(label, sizeof(label), team);
    add(r->out,
        "bijia_%s{team=\"%s\",per=\"%s\",zone=\"%s\",currency=\"%s\"} %s\n",
        r->name, label, b->conf->per, b->zone ? b->conf->zone : "",
        currency_name(b->cap.currency),
        decimal_text(r->amounts ? b->cap.nanos : v->spent_nanos, text));
}

static void look_at_account(void *to, const char *team,
                            const struct account_view *v)
{
    const struct budget_rows *r = to;
    const struct team *t =
        snapshot_find_team(r->program->edition->snapshot, team);

    for (size_t i = 0; t && v->key.scope == ACCOUNT_TEAM && i < t->n_budgets;
         i++) {
        const struct budget *b = &t->budgets[i];

        if (b->each == EACH_TEAM && v->key.period == (uint8_t)b->period &&
            v->key.currency == (uint8_t)b->cap.currency &&
            v->key.window_ms == budget_window_ms(t->budgets, i, r->now_ms))
            budget_row(r, b, team, v);
    }
}

static void add_budgets(struct buf *b, const struct program *p)
{
    struct budget_rows rows = {
        .out = b,
        .program = p,
        .now_ms = purses_time(recorder_purses(p->recorder), clock_unix_ms())};

    for (int i = 0; i < 2; i++) {
        rows.amounts = i == 0;
        rows.name = i == 0 ? "budget_amount" : "budget_spent";
        head(b, rows.name, "gauge",
             i == 0 ? "Of budgets of whole teams, in the window of now."
                    : "Of them, what is spent.");
        purses_look(recorder_purses(p->recorder), look_at_account, &rows);
    }
}

static void add_warnings(struct buf *b, const struct program *p)
{
    struct hook_posts posts = hook_posts(p->hook);

    head(b, "budget_warnings_total", "counter",
         "Fractions that budgets have reached, each told once in its window.");
    hook_each(p->hook, warning_row, b);
    head(b, "webhook_posts_total", "counter", "Warnings by what became of it.");
    add(b, "bijia_webhook_posts_total{result=\"sent\"} %llu\n",
        (unsigned long long)posts.sent);
    add(b, "bijia_webhook_posts_total{result=\"given_up\"} %llu\n",
        (unsigned long long)posts.failed);
    add_gauge(b, "webhook_waiting", "Warnings that wait to be sent.",
              (int64_t)posts.waiting);
}

static void tell(struct http_request *req, struct program *p,
                 const struct desk_counts *counts)
{
    const struct snapshot *s = p->edition->snapshot;
    int64_t connections = 0;
    struct labels labels;
    struct buf b;

    buf_init(&b, METRICS_BYTES);
    for (int i = 0; i < p->n_workers; i++)
        connections += (int64_t)counts->connections[i];
    add_gauge(&b, "connections", "Of clients.", connections);
    add_gauge(&b, "ledger_ready", "1 if the ledger takes rows.",
              recorder_healthy(p->recorder));
    add_gauge(&b, "draining", "1 after SIGTERM.", p->draining);
    add_gauge(&b, "edition", "Of the configuration, counted from the start.",
              (int64_t)s->edition);
    add_feed(&b, p);
    add_budgets(&b, p);
    add_warnings(&b, p);
    add_requests(&b, p);
    add_teams(&b, p);
    for (size_t m = 0; m < ARRAY_LEN(of_offers); m++) {
        head(&b, of_offers[m].name, of_offers[m].type, of_offers[m].help);
        for (size_t i = 0; i < s->n_offers; i++) {
            labels_of(&labels, &s->offers[i]);
            of_offers[m].row(&b, p, &s->offers[i], &labels);
        }
    }
    http_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8",
               (struct slice){b.bytes, b.len});
    buf_fini(&b);
}

void metrics_show(struct http_request *req, void *plane)
{
    desk_count(req, ((struct plane *)plane)->program, tell);
}
