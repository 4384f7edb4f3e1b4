/* retry_after.h - how long a vendor asks to be left alone (RFC 9110 10.2.3).
 */
#pragma once

#include <stdint.h>

#include "http/parse.h"

/* From `retry-after-ms` (OpenAI, Azure) or `retry-after` in seconds or as a
 * date; 0: not said or nonsense; at most one day. */
int64_t retry_after_ms(const struct http_head *head);
