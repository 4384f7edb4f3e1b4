/*
 * json_string_blocks.h - the inside of a JSON string by blocks of 64 bytes,
 * for each kind of processor.
 *
 * Of each block masks say where quotes, backslashes, control characters and
 * wide characters are, and all is done with these masks: which bytes are
 * escaped, whether they may be, whether what must be hexadecimal is. UTF-8 is
 * checked by the pairs of bytes that cannot stand together (Keiser and Lemire,
 * "Validating UTF-8 in less than one instruction per byte"): three lookups by
 * half bytes, each of which names faults; a fault that all three name is one.
 *
 * It finds the end of what is well, never a fault: before the block with the
 * first one it stops, and json_string.c tells which it is. blocks_end() is
 * compiled once for each way to get the masks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_string.h"

enum {
    STRING_BLOCK = 64,
};

/* A bit for each byte of a block, the first lowest. */
struct string_masks {
    uint64_t quotes, slashes, controls;
    uint64_t wide; /* 0x80 and above */
};

struct simple {
    uint64_t escapes; /* 0: nothing is behind a backslash */
    uint64_t wide;    /* a bit for each byte from 0x80 on */
};

/* Each reads a whole block at p; simple reads one byte before it, too, utf8
 * three. */
struct string_masker {
    bool (*plain)(const char *p); /* all masks are 0 */
    /* No control character, no end, all behind a backslash one of "/fnt */
    bool (*simple)(const char *p, struct simple *is);
    struct string_masks (*look)(const char *p);
    /* What may stand alone behind a backslash, itself and quotes apart. */
    uint64_t (*escape_letters)(const char *p);
    uint64_t (*hexadecimal)(const char *p);
    uint64_t (*byte)(const char *p, char byte);
    /* Where a byte does not go with those before it. */
    uint64_t (*utf8_faults)(const char *p);
};

/* Faults of two bytes, each by its bit. */
enum {
    SHORT = 1,       /* a leading byte, then no tail */
    STRAY = 2,       /* ASCII, then a tail */
    OVERLONG_2 = 4,  /* C0 or C1 */
    OVERLONG_3 = 8,  /* E0, then below A0 */
    SURROGATE = 16,  /* ED, then A0 and above */
    BEYOND = 32,     /* F4, then 90 and above; F5 and above */
    OVERLONG_4 = 64, /* F0, then 80 to 8F; F5 and above, then the same */
    TAIL_TAIL = 128, /* two tails: right behind a long one's start only */
    ALWAYS = SHORT | STRAY | TAIL_TAIL, /* by the upper halves alone */
    ABOVE = ALWAYS | BEYOND,
    FAR = ABOVE | OVERLONG_4,
    TAIL = STRAY | TAIL_TAIL | OVERLONG_2,
};

/* The three lookups: by the upper and the lower half of the first byte, and
 * by the upper half of the second. */
static const unsigned char by_first_upper[16] = {
    STRAY,
    STRAY,
    STRAY,
    STRAY,
    STRAY,
    STRAY,
    STRAY,
    STRAY,
    TAIL_TAIL,
    TAIL_TAIL,
    TAIL_TAIL,
    TAIL_TAIL,
    SHORT | OVERLONG_2,
    SHORT,
    SHORT | OVERLONG_3 | SURROGATE,
    SHORT | BEYOND | OVERLONG_4,
};
static const unsigned char by_first_lower[16] = {
    ALWAYS | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
    ALWAYS | OVERLONG_2,
    ALWAYS,
    ALWAYS,
    ABOVE,
    FAR,
    FAR,
    FAR,
    FAR,
    FAR,
    FAR,
    FAR,
    FAR,
    FAR | SURROGATE,
    FAR,
    FAR,
};
static const unsigned char by_second_upper[16] = {
    SHORT,
    SHORT,
    SHORT,
    SHORT,
    SHORT,
    SHORT,
    SHORT,
    SHORT,
    TAIL | OVERLONG_3 | OVERLONG_4,
    TAIL | OVERLONG_3 | BEYOND,
    TAIL | SURROGATE | BEYOND,
    TAIL | SURROGATE | BEYOND,
    SHORT,
    SHORT,
    SHORT,
    SHORT,
};

/* What a block leaves to the next. */
struct rest {
    uint64_t escaped; /* 1: its first byte is */
    uint64_t hex;     /* of its first four bytes, those that must be */
    uint64_t wide;    /* the last three bytes were, or some of them */
};

/* Which bytes have an odd number of backslashes before them. */
static inline uint64_t escaped_by(uint64_t slashes, struct rest *r)
{
    uint64_t escaped = r->escaped;

    slashes &= ~escaped;
    if (!(slashes & slashes << 1)) {
        r->escaped = slashes >> 63;
        return escaped | slashes << 1;
    }
    r->escaped = 0;
    while (slashes) {
        uint64_t next = (slashes & -slashes) << 1;

        r->escaped = next == 0;
        escaped |= next;
        slashes &= slashes - 1;
        slashes &= ~next;
    }
    return escaped;
}

/* Bits where four hexadecimal digits must stand and do not. */
static inline uint64_t hex_faults(const char *p, uint64_t us, struct rest *r,
                                  const struct string_masker *masker)
{
    uint64_t want = r->hex | us << 1 | us << 2 | us << 3 | us << 4;

    r->hex = us >> 63 | us >> 62 | us >> 61 | us >> 60;
    return want & ~masker->hexadecimal(p);
}

/* What is found in a block. */
struct found {
    uint64_t quotes; /* that may end the string */
    uint64_t slashes, faults;
};

static inline __attribute__((always_inline)) struct found block_read(
    const char *p, bool any_bytes, struct rest *r,
    const struct string_masker *masker)
{
    struct string_masks m = masker->look(p);
    struct found f = {m.quotes, m.slashes, m.controls};
    uint64_t escaped, us;

    if (m.slashes | r->escaped | r->hex) {
        escaped = escaped_by(m.slashes, r);
        f.quotes &= ~escaped;
        us = escaped & ~(m.quotes | m.slashes | masker->escape_letters(p));
        if (us | r->hex) {
            f.faults |= us & ~masker->byte(p, 'u');
            f.faults |= hex_faults(p, us, r, masker);
        }
    }
    if (!any_bytes && (m.wide | r->wide))
        f.faults |= masker->utf8_faults(p);
    r->wide = m.wide >> (STRING_BLOCK - 3);
    return f;
}

/* The start of what is not complete at p. */
static const char *boundary(const char *from, const char *p, struct rest r)
{
    enum {
        UNICODE = 6 /* bytes of \u4f60 */
    };

    if (p == from)
        return p;
    if (r.escaped)
        return p - 1;
    if (r.hex)
        return p - (UNICODE - __builtin_popcountll(r.hex));
    for (int back = 1; back <= 3; back++)
        if ((unsigned char)p[-back] >= (0xff00 >> (back + 1) & 0xff))
            return p - back;
    return p;
}

/* Past the simple blocks at p, plain ones among them: between others these
 * are not worth a branch of their own. A backslash before p stands alone. */
static inline __attribute__((always_inline)) const char *simple_blocks_end(
    struct json_string *out, const char *p, const char *end, bool any_bytes,
    uint64_t *wide, const struct string_masker *masker)
{
    uint64_t escapes = 0, before = *wide;
    struct simple is;

    for (; end - p >= STRING_BLOCK && masker->simple(p, &is);
         p += STRING_BLOCK) {
        if (is.wide || before) {
            if (!any_bytes && masker->utf8_faults(p))
                break;
            before = is.wide >> (STRING_BLOCK - 3);
        }
        escapes |= is.escapes;
    }
    out->escaped |= escapes || p[-1] == '\\';
    *wide = before;
    return p;
}

static inline __attribute__((always_inline)) const char *string_blocks_end(
    struct json_string *out, const char *p, const char *end, bool any_bytes,
    const struct string_masker *masker)
{
    const char *from = p;
    struct rest r = {0}, before;
    struct found f;

    while (end - p >= STRING_BLOCK && masker->plain(p)) /* all of an image */
        p += STRING_BLOCK;
    for (; end - p >= STRING_BLOCK; p += STRING_BLOCK) {
        if (!r.hex && r.escaped == (p[-1] == '\\')) {
            p = simple_blocks_end(out, p, end, any_bytes, &r.wide, masker);
            r.escaped = p[-1] == '\\';
            if (end - p < STRING_BLOCK)
                break;
        }
        before = r;
        f = block_read(p, any_bytes, &r, masker);
        if (f.quotes) { /* what lies behind the first is not ours */
            uint64_t ours = f.quotes ^ (f.quotes - 1);

            f.faults &= ours;
            f.slashes &= ours;
            if (!f.faults)
                out->end = p + __builtin_ctzll(f.quotes) + 1;
        }
        if (f.faults)
            return boundary(from, p, before);
        out->escaped |= f.slashes != 0;
        if (f.quotes)
            return NULL;
    }
    return boundary(from, p, r);
}
