/*
 * prices_diff.c - what is new, gone, dearer or cheaper in another book.
 *
 * Rows are the same if they have the same conditions; of several with dates
 * the one that holds at --at is compared.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"

#include "cli/prices.h"

enum {
    FILE_BYTES_MOST = 4 << 20,
    CONDITION_BYTES = 256,
    PERCENT_BYTES = 32,
    TENTHS_OF_PERCENT = 1000,
};

struct difference {
    const struct conf_price *before, *after; /* NULL: not there */
    const struct conf_price *any;            /* the latest of the two */
};

struct diffing {
    const struct args *args;
    struct arena *arena;
    int64_t at_unix_ms;
    struct difference *all;
    size_t n;
};

/* --- two books ------------------------------------------------------------ */

/* A file of prices, with the vendors of the configuration at hand: they have
 * the currencies. */
static const struct conf *load_file(const struct diffing *d, const char *path,
                                    struct diag *diag)
{
    const char *dir = option_conf_dir(d->args, NULL);
    const char *vendors = arena_printf(d->arena, "%s/vendors.yaml", dir);
    struct conf_file files[] = {
        {.name = "prices.yaml"},
        {.name = "vendors.yaml"},
    };
    const struct conf *conf;

    files[0].bytes = file_read(path, &files[0].len, FILE_BYTES_MOST, d->arena);
    files[1].bytes =
        file_read(vendors, &files[1].len, FILE_BYTES_MOST, d->arena);
    if (!files[0].bytes) {
        fprintf(stderr, "bijia prices diff: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    return conf_read(&conf, files, files[1].bytes ? 2 : 1, d->arena, diag) == 0
               ? conf
               : NULL;
}

static const struct conf *load(const struct diffing *d, const char *path)
{
    struct diag *diag = arena_alloc(d->arena, sizeof(*diag));
    const struct conf *conf = NULL;
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (conf_load(&conf, path, d->arena, diag) < 0)
            conf = NULL;
    } else {
        conf = load_file(d, path, diag);
    }
    if (!conf)
        diag_print(diag);
    return conf;
}

/* --- rows ----------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool holds(const struct conf_price *p, int64_t at)
{
    return p->from_ms <= at && at < p->until_ms;
}

static bool same_conditions(const struct conf_price *a,
                            const struct conf_price *b)
{
    return strcmp(a->list, b->list) == 0 && strcmp(a->model, b->model) == 0 &&
           a->currency == b->currency && a->has_thinks == b->has_thinks &&
           a->thinks == b->thinks && a->input_at_most == b->input_at_most &&
           a->input_below == b->input_below &&
           a->output_at_most == b->output_at_most &&
           a->output_below == b->output_below &&
           same_text(a->when ? a->when->name : NULL,
                     b->when ? b->when->name : NULL);
}

/* The row that holds of those with the conditions of `like`. */
static const struct conf_price *find(const struct conf *conf,
                                     const struct conf_price *like, int64_t at)
{
    for (size_t i = 0; i < conf->n_prices; i++)
        if (holds(&conf->prices[i], at) &&
            same_conditions(&conf->prices[i], like))
            return &conf->prices[i];
    return NULL;
}

static bool same_price(const struct conf_price *a, const struct conf_price *b)
{
    return a->input.nanos_per_mtok == b->input.nanos_per_mtok &&
           a->cached.nanos_per_mtok == b->cached.nanos_per_mtok &&
           a->cached_marked.nanos_per_mtok == b->cached_marked.nanos_per_mtok &&
           a->cache_write.nanos_per_mtok == b->cache_write.nanos_per_mtok &&
           a->cache_write_1h.nanos_per_mtok ==
               b->cache_write_1h.nanos_per_mtok &&
           a->output.nanos_per_mtok == b->output.nanos_per_mtok &&
           a->thinking.nanos_per_mtok == b->thinking.nanos_per_mtok &&
           a->storage.nanos_per_mtok == b->storage.nanos_per_mtok &&
           a->fee_nanos == b->fee_nanos;
}

static void gather(struct diffing *d, const struct conf *a,
                   const struct conf *b)
{
    d->all =
        arena_alloc(d->arena, (a->n_prices + b->n_prices) * sizeof(*d->all));
    for (size_t i = 0; i < a->n_prices; i++) {
        const struct conf_price *p = &a->prices[i], *q;

        if (find(a, p, d->at_unix_ms) != p)
            continue;
        q = find(b, p, d->at_unix_ms);
        if (!q || !same_price(p, q))
            d->all[d->n++] = (struct difference){p, q, q ? q : p};
    }
    for (size_t i = 0; i < b->n_prices; i++) {
        const struct conf_price *q = &b->prices[i];

        if (find(b, q, d->at_unix_ms) == q && !find(a, q, d->at_unix_ms))
            d->all[d->n++] = (struct difference){NULL, q, q};
    }
}

/* --- telling -------------------------------------------------------------- */

/* What may differ, side by side. */
enum {
    COMPARED = 6,
};

static void figures(int64_t out[COMPARED], const struct conf_price *p)
{
    out[0] = p->input.nanos_per_mtok;
    out[1] = p->output.nanos_per_mtok;
    out[2] = p->cached.nanos_per_mtok;
    out[3] = p->thinking.nanos_per_mtok;
    out[4] = p->cache_write.nanos_per_mtok;
    out[5] = p->fee_nanos;
}

static const char *what(const struct difference *d)
{
    int64_t was[COMPARED], is[COMPARED];
    int up = 0, down = 0;

    if (!d->before)
        return "new";
    if (!d->after)
        return "gone";
    figures(was, d->before);
    figures(is, d->after);
    for (int i = 0; i < COMPARED; i++) {
        up += is[i] > was[i];
        down += is[i] < was[i];
    }
    if (!up == !down)
        return "changed";
    return up ? "dearer" : "cheaper";
}

/* "+12.5%"; "" where there is nothing to compare. */
static const char *percent(int64_t before, int64_t now,
                           char text[PERCENT_BYTES])
{
    __int128 tenths =
        before > 0 ? (__int128)(now - before) * TENTHS_OF_PERCENT / before : 0;
    int64_t size = (int64_t)(tenths < 0 ? -tenths : tenths);

    if (before <= 0 || before == now)
        return "";
    snprintf(text, PERCENT_BYTES, "%s%" PRId64 ".%" PRId64 "%%",
             now < before ? "-" : "+", size / 10, size % 10);
    return text;
}

static const char *conditions(const struct conf_price *p,
                              char text[CONDITION_BYTES])
{
    const int64_t lengths[] = {p->input_at_most, p->input_below,
                               p->output_at_most, p->output_below};
    size_t len = 0;

    text[0] = '\0';
    if (p->when)
        len += (size_t)snprintf(text, CONDITION_BYTES, "window %.128s",
                                p->when->name);
    if (p->has_thinks)
        len += (size_t)snprintf(text + len, CONDITION_BYTES - len, "%s%s",
                                len ? ", " : "",
                                p->thinks ? "thinking" : "not thinking");
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        if (lengths[i] > 0)
            len += (size_t)snprintf(text + len, CONDITION_BYTES - len,
                                    "%s%s %s %" PRId64, len ? ", " : "",
                                    i < 2 ? "input" : "output",
                                    i % 2 ? "<" : "<=", lengths[i]);
    return text;
}

static void add_rate(struct table *t, const struct conf_price *p, bool output)
{
    char text[MONEY_TEXT];

    if (p)
        table_add(t, "%s",
                  decimal_text(output ? p->output.nanos_per_mtok
                                      : p->input.nanos_per_mtok,
                               text));
    else
        table_add(t, "%s", "");
}

static void add_difference(struct table *t, const struct difference *d)
{
    const struct conf_price *p = d->any;
    char text[CONDITION_BYTES], change[PERCENT_BYTES];
    int64_t was[COMPARED] = {0}, is[COMPARED] = {0};

    if (d->before)
        figures(was, d->before);
    if (d->after)
        figures(is, d->after);
    table_add(t, "%s/%s", p->list, p->model);
    table_add(t, "%s", what(d));
    for (int i = 0; i < 2; i++) {
        add_rate(t, d->before, i);
        add_rate(t, d->after, i);
        table_add(t, "%s",
                  d->before && d->after ? percent(was[i], is[i], change) : "");
    }
    table_add(t, "%s", currency_name(p->currency));
    table_add(t, "%s", conditions(p, text));
}

static void put_side(cJSON *to, const char *word, const struct conf_price *p)
{
    cJSON *o;

    if (!p) {
        put_text(to, word, NULL);
        return;
    }
    o = put_object(to, word);
    put_decimal(o, "input", p->input.nanos_per_mtok);
    put_decimal(o, "cached_input", p->cached.nanos_per_mtok);
    put_decimal(o, "output", p->output.nanos_per_mtok);
    put_text(o, "source", p->source);
    put_text(o, "as_of", p->as_of);
}

static void print_json(const struct diffing *d)
{
    cJSON *root = json_new(), *list = put_array(root, "differences");
    char text[CONDITION_BYTES];

    for (size_t i = 0; i < d->n; i++) {
        const struct difference *x = &d->all[i];
        const struct conf_price *p = x->any;
        cJSON *o = put_element(list);

        put_text(o, "vendor", p->list);
        put_text(o, "model", p->model);
        put_text(o, "what", what(x));
        put_text(o, "currency", currency_name(p->currency));
        put_text(o, "conditions", conditions(p, text));
        put_side(o, "before", x->before);
        put_side(o, "after", x->after);
    }
    json_print(stdout, root);
}

static int diff(struct diffing *d)
{
    const struct conf *a = load(d, d->args->words[0]);
    const struct conf *b = a ? load(d, d->args->words[1]) : NULL;
    struct table *t;

    if (!b)
        return 1;
    gather(d, a, b);
    if (option_given(d->args, "--json")) {
        print_json(d);
        return 0;
    }
    t = table_new("model|what|input>|>|>|output>|>|>|per 1M in|conditions",
                  d->arena);
    for (size_t i = 0; i < d->n; i++)
        add_difference(t, &d->all[i]);
    if (d->n > 0)
        table_print(t, stdout);
    else
        printf("no price differs\n");
    return 0;
}

static int run(const struct args *args)
{
    struct diffing d = {.args = args, .at_unix_ms = clock_unix_ms()};
    const char *when = option_value(args, "--at");
    int status;

    if (args->n_words < 2)
        return usage_error(args, "which two? Files of prices, or directories");
    if (when && !time_parse(&d.at_unix_ms, when))
        return usage_error(args, "--at wants an instant, not \"%s\"", when);
    d.arena = arena_new();
    status = diff(&d);
    arena_free(d.arena);
    return status;
}

static const struct option_row options[] = {
    {"--conf", "DIR", "whose vendors.yaml tells a file's currencies"},
    {"--at", "TIME", "compare the prices of this instant; else of now"},
    {"--json", NULL, "print one JSON object"},
};

const struct command command_prices_diff = {
    .name = "prices diff",
    .usage = "A B [--conf DIR] [--at TIME] [--json]",
    .help = "what is new, gone, dearer or cheaper in another book",
    .more = "A and B are files of prices, or configurations. Rows with the\n"
            "same conditions are compared.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 2,
    .run = run,
};
