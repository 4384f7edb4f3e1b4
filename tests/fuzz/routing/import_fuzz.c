/*
 * import_fuzz.c - hostile catalogues of prices.
 *
 * The first byte picks the format. Whatever is written of them must be a file
 * that the configuration reads without an error.
 */
#include "routing/import.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

enum {
    OUT_BYTES_MOST = 1 << 20,
};

static const int64_t now_ms = INT64_C(1795305600000); /* 2026-11-22 */

static const char vendors[] =
    "vendors:\n"
    "  openai: {base_url: 'https://api.openai.com/v1', auth: none,\n"
    "           currency: USD, models: {a: {}, b: {}, gpt-six: {}}}\n"
    "  deepseek: {base_url: 'https://api.deepseek.com', auth: none,\n"
    "             currency: CNY, models: {a: {}, deepseek-flash: {}}}\n"
    "  router: {base_url: 'https://openrouter.ai/api/v1', auth: none,\n"
    "           currency: USD, models: {a: {}, maker/model: {}}}\n";

static const char prices[] =
    "imports: [import.yaml]\n"
    "exchange_rates: [{pair: USD/CNY, from: 2026-01-01, rate: 7}]\n"
    "prices:\n"
    "  openai: {gpt-six: {input: 2, output: 10}}\n"
    "  deepseek: {deepseek-flash: {input: 1, cached_input: 0.02,\n"
    "                              output: 4}}\n";

static char *no_secret(void *self, const struct conf_key_source *from,
                       const char *dir, struct arena *a, struct diag *diag)
{
    (void)self;
    (void)from;
    (void)dir;
    (void)a;
    (void)diag;
    return NULL;
}

/* The book with that file imported; it must be one. */
static struct snapshot *book(const char *bytes, size_t len)
{
    static const struct secret_source secrets = {.read = no_secret};
    static struct diag diag;
    const struct conf_file files[] = {
        {"bijia.yaml", "{}", 2},
        {"vendors.yaml", vendors, sizeof(vendors) - 1},
        {"prices.yaml", prices, sizeof(prices) - 1},
        {"import.yaml", bytes, len},
        {"policy.yaml", "{}", 2},
    };
    struct arena *a = arena_new();
    const struct conf *conf;
    struct snapshot *s = NULL;

    memset(&diag, 0, sizeof(diag));
    if (conf_read(&conf, files, ARRAY_LEN(files), a, &diag) < 0 ||
        snapshot_compile(&s, conf, a, 1, &secrets, &diag) < 0)
        abort();
    return s;
}

static void take(struct snapshot *s, const struct import *import,
                 enum import_format format, bool accept, struct arena *a)
{
    static const struct conf_word pair = {.text = "zai=router"};
    static const struct conf_words pairs = {&pair, 1};
    struct import_source source = {format, "fuzz", &pairs, now_ms, now_ms};
    struct import_report report;
    char line[IMPORT_LINE];
    struct buf out;

    import_judge(&report, s, import, &source, a);
    for (size_t i = 0; i < report.n; i++)
        if (strlen(import_line(&report.findings[i], s, now_ms, line)) >=
            IMPORT_LINE)
            abort();
    buf_init(&out, OUT_BYTES_MOST);
    if (import_write(&out, &report, &source, accept, a) < 0)
        abort();
    snapshot_release(book(out.bytes, out.len));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct diag diag;
    struct arena *a = arena_new();
    struct snapshot *s;
    const struct node *root;
    struct import import;
    enum import_format format;

    if (size > 0) {
        format = (enum import_format)(data[0] % IMPORT_FORMATS);
        memset(&diag, 0, sizeof(diag));
        root = yaml_read((const char *)data + 1, size - 1, "fuzz", a, &diag);
        if (import_read(&import, format, root, now_ms, a)) {
            s = book("{}", 2);
            take(s, &import, format, false, a);
            take(s, &import, format, true, a);
            snapshot_release(s);
        }
    }
    arena_free(a);
    return 0;
}
