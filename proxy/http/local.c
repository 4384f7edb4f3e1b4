/* local.c - unix sockets: for those who are on this machine, known by the
 * kernel's word. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/conn.h"

enum {
    BACKLOG = 64,
    ONLY_US = 0177, /* umask of 0600 */
};

/* The address of `name` in an open directory: as short as one must be. */
static bool address_in(struct sockaddr_un *out, int dir, const char *name)
{
    int n;

    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s",
                 dir, name);
    return n > 0 && (size_t)n < sizeof(out->sun_path);
}

/* The directory of `path`, opened; *name is what stands in it. */
static int open_dir_of(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char dir[4096] = ".";

    *name = slash ? slash + 1 : path;
    if (slash == path)
        return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (slash && (size_t)(slash - path) >= sizeof(dir)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (slash) {
        memcpy(dir, path, (size_t)(slash - path));
        dir[slash - path] = '\0';
    }
    return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool bind_alone(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(ONLY_US);
    int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));

    umask(before);
    return rc == 0 && listen(fd, BACKLOG) == 0;
}

/* Only a socket goes; a file that was named by mistake stays. */
static void remove_old(int dir, const char *name)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISSOCK(st.st_mode))
        unlinkat(dir, name, 0);
}

int http_listen_local(const char *path, char *error, size_t error_size)
{
    struct sockaddr_un address;
    const char *name;
    int dir = open_dir_of(path, &name), fd = -1;

    errno = dir < 0 ? errno : ENAMETOOLONG;
    if (dir >= 0 && address_in(&address, dir, name)) {
        remove_old(dir, name);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && !bind_alone(fd, &address)) {
            int saved = errno;

            close(fd);
            errno = saved;
            fd = -1;
        }
    }
    if (fd < 0)
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
    if (dir >= 0)
        close(dir);
    return fd;
}

int64_t http_peer_user(const struct http_request *req)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(req->conn->sock.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) !=
            0 ||
        peer.pid <= 0)
        return -1;
    return peer.uid;
}
