#include "serve/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fatal.h"
#include "base/log.h"

struct memory {
    pthread_mutex_t lock; /* learnt, lessons, saved */
    struct learnt *learnt;
    uint64_t lessons, saved;
    void *copy; /* what is being written; saving's own */
    size_t bytes;
    pthread_mutex_t saving;
    const char *path; /* NULL: nothing is kept */
    struct arena *arena;
};

static void *aligned_bytes(size_t bytes, struct arena *a)
{
    const size_t line = 64;
    char *p = arena_alloc(a, bytes + line);

    return p + (-(uintptr_t)p % line);
}

struct mapped {
    void *at;
    size_t bytes;
};

static void unmap(void *arg)
{
    const struct mapped *m = arg;

    munmap(m->at, m->bytes);
}

/* Zeroed, in large pages if there are any: a long prompt's blocks lie all over
 * it, and each page of 4 KiB would have to be found first. */
static void *large_pages(size_t bytes, struct arena *a)
{
    const size_t page = (size_t)2 << 20;
    struct mapped *m = arena_alloc(a, sizeof(*m));
    char *p;

    m->bytes = (bytes + 2 * page - 1) / page * page;
    m->at = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->at == MAP_FAILED)
        fatal("out of memory allocating %zu bytes", m->bytes);
    arena_defer(a, unmap, m);
    p = (char *)m->at + (-(uintptr_t)m->at % page);
    (void)madvise(p, (bytes + page - 1) / page * page, MADV_HUGEPAGE);
    return memset(p, 0, bytes); /* taken now, not request by request */
}

/* --- the file -------------------------------------------------------------
 * The learnt as it lies, then its CRC. */

static bool read_whole(int fd, char *to, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, to, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_whole(int fd, const char *from, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, from, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        from += n;
        len -= (size_t)n;
    }
    return true;
}

static bool load(struct memory *m, int fd)
{
    uint32_t sum;

    return read_whole(fd, m->copy, m->bytes) &&
           read_whole(fd, (char *)&sum, sizeof(sum)) &&
           sum == digest_crc32((struct slice){m->copy, m->bytes}) &&
           learnt_is_sound(m->copy, m->bytes, learnt_limits_small);
}

static void try_load(struct memory *m)
{
    int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return;
    if (load(m, fd))
        memcpy(m->learnt, m->copy, m->bytes);
    else
        log_line(LOG_WARN, "learnt",
                 "file=%s note=\"not one of ours, or broken: learning begins "
                 "anew\"",
                 m->path);
    close(fd);
}

static bool save(const struct memory *m, const char *aside)
{
    uint32_t sum = digest_crc32((struct slice){m->copy, m->bytes});
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    bool ok;

    if (fd < 0)
        return false;
    ok = write_whole(fd, m->copy, m->bytes) &&
         write_whole(fd, (const char *)&sum, sizeof(sum)) && fsync(fd) == 0;
    return close(fd) == 0 && ok && rename(aside, m->path) == 0;
}

void memory_save(struct memory *m)
{
    char aside[4096];
    bool any;

    if (!m->path)
        return;
    pthread_mutex_lock(&m->saving);
    pthread_mutex_lock(&m->lock);
    any = m->lessons != m->saved;
    m->saved = m->lessons;
    if (any)
        memcpy(m->copy, m->learnt, m->bytes);
    pthread_mutex_unlock(&m->lock);
    snprintf(aside, sizeof(aside), "%s.new", m->path);
    if (any && !save(m, aside))
        log_line(LOG_WARN, "learnt", "file=%s error=\"%s\"", m->path,
                 strerror(errno));
    pthread_mutex_unlock(&m->saving);
}

/* --- beginning and end ---------------------------------------------------- */

struct memory *memory_new(const char *dir)
{
    struct arena *a = arena_new();
    struct memory *m = arena_alloc(a, sizeof(*m));
    uint64_t key[2];

    m->arena = a;
    m->bytes = learnt_bytes(learnt_limits_small);
    m->copy = aligned_bytes(m->bytes, a);
    random_bytes(key, sizeof(key));
    m->learnt = learnt_init(large_pages(m->bytes, a), learnt_limits_small, key);
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->saving, NULL);
    if (dir) {
        m->path = arena_printf(a, "%s/learnt", dir);
        try_load(m);
    }
    return m;
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    memory_save(m);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->saving);
    arena_free(m->arena);
}

struct memory_offers memory_bind(struct memory *m, const struct snapshot *s,
                                 struct arena *a)
{
    struct memory_offers offers = {.snapshot = s};

    pthread_mutex_lock(&m->lock);
    offers.numbers = learnt_bind(m->learnt, s, a);
    pthread_mutex_unlock(&m->lock);
    return offers;
}

struct learnt *memory_read(const char *dir, struct arena *a)
{
    struct memory *m = arena_alloc(a, sizeof(*m));
    int fd = open(arena_printf(a, "%s/learnt", dir),
                  O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok;

    if (fd < 0)
        return NULL;
    m->bytes = learnt_bytes(learnt_limits_small);
    m->copy = aligned_bytes(m->bytes, a);
    ok = load(m, fd);
    close(fd);
    return ok ? m->copy : NULL;
}

/* --- requests ------------------------------------------------------------- */

struct world {
    const struct conditions *base;
    struct outlook *outlook;
};

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const struct world *w = self;

    w->base->look(w->base->self, offer, out);
    learnt_look(w->outlook, offer, out);
}

static void weigh(const void *self, const struct snapshot *snapshot,
                  struct verdict *const *listed, uint32_t n)
{
    const struct world *w = self;

    learnt_weigh(w->outlook, snapshot, listed, n);
}

struct outlook *memory_decide(struct memory *m,
                              const struct memory_offers *offers,
                              struct decision *out, struct query *query,
                              const struct conditions *base, struct arena *a)
{
    struct world world = {.base = base};
    struct conditions conditions = {.now_unix_ms = base->now_unix_ms,
                                    .look = look,
                                    .weigh = weigh,
                                    .self = &world};

    prefix_of_chat(&query->prefix, query->chat, learnt_reference_tokens(query),
                   learnt_key(m->learnt), a); /* the key never changes */
    pthread_mutex_lock(&m->lock);
    world.outlook =
        learnt_prepare(m->learnt, offers->numbers, query, base->now_unix_ms, a);
    decide(out, offers->snapshot, query, &conditions, a);
    pthread_mutex_unlock(&m->lock);
    return world.outlook;
}

struct lesson *memory_sent(struct memory *m, struct outlook *o,
                           const struct snapshot *snapshot,
                           const struct decision *d, const struct offer *offer,
                           struct arena *a)
{
    struct lesson *lesson = NULL;

    pthread_mutex_lock(&m->lock);
    for (uint32_t i = 0; i < d->n_verdicts && !lesson; i++)
        if (d->verdicts[i].offer == offer)
            lesson = learnt_sent(m->learnt, o, snapshot, d, &d->verdicts[i], a);
    pthread_mutex_unlock(&m->lock);
    return lesson;
}

void memory_answered(struct memory *m, const struct lesson *lesson,
                     const struct snapshot *snapshot, const struct offer *offer,
                     const struct usage *usage, int64_t at_unix_ms)
{
    struct money compared;
    struct cost cost;

    if (!price_bill(&cost, offer, at_unix_ms, usage, 0) ||
        !price_convert(&compared, snapshot, cost.total, snapshot->currency,
                       at_unix_ms))
        return;
    pthread_mutex_lock(&m->lock);
    learnt_answered(m->learnt, lesson, usage, compared.nanos);
    m->lessons++;
    pthread_mutex_unlock(&m->lock);
}
