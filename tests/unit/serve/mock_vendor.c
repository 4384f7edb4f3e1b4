#include "mock_vendor.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fatal.h"

#include "http/tls.h"

static void *run_conn(void *arg)
{
    struct mock_conn *conn = arg;
    struct mock_vendor *v = conn->vendor;
    char error[128];

    if (!v->tls || (tls_begin(&conn->sock, v->tls, "", 0) == 0 &&
                    tls_handshake(&conn->sock, error, sizeof(error)) == 1))
        v->play(conn);
    mock_hang_up(conn, false);
    free(conn);
    atomic_fetch_sub(&v->n_live, 1);
    return NULL;
}

static void *run_vendor(void *arg)
{
    struct mock_vendor *v = arg;
    pthread_attr_t attr;
    pthread_t thread;
    int fd, one = 1;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 262144);
    while ((fd = accept4(v->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct mock_conn *conn = calloc(1, sizeof(*conn));

        ENSURE(conn);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        conn->vendor = v;
        conn->sock.fd = fd;
        conn->number = atomic_fetch_add(&v->n_conns, 1);
        atomic_fetch_add(&v->n_live, 1);
        ENSURE(pthread_create(&thread, &attr, run_conn, conn) == 0);
    }
    pthread_attr_destroy(&attr);
    return NULL;
}

void mock_start(struct mock_vendor *v, void (*play)(struct mock_conn *),
                const void *data, struct tls_context *tls)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    memset(v, 0, sizeof(*v));
    v->play = play;
    v->data = data;
    v->tls = tls;
    v->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(bind(v->listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    ENSURE(listen(v->listen_fd, 1024) == 0);
    ENSURE(getsockname(v->listen_fd, (struct sockaddr *)&at, &len) == 0);
    v->port = ntohs(at.sin_port);
    ENSURE(pthread_create(&v->thread, NULL, run_vendor, v) == 0);
}

void mock_stop(struct mock_vendor *v)
{
    shutdown(v->listen_fd, SHUT_RDWR);
    pthread_join(v->thread, NULL);
    close(v->listen_fd);
    while (atomic_load(&v->n_live))
        usleep(1000);
}

size_t mock_request(struct mock_conn *conn, char *into, size_t size)
{
    char head[8192], *end, *length;
    size_t len = 0, total;
    ssize_t n;

    do {
        n = sock_read(&conn->sock, head + len, sizeof(head) - 1 - len);
        if (n <= 0)
            return 0;
        atomic_fetch_add(&conn->vendor->n_bytes, (int)n);
        len += (size_t)n;
        head[len] = '\0';
    } while (!(end = strstr(head, "\r\n\r\n")) && len < sizeof(head) - 1);
    ENSURE(end);
    length = strcasestr(head, "content-length: ");
    total =
        (size_t)(end + 4 - head) + (length ? strtoul(length + 16, 0, 10) : 0);
    if (into)
        memcpy(into, head, len < size ? len : size);
    while (len < total) {
        n = sock_read(&conn->sock, head, sizeof(head));
        if (n <= 0)
            return 0;
        atomic_fetch_add(&conn->vendor->n_bytes, (int)n);
        if (into && len < size)
            memcpy(into + len, head,
                   (size_t)n < size - len ? (size_t)n : size - len);
        len += (size_t)n;
    }
    atomic_fetch_add(&conn->vendor->n_requests, 1);
    return len;
}

int mock_write(struct mock_conn *conn, const char *bytes, size_t len)
{
    while (len) {
        struct slice part = {bytes, len};
        ssize_t n = sock_writev(&conn->sock, &part, 1);

        if (n <= 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int mock_say(struct mock_conn *conn, const char *text)
{
    return mock_write(conn, text, strlen(text));
}

void mock_hang_up(struct mock_conn *conn, bool reset)
{
    if (conn->sock.fd >= 0)
        sock_close(&conn->sock, reset);
}

int64_t mock_wait_end(struct mock_conn *conn, int64_t most_ms)
{
    int64_t began_ms = clock_mono_ms(), left_ms;
    char waste[65536];

    while ((left_ms = began_ms + most_ms - clock_mono_ms()) > 0) {
        struct pollfd p = {.fd = conn->sock.fd, .events = POLLIN};

        if (poll(&p, 1, (int)left_ms) == 1 &&
            read(p.fd, waste, sizeof(waste)) <= 0)
            return clock_mono_ms() - began_ms;
    }
    return -1;
}
