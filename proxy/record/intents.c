#include "record/intents.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fatal.h"

enum {
    VERSION = 1,
    HEAD_BYTES = 4096,
    PAGE_BYTES = 4096,
    COMMON = INTENTS / 2, /* under way at once */
};

static const char magic[8] = "bjintent";

/* Free places come back from the recorder through a ring as large as there
 * are places, so it is never full; the worker stacks them, so that few places
 * are used again and again. */
struct intents {
    struct intent *all; /* mapped */
    struct hold *holds; /* beside them, in memory */
    uint32_t *ring, *stack;
    /* the worker's */
    _Alignas(64) uint64_t n_returned; /* of n_freed */
    uint32_t n_stack, n_ever;         /* places that were ever taken */
    /* the recorder's */
    _Alignas(64) _Atomic(uint64_t) n_freed;
};

struct intents_file {
    void *map;
    size_t bytes;
    int n_workers;
    struct intents workers[];
};

static void boot_id(char out[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, 39);

    if (n < 0)
        n = 0; /* "": believed by nobody */
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

static int open_file(const char *dir, int flags, char *error, size_t error_size)
{
    char path[PATH_MAX];
    int fd;

    if (snprintf(path, sizeof(path), "%s/intents", dir) >= PATH_MAX) {
        snprintf(error, error_size, "the name of state_dir is too long");
        return -1;
    }
    fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && !(errno == ENOENT && !(flags & O_CREAT)))
        snprintf(error, error_size, "cannot open %s: %s", path,
                 strerror(errno));
    return fd;
}

static bool is_ours(const struct intents_head *h, const char *ledger_id,
                    size_t bytes)
{
    char boot[40];

    boot_id(boot);
    return memcmp(h->magic, magic, sizeof(magic)) == 0 &&
           h->version == VERSION && h->intent_bytes == sizeof(struct intent) &&
           boot[0] && strncmp(h->boot, boot, sizeof(boot)) == 0 &&
           strncmp(h->ledger, ledger_id, sizeof(h->ledger)) == 0 &&
           (uint64_t)h->n_workers * h->n_intents * sizeof(struct intent) +
                   HEAD_BYTES ==
               bytes;
}

static int show(const char *map, const struct intents_reader *reader)
{
    const struct intents_head *h = (const struct intents_head *)map;
    const struct intent *all = (const struct intent *)(map + HEAD_BYTES);
    size_t n = (size_t)h->n_workers * h->n_intents;

    for (size_t i = 0; i < n; i++)
        if (atomic_load(&all[i].state) != INTENT_FREE &&
            reader->each(reader->to, &all[i]))
            return -1;
    return 0;
}

bool intents_read(const char *dir, const char *ledger_id,
                  struct intents_reader *reader, char *error, size_t error_size)
{
    int fd = open_file(dir, O_RDONLY, error, error_size);
    struct stat st;
    void *map;
    int rc = 0;

    reader->believed = false;
    if (fd < 0)
        return errno == ENOENT;
    if (fstat(fd, &st) || st.st_size < HEAD_BYTES) {
        close(fd);
        return true;
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        snprintf(error, error_size, "cannot map intents: %s", strerror(errno));
        return false;
    }
    reader->believed = is_ours(map, ledger_id, (size_t)st.st_size);
    if (reader->believed)
        rc = show(map, reader);
    munmap(map, (size_t)st.st_size);
    return rc == 0;
}

static void *make(size_t n, size_t size)
{
    void *p = aligned_alloc(64, (n * size + 63) / 64 * 64);

    if (!p)
        fatal("out of memory for intents");
    memset(p, 0, n * size);
    return p;
}

/* Those of common load are in memory from the start, so that they cost no
 * faults then; the others once a disk is waited for. */
static void *make_for_all(size_t size)
{
    char *p = calloc(INTENTS, size);

    if (!p)
        fatal("out of memory for intents");
    for (size_t i = 0; i < COMMON * size; i += PAGE_BYTES)
        *(volatile char *)(p + i) = 0;
    return p;
}

static void intents_init(struct intents *in, struct intent *all)
{
    in->all = all;
    in->holds = make_for_all(sizeof(*in->holds));
    in->ring = make_for_all(sizeof(*in->ring));
    in->stack = make_for_all(sizeof(*in->stack));
    atomic_init(&in->n_freed, 0);
}

/* Its blocks are allocated now: a full disk is an error here, not a signal
 * later. */
static void *map_file(int fd, size_t bytes, char *error, size_t error_size)
{
    void *map;
    int rc = ftruncate(fd, 0) ? errno : posix_fallocate(fd, 0, (off_t)bytes);

    if (rc) {
        snprintf(error, error_size, "cannot make room for intents: %s",
                 strerror(rc));
        return NULL;
    }
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        snprintf(error, error_size, "cannot map intents: %s", strerror(errno));
        return NULL;
    }
    return map;
}

static void write_head(void *map, const char *ledger_id, int n_workers)
{
    struct intents_head *h = map;

    boot_id(h->boot);
    snprintf(h->ledger, sizeof(h->ledger), "%s", ledger_id);
    h->version = VERSION;
    h->intent_bytes = sizeof(struct intent);
    h->n_workers = (uint32_t)n_workers;
    h->n_intents = INTENTS;
    atomic_thread_fence(memory_order_release);
    memcpy(h->magic, magic, sizeof(magic));
}

struct intents_file *intents_create(const char *dir, const char *ledger_id,
                                    int n_workers, char *error,
                                    size_t error_size)
{
    size_t bytes =
        HEAD_BYTES + (size_t)n_workers * INTENTS * sizeof(struct intent);
    int fd = open_file(dir, O_RDWR | O_CREAT, error, error_size);
    struct intents_file *f;
    void *map;

    if (fd < 0)
        return NULL;
    map = map_file(fd, bytes, error, error_size);
    close(fd);
    if (!map)
        return NULL;
    write_head(map, ledger_id, n_workers);
    f = make(1, sizeof(*f) + (size_t)n_workers * sizeof(f->workers[0]));
    f->map = map;
    f->bytes = bytes;
    f->n_workers = n_workers;
    for (int w = 0; w < n_workers; w++)
        intents_init(&f->workers[w],
                     (struct intent *)((char *)map + HEAD_BYTES) +
                         (size_t)w * INTENTS);
    return f;
}

void intents_close(struct intents_file *f)
{
    if (!f)
        return;
    for (int w = 0; w < f->n_workers; w++) {
        free(f->workers[w].holds);
        free(f->workers[w].ring);
        free(f->workers[w].stack);
    }
    munmap(f->map, f->bytes);
    free(f);
}

struct intents *intents_of(struct intents_file *f, int worker)
{
    ENSURE(worker >= 0 && worker < f->n_workers);
    return &f->workers[worker];
}

/* --- the worker's side -----------------------------------------------------
 */

uint32_t intents_take(struct intents *in)
{
    uint64_t n_freed = atomic_load_explicit(&in->n_freed, memory_order_acquire);

    while (in->n_returned < n_freed)
        in->stack[in->n_stack++] = in->ring[in->n_returned++ % INTENTS];
    if (in->n_stack > 0)
        return in->stack[--in->n_stack];
    return in->n_ever < INTENTS ? ++in->n_ever : 0;
}

struct intent *intents_at(struct intents *in, uint32_t place)
{
    ENSURE(place >= 1 && place <= INTENTS);
    return &in->all[place - 1];
}

struct hold *intents_hold(struct intents *in, uint32_t place)
{
    ENSURE(place >= 1 && place <= INTENTS);
    return &in->holds[place - 1];
}

void intents_open(struct intents *in, uint32_t place)
{
    atomic_store_explicit(&intents_at(in, place)->state, INTENT_OPEN,
                          memory_order_release);
}

void intents_settle(struct intents *in, uint32_t place)
{
    struct intent *i = intents_at(in, place);
    const struct hold *h = intents_hold(in, place);

    for (uint32_t k = 0; k < h->n; k++)
        i->accounts[k].charged = h->parts[k].charged;
    atomic_store_explicit(&i->state, INTENT_SETTLED, memory_order_release);
}

void intents_untake(struct intents *in, uint32_t place)
{
    in->stack[in->n_stack++] = place;
}

/* --- the recorder's side ---------------------------------------------------
 */

void intents_free(struct intents *in, uint32_t place)
{
    uint64_t n = atomic_load_explicit(&in->n_freed, memory_order_relaxed);

    atomic_store_explicit(&intents_at(in, place)->state, INTENT_FREE,
                          memory_order_release);
    in->ring[n % INTENTS] = place;
    atomic_store_explicit(&in->n_freed, n + 1, memory_order_release);
}
