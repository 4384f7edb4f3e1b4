#include "base/clock.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#ifndef NDEBUG
#    include <fcntl.h>
#    include <pthread.h>
#    include <stdatomic.h>
#    include <sys/mman.h>
#    include <unistd.h>

static const _Atomic int64_t *added;

static void find_added(void)
{
    const char *path = getenv("BIJIA_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at;

    if (fd < 0)
        return;
    at = mmap(NULL, sizeof(*added), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED)
        added = at;
}

static int64_t added_ms(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, find_added);
    return added ? atomic_load_explicit(added, memory_order_relaxed) : 0;
}
#else
static int64_t added_ms(void)
{
    return 0;
}
#endif

static int64_t read_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_unix_ms(void)
{
    return read_ms(CLOCK_REALTIME) + added_ms();
}
