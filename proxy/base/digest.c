/* SHA256_CTX is a plain value that can be copied on the stack by any thread;
 * an EVP context must be duplicated on the heap for each use. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <assert.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/fatal.h"

enum {
    BLOCK_BYTES = 64,
    INNER_PAD = 0x36,
    OUTER_PAD = 0x5c,
};

static_assert(sizeof(SHA256_CTX) <= sizeof(((struct hmac_key *)0)->inner),
              "a hash state fits into half an hmac_key");

void digest_sha256(unsigned char out[DIGEST_BYTES], struct slice bytes)
{
    SHA256_CTX state;

    SHA256_Init(&state);
    SHA256_Update(&state, bytes.bytes, bytes.len);
    SHA256_Final(out, &state);
}

static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256),
              "a hash state fits into a struct sha256");

void sha256_begin(struct sha256 *s)
{
    SHA256_Init((SHA256_CTX *)s);
}

void sha256_add(struct sha256 *s, struct slice bytes)
{
    SHA256_Update((SHA256_CTX *)s, bytes.bytes, bytes.len);
}

void sha256_end(struct sha256 *s, unsigned char out[DIGEST_BYTES])
{
    SHA256_Final(out, (SHA256_CTX *)s);
}

static void pad_init(uint64_t *out, const unsigned char *block,
                     unsigned char pad)
{
    unsigned char padded[BLOCK_BYTES];
    SHA256_CTX state;

    for (size_t i = 0; i < BLOCK_BYTES; i++)
        padded[i] = (unsigned char)(block[i] ^ pad);
    SHA256_Init(&state);
    SHA256_Update(&state, padded, BLOCK_BYTES);
    memcpy(out, &state, sizeof(state));
    wipe(padded, sizeof(padded));
    wipe(&state, sizeof(state));
}

void hmac_key_init(struct hmac_key *k, struct slice secret)
{
    unsigned char block[BLOCK_BYTES] = {0};

    if (secret.len > BLOCK_BYTES)
        digest_sha256(block, secret);
    else
        memcpy(block, secret.bytes, secret.len);
    *k = (struct hmac_key){0};
    pad_init(k->inner, block, INNER_PAD);
    pad_init(k->outer, block, OUTER_PAD);
    wipe(block, sizeof(block));
}

void hmac_sha256(unsigned char out[DIGEST_BYTES], const struct hmac_key *k,
                 struct slice bytes)
{
    SHA256_CTX state;

    memcpy(&state, k->inner, sizeof(state));
    SHA256_Update(&state, bytes.bytes, bytes.len);
    SHA256_Final(out, &state);
    memcpy(&state, k->outer, sizeof(state));
    SHA256_Update(&state, out, DIGEST_BYTES);
    SHA256_Final(out, &state);
    wipe(&state, sizeof(state));
}

void random_bytes(void *out, size_t len)
{
    if (RAND_bytes(out, (int)len) != 1)
        fatal("no random numbers to be had");
}

bool digest_equal(const unsigned char a[DIGEST_BYTES],
                  const unsigned char b[DIGEST_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_BYTES) == 0;
}

enum {
    CRC_STEP = 8, /* bytes at once */
};

/* By place in a step, counted from its end, and by byte: what the byte adds
 * to the CRC (for the reflected polynomial 0xedb88320). */
static uint32_t crc_tables[CRC_STEP][256];

__attribute__((constructor)) static void fill_crc_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        crc_tables[0][byte] = crc;
    }
    for (int place = 1; place < CRC_STEP; place++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = crc_tables[place - 1][byte];

            crc_tables[place][byte] = crc >> 8 ^ crc_tables[0][crc & 255];
        }
}

uint32_t digest_crc32(struct slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.bytes;
    const unsigned char *end = p + bytes.len;
    uint32_t crc = 0xffffffff;

    for (; end - p >= CRC_STEP; p += CRC_STEP) {
        uint32_t next = 0;

        for (int i = 0; i < CRC_STEP; i++) {
            uint32_t old = i < 4 ? crc >> 8 * i : 0;

            next ^= crc_tables[CRC_STEP - 1 - i][(p[i] ^ old) & 255];
        }
        crc = next;
    }
    for (; p < end; p++)
        crc = crc >> 8 ^ crc_tables[0][(crc ^ *p) & 255];
    return ~crc;
}

const char *digest_text(const unsigned char digest[DIGEST_BYTES],
                        char text[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[DIGEST_HEX - 1] = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(unsigned char out[DIGEST_BYTES], const char *hex)
{
    if (strlen(hex) != DIGEST_HEX - 1)
        return false;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void wipe(void *bytes, size_t len)
{
    OPENSSL_cleanse(bytes, len);
}
