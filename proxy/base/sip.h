/*
 * sip.h - SipHash-2-4 with 128 bits: a keyed hash of a short text.
 *
 * Whoever does not know the key can neither make two texts of one hash nor
 * read the text out of it, for a tenth of what an HMAC costs.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

void sip_hash(uint64_t out[2], const uint64_t key[2], struct slice bytes);
