#include "record/routing_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"

#include "record/recorder.h"

enum {
    LOOK_MS = 1000, /* between looks whether the file was renamed */
};

/* A line that a crash or a full disk cut short must not swallow the next. */
static bool is_torn(const char *path, off_t size)
{
    int fd = size > 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    char last = '\n';

    if (fd < 0)
        return false;
    if (pread(fd, &last, 1, size - 1) != 1)
        last = '\n';
    close(fd);
    return last != '\n';
}

/* O_NONBLOCK is for a pipe in the file's place. */
static int open_file(struct routing_log *g)
{
    struct stat st;

    g->looked_ms = clock_mono_ms();
    g->fd = open(g->path,
                 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (g->fd < 0) {
        g->error = errno;
        return -1;
    }
    g->torn = fstat(g->fd, &st) == 0 && S_ISREG(st.st_mode) &&
              is_torn(g->path, st.st_size);
    return 0;
}

static void close_file(struct routing_log *g)
{
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
}

int routing_log_open(struct routing_log *g, const char *path)
{
    *g = (struct routing_log){.path = path, .fd = -1};
    g->text = malloc(ROUTING_LOG_BYTES);
    if (!g->text)
        fatal("out of memory opening the routing log");
    return open_file(g);
}

void routing_log_close(struct routing_log *g)
{
    routing_log_flush(g);
    if (g->n_lost > 0)
        log_line(LOG_WARN, "routing_log_ended", "lines_lost=%" PRIu64,
                 g->n_lost);
    close_file(g);
    free(g->text);
    g->text = NULL;
}

void routing_log_reopen(struct routing_log *g)
{
    routing_log_flush(g);
    close_file(g);
    g->looked_ms = 0;
}

static bool was_renamed(const struct routing_log *g)
{
    struct stat ours, there;

    if (fstat(g->fd, &ours) != 0 || stat(g->path, &there) != 0)
        return true;
    return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

/* Each second at most: is our file still the one at the path? */
static void look(struct routing_log *g)
{
    int64_t now_ms = clock_mono_ms();

    if (g->looked_ms != 0 && now_ms - g->looked_ms < LOOK_MS)
        return;
    g->looked_ms = now_ms;
    if (g->fd >= 0 && was_renamed(g))
        close_file(g);
    if (g->fd < 0)
        open_file(g);
}

/* Lines that are whole in the first `n` bytes. */
static uint32_t count_lines(const char *text, size_t n)
{
    uint32_t lines = 0;

    for (const char *at = text, *end = text + n;
         (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return lines;
}

static void tell_losses(struct routing_log *g)
{
    if (g->n_lost > 0)
        log_line(LOG_WARN, "routing_log_recovered", "lines_lost=%" PRIu64,
                 g->n_lost);
    g->n_lost = 0;
}

static void lose(struct routing_log *g, uint32_t n)
{
    if (g->n_lost == 0)
        log_line(LOG_ERROR, "routing_log_failed", "file=\"%s\" error=\"%s\"",
                 g->path, strerror(g->error));
    g->n_lost += n;
}

/* The first bytes that were written; less than `len` only on a full disk or
 * pipe. */
static size_t put(struct routing_log *g, const char *text, size_t len)
{
    ssize_t n = write(g->fd, text, len);

    if (n < 0)
        g->error = errno;
    else if ((size_t)n < len)
        g->error = ENOSPC;
    if (n <= 0)
        return 0;
    g->torn = text[n - 1] != '\n';
    return (size_t)n;
}

void routing_log_flush(struct routing_log *g)
{
    uint32_t n_written = 0;

    if (g->n_lines == 0)
        return;
    look(g);
    if (g->fd >= 0 && g->torn)
        put(g, "\n", 1); /* what was cut off becomes a line of its own */
    if (g->fd >= 0 && !g->torn)
        n_written = count_lines(g->text, put(g, g->text, g->len));
    if (n_written > 0)
        tell_losses(g);
    if (n_written < g->n_lines)
        lose(g, g->n_lines - n_written);
    g->n_lines = 0;
    g->len = 0;
}

void routing_log_add(struct routing_log *g, const struct receipt *receipt)
{
    if (ROUTING_LOG_BYTES - g->len < RECEIPT_JSON_MOST)
        routing_log_flush(g);
    g->len +=
        receipt_json(receipt, g->text + g->len, ROUTING_LOG_BYTES - g->len);
    g->n_lines++;
}

void routing_log_add_line(struct routing_log *g, struct slice line)
{
    ENSURE(line.len <= RECEIPT_JSON_MOST);
    if (ROUTING_LOG_BYTES - g->len < RECEIPT_JSON_MOST)
        routing_log_flush(g);
    memcpy(g->text + g->len, line.bytes, line.len);
    g->len += line.len;
    g->n_lines++;
}
