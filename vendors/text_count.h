/*
 * text_count.h - text by class of character, as tokenizers see it.
 *
 * What a prompt costs is decided before anybody has tokenized it: so its
 * characters are counted by class, and each vendor's tokenizer is a weight
 * per class (tokenizer.c). A JSON string is counted as it lies, escapes as
 * the characters they stand for.
 *
 * The first 4 KiB of text are counted whole. Each further doubling of the
 * length is sampled: it is cut into strata, of each of which one window of
 * 256 bytes is counted (one of 8 up to 32 KiB, then one of 16, of 32 ...),
 * chosen by a fixed hash, each with equal chance. A doubling's counts are
 * scaled by its length over the length sampled: 512 KiB cost 16 KiB of
 * counting, and the result depends on nothing but the text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_scan.h"

struct text_count {
    int64_t han, kana, hangul;
    int64_t latin; /* letters, accented ones too */
    int64_t words; /* runs of them */
    int64_t digits;
    int64_t punct; /* of any script */
    int64_t space; /* runs of white space: "a  b" has one */
    int64_t other; /* Cyrillic, Arabic, emoji ... */
};

struct text_counter {
    struct text_count done; /* of the doublings that are complete */
    struct text_count now;  /* of the windows of this one */
    uint64_t at;            /* bytes of text met */
    uint64_t from, to;      /* this doubling */
    uint64_t sampled;       /* bytes of it that were counted */
    uint32_t cells;         /* windows to a stratum; 1: counted whole */
};

void text_counter_init(struct text_counter *c);

/* The next piece of text: a JSON string's inside, or JSON itself, checked. */
void text_counter_add(struct text_counter *c, struct json_text text);
void text_counter_end(struct text_counter *c, struct text_count *out);

/* One piece, counted whole and added. `before`: the byte before it, or 0. */
void text_count_add(struct text_count *c, struct json_text text,
                    unsigned char before);
