/*
 * import.h - other people's catalogues of prices, and how far they are
 * believed.
 *
 *   bytes --yaml_read--> nodes (JSON is YAML) --import_read--> prices
 *         --import_judge--> findings --import_write--> a file of prices
 *
 * Pure. What is held back (a jump of five times or more, a zero, a number
 * that looks like the other currency, the loss of what was imported before) is
 * written only if somebody accepts it.
 * All catalogues are in USD.
 */
#pragma once

#include "base/buf.h"

#include "conf/yaml.h"

#include "routing/price.h"

enum import_format {
    IMPORT_MODELS_DEV,
    IMPORT_LITELLM,
    IMPORT_OPENROUTER,
    IMPORT_GENAI_PRICES,
    IMPORT_FORMATS, /* not a format */
};

enum {
    IMPORT_TIERS_MOST = 5,
    IMPORT_ROWS_MOST = IMPORT_TIERS_MOST + 1,
    IMPORT_LINE = 1024,
};

bool import_format_find(enum import_format *out, const char *name) MUST_CHECK;
const char *import_format_name(enum import_format format);

/* One model of a catalogue. */
struct import_price {
    const char *provider, *model; /* as the catalogue calls them */
    struct place place;
    const char *as_of;            /* NULL: it does not say */
    const char *origin;           /* where it has it from; NULL: not said */
    const struct node *also_when; /* rules for its other names; or NULL */
    const char *why;              /* it cannot be taken; NULL: it can */
    const struct conf_price *rows;
    size_t n_rows;
    const struct import_price *next;
};

struct import {
    const struct import_price *first;
    size_t n;
};

/* Reads the catalogue's tree, which must stay; texts live in `a`. Prices by
 * date are those of `now_ms`. False: it has not the shape of that format. */
bool import_read(struct import *out, enum import_format format,
                 const struct node *root, int64_t now_ms,
                 struct arena *a) MUST_CHECK;

enum import_name {
    IMPORT_NAME_SAME,
    IMPORT_NAME_LETTERS, /* but for capitals: GLM-5.3, glm-5.3 */
    IMPORT_NAME_RULES,   /* the catalogue says that it means this one too */
    IMPORT_NAMES,        /* not one */
};

/* Does the catalogue mean `model`, as surely as `how` says? */
bool import_names(const struct import_price *p, const char *model,
                  enum import_name how);

/* A number such as 2.5e-07 times 10^`power`, in whole units, half up. False:
 * none, negative, or more than a million of a currency in nanos. */
bool import_number(int64_t *out, const char *text, int power) MUST_CHECK;

enum import_verdict {
    IMPORT_NEW,
    IMPORT_SAME,
    IMPORT_DEARER,
    IMPORT_CHEAPER,
    IMPORT_MIXED,
    IMPORT_UNREADY,   /* it cannot be taken: see `why` */
    IMPORT_HELD_GONE, /* from here on: held back; it was imported before */
    IMPORT_HELD_ZERO,
    IMPORT_HELD_SLIP,
    IMPORT_HELD_JUMP,
    IMPORT_VERDICTS, /* not a verdict */
};

const char *import_verdict_name(enum import_verdict v); /* "cheaper" */
bool import_held(enum import_verdict v);

/* What a catalogue says of one of our offers. Of its rows and of ours those
 * for short prompts; or, where others are why it is held back, these. */
struct import_finding {
    const struct offer *offer;
    const struct import_price *price; /* NULL: gone */
    const struct conf_price *row;     /* NULL: none that can be taken */
    const struct price_row *before;   /* of the book, now; NULL: none */
    int64_t beyond_tokens;            /* 0: short prompts */
    enum import_verdict verdict;
    bool by_hand; /* prices.yaml has its own, which stays */
};

/* One price of both rows, in nanos of USD. */
struct import_part {
    const char *what; /* "cached" */
    int64_t before, now;
};

enum {
    IMPORT_PARTS_MOST = 6,
};

/* What both rows say: how many. */
size_t import_parts(struct import_part parts[IMPORT_PARTS_MOST],
                    const struct import_finding *f, const struct snapshot *s,
                    int64_t now_ms);

struct import_report {
    struct import_finding *findings; /* in the order of our offers */
    size_t n, n_changed, n_held, n_unmatched;
};

/* Where a catalogue came from, and when. */
struct import_source {
    enum import_format format;
    const char *from;               /* a file or URL, for people */
    const struct conf_words *pairs; /* "zai=glm": vendors that their address
                                       does not tell */
    int64_t now_ms;
    int64_t as_of_ms; /* how old it is: the date of prices that say none */
};

/* Which of our offers the catalogue means, and what that changes in the book
 * of that instant. */
void import_judge(struct import_report *out, const struct snapshot *s,
                  const struct import *import,
                  const struct import_source *source, struct arena *a);

/* "cheaper: 2.50 -> 2.00 in (-20.0%), 10.00 -> 8.00 out (-20.0%), USD". */
const char *import_line(const struct import_finding *f,
                        const struct snapshot *s, int64_t now_ms,
                        char text[IMPORT_LINE]);

/* The file of prices: what was found and not held back; of what was, the
 * earlier import, or with `accept` the new. 0, or -1: too large. */
int import_write(struct buf *to, const struct import_report *report,
                 const struct import_source *source, bool accept,
                 struct arena *a) MUST_CHECK;
