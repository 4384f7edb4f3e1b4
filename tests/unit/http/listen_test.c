/* listen_test.c - several listening sockets at one address. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"

enum {
    LISTENERS = 4,
    CONNECTIONS = 64,
};

static void open_all(int fds[LISTENERS], struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    char address[32], error[256];

    fds[0] = http_listen_open("127.0.0.1:0", error, sizeof(error));
    assert_true(fds[0] >= 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)at, &len), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(at->sin_port));
    for (int i = 1; i < LISTENERS; i++) {
        fds[i] = http_listen_open(address, error, sizeof(error));
        if (fds[i] < 0)
            fail_msg("%s", error);
    }
}

static int taken_by(int listener)
{
    int n = 0;

    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; n++)
        close(fd);
    return n;
}

/* By chance one gets none of 64 in one run of 25 million. */
static void each_of_them_gets_connections_of_its_own(void **state)
{
    int fds[LISTENERS], clients[CONNECTIONS], sum = 0;
    struct sockaddr_in at = {0};

    (void)state;
    open_all(fds, &at);
    for (int i = 0; i < CONNECTIONS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(
            connect(clients[i], (struct sockaddr *)&at, sizeof(at)), 0);
    }
    for (int i = 0; i < LISTENERS; i++) {
        int n = taken_by(fds[i]);

        assert_in_range(n, 1, CONNECTIONS - LISTENERS + 1);
        sum += n;
        close(fds[i]);
    }
    assert_int_equal(sum, CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++)
        close(clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_them_gets_connections_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
