#include "base/failpoint.h"

#ifndef NDEBUG

#    include <signal.h>
#    include <stdatomic.h>
#    include <stdlib.h>
#    include <string.h>
#    include <unistd.h>

void failpoint_pass(const char *name)
{
    static atomic_long n_passed;
    const char *wanted = getenv("BIJIA_FAILPOINT");
    size_t len = strlen(name);
    long count = 1;

    if (!wanted || strncmp(wanted, name, len) != 0 ||
        (wanted[len] && wanted[len] != ':'))
        return;
    if (wanted[len])
        count = strtol(wanted + len + 1, NULL, 10);
    if (atomic_fetch_add(&n_passed, 1) + 1 == count)
        kill(getpid(), SIGKILL);
}

#endif
