/* import_read.c - numbers and tiers of a catalogue become rows of prices. */
#include <stdlib.h>
#include <string.h>

#include "routing/import_shape.h"

enum {
    DIGITS_MOST = 17,
    EXPONENT_MOST = 1000,
    EDGE_MOST = 1000000000, /* tokens; as in prices.yaml */
};

static const int64_t nanos_most = INT64_C(1000000) * 1000000000;

/* --- numbers -------------------------------------------------------------- */

static int exponent_of(const char *p)
{
    bool minus = *p == '-';
    int value = 0;

    if (*p == '-' || *p == '+')
        p++;
    for (; *p >= '0' && *p <= '9'; p++)
        if (value < EXPONENT_MOST)
            value = value * 10 + (*p - '0');
    return *p ? EXPONENT_MOST : minus ? -value : value;
}

/* digits * 10^power, half up. */
static bool scaled(int64_t *out, int64_t digits, int power)
{
    int64_t by = 1;

    if (digits == 0 || power < -DIGITS_MOST) {
        *out = 0;
        return true;
    }
    for (int i = power < 0 ? power : -power; i < 0; i++)
        if (__builtin_mul_overflow(by, 10, &by))
            return false;
    if (power < 0)
        *out = digits / by + (digits % by >= by - digits % by);
    else if (__builtin_mul_overflow(digits, by, out))
        return false;
    return *out <= nanos_most;
}

bool import_number(int64_t *out, const char *text, int power)
{
    int64_t digits = 0;
    int n_digits = 0;
    bool fraction = false, any = false;
    const char *p = text;

    for (; *p && (*p | 0x20) != 'e'; p++) {
        if (*p == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            return false;
        any = true;
        if (n_digits == DIGITS_MOST) {
            power += !fraction; /* finer than can matter */
            continue;
        }
        digits = digits * 10 + (*p - '0');
        n_digits += digits > 0;
        power -= fraction;
    }
    if (*p)
        power += exponent_of(p + 1);
    return any && power < EXPONENT_MOST / 2 && scaled(out, digits, power);
}

const char *reading_text(const struct node *n)
{
    return n && n->kind == NODE_TEXT && !n->nothing ? n->text : NULL;
}

void reading_figure(int64_t *out, struct reading *r, const struct node *n,
                    int power)
{
    const char *text = reading_text(n);
    int64_t value;

    if (!text)
        return;
    if (import_number(&value, text, power))
        *out = value;
    else
        r->why = "a price is no plain number";
}

void reading_figures(int64_t figures[FIGURES], struct reading *r,
                     const struct node *map, const struct spelling *words,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        reading_figure(&figures[words[i].figure], r,
                       node_find(map, words[i].word), words[i].power);
}

void reading_begin(struct reading *r)
{
    *r = (struct reading){.why = NULL};
    for (int i = 0; i < FIGURES; i++)
        r->base[i] = NOT_SAID;
}

/* The tier that begins at `edge`, made if there is none. */
struct tier *reading_tier(struct reading *r, int64_t edge, bool edge_is_in)
{
    struct tier *t;

    for (size_t i = 0; i < r->n_tiers; i++)
        if (r->tiers[i].edge == edge)
            return &r->tiers[i];
    if (r->n_tiers == IMPORT_TIERS_MOST || edge <= 0 || edge > EDGE_MOST) {
        r->why = r->n_tiers == IMPORT_TIERS_MOST
                     ? "too many tiers"
                     : "a tier begins where no prompt does";
        return NULL;
    }
    t = &r->tiers[r->n_tiers++];
    *t = (struct tier){.edge = edge, .edge_is_in = edge_is_in};
    for (int i = 0; i < FIGURES; i++)
        t->figures[i] = NOT_SAID;
    return t;
}

bool reading_count(int64_t *out, const struct node *n)
{
    const char *text = reading_text(n);

    return text && import_number(out, text, 0);
}

/* --- rows ----------------------------------------------------------------- */

static int by_edge(const void *left, const void *right)
{
    const struct tier *a = left, *b = right;

    return a->edge < b->edge ? -1 : a->edge > b->edge;
}

/* A part that costs nothing while the rest costs something is not known. */
static bool said(const int64_t figures[FIGURES], enum figure f)
{
    return figures[f] > 0 ||
           (figures[f] == 0 && figures[INPUT] == 0 && figures[OUTPUT] == 0);
}

static struct conf_price row_of(const int64_t f[FIGURES])
{
    struct conf_price row = {
        .as_of_ms = INT64_MIN,
        .from_ms = INT64_MIN,
        .until_ms = INT64_MAX,
        .currency = CURRENCY_USD,
        .input = {f[INPUT]},
        .output = {f[OUTPUT]},
        .has_cached = said(f, CACHED),
        .has_cache_write = said(f, CACHE_WRITE),
        .has_cache_write_1h = said(f, CACHE_WRITE_1H),
        .has_thinking = said(f, THINKING) && f[THINKING] != f[OUTPUT],
        .fee_nanos = f[FEE] > 0 ? f[FEE] : 0,
        .free = f[INPUT] == 0 || f[OUTPUT] == 0,
    };

    row.cached.nanos_per_mtok = row.has_cached ? f[CACHED] : f[INPUT];
    row.cached_marked = row.cached;
    row.cache_write.nanos_per_mtok =
        row.has_cache_write ? f[CACHE_WRITE] : f[INPUT];
    row.cache_write_1h.nanos_per_mtok = row.has_cache_write_1h
                                            ? f[CACHE_WRITE_1H]
                                            : row.cache_write.nanos_per_mtok;
    row.thinking.nanos_per_mtok = row.has_thinking ? f[THINKING] : f[OUTPUT];
    return row;
}

/* What a tier does not say stays as before it. */
static void rows_of(struct import_price *p, struct reading *r, struct arena *a)
{
    struct conf_price *rows;
    int64_t now[FIGURES];

    memcpy(now, r->base, sizeof(now));
    if (!r->why && (now[INPUT] < 0 || now[OUTPUT] < 0))
        r->why = "no price of input or of output";
    p->why = r->why;
    if (r->why)
        return;
    rows = arena_alloc(a, (r->n_tiers + 1) * sizeof(*rows));
    p->rows = rows;
    qsort(r->tiers, r->n_tiers, sizeof(r->tiers[0]), by_edge);
    for (size_t i = 0; i <= r->n_tiers; i++) {
        struct conf_price *row = &rows[p->n_rows++];

        *row = row_of(now);
        row->factors = r->factors;
        if (i == r->n_tiers)
            break;
        if (r->tiers[i].edge_is_in)
            row->input_below = r->tiers[i].edge;
        else
            row->input_at_most = r->tiers[i].edge;
        for (int f = 0; f < FIGURES; f++)
            if (r->tiers[i].figures[f] != NOT_SAID)
                now[f] = r->tiers[i].figures[f];
    }
}

static const char *kept(struct arena *a, const char *text)
{
    return text ? arena_strndup(a, text, strlen(text)) : NULL;
}

void catalogue_put(struct catalogue *c, const struct listed *m,
                   struct reading *r)
{
    struct import_price *p = arena_alloc(c->arena, sizeof(*p));

    *p = (struct import_price){
        .provider = kept(c->arena, m->provider),
        .model = kept(c->arena, m->model),
        .place = m->at->key ? m->at->key_place : m->at->place,
        .as_of = kept(c->arena, m->as_of),
        .origin = kept(c->arena, m->origin),
        .also_when = m->also_when,
    };
    rows_of(p, r, c->arena);
    *c->end = p;
    c->end = &p->next;
    c->out->n++;
}

/* --- all ------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*read)(struct catalogue *c, const struct node *root);
} formats[IMPORT_FORMATS] = {
    [IMPORT_MODELS_DEV] = {"models.dev", shape_models_dev},
    [IMPORT_LITELLM] = {"litellm", shape_litellm},
    [IMPORT_OPENROUTER] = {"openrouter", shape_openrouter},
    [IMPORT_GENAI_PRICES] = {"genai-prices", shape_genai_prices},
};

bool import_format_find(enum import_format *out, const char *name)
{
    for (int i = 0; i < IMPORT_FORMATS; i++) {
        if (strcmp(formats[i].name, name) != 0)
            continue;
        *out = (enum import_format)i;
        return true;
    }
    return false;
}

const char *import_format_name(enum import_format format)
{
    return formats[format].name;
}

bool import_read(struct import *out, enum import_format format,
                 const struct node *root, int64_t now_ms, struct arena *a)
{
    struct catalogue c = {out, &out->first, a, now_ms};

    *out = (struct import){.n = 0};
    if (!root || root->kind == NODE_TEXT)
        return false;
    formats[format].read(&c, root);
    return out->n > 0;
}
