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
    MILLIONTH = 1000, /* nanos */
};

/* --- a line for people ---------------------------------------------------- */

static int64_t convert(const struct snapshot *s, int64_t nanos,
                       enum currency from, int64_t now_ms)
{
    struct money m = {nanos, from};

    return price_convert(&m, s, m, CURRENCY_USD, now_ms) ? m.nanos : 0;
}

size_t import_parts(struct import_part parts[IMPORT_PARTS_MOST],
                    const struct import_finding *f, const struct snapshot *s,
                    int64_t now_ms)
{
    const struct conf_price *now = f->row;
    const struct price_row *b = f->before;

    const struct {
        const char *what;
        bool is_said;
        int64_t before, now;
    } all[] = {
        {"in", true, b->input.nanos_per_mtok, now->input.nanos_per_mtok},
        {"out", true, b->output.nanos_per_mtok, now->output.nanos_per_mtok},
        {"cached", b->conf->has_cached && now->has_cached,
         b->cached.nanos_per_mtok, now->cached.nanos_per_mtok},
        {"written", b->conf->has_cache_write && now->has_cache_write,
         b->cache_write.nanos_per_mtok, now->cache_write.nanos_per_mtok},
        {"thinking", b->conf->has_thinking && now->has_thinking,
         b->thinking.nanos_per_mtok, now->thinking.nanos_per_mtok},
        {"a request", b->fee_nanos || now->fee_nanos, b->fee_nanos,
         now->fee_nanos},
    };

    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].is_said)
            parts[n++] = (struct import_part){
                all[i].what, convert(s, all[i].before, b->currency, now_ms),
                all[i].now};
    return n;
}

/* "2.50 -> 2.00 in (-20.0%)". What was converted is told to the millionth. */
static const char *change(char text[CHANGE_BYTES], const struct import_part *p,
                          bool converted)
{
    char was[MONEY_TEXT], is[MONEY_TEXT];
    int64_t before = p->before, now = p->now;
    __int128 off = (__int128)(now - before) * TENTHS_OF_PERCENT;
    int64_t tenths = before > 0 ? (int64_t)(off / before) : 0;
    const char *sign = tenths < 0 ? "-" : "+";
    int64_t size = tenths < 0 ? -tenths : tenths;

    decimal_text(converted ? before - before % MILLIONTH : before, was);
    decimal_text(now, is);
    if (before == now)
        snprintf(text, CHANGE_BYTES, "%s %s", is, p->what);
    else if (before == 0)
        snprintf(text, CHANGE_BYTES, "%s -> %s %s", was, is, p->what);
    else
        snprintf(text, CHANGE_BYTES,
                 "%s -> %s %s (%s%" PRId64 ".%" PRId64 "%%)", was, is, p->what,
                 sign, size / 10, size % 10);
    return text;
}

const char *import_line(const struct import_finding *f,
                        const struct snapshot *s, int64_t now_ms,
                        char text[IMPORT_LINE])
{
    const char *verdict = import_verdict_name(f->verdict);
    struct import_part parts[IMPORT_PARTS_MOST];
    char part[CHANGE_BYTES], output[MONEY_TEXT];
    size_t n, len;

    if (!f->row) {
        snprintf(text, IMPORT_LINE, "%s%s%s", verdict, f->price ? ": " : "",
                 f->price ? f->price->why : "");
        return text;
    }
    if (!f->before) {
        snprintf(text, IMPORT_LINE, "%s: %s in, %s out, USD", verdict,
                 decimal_text(f->row->input.nanos_per_mtok, part),
                 decimal_text(f->row->output.nanos_per_mtok, output));
        return text;
    }
    n = import_parts(parts, f, s, now_ms);
    len = (size_t)snprintf(text, IMPORT_LINE, "%s", verdict);
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(
            text + len, IMPORT_LINE - len, "%s%s", i ? ", " : ": ",
            change(part, &parts[i], f->before->currency != CURRENCY_USD));
    len += (size_t)snprintf(
        text + len, IMPORT_LINE - len, ", USD%s",
        f->before->currency == CURRENCY_USD ? "" : " (ours converted)");
    if (f->beyond_tokens)
        snprintf(text + len, IMPORT_LINE - len, ", beyond %" PRId64 " tokens",
                 f->beyond_tokens);
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

static void put_factors(struct writing *w, const struct conf_factors *f)
{
    const struct {
        const char *word;
        int64_t nanos;
    } all[] = {
        {"flex", f->flex},   {"priority", f->priority}, {"fast", f->fast},
        {"scale", f->scale}, {"batch", f->batch},
    };

    const char *before = ", service_tiers: {";
    char text[MONEY_TEXT];

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].nanos == 0)
            continue;
        put(w, "%s%s: %s", before, all[i].word,
            decimal_text(all[i].nanos, text));
        before = ", ";
    }
    if (*before == ',' && before[2] == '\0')
        put(w, "}");
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
    if (p->fee_nanos)
        put(w, ", fee: %s", decimal_text(p->fee_nanos, text));
    put_factors(w, &p->factors);
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

static const char *as_of_text(const char *said, const char *otherwise)
{
    int64_t unused;

    return said && strlen(said) == DAY_CHARS && time_parse(&unused, said)
               ? said
               : otherwise;
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
                      const struct import_source *source, const char *day,
                      bool accept)
{
    const struct conf_priced *old = f->offer->priced;

    put(w, "    ");
    put_quoted(w, f->offer->model);
    put(w, ":\n");
    if (f->price && f->price->n_rows > 0 &&
        (accept || !import_held(f->verdict))) {
        const char *origin = f->price->origin;
        const char *text =
            arena_printf(w->arena, "%s %.64s/%.128s, %.128s%s%.128s%s",
                         import_format_name(source->format), f->price->provider,
                         f->price->model, source->from, origin ? " (" : "",
                         origin ? origin : "", origin ? ")" : "");

        for (size_t i = 0; i < f->price->n_rows; i++)
            put_row(w, &f->price->rows[i], text,
                    as_of_text(f->price->as_of, day));
        return;
    }
    for (size_t i = 0; i < old->n_rows; i++)
        put_row(w, &old->rows[i],
                old->rows[i].source ? old->rows[i].source : "",
                as_of_text(old->rows[i].as_of, day));
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
    char today[TIME_TEXT], day[TIME_TEXT];

    time_text(source->now_ms, today);
    today[DAY_CHARS] = '\0';
    time_text(source->as_of_ms, day);
    day[DAY_CHARS] = '\0';
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
            put_model(&w, f, source, day, accept);
        }
    }
    return w.full ? -1 : 0;
}
