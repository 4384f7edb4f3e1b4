/*
 * time.h - instants as people write them: RFC 3339, kept as unix ms.
 *
 * A price's `from`, a log line's `at`, explain's --at: all read and written
 * here. Years 1970 to 9999; no leap seconds (unix time has none).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    TIME_TEXT = 32, /* room for "2026-11-22T09:00:00.123Z" */
};

/* Reads "2026-09-10T04:00:00Z", "2026-09-10T12:00:00.250+08:00", or a plain
 * "2026-09-10": midnight UTC. Digits of a second beyond the third are cut.
 * False: not an instant, and *out is untouched. */
bool time_parse(int64_t *out_unix_ms, const char *text) MUST_CHECK;

/* "2026-11-22T09:00:00.123Z". Beyond the years above: the nearest end.
 * Returns `text`. */
const char *time_text(int64_t unix_ms, char text[TIME_TEXT]);
