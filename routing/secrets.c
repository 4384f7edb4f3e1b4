/* secrets.c - vendors' keys, from where a process may have them: its
 * environment, or files that nobody else can read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/diag.h"

#include "routing/snapshot.h"

enum {
    FILE_BYTES_MOST = 64 * 1024,
    OTHERS_MAY = S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH,
};

/* May what stands in it be used? */
static bool file_is_fit(int fd, const char *path, const struct place *at,
                        struct diag *diag)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        diag_error(diag, at, "%s is not a regular file", path);
        return false;
    }
    if (st.st_mode & OTHERS_MAY) {
        diag_error(diag, at,
                   "%s is open to other users; close it with: chmod 600 %s",
                   path, path);
        return false;
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        diag_error(diag, at, "%s belongs to another user (uid %u)", path,
                   (unsigned)st.st_uid);
        return false;
    }
    if (st.st_size > FILE_BYTES_MOST) {
        diag_error(diag, at, "%s is larger than %d bytes", path,
                   FILE_BYTES_MOST);
        return false;
    }
    return true;
}

/* The whole file, or NULL. */
static char *take_bytes(int fd, struct arena *a)
{
    char *bytes = arena_alloc(a, FILE_BYTES_MOST + 1);
    size_t len = 0;
    ssize_t n;

    do {
        n = read(fd, bytes + len, FILE_BYTES_MOST - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? NULL : bytes;
}

static char *read_file(const struct conf_key_source *from, const char *dir,
                       struct arena *a, struct diag *diag)
{
    const char *path = from->file;
    char *text = NULL;
    int fd;

    if (*path != '/')
        path = arena_printf(a, "%s/%s", dir, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        if (errno != ENOENT)
            diag_error(diag, &from->place, "%s cannot be read: %s", path,
                       strerror(errno));
        return NULL;
    }
    if (file_is_fit(fd, path, &from->place, diag)) {
        text = take_bytes(fd, a);
        if (!text)
            diag_error(diag, &from->place, "%s cannot be read", path);
    }
    close(fd);
    return text;
}

static char *read_secret(void *self, const struct conf_key_source *from,
                         const char *dir, struct arena *a, struct diag *diag)
{
    const char *value;

    (void)self;
    if (from->file)
        return read_file(from, dir, a, diag);
    value = getenv(from->env);
    return value && *value ? arena_strndup(a, value, strlen(value)) : NULL;
}

const struct secret_source secrets_of_process = {.read = read_secret};

static char *assume(void *self, const struct conf_key_source *from,
                    const char *dir, struct arena *a, struct diag *diag)
{
    static const char text[] = "assumed-for-reckoning-never-sent-out";

    (void)self;
    (void)from;
    (void)dir;
    (void)diag;
    return arena_strndup(a, text, sizeof(text) - 1);
}

const struct secret_source secrets_assumed = {.read = assume};
