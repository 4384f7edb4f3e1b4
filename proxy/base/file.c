#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"

enum {
    PRIVATE = 0600,
    FIRST_READ = 64 * 1024,
};

static int write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.bytes, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes.bytes += n;
        bytes.len -= (size_t)n;
    }
    return fsync(fd);
}

/* Closes `fd` without losing the errno of what failed before. */
static int close_after(int fd, int status)
{
    int saved = errno;

    if (close(fd) < 0 && status == 0)
        return -1;
    errno = saved;
    return status;
}

static int sync_dir_of(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');
    const char *dir =
        slash ? arena_strndup(a, path, (size_t)(slash + 1 - path)) : ".";
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -1 : close_after(fd, fsync(fd));
}

/* A new file beside `path`, whole and on disk. Returns its name, or NULL. */
static const char *write_aside(const char *path, struct slice bytes,
                               struct arena *a)
{
    uint32_t random;
    const char *aside;
    int fd;

    random_bytes(&random, sizeof(random));
    aside = arena_printf(a, "%s.new-%08x", path, (unsigned)random);
    fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, PRIVATE);
    if (fd < 0)
        return NULL;
    if (close_after(fd, write_all(fd, bytes)) == 0)
        return aside;
    unlink(aside);
    return NULL;
}

/* Gives `aside` its name by `move`, which is rename() or link(). */
static int settle(const char *path, struct slice bytes, struct arena *a,
                  int (*move)(const char *from, const char *to))
{
    const char *aside = write_aside(path, bytes, a);
    int status, saved;

    if (!aside)
        return -1;
    status = move(aside, path);
    saved = errno;
    unlink(aside); /* a second name of it, or what could not be renamed */
    errno = saved;
    return status < 0 ? -1 : sync_dir_of(path, a);
}

int file_replace(const char *path, struct slice bytes, struct arena *a)
{
    return settle(path, bytes, a, rename);
}

int file_create(const char *path, struct slice bytes, struct arena *a)
{
    return settle(path, bytes, a, link);
}

int dir_lock(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    return fd < 0 ? -1 : close_after(fd, -1);
}

void dir_unlock(int lock)
{
    close(lock);
}

static char *read_all(int fd, size_t *len, size_t most, struct arena *a)
{
    size_t size = FIRST_READ, used = 0;
    char *bytes = arena_alloc(a, size + 1);

    for (;;) {
        ssize_t n = read(fd, bytes + used, size - used);

        if (n < 0 && errno != EINTR)
            return NULL;
        used += n > 0 ? (size_t)n : 0;
        if (used > most) {
            errno = EFBIG;
            return NULL;
        }
        if (n == 0)
            break;
        if (used == size) {
            char *larger = arena_alloc(a, 2 * size + 1);

            memcpy(larger, bytes, used);
            bytes = larger;
            size *= 2;
        }
    }
    *len = used;
    return bytes;
}

char *stdin_read(size_t *len, size_t most, struct arena *a)
{
    return read_all(STDIN_FILENO, len, most, a);
}

int64_t file_written_ms(const char *path, int64_t now_ms)
{
    struct stat st;
    int64_t ms;

    if (stat(path, &st) < 0)
        return now_ms;
    ms = (int64_t)st.st_mtim.tv_sec * 1000;
    return ms < now_ms ? ms : now_ms;
}

char *file_read(const char *path, size_t *len, size_t most, struct arena *a)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes;

    if (fd < 0)
        return NULL;
    bytes = read_all(fd, len, most, a);
    return close_after(fd, bytes ? 0 : -1) == 0 ? bytes : NULL;
}
