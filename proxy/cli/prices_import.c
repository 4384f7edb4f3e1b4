/*
 * prices_import.c - a catalogue's prices become a file that the book includes.
 */
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"

#include "routing/import.h"

#include "cli/prices.h"

enum {
    CATALOGUE_BYTES_MOST = 32 << 20,
    OUT_BYTES_MOST = 4 << 20,
    PAIRS_MOST = 64,
    DIRECTORY = 0755,
};

struct importing {
    struct prices_call call;
    struct import_source source;
    const char *out; /* as prices.yaml would name it */
    struct conf_words pairs;
    struct import import;
    struct import_report report;
};

/* "zai=glm,alibaba=qwen-intl" */
static bool take_pairs(struct importing *m, const char *text)
{
    struct conf_word *words =
        arena_alloc(m->call.arena, PAIRS_MOST * sizeof(*words));

    m->pairs.items = words;
    while (text && *text) {
        size_t len = strcspn(text, ",");

        if (m->pairs.n == PAIRS_MOST || !memchr(text, '=', len))
            return false;
        words[m->pairs.n++].text = arena_strndup(m->call.arena, text, len);
        text += len + (text[len] == ',');
    }
    return true;
}

static bool take_words(struct importing *m, const struct args *args)
{
    const char *from = option_value(args, "--from");

    m->source.from = args->words[0];
    if (!m->source.from) {
        usage_error(args, "which file? (- is stdin)");
        return false;
    }
    if (!from || !import_format_find(&m->source.format, from)) {
        usage_error(args, "--from wants models.dev, litellm, openrouter or "
                          "genai-prices");
        return false;
    }
    m->out = option_value(args, "--out");
    return true;
}

/* Whatever keeps it from being read is told. */
static bool read_catalogue(struct importing *m)
{
    static struct diag diag;
    struct arena *a = m->call.arena;
    const struct node *root;
    size_t len;
    char *bytes =
        strcmp(m->source.from, "-") == 0
            ? stdin_read(&len, CATALOGUE_BYTES_MOST, a)
            : file_read(m->source.from, &len, CATALOGUE_BYTES_MOST, a);

    if (!bytes) {
        fprintf(stderr, "bijia prices import: %s: %s\n", m->source.from,
                strerror(errno));
        return false;
    }
    root = yaml_read(bytes, len, m->source.from, a, &diag);
    diag_print(&diag);
    if (import_read(&m->import, m->source.format, root, m->call.at_unix_ms, a))
        return true;
    fprintf(stderr,
            "bijia prices import: %s has no prices in the shape of %s\n",
            m->source.from, import_format_name(m->source.format));
    return false;
}

static const char *where(const struct import_finding *f)
{
    const struct conf_price *p = f->before ? f->before->conf : NULL;
    const char *slash = p ? strrchr(p->place.file, '/') : NULL;

    if (!p)
        return "";
    return slash ? slash + 1 : p->place.file;
}

static void print_report(const struct importing *m)
{
    struct table *t = table_new("offer|what changed|ours", m->call.arena);
    size_t n_same = 0;
    char line[IMPORT_LINE];

    for (size_t i = 0; i < m->report.n; i++) {
        const struct import_finding *f = &m->report.findings[i];

        if (f->verdict == IMPORT_SAME) {
            n_same++;
            continue;
        }
        table_add(t, "%s", f->offer->name);
        table_add(t, "%s", import_line(f, m->call.s, m->call.at_unix_ms, line));
        if (f->before)
            table_add(t, "%s:%d%s", where(f), f->before->conf->place.line,
                      f->by_hand ? " stays" : "");
        else
            table_add(t, "%s", "");
    }
    if (m->report.n > n_same)
        table_print(t, stdout);
    printf("%s%zu prices read; %zu of our offers found, %zu unchanged, %zu "
           "held back; %zu models of our vendors we do not sell\n",
           m->report.n > n_same ? "\n" : "", m->import.n, m->report.n, n_same,
           m->report.n_held, m->report.n_unmatched);
}

static void print_json(const struct importing *m, const char *path)
{
    cJSON *root = json_new(), *list = put_array(root, "findings");
    char line[IMPORT_LINE];

    for (size_t i = 0; i < m->report.n; i++) {
        const struct import_finding *f = &m->report.findings[i];
        cJSON *o = put_element(list);

        put_text(o, "offer", f->offer->name);
        put_text(o, "verdict", import_verdict_name(f->verdict));
        put_yes(o, "held", import_held(f->verdict));
        put_yes(o, "by_hand", f->by_hand);
        put_text(o, "line",
                 import_line(f, m->call.s, m->call.at_unix_ms, line));
        if (f->price && f->price->n_rows > 0) {
            put_decimal(o, "input", f->price->rows->input.nanos_per_mtok);
            put_decimal(o, "output", f->price->rows->output.nanos_per_mtok);
        }
    }
    put_count(root, "read", (int64_t)m->import.n);
    put_count(root, "held", (int64_t)m->report.n_held);
    put_count(root, "unmatched", (int64_t)m->report.n_unmatched);
    put_text(root, "written", path);
    json_print(stdout, root);
}

static bool is_included(const struct importing *m, const char *name)
{
    const struct conf_words *w = &m->call.s->conf->imports;

    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->items[i].text, name) == 0)
            return true;
    return false;
}

static bool write_out(struct importing *m, const char *path)
{
    struct arena *a = m->call.arena;
    char *dir = dirname(arena_strndup(a, path, strlen(path)));
    struct buf out;
    bool ok;

    buf_init(&out, OUT_BYTES_MOST);
    ok = import_write(&out, &m->report, &m->source,
                      option_given(m->call.args, "--accept"), a) == 0;
    if (!ok)
        fprintf(stderr, "bijia prices import: more than %d MiB of prices\n",
                OUT_BYTES_MOST >> 20);
    mkdir(dir, DIRECTORY); /* or it is there */
    if (ok && (file_replace(path, (struct slice){out.bytes, out.len}, a) < 0 ||
               chmod(path, 0644) < 0)) {
        fprintf(stderr, "bijia prices import: %s: %s\n", path, strerror(errno));
        ok = false;
    }
    buf_fini(&out);
    return ok;
}

static int import(struct importing *m)
{
    struct arena *a = m->call.arena;
    const char *path;

    if (!m->out)
        m->out = arena_printf(a, "prices.d/%s.yaml",
                              import_format_name(m->source.format));
    path = conf_path(m->call.s->conf, m->out, a);
    m->source.pairs = &m->pairs;
    m->source.now_ms = m->call.at_unix_ms;
    m->source.as_of_ms =
        option_value(m->call.args, "--at")
            ? m->source.now_ms
            : file_written_ms(m->source.from, m->source.now_ms);
    import_judge(&m->report, m->call.s, &m->import, &m->source, a);
    if (!write_out(m, path))
        return 1;
    if (option_given(m->call.args, "--json")) {
        print_json(m, path);
        return 0;
    }
    print_report(m);
    printf("written to %s\n", path);
    if (m->report.n_held > 0 && !option_given(m->call.args, "--accept"))
        printf("what is held back is not in it: look at it, then --accept\n");
    if (!is_included(m, m->out))
        printf("to use it, say in prices.yaml: imports: [%s]\n", m->out);
    return 0;
}

static int run(const struct args *args)
{
    struct importing m = {.out = NULL};
    int status;

    if (!take_words(&m, args))
        return EXIT_USAGE;
    status = prices_open(&m.call, args, NULL);
    if (status != 0)
        return status;
    if (!take_pairs(&m, option_value(args, "--vendor")))
        status = usage_error(args, "--vendor wants THEIRS=OURS, and commas "
                                   "between several");
    else
        status = read_catalogue(&m) ? import(&m) : 1;
    prices_close(&m.call);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--from", "SOURCE", "models.dev, litellm, openrouter or genai-prices"},
    {"--vendor", "PAIRS",
     "zai=glm: their vendor is ours, where the address "
     "does not tell; several with commas"},
    {"--accept", NULL, "write what is held back too"},
    {"--out", "FILE", "else prices.d/SOURCE.yaml in the configuration"},
    {"--at", "TIME", "as if it were this instant"},
    {"--json", NULL, "print one JSON object"},
};

const struct command command_prices_import = {
    .name = "prices import",
    .usage = "FILE --from SOURCE [--vendor PAIRS] [--accept] [--out FILE]",
    .help = "take prices over from a public catalogue, with care",
    .more = "Writes a file of prices for `imports:` in prices.yaml; a price\n"
            "that stands in prices.yaml itself goes before it. Prints what\n"
            "changed against the book. Held back until --accept: a jump of\n"
            "five times or more, a zero, a price that is off by the exchange\n"
            "rate, a model that is listed no more. Vendors are found by their "
            "address, models by their name. Prices without a date are as old "
            "as the file, or as --at.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 1,
    .run = run,
};
