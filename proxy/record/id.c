#include <stdint.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/fatal.h"

#include "record/recorder.h"

enum {
    CHANCE_BYTES = 10,
    IDS_AT_ONCE = 256,
};

/* Chance for several ids from one system call; each thread has its own. */
static const unsigned char *draw(void)
{
    static _Thread_local unsigned char drawn[IDS_AT_ONCE][CHANCE_BYTES];
    static _Thread_local unsigned n_left;

    if (n_left == 0) {
        if (getrandom(drawn, sizeof(drawn), 0) != sizeof(drawn))
            fatal("no random numbers to be had");
        n_left = IDS_AT_ONCE;
    }
    return drawn[--n_left];
}

void receipt_id_new(char id[RECEIPT_ID])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t ms = (uint64_t)clock_unix_ms();
    const unsigned char *chance = draw();
    int at = 0;

    for (int shift = 44; shift >= 0; shift -= 4)
        id[at++] = hex[ms >> shift & 15];
    for (int i = 0; i < CHANCE_BYTES; i++) {
        id[at++] = hex[chance[i] >> 4];
        id[at++] = hex[chance[i] & 15];
    }
    id[at] = '\0';
}
