#include "cli/follow.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
};

void follow_init(struct follow *f, const char *path)
{
    f->path = path;
    f->fd = -1;
    f->at = 0;
    f->skipping = false;
    f->len = 0;
}

void follow_fini(struct follow *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static bool open_file(struct follow *f)
{
    if (f->fd < 0)
        f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return f->fd >= 0;
}

int64_t follow_size(struct follow *f)
{
    struct stat st;

    return open_file(f) && fstat(f->fd, &st) == 0 ? (int64_t)st.st_size : -1;
}

void follow_seek(struct follow *f, int64_t at)
{
    f->len = 0;
    f->skipping = at > 0;
    f->at = at > 0 ? at - 1 : 0; /* a newline there ends the line before */
}

static void say(struct follow *f, follow_line *each, void *to)
{
    f->line[f->len] = '\0';
    each(to, f->line, f->len);
    f->len = 0;
}

/* Adds what belongs to the line that has begun; what is too much is cut, the
 * rest of the line skipped. */
static void add(struct follow *f, const char *bytes, size_t len)
{
    size_t room = FOLLOW_LINE_BYTES - f->len;

    memcpy(f->line + f->len, bytes, len < room ? len : room);
    f->len += len < room ? len : room;
}

static void take(struct follow *f, const char *bytes, size_t len,
                 follow_line *each, void *to)
{
    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t n = newline ? (size_t)(newline - bytes) : len;

        if (!f->skipping)
            add(f, bytes, n);
        if (!newline)
            return;
        if (!f->skipping)
            say(f, each, to);
        f->skipping = false;
        bytes += n + 1;
        len -= n + 1;
    }
}

static bool was_cut(struct follow *f)
{
    struct stat st;

    return fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < f->at;
}

/* Another file has the name, and something stands in it: the writer has gone
 * over to it, so ours is complete. */
static bool was_replaced(struct follow *f)
{
    struct stat ours, there;

    if (fstat(f->fd, &ours) != 0 || stat(f->path, &there) != 0)
        return false;
    return (ours.st_ino != there.st_ino || ours.st_dev != there.st_dev) &&
           there.st_size > 0;
}

static void begin_anew(struct follow *f)
{
    f->at = 0;
    f->len = 0;
    f->skipping = false;
}

static void read_on(struct follow *f, follow_line *each, void *to)
{
    char bytes[READ_BYTES];
    ssize_t n;

    if (was_cut(f))
        begin_anew(f);
    while ((n = pread(f->fd, bytes, sizeof(bytes), f->at)) > 0) {
        f->at += n;
        take(f, bytes, (size_t)n, each, to);
    }
}

void follow_read(struct follow *f, follow_line *each, void *to)
{
    bool replaced = true;

    while (replaced && open_file(f)) {
        replaced = was_replaced(f);
        read_on(f, each, to);
        if (!replaced)
            return;
        follow_rest(f, each, to);
        follow_fini(f);
        begin_anew(f);
    }
}

void follow_rest(struct follow *f, follow_line *each, void *to)
{
    if (f->len > 0)
        say(f, each, to);
}
