/* text_sample.c - which parts of a long text are counted. */
#include <string.h>

#include "base/attr.h"

#include "vendors/text_count.h"

enum {
    WINDOW = 256,
    WHOLE = 16 * WINDOW, /* so much is counted without gaps */
    EVEN = 8 * WHOLE,    /* up to here one window of so many: */
    FIRST_CELLS = 8,     /* ... then of twice as many in each doubling */
    ESCAPE_MAX = 6,      /* bytes of \u4f60 */
};

void text_counter_init(struct text_counter *c)
{
    *c = (struct text_counter){.to = WHOLE, .cells = 1};
}

/* Adds `from` to `to`, each count times length / sampled, half up. */
static void scale(struct text_count *to, const struct text_count *from,
                  uint64_t length, uint64_t sampled)
{
    const int64_t *in = &from->han;
    int64_t *out = &to->han;

    _Static_assert(sizeof(*to) == 9 * sizeof(*out), "counts are one array");
    for (size_t i = 0; i < sizeof(*to) / sizeof(*out); i++)
        if (in[i]) /* of most texts half of them are not */
            out[i] +=
                (int64_t)(((uint64_t)in[i] * length + sampled / 2) / sampled);
}

/* This doubling is over at c->at: its windows speak for all of it. */
static void settle(struct text_counter *c)
{
    uint64_t length = c->at - c->from;
    struct text_count done = {0};

    if (c->sampled) {
        scale(&c->done, &c->now, length, c->sampled);
    } else if (length && c->from) { /* too short for a window: as before */
        scale(&done, &c->done, c->at, c->from);
        c->done = done;
    }
    c->now = (struct text_count){0};
    c->sampled = 0;
}

/* Which cell of stratum `i` is counted: a fixed scattering (splitmix64). */
static uint64_t chosen(uint64_t i, uint32_t cells)
{
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % cells;
}

/* Is there a backslash in the eight bytes at p? Maybe, if any is near it. */
static bool any_slash(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    word ^= ones * '\\';
    return ((word - ones) & ~word & ones << 7) != 0;
}

/* The first place at or after p where a character begins. */
static const char *boundary(struct json_text text, const char *p)
{
    const char *start = text.raw.bytes, *end = start + text.raw.len;
    const char *slash = p, *first;

    while (p < end && ((unsigned char)*p & 0xc0) == 0x80)
        p++;
    if (!text.escaped || (p - start >= 8 && !any_slash(p - 8)))
        return p;
    while (slash > start && p - slash < ESCAPE_MAX && slash[-1] != '\\')
        slash--;
    if (slash == start || slash[-1] != '\\')
        return p;
    for (first = slash - 1; first > start && first[-1] == '\\';)
        first--;
    if ((slash - first) % 2 == 0) /* the backslashes pair up */
        return p;
    slash += *slash == 'u' ? 5 : 1; /* past the escape */
    return slash > p ? slash : p;
}

/* Counts bytes [from, to) of the text, moved to where characters begin. */
static void window(struct text_counter *c, struct json_text text, size_t from,
                   size_t to)
{
    const char *p = boundary(text, text.raw.bytes + from);
    const char *q = boundary(text, text.raw.bytes + to);
    unsigned char before = p > text.raw.bytes ? (unsigned char)p[-1] : 0;
    struct json_text piece = {{p, q > p ? (size_t)(q - p) : 0}, text.escaped};

    text_count_add(&c->now, piece, before);
    c->sampled += to - from;
}

/* Samples bytes [at, to) of the text, all of one doubling. */
static void sample(struct text_counter *c, struct json_text text, size_t at,
                   size_t to)
{
    uint64_t stratum = (uint64_t)c->cells * WINDOW;

    if (c->cells == 1) {
        window(c, text, at, to);
        return;
    }
    for (uint64_t i = c->at / stratum; i * stratum < c->at + (to - at); i++) {
        uint64_t from = i * stratum + chosen(i, c->cells) * WINDOW;
        uint64_t past = from + WINDOW, end = c->at + (to - at);

        from = from > c->at ? from : c->at;
        past = past < end ? past : end;
        if (from < past)
            window(c, text, at + (size_t)(from - c->at),
                   at + (size_t)(past - c->at));
    }
}

void text_counter_add(struct text_counter *c, struct json_text text)
{
    size_t at = 0;

    while (at < text.raw.len) {
        uint64_t room = c->to - c->at, left = text.raw.len - at;
        size_t n = (size_t)(left < room ? left : room);

        sample(c, text, at, at + n);
        at += n;
        c->at += n;
        if (c->at == c->to) {
            settle(c);
            c->from = c->to;
            c->to *= 2;
            if (c->cells == 1)
                c->cells = FIRST_CELLS;
            else if (c->to > EVEN)
                c->cells *= 2;
        }
    }
}

void text_counter_end(struct text_counter *c, struct text_count *out)
{
    settle(c);
    *out = c->done;
}
