#include "serve/dial.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"

#include "mock_caller.h"
#include "mock_vendor.h"

/* Names of the tests' own, looked up in place of the system's resolver. */
enum {
    SLOW_MS = 1500,
    BLOCKED_MS = 500, /* a loop held up for longer waited for a lookup */
};

static atomic_int n_lookups;

static int resolve(const char *address, const char *service,
                   const struct addrinfo *hints, struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(address, service, hints, out);
}

int getaddrinfo(const char *name, const char *service, // NOLINT
                const struct addrinfo *hints, struct addrinfo **out)
{
    if (!name || !strstr(name, ".test"))
        return resolve(name, service, hints, out);
    atomic_fetch_add(&n_lookups, 1);
    if (strstr(name, "slow"))
        usleep(SLOW_MS * 1000);
    if (strstr(name, "missing"))
        return EAI_NONAME;
    if (strstr(name, "two")) { /* the first of them refuses */
        int rc = resolve("127.0.0.9", service, hints, out);

        if (rc == 0)
            rc = resolve("127.0.0.1", service, hints, &(*out)->ai_next);
        return rc;
    }
    return resolve("127.0.0.1", service, hints, out);
}

static struct loop *loop;
static struct dialer *dialer;
static struct mock_vendor vendor;

struct caller {
    int n_done, fd;
    char reason[256];
};

static void on_done(void *arg, int fd, const char *reason)
{
    struct caller *c = arg;

    assert_int_equal(c->n_done, 0);
    c->n_done++;
    c->fd = fd;
    snprintf(c->reason, sizeof(c->reason), "%s", reason ? reason : "");
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    dialer = dialer_new(loop);
    atomic_store(&n_lookups, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dialer_free(dialer);
    loop_free(loop);
    if (vendor.port)
        mock_stop(&vendor);
    vendor.port = 0;
    return 0;
}

static struct dial *start(struct caller *c, const char *host,
                          int64_t timeout_ms)
{
    struct dial_to to = {host, vendor.port, NULL, timeout_ms};

    *c = (struct caller){.fd = -1};
    return dial_start(dialer, &to, on_done, c);
}

static void dial(struct caller *c, const char *host)
{
    (void)start(c, host, 5000);
    assert_int_equal(c->n_done, 0);
    mock_run_until(loop, &c->n_done);
}

/* The longest the loop was away, in ms; ends when *flag is set, or after
 * for_ms. */
static int64_t lag_until(const int *flag, int64_t for_ms)
{
    int64_t began_ms = clock_mono_ms(), last_ms = began_ms, most_ms = 0;

    while (!*flag && last_ms - began_ms < for_ms) {
        int64_t now_ms;

        event_base_loop(loop_events(loop), EVLOOP_NONBLOCK);
        usleep(1000);
        now_ms = clock_mono_ms();
        if (now_ms - last_ms > most_ms)
            most_ms = now_ms - last_ms;
        last_ms = now_ms;
    }
    print_message("the loop was away for %d ms at most\n", (int)most_ms);
    return most_ms;
}

static void echo(struct mock_conn *conn)
{
    char bytes[64];
    ssize_t n;

    while ((n = sock_read(&conn->sock, bytes, sizeof(bytes))) > 0)
        if (mock_write(conn, bytes, (size_t)n) != 0)
            return;
}

static void assert_speaks(int fd)
{
    char bytes[8] = "";

    assert_int_equal(write(fd, "hello", 5), 5);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    assert_int_equal(recv(fd, bytes, 5, MSG_WAITALL), 5);
    assert_memory_equal(bytes, "hello", 5);
}

static void a_socket_comes_non_blocking_and_undelayed(void **state)
{
    struct caller c;
    int on = 0;
    socklen_t len = sizeof(on);

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    dial(&c, "127.0.0.1");
    assert_true(c.fd >= 0);
    assert_true(fcntl(c.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(c.fd, F_GETFD) & FD_CLOEXEC);
    getsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
    assert_true(on);
    assert_speaks(c.fd);
    close(c.fd);
}

static void the_socket_outlives_the_dialer(void **state)
{
    struct caller c;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    dial(&c, "localhost");
    dialer_free(dialer);
    dialer = dialer_new(loop);
    assert_speaks(c.fd);
    close(c.fd);
}

static void a_refusal_is_told(void **state)
{
    struct caller c;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    vendor.port++;
    dial(&c, "127.0.0.1");
    vendor.port--;
    assert_int_equal(c.fd, -1);
    assert_string_equal(c.reason, "could not connect: Connection refused");
}

static void an_unknown_name_is_told(void **state)
{
    struct caller c;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    dial(&c, "missing.test");
    assert_string_equal(c.reason, "Could not resolve host: missing.test");
    dial(&c, "no host/at all");
    assert_string_equal(c.reason,
                        "not a host or forward proxy that can be dialled");
}

static void the_second_address_is_tried(void **state)
{
    struct caller c;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    dial(&c, "two.test");
    assert_true(c.fd >= 0);
    assert_speaks(c.fd);
    close(c.fd);
}

static void a_slow_lookup_times_out_and_never_holds_the_loop(void **state)
{
    struct caller c;
    int64_t began_ms, lag_ms;
    int no = 0;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    (void)start(&c, "slow.test", 200);
    began_ms = clock_mono_ms();
    lag_ms = lag_until(&c.n_done, 5000);
    assert_in_range(clock_mono_ms() - began_ms, 200, 200 + BLOCKED_MS);
    assert_string_equal(c.reason, "timed out looking up the name");
    assert_true(lag_ms < BLOCKED_MS);
    lag_ms = lag_until(&no, SLOW_MS); /* until the answer is in */
    assert_true(lag_ms < BLOCKED_MS);
    (void)start(&c, "slow.test", 1000);
    mock_run_until(loop, &c.n_done);
    assert_true(c.fd >= 0);
    close(c.fd);
    assert_int_equal(atomic_load(&n_lookups), 1);
}

static void cancelling_a_slow_lookup_takes_no_time(void **state)
{
    struct dial *dials[50];
    struct caller callers[50], last;
    int64_t began_ms;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    for (int i = 0; i < 50; i++)
        dials[i] = start(&callers[i], "slow.test", 5000);
    mock_run_ms(loop, 100);
    began_ms = clock_mono_ms();
    for (int i = 0; i < 50; i++)
        dial_cancel(dials[i]);
    assert_true(clock_mono_ms() - began_ms < BLOCKED_MS);
    (void)start(&last, "slow.test", 5000);
    assert_true(lag_until(&last.n_done, 5000) < BLOCKED_MS);
    assert_true(last.fd >= 0);
    close(last.fd);
    for (int i = 0; i < 50; i++)
        assert_int_equal(callers[i].n_done, 0);
    assert_int_equal(atomic_load(&n_lookups), 1);
}

static void ending_the_dialer_in_a_lookup_takes_no_time(void **state)
{
    struct caller c;
    struct dial *dial;
    int64_t began_ms;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    dial = start(&c, "slow.test", 5000);
    mock_run_ms(loop, 100);
    assert_int_equal(atomic_load(&n_lookups), 1);
    dial_cancel(dial);
    began_ms = clock_mono_ms();
    dialer_free(dialer);
    assert_true(clock_mono_ms() - began_ms < BLOCKED_MS);
    dialer = dialer_new(loop);
    usleep(SLOW_MS * 1000); /* its thread still uses this program's names */
}

static void many_dials_make_one_lookup(void **state)
{
    struct caller callers[200];

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    for (int i = 0; i < 200; i++)
        (void)start(&callers[i], i % 2 ? "slow.test" : "good.test", 5000);
    for (int i = 0; i < 200; i++) {
        mock_run_until(loop, &callers[i].n_done);
        assert_true(callers[i].fd >= 0);
        close(callers[i].fd);
    }
    assert_int_equal(atomic_load(&n_lookups), 2);
}

static void a_failed_lookup_fails_all_who_waited(void **state)
{
    struct caller callers[100];

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    for (int i = 0; i < 100; i++)
        (void)start(&callers[i], "slow.missing.test", 5000);
    for (int i = 0; i < 100; i++) {
        mock_run_until(loop, &callers[i].n_done);
        assert_string_equal(callers[i].reason,
                            "Could not resolve host: slow.missing.test");
    }
    assert_int_equal(atomic_load(&n_lookups), 1);
}

/* A forward proxy that says what it was asked, then echoes. */
static void forward(struct mock_conn *conn)
{
    const char *reply = conn->vendor->data;
    char head[1024] = "";

    if (!mock_request(conn, head, sizeof(head) - 1))
        return;
    mock_say(conn, reply);
    *strstr(head, "\r\n") = '\0';
    mock_say(conn, head);
    echo(conn);
}

static void dial_by_proxy(struct caller *c, const char *proxy)
{
    struct dial_to to = {"vendor.example", 80, proxy, 5000};

    struct dial *dial;

    *c = (struct caller){.fd = -1};
    dial = dial_start(dialer, &to, on_done, c);
    assert_non_null(dial);
    mock_run_until(loop, &c->n_done);
}

static void a_forward_proxy_is_asked_to_connect(void **state)
{
    static char reply[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    static const char asked[] = "CONNECT vendor.example:80 HTTP/1.1";
    char proxy[64], got[64] = "";
    struct caller c;

    (void)state;
    setenv("no_proxy", "*", 1);
    mock_start(&vendor, forward, reply, NULL);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", vendor.port);
    dial_by_proxy(&c, proxy);
    unsetenv("no_proxy");
    assert_true(c.fd >= 0);
    (void)fcntl(c.fd, F_SETFL, 0);
    assert_int_equal(recv(c.fd, got, sizeof(asked) - 1, MSG_WAITALL),
                     sizeof(asked) - 1);
    assert_string_equal(got, asked); /* not one byte was eaten */
    assert_speaks(c.fd);
    close(c.fd);
}

static void a_forward_proxy_that_refuses_is_told(void **state)
{
    static char reply[] =
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    char proxy[64];
    struct caller c;

    (void)state;
    mock_start(&vendor, forward, reply, NULL);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", vendor.port);
    dial_by_proxy(&c, proxy);
    assert_int_equal(c.fd, -1);
    assert_non_null(strstr(c.reason, "403"));
    dial_by_proxy(&c, "https://127.0.0.1:1");
    assert_int_equal(c.fd, -1);
}

static void the_environment_names_no_proxy(void **state)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy",
                                        "ALL_PROXY", "https_proxy"};
    struct caller c;

    (void)state;
    mock_start(&vendor, echo, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    dial(&c, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    assert_true(c.fd >= 0);
    assert_speaks(c.fd);
    close(c.fd);
}

static void let_go(struct mock_conn *conn)
{
    (void)mock_wait_end(conn, 5000);
}

static void ten_thousand_dials_leave_nothing_open(void **state)
{
    static const struct linger at_once = {1, 0};
    struct caller c;
    size_t before;
    clock_t began;

    (void)state;
    mock_start(&vendor, let_go, NULL, NULL);
    dial(&c, "127.0.0.1");
    close(c.fd);
    mock_run_ms(loop, 50);
    before = mock_open_files();
    began = clock();
    for (int i = 0; i < 10000; i++) {
        struct dial *extra = NULL;
        struct caller unused;

        if (i % 3 == 0)
            extra = start(&unused, i % 2 ? "localhost" : "127.0.0.1", 5000);
        dial(&c, i % 4 ? "127.0.0.1" : "good.test");
        assert_true(c.fd >= 0);
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        assert_int_equal(close(c.fd), 0);
        if (extra && !unused.n_done) {
            dial_cancel(extra);
        } else if (extra) {
            setsockopt(unused.fd, SOL_SOCKET, SO_LINGER, &at_once,
                       sizeof(at_once));
            assert_int_equal(close(unused.fd), 0);
        }
    }
    print_message("%.1f us of CPU for a dial, the vendor's side included\n",
                  (double)(clock() - began) * 1e6 / CLOCKS_PER_SEC / 13333);
    do {
        mock_run_ms(loop, 50); /* the last one was cancelled */
    } while (atomic_load(&vendor.n_live));
    assert_int_equal(mock_open_files(), before);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_socket_comes_non_blocking_and_undelayed),
        CASE(the_socket_outlives_the_dialer),
        CASE(a_refusal_is_told),
        CASE(an_unknown_name_is_told),
        CASE(the_second_address_is_tried),
        CASE(a_slow_lookup_times_out_and_never_holds_the_loop),
        CASE(cancelling_a_slow_lookup_takes_no_time),
        CASE(ending_the_dialer_in_a_lookup_takes_no_time),
        CASE(many_dials_make_one_lookup),
        CASE(a_failed_lookup_fails_all_who_waited),
        CASE(a_forward_proxy_is_asked_to_connect),
        CASE(a_forward_proxy_that_refuses_is_told),
        CASE(the_environment_names_no_proxy),
        CASE(ten_thousand_dials_leave_nothing_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
