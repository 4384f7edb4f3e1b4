/* held_test.c - short replies wait for the end of the loop's turn. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"

enum {
    CLIENTS = 40,
    TOGETHER = 16, /* of replies that wait */
};

static struct loop *loop;
static struct http_server *server;
static struct http_request *pending[CLIENTS];
static int n_pending, clients[CLIENTS], answered_at_once, gone;
static size_t body_bytes;
static char body[8192];

/* Clients that can read something now. */
static int n_readable(void)
{
    int n = 0;
    char byte;

    for (int i = 0; i < CLIENTS; i++)
        n += recv(clients[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    return n;
}

static void reply_to_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < n_pending; i++)
        http_reply(pending[i], 200, "text/plain",
                   (struct slice){body, body_bytes});
    memset(body, 'x', sizeof(body)); /* it was copied */
    answered_at_once = n_readable();
    loop_stop(loop);
}

static void on_gone(void *data)
{
    (void)data;
    gone++;
}

static void handle(struct http_request *req, void *site)
{
    (void)site;
    req->on_gone = on_gone;
    pending[n_pending++] = req;
    if (n_pending == CLIENTS)
        loop_post(loop, reply_to_all, NULL);
}

static const struct http_route routes[] = {{"GET", "/", NULL, handle}};
static const struct http_site site = {routes, 1, NULL};
static const struct http_limits limits = {
    .head_bytes = 4096,
    .headers = 16,
    .body_bytes = 4096,
    .early_bytes = 4096,
    .stream_buffer_bytes = 65536,
    .connections = 100,
    .requests = 1000,
    .head_ms = 20000,
    .body_ms = 20000,
    .idle_ms = 20000,
    .write_ms = 20000,
};

static void ask(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    assert_int_equal(send(fd, request, sizeof(request) - 1, 0),
                     sizeof(request) - 1);
}

static int set_up(void **state)
{
    char error[256];
    struct sockaddr_in at = {0};
    socklen_t len = sizeof(at);
    int fd = http_listen_open("127.0.0.1:0", error, sizeof(error));

    (void)state;
    assert_true(fd >= 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    loop = loop_new();
    server = http_server_new(loop, &limits, &site);
    http_server_listen(server, fd, NULL);
    n_pending = gone = 0;
    memset(body, '.', sizeof(body));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(clients[i], (struct sockaddr *)&at, len), 0);
        ask(clients[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_server_free(server);
    loop_free(loop);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    return 0;
}

static void check_answers(void)
{
    static char text[8192 + 512];

    for (int i = 0; i < CLIENTS; i++) {
        size_t len = 0;
        ssize_t n;
        char *end = NULL;

        while (!end || (size_t)(text + len - end - 4) < body_bytes) {
            n = recv(clients[i], text + len, sizeof(text) - 1 - len, 0);
            assert_true(n > 0);
            len += (size_t)n;
            text[len] = '\0';
            end = strstr(text, "\r\n\r\n");
        }
        assert_int_equal(strspn(end + 4, "."), body_bytes);
    }
}

/* Sixteen wait for each other, and no more; all come, body and all. */
static void short_replies_go_out_together(void **state)
{
    (void)state;
    body_bytes = 1000;
    loop_run(loop);
    assert_int_equal(answered_at_once, CLIENTS / TOGETHER * TOGETHER);
    loop_post(loop, (void (*)(void *))loop_stop, loop);
    loop_run(loop);
    check_answers();
    assert_int_equal(gone, 0);
}

static void long_ones_go_out_at_once(void **state)
{
    (void)state;
    body_bytes = 5000;
    loop_run(loop);
    assert_int_equal(answered_at_once, CLIENTS);
    check_answers();
}

/* The connection serves the next request after a reply that waited. */
static void a_connection_goes_on_behind_a_held_reply(void **state)
{
    (void)state;
    body_bytes = 10;
    for (int round = 0; round < 3; round++) {
        memset(body, '.', sizeof(body));
        loop_run(loop);
        n_pending = 0;
        for (int i = 0; i < CLIENTS; i++)
            ask(clients[i]);
        check_answers();
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(short_replies_go_out_together),
        CASE(long_ones_go_out_at_once),
        CASE(a_connection_goes_on_behind_a_held_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
