#include "cli/admin_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

enum {
    ANSWER_MOST = 64 << 20,
    READ_BYTES = 64 << 10,
    PATIENCE_S = 30,
};

/* The directory is opened first: an address holds at most 107 bytes. */
static int dial(const char *path, struct arena *a)
{
    const struct timeval patience = {PATIENCE_S, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    const char *dir =
        slash ? arena_strndup(a, path, (size_t)(slash + 1 - path)) : ".";
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, n, saved;

    if (at < 0)
        return -1;
    n = snprintf(address.sun_path, sizeof(address.sun_path),
                 "/proc/self/fd/%d/%s", at, slash ? slash + 1 : path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    errno = ENAMETOOLONG;
    if (fd >= 0 &&
        (n >= (int)sizeof(address.sun_path) ||
         connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)) {
        saved = errno;
        close(fd);
        errno = saved;
        fd = -1;
    }
    saved = errno;
    close(at);
    errno = saved;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static int send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int receive_all(int fd, struct buf *b)
{
    for (;;) {
        char *room = buf_room(b, READ_BYTES);
        ssize_t n;

        if (!room) {
            errno = EFBIG;
            return -1;
        }
        n = recv(fd, room, READ_BYTES, 0);
        if (n <= 0)
            return n < 0 ? -1 : 0;
        buf_grow(b, (size_t)n);
    }
}

static int split(struct admin_answer *out, struct slice all, struct arena *a)
{
    const char *text = arena_strndup(a, all.bytes, all.len);
    const char *body = strstr(text, "\r\n\r\n");

    errno = EPROTO;
    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || !body)
        return -1;
    out->status = (int)strtol(text + 9, NULL, 10);
    out->body = slice_of(body + 4);
    return 0;
}

int admin_call(struct admin_answer *out, const char *socket_path,
               const char *request, const char *body, struct arena *a)
{
    int fd = dial(socket_path, a), status = -1, saved;
    const char *text =
        arena_printf(a,
                     "%s HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     request, body ? strlen(body) : 0, body ? body : "");
    struct buf b;

    if (fd < 0)
        return -1;
    buf_init(&b, ANSWER_MOST);
    if (send_all(fd, text, strlen(text)) == 0 && receive_all(fd, &b) == 0)
        status = split(out, (struct slice){b.bytes, b.len}, a);
    saved = errno;
    buf_fini(&b);
    close(fd);
    errno = saved;
    return status;
}
