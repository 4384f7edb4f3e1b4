/* import_write.c - what was imported, for people and for the loader. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_scan.h"
#include "base/json_write.h"
#include "base/time.h"

#include "routing/import.h"

enum {
    DAY_CHARS = sizeof("2026-11-22") - 1,
    CHANGE_BYTES = 128,
    TENTHS_OF_PERCENT = 1000,
};

/* --- a line for people ---------------------------------------------------- */

static int64_t convert(const struct snapshot *s, int64_t nanos,
                       enum currency from, int64_t now_ms)
{
    struct money m = {nanos, from};

    return price_convert(&m, s, m, CURRENCY_USD, now_ms) ? m.nanos : 0;
}

/* "2.50 -> 2.00 in (-20.0%)" */
static const char *change(char text[CHANGE_BYTES], const char *what,
                          int64_t before, int64_t now)
{
    char was[MONEY_TEXT], is[MONEY_TEXT];
    __int128 off = (__int128)(now - before) * TENTHS_OF_PERCENT;
    int64_t tenths = before > 0 ? (int64_t)(off / before) : 0;
    const char *sign = tenths < 0 ? "-" : "+";
    int64_t size = tenths < 0 ? -tenths : tenths;

    decimal_text(before, was);
    decimal_text(now, is);
    if (before == now)
        snprintf(text, CHANGE_BYTES, "%s %s", is, what);
    else if (before == 0)
        snprintf(text, CHANGE_BYTES, "%s -> %s %s", was, is, what);
    else
        snprintf(text, CHANGE_BYTES,
                 "%s -> %s %s (%s%" PRId64 ".%" PRId64 "%%)", was, is, what,
                 sign, size / 10, size % 10);
    return text;
}

const char *import_line(const struct import_finding *f,
                        const struct snapshot *s, int64_t now_ms,
                        char text[IMPORT_LINE])
{
    const struct conf_price *now = f->price ? f->price->rows : NULL;
    const struct price_row *b = f->before;
    char input[CHANGE_BYTES], output[CHANGE_BYTES], cached[CHANGE_BYTES] = "";
    const char *verdict = import_verdict_name(f->verdict);

    if (!now) {
        snprintf(text, IMPORT_LINE, "%s%s%s", verdict, f->price ? ": " : "",
                 f->price ? f->price->why : "");
    } else if (!b) {
        snprintf(text, IMPORT_LINE, "%s: %s in, %s out, USD", verdict,
                 decimal_text(now->input.nanos_per_mtok, input),
                 decimal_text(now->output.nanos_per_mtok, output));
    } else {
        change(input, "in",
               convert(s, b->input.nanos_per_mtok, b->currency, now_ms),
               now->input.nanos_per_mtok);
        change(output, "out",
               convert(s, b->output.nanos_per_mtok, b->currency, now_ms),
               now->output.nanos_per_mtok);
        if (b->conf->has_cached && now->has_cached)
            change(cached, "cached",
                   convert(s, b->cached.nanos_per_mtok, b->currency, now_ms),
                   now->cached.nanos_per_mtok);
        snprintf(text, IMPORT_LINE, "%s: %s, %s%s%s, USD%s", verdict, input,
                 output, *cached ? ", " : "", cached,
                 b->currency == CURRENCY_USD ? "" : " (ours converted)");
    }
    return text;
}

/* --- the file ------------------------------------------------------------- */

struct writing {
    struct buf *to;
    struct arena *arena;
    bool full;
};

PRINTF_LIKE(2, 3)

static void put(struct writing *w, const char *fmt, ...)
{
    char text[IMPORT_LINE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    w->full = w->full || buf_add(w->to, slice_of(text)) < 0;
}

static void put_quoted(struct writing *w, const char *text)
{
    w->full = w->full || json_add_text(w->to, slice_of(text)) < 0;
}

static void put_rate(struct writing *w, const char *word, struct rate rate)
{
    char text[MONEY_TEXT];

    put(w, ", %s: %s", word, decimal_text(rate.nanos_per_mtok, text));
}

static void put_row(struct writing *w, const struct conf_price *p,
                    const char *source, const char *as_of)
{
    char text[MONEY_TEXT];

    put(w, "      - {input: %s", decimal_text(p->input.nanos_per_mtok, text));
    if (p->input_at_most)
        put(w, ", input_at_most: %" PRId64, p->input_at_most);
    if (p->input_below)
        put(w, ", input_below: %" PRId64, p->input_below);
    if (p->has_cached)
        put_rate(w, "cached_input", p->cached);
    if (p->has_cache_write)
        put_rate(w, "cache_write", p->cache_write);
    if (p->has_cache_write_1h)
        put_rate(w, "cache_write_1h", p->cache_write_1h);
    put_rate(w, "output", p->output);
    if (p->has_thinking)
        put_rate(w, "thinking_output", p->thinking);
    if (p->free)
        put(w, ", free: yes");
    put(w, ", currency: USD,\n         source: ");
    put_quoted(w, source);
    put(w, ", as_of: %s}\n", as_of);
}

static const char *list_of(const struct offer *o)
{
    return o->vendor->conf->price_list ? o->vendor->conf->price_list
                                       : o->vendor->name;
}

static const char *as_of_text(const char *said, const char *today)
{
    int64_t unused;

    return said && strlen(said) == DAY_CHARS && time_parse(&unused, said)
               ? said
               : today;
}

/* What is held back stays as an earlier import left it, if one did. */
static bool is_written(const struct import_finding *f, bool accept)
{
    bool new_one = f->price && f->price->n_rows > 0 &&
                   (accept || !import_held(f->verdict));
    bool old_one =
        (f->price || !accept) && f->offer->priced && f->offer->priced->imported;

    return new_one || old_one;
}

static void put_model(struct writing *w, const struct import_finding *f,
                      const struct import_source *source, const char *today,
                      bool accept)
{
    const struct conf_priced *old = f->offer->priced;

    put(w, "    ");
    put_quoted(w, f->offer->model);
    put(w, ":\n");
    if (f->price && f->price->n_rows > 0 &&
        (accept || !import_held(f->verdict))) {
        const char *text =
            arena_printf(w->arena, "%s %.64s/%.128s, %.256s",
                         import_format_name(source->format), f->price->provider,
                         f->price->model, source->from);

        for (size_t i = 0; i < f->price->n_rows; i++)
            put_row(w, &f->price->rows[i], text,
                    as_of_text(f->price->as_of, today));
        return;
    }
    for (size_t i = 0; i < old->n_rows; i++)
        put_row(w, &old->rows[i],
                old->rows[i].source ? old->rows[i].source : "",
                as_of_text(old->rows[i].as_of, today));
}

/* Two accounts may share a list: each model stands there once. */
static bool stands_before(const struct import_report *r, size_t i, bool accept)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(list_of(r->findings[k].offer),
                   list_of(r->findings[i].offer)) == 0 &&
            strcmp(r->findings[k].offer->model, r->findings[i].offer->model) ==
                0 &&
            is_written(&r->findings[k], accept))
            return true;
    return false;
}

static bool list_stands_before(const struct import_report *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(list_of(r->findings[k].offer),
                   list_of(r->findings[i].offer)) == 0)
            return true;
    return false;
}

int import_write(struct buf *to, const struct import_report *report,
                 const struct import_source *source, bool accept,
                 struct arena *a)
{
    struct writing w = {.to = to, .arena = a};
    const char *name = import_format_name(source->format);
    char today[TIME_TEXT];

    time_text(source->now_ms, today);
    today[DAY_CHARS] = '\0';
    put(&w,
        "# Prices imported from %s on %s. Written by bijia, and\n"
        "# written anew by the next import: to change one, say it in "
        "prices.yaml,\n# which goes before this.\nprices:\n",
        name, today);
    for (size_t i = 0; i < report->n; i++) {
        const char *list = list_of(report->findings[i].offer);
        bool begun = false;

        if (list_stands_before(report, i))
            continue;
        for (size_t k = i; k < report->n; k++) {
            const struct import_finding *f = &report->findings[k];

            if (strcmp(list_of(f->offer), list) != 0 ||
                !is_written(f, accept) || stands_before(report, k, accept))
                continue;
            if (!begun)
                put(&w, "  %s:\n", list);
            begun = true;
            put_model(&w, f, source, today, accept);
        }
    }
    return w.full ? -1 : 0;
}
