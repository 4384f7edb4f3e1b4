/*
 * redact.h - a vendor's words, made safe to show and to log.
 *
 * Vendors repeat the key they refused, in full or in part. Whatever looks
 * like one becomes "[redacted]": words with a key's prefix, what follows
 * "Bearer", UUIDs (Ark's keys), and long runs of mixed letters and digits.
 * Control characters become spaces, and the text is cut at a character.
 */
#pragma once

#include "base/arena.h"
#include "base/json_scan.h"

struct slice redact(struct arena *a, struct json_text text, size_t limit);
