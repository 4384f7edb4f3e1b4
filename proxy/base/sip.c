#include "base/sip.h"

#include <string.h>

enum {
    WORD = 8,
};

static uint64_t rotated(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void two_rounds(uint64_t v[4])
{
#ifndef __clang__
#    pragma GCC unroll 2
#endif
    for (int i = 0; i < 2; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotated(v[1], 13) ^ v[0];
        v[3] = rotated(v[3], 16) ^ v[2];
        v[0] = rotated(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = rotated(v[3], 21) ^ v[0];
        v[1] = rotated(v[1], 17) ^ v[2];
        v[2] = rotated(v[2], 32);
    }
}

/* Little-endian, as compilers see: one load. */
static uint64_t word_at(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
           (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
           (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static uint64_t last_word(const unsigned char *p, size_t n, size_t len)
{
    uint64_t word = (uint64_t)len << 56;

    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
}

static inline void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    two_rounds(v);
    v[0] ^= word;
}

void sip_hash(uint64_t out[2], const uint64_t key[2], struct slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.bytes;
    size_t left = bytes.len;
    uint64_t v[4] = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573),
    };

    for (; left >= WORD; left -= WORD, p += WORD)
        take(v, word_at(p));
    take(v, last_word(p, left, bytes.len));
    v[2] ^= 0xee;
    two_rounds(v);
    two_rounds(v);
    out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    two_rounds(v);
    two_rounds(v);
    out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
