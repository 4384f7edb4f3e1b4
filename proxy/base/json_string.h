/*
 * json_string.h - finds the end of a JSON string, checking all of it.
 *
 * The inner loop of everything that reads JSON: sixteen bytes a step while
 * they are plain ASCII, and fifteen while they are three-byte characters
 * (Chinese text); where the processor can, 64 of any (json_string_blocks.h).
 * Used by json_scan.c only.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct json_string {
    const char *end; /* behind the closing quote; or where it went wrong */
    const char *why; /* a constant sentence */
    bool escaped;
};

/* Past the character of two to four bytes at p < end, or NULL: not UTF-8. */
const char *utf8_end(const char *p, const char *end);

/* `p`: at the opening quote, before `end`. */
bool json_string_end(struct json_string *out, const char *p, const char *end,
                     bool any_bytes) MUST_CHECK;

/* Reads on at p, in the middle of a string but between two characters, behind
 * its quote and at least three bytes more. NULL: it ended well, and *out says
 * where. Else how far all is well, at most until something is not complete or
 * not right. Only if cpu_level is that or above. */
const char *json_string_avx2(struct json_string *out, const char *p,
                             const char *end, bool any_bytes) MUST_CHECK;
const char *json_string_avx512(struct json_string *out, const char *p,
                               const char *end, bool any_bytes) MUST_CHECK;
