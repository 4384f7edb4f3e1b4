#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"

enum {
    TEXT_BYTES = 1024,
    LINE_BYTES = 2048, /* below PIPE_BUF: poll() then promises the room */
    ESCAPE_BYTES = 4,  /* "\x1b" */
};

static const char *const words[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static atomic_int least = LOG_INFO;

/* Between poll() and write() no other thread may use up the room. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static unsigned long n_dropped; /* since the last line; under `turn` */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&least, (int)level, memory_order_relaxed);
}

/* Could `at` begin something that a terminal obeys or that ends the line?
 * Then how many bytes of it. C1 controls are two bytes in UTF-8. */
static size_t control_at(const char *at)
{
    unsigned char c = (unsigned char)at[0], next = (unsigned char)at[1];

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

/* Appends `text` with every control character spelt out. */
static size_t escape(char *line, size_t len, size_t size, const char *text)
{
    static const char hex[] = "0123456789abcdef";

    while (*text && len + 2 * (size_t)ESCAPE_BYTES < size) {
        size_t n = control_at(text);

        if (n == 0) {
            if (*text == '\\')
                line[len++] = '\\';
            line[len++] = *text++;
            continue;
        }
        for (; n > 0; n--, text++) {
            unsigned char c = (unsigned char)*text;

            line[len++] = '\\';
            line[len++] = 'x';
            line[len++] = hex[c >> 4];
            line[len++] = hex[c & 15];
        }
    }
    return len;
}

static bool write_now(const char *line, size_t len)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n;

    if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
        return false;
    do
        n = write(STDERR_FILENO, line, len);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

static size_t begin_line(char *line, enum log_level level, const char *event)
{
    char at[TIME_TEXT];

    return (size_t)snprintf(line, LINE_BYTES, "%s level=%s event=%s",
                            time_text(clock_unix_ms(), at), words[level],
                            event);
}

/* A reader that does not read costs lines, never time; once it reads again
 * it is told how many. */
static void put_line(const char *line, size_t len)
{
    char loss[LINE_BYTES];
    size_t n;

    pthread_mutex_lock(&turn);
    if (n_dropped > 0) {
        n = begin_line(loss, LOG_WARN, "log_dropped");
        n += (size_t)snprintf(loss + n, sizeof(loss) - n, " lines=%lu\n",
                              n_dropped);
        if (write_now(loss, n))
            n_dropped = 0;
    }
    if (n_dropped > 0 || !write_now(line, len))
        n_dropped++;
    pthread_mutex_unlock(&turn);
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    char text[TEXT_BYTES], line[LINE_BYTES];
    size_t len;
    va_list args;
    int n;

    if ((int)level > atomic_load_explicit(&least, memory_order_relaxed))
        return;
    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    len = begin_line(line, level, event);
    if (text[0])
        line[len++] = ' ';
    len = escape(line, len, sizeof(line), text);
    line[len++] = '\n';
    put_line(line, len);
}

void log_text(const char *lines)
{
    while (*lines) {
        const char *end = strchr(lines, '\n');
        size_t len = end ? (size_t)(end + 1 - lines) : strlen(lines);

        if (len > LINE_BYTES)
            len = LINE_BYTES;
        put_line(lines, len);
        lines += len;
    }
}
