/*
 * digest.h - hashes, chance, and comparing without telling by time.
 *
 * The one file that speaks to OpenSSL's libcrypto. An HMAC key is a plain
 * value made ready once, so that checking a team's key costs two blocks of
 * SHA-256 and no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/slice.h"

enum {
    DIGEST_BYTES = 32,
    DIGEST_HEX = 2 * DIGEST_BYTES + 1,
};

/* The states after the inner and the outer pad. Secret; to be wiped. */
struct hmac_key {
    uint64_t inner[14], outer[14];
};

void digest_sha256(unsigned char out[DIGEST_BYTES], struct slice bytes);

/* The same of bytes that come piece by piece. A plain value. */
struct sha256 {
    uint64_t state[14];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, struct slice bytes);
void sha256_end(struct sha256 *s, unsigned char out[DIGEST_BYTES]);

void hmac_key_init(struct hmac_key *k, struct slice secret);
void hmac_sha256(unsigned char out[DIGEST_BYTES], const struct hmac_key *k,
                 struct slice bytes);

/* Unpredictable; if the system has none to give, the process ends. */
void random_bytes(void *out, size_t len);

/* Takes the same time whether or where they differ. */
bool digest_equal(const unsigned char a[DIGEST_BYTES],
                  const unsigned char b[DIGEST_BYTES]) MUST_CHECK;

/* CRC-32 as in zip and PNG: finds typing mistakes, proves nothing. */
uint32_t digest_crc32(struct slice bytes);

/* 64 hex digits, small letters; and back: false if it is anything else. */
const char *digest_text(const unsigned char digest[DIGEST_BYTES],
                        char text[DIGEST_HEX]);
bool digest_parse(unsigned char out[DIGEST_BYTES], const char *hex) MUST_CHECK;

/* Overwrites, and is not optimised away. */
void wipe(void *bytes, size_t len);
