/*
 * import_shape.h - one model of a catalogue while it is read: for import.c,
 * which makes rows of it, and import_shapes.c, which knows where it stands.
 *
 * A catalogue says a base price, and what is different in prompts beyond some
 * lengths. What it does not say is NOT_SAID, never zero.
 */
#pragma once

#include "routing/import.h"

enum figure {
    INPUT,
    CACHED,
    CACHE_WRITE,
    CACHE_WRITE_1H,
    OUTPUT,
    THINKING,
    FEE, /* of a request, in nanos */
    FIGURES,
};

/* A catalogue's unit as the power of ten that makes nanos, of a million tokens
 * or of a request, of it. */
enum {
    NOT_SAID = -1,
    PER_MTOK = 9,
    PER_TOKEN = 15,
    PER_REQUEST = 9,
    PER_1K_REQUESTS = 6,
};

struct tier {
    int64_t edge;
    bool edge_is_in; /* a prompt of `edge` tokens has this price already */
    int64_t figures[FIGURES];
};

/* One model while it is read. */
struct reading {
    int64_t base[FIGURES];
    struct tier tiers[IMPORT_TIERS_MOST];
    size_t n_tiers;
    struct conf_factors factors;
    const char *why;
};

struct spelling {
    const char *word;
    enum figure figure;
    int power; /* PER_MTOK ... */
};

/* One model of a catalogue, and what is known of it beside its prices. */
struct listed {
    const char *provider, *model;
    const struct node *at;
    const char *as_of;            /* NULL: not said */
    const char *origin;           /* where it was read; NULL: not said */
    const struct node *also_when; /* rules that tell its other names, or NULL */
};

struct catalogue {
    struct import *out;
    const struct import_price **end; /* where the next one is linked */
    struct arena *arena;
    int64_t now_ms;
};

/* NULL: `n` is no text, or nothing. */
const char *reading_text(const struct node *n);
bool reading_count(int64_t *out, const struct node *n) MUST_CHECK;

void reading_begin(struct reading *r);

/* A word's number; *out stays if it is not said. What is no number is the
 * reading's `why`. */
void reading_figure(int64_t *out, struct reading *r, const struct node *n,
                    int power);
void reading_figures(int64_t figures[FIGURES], struct reading *r,
                     const struct node *map, const struct spelling *words,
                     size_t n);

/* The tier that begins at `edge`, made if there is none. NULL: there cannot
 * be one, and `why` says so. */
struct tier *reading_tier(struct reading *r, int64_t edge, bool edge_is_in);

/* The model is read: its rows go to the catalogue. */
void catalogue_put(struct catalogue *c, const struct listed *m,
                   struct reading *r);

/* One for each shape. */
void shape_models_dev(struct catalogue *c, const struct node *root);
void shape_litellm(struct catalogue *c, const struct node *root);
void shape_openrouter(struct catalogue *c, const struct node *root);
void shape_genai_prices(struct catalogue *c, const struct node *root);
