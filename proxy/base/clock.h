/* clock.h - the two clocks: one for timers, one for prices and logs. */
#pragma once

#include <stdint.h>

int64_t clock_mono_ms(void); /* never jumps; means nothing outside here */
int64_t clock_unix_ms(void); /* since 1970-01-01T00:00:00Z; may jump */
