/*
 * clock.h - the two clocks: one for timers, one for prices and logs.
 *
 * In debug builds the second one can be set by tests while they run: if
 * BIJIA_CLOCK names a file, its first eight bytes (an integer as this machine
 * writes it) are milliseconds that are added.
 */
#pragma once

#include <stdint.h>

int64_t clock_mono_ms(void); /* never jumps; means nothing outside here */
int64_t clock_unix_ms(void); /* since 1970-01-01T00:00:00Z; may jump */
