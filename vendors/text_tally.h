/*
 * text_tally.h - the inner loop of counting, for each kind of processor.
 *
 * Text goes by blocks of up to 64 bytes. Of each, masks say which bytes are
 * letters, digits, white space ...; counting is counting their bits. What has
 * rules of its own (\u4f60, characters other than ASCII and plain Han) is
 * looked at one by one. tally_text() is compiled once for each way to get
 * the masks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/json_scan.h"

enum script {
    SCRIPT_HAN,
    SCRIPT_KANA,
    SCRIPT_HANGUL,
    SCRIPT_LATIN,
    SCRIPT_DIGIT,
    SCRIPT_PUNCT,
    SCRIPT_SPACE,
    SCRIPT_OTHER,
    SCRIPT_COUNT, /* not a script */
};

struct tally {
    int64_t of[SCRIPT_COUNT];
    int64_t words, runs;   /* of letters, of white space */
    uint64_t latin, space; /* 1: the character before was one */
};

enum {
    TALLY_BLOCK = 64,
};

/* A bit for each byte of a block, the first lowest. */
struct masks {
    uint64_t wide; /* 0x80 and above: in no other */
    uint64_t letters, digits, spaces, slashes;
};

struct wide_masks {
    uint64_t tails; /* that do not begin a character */
    uint64_t han;   /* E4 to E9: begin one */
    /* U+2000 to 203F, 3000 to 303F, FF00 to FF0F and FF1A to FF20 begin: the
     * punctuation of Chinese text, if all of it is in the block */
    uint64_t puncts;
};

/* Each reads a whole block. */
struct masker {
    struct masks (*ascii)(const char *p);
    uint64_t (*us)(const char *p); /* where an u stands */
    struct wide_masks (*wide)(const char *p);
};

/* text_count.c: one character, as it stands for itself or escaped. */
enum script script_of(uint32_t c);
const char *tally_character(struct tally *t, const char *p, const char *end,
                            bool escaped);
/* Only if cpu_level is that or above. */
void tally_text_avx2(struct tally *t, struct json_text text);
void tally_text_avx512(struct tally *t, struct json_text text);

/* Some bytes of a block, at p. */
struct part {
    const char *p;
    const char *block; /* to read 64 bytes at, of which they are the last ... */
    int shift;         /* ... from this one on */
    int n;
};

static inline uint64_t first_bits(int n)
{
    return n == TALLY_BLOCK ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

static inline int bits(uint64_t mask)
{
    return __builtin_popcountll(mask);
}

/* What stands behind a backslash, where none does before the block. */
static inline uint64_t escaped_in(uint64_t slashes)
{
    uint64_t escaped = slashes << 1;

    if (!(slashes & escaped))
        return escaped;
    escaped = 0;
    while (slashes) {
        uint64_t next = (slashes & -slashes) << 1;

        escaped |= next;
        slashes &= (slashes - 1) & ~next;
    }
    return escaped;
}

/* The bytes of `n` before the first \u, and before an escape cut off. */
static inline int simple_escapes(int n, uint64_t starts, uint64_t unicodes)
{
    unicodes &= first_bits(n);
    if (unicodes)
        return __builtin_ctzll(unicodes) - 1;
    return starts >> (n - 1) & 1 ? n - 1 : n;
}

/* The bytes before a character that goes on in the next block. */
static inline int whole_characters(const struct part *at, uint64_t leads)
{
    int last = TALLY_BLOCK - 1 - __builtin_clzll(leads | 1);
    unsigned char c = (unsigned char)at->p[last];

    return last + 1 + (c >= 0xc0) + (c >= 0xe0) + (c >= 0xf0) > TALLY_BLOCK
               ? last
               : TALLY_BLOCK;
}

/* Counts the characters that begin at `leads`. Returns the bytes of those
 * that are letters: they go on with words. */
static inline uint64_t tally_wide(struct tally *t, const struct part *at,
                                  uint64_t leads, const struct wide_masks *w,
                                  const char *end)
{
    uint64_t han = w->han >> at->shift, puncts = w->puncts >> at->shift;
    uint64_t letters = 0;

    t->of[SCRIPT_HAN] += bits(leads & han);
    t->of[SCRIPT_PUNCT] += bits(leads & puncts);
    for (uint64_t rest = leads & ~(han | puncts); rest; rest &= rest - 1) {
        int i = __builtin_ctzll(rest);
        const char *q = at->p + i;
        enum script script = script_of(json_character(&q, end));

        t->of[script]++;
        if (script == SCRIPT_LATIN)
            letters |= first_bits((int)(q - at->p)) & ~first_bits(i);
    }
    return letters;
}

static inline void tally_runs(struct tally *t, uint64_t letters,
                              uint64_t spaces, int n)
{
    t->words += bits(letters & ~(letters << 1 | t->latin));
    t->runs += bits(spaces & ~(spaces << 1 | t->space));
    t->latin = letters >> (n - 1) & 1;
    t->space = spaces >> (n - 1) & 1;
}

/* Counts the part, or as much of it as is simple; how much. */
static inline __attribute__((always_inline)) int tally_part(
    struct tally *t, const struct part *at, const char *end, bool escapes,
    struct masker masker)
{
    struct masks m = masker.ascii(at->block);
    struct wide_masks w = {0};
    uint64_t starts = 0, escaped = 0, leads, blanks, letters, ours;
    int n = at->n, shift = at->shift, digits, latins, spaces;

    if (escapes && m.slashes >> shift) {
        escaped = escaped_in(m.slashes >> shift);
        starts = m.slashes >> shift & ~escaped;
        n = simple_escapes(n, starts, escaped & masker.us(at->block) >> shift);
    }
    if (m.wide) {
        w = masker.wide(at->block);
        if (n == TALLY_BLOCK)
            n = whole_characters(at, m.wide & ~w.tails);
    }
    if (n <= 0)
        return 0;
    ours = first_bits(n);
    leads = (m.wide & ~w.tails) >> shift & ours;
    letters = m.letters >> shift & ours & ~escaped;
    escaped &= m.letters >> shift & ours; /* \n, \t ...: white space */
    blanks = (m.spaces >> shift & ours) | escaped;
    digits = bits(m.digits >> shift & ours);
    latins = bits(letters);
    spaces = bits(blanks);
    t->of[SCRIPT_DIGIT] += digits;
    t->of[SCRIPT_LATIN] += latins;
    t->of[SCRIPT_PUNCT] +=
        bits(~(m.wide >> shift | starts) & ours) - digits - latins - spaces;
    if (leads)
        letters |= tally_wide(t, at, leads, &w, end);
    tally_runs(t, letters, blanks | escaped >> 1, n);
    return n;
}

/* Past what is not simple at p: one character, or some of them. */
static inline const char *tally_odd(struct tally *t, const char *p,
                                    struct json_text text)
{
    const char *end = text.raw.bytes + text.raw.len;

    do {
        p = tally_character(t, p, end, text.escaped);
    } while (end - p > 1 && *p == '\\' && p[1] == 'u' && text.escaped);
    return p;
}

/* Counts all of `text` into *t. */
static inline __attribute__((always_inline)) void tally_text(
    struct tally *t, struct json_text text, struct masker masker)
{
    const char *p = text.raw.bytes, *end = p + text.raw.len;
    char copy[TALLY_BLOCK];
    int n;

    while (end - p >= TALLY_BLOCK) {
        struct part at = {.p = p, .block = p, .n = TALLY_BLOCK};

        n = tally_part(t, &at, end, text.escaped, masker);
        p = n > 0 ? p + n : tally_odd(t, p, text);
    }
    while (p < end) {
        struct part at = {.p = p, .n = (int)(end - p)};

        if (text.raw.len >= TALLY_BLOCK) {
            at.shift = TALLY_BLOCK - at.n;
            at.block = end - TALLY_BLOCK;
        } else {
            memset(copy, 0, sizeof(copy));
            at.block = memcpy(copy, p, (size_t)at.n);
        }
        n = tally_part(t, &at, end, text.escaped, masker);
        p = n > 0 ? p + n : tally_odd(t, p, text);
    }
}
