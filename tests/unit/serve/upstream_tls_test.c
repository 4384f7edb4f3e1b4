/* Calls over TLS: whom they trust, what they resume, how they end. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/clock.h"

#include "http/tls.h"
#include "mock_caller.h"
#include "mock_certs.h"
#include "mock_vendor.h"
#include "serve/upstream.h"

static struct mock_certs certs;
static struct loop *loop;
static struct upstream *up;
static struct mock_vendor vendor;
static struct mock_caller caller;
static struct tls_context *server;
static atomic_int n_resumed;

static int make_certs(void **state)
{
    (void)state;
    mock_certs_make(&certs);
    return 0;
}

static int remove_certs(void **state)
{
    (void)state;
    mock_certs_remove(&certs);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    up = upstream_new(loop);
    memset(&caller, 0, sizeof(caller));
    atomic_store(&n_resumed, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mock_caller_fini(&caller);
    upstream_free(up);
    loop_free(loop);
    mock_stop(&vendor);
    tls_context_free(server);
    server = NULL;
    return 0;
}

static void serve(const char *name, void (*play)(struct mock_conn *))
{
    char error[128] = "", pem[64], key[64];

    snprintf(pem, sizeof(pem), "%s/%s.pem", certs.dir, name);
    snprintf(key, sizeof(key), "%s/%s.key", certs.dir, name);
    server = tls_server_new(pem, key, error, sizeof(error));
    assert_string_equal(error, "");
    mock_start(&vendor, play, NULL, server);
}

static struct upstream_lane lane_with(const char *ca)
{
    struct upstream_lane to = mock_lane(1, vendor.port);

    to.tls = true;
    to.ca_file = mock_certs_path(&certs, ca);
    return to;
}

static void call_with(const char *ca, size_t body_len)
{
    struct upstream_lane to = lane_with(ca);

    mock_call(&caller, up, &to, body_len);
    mock_run_until(loop, &caller.n_dones);
}

static void play_hello(struct mock_conn *conn)
{
    if (SSL_session_reused(conn->sock.ssl))
        atomic_fetch_add(&n_resumed, 1);
    while (mock_request(conn, NULL, 0))
        mock_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void a_vendor_whose_authority_is_trusted_is_called(void **state)
{
    (void)state;
    serve("good", play_hello);
    for (int i = 0; i < 50; i++) {
        call_with("ca.pem", 1000);
        assert_int_equal(caller.fault, FAULT_NONE);
        assert_memory_equal(caller.body.bytes, "hello", 5);
        assert_int_equal(caller.reused, i > 0);
    }
    assert_int_equal(atomic_load(&vendor.n_conns), 1);
}

static void assert_not_one_byte(void)
{
    assert_int_equal(caller.fault, FAULT_UNREACHABLE);
    assert_false(caller.sent_any);
    mock_run_ms(loop, 20);
    assert_int_equal(atomic_load(&vendor.n_bytes), 0);
    assert_int_equal(atomic_load(&vendor.n_requests), 0);
}

static void an_unknown_authority_gets_not_one_byte(void **state)
{
    (void)state;
    serve("good", play_hello);
    call_with("other_ca.pem", 1000);
    assert_not_one_byte();
    assert_non_null(strstr(caller.detail, "certificate refused"));
    {
        struct upstream_lane to = lane_with("ca.pem");

        to.ca_file = NULL; /* the system's */
        to.lane = 2;
        mock_call(&caller, up, &to, 10);
        mock_run_until(loop, &caller.n_dones);
        assert_not_one_byte();
    }
}

static void a_certificate_for_another_host_gets_not_one_byte(void **state)
{
    (void)state;
    serve("wrong", play_hello);
    call_with("ca.pem", 1000);
    assert_not_one_byte();
    assert_non_null(strstr(caller.detail, "certificate refused"));
}

static void an_expired_certificate_gets_not_one_byte(void **state)
{
    (void)state;
    serve("expired", play_hello);
    call_with("ca.pem", 1000);
    assert_not_one_byte();
    assert_non_null(strstr(caller.detail, "expired"));
}

static void a_missing_file_of_authorities_is_told(void **state)
{
    (void)state;
    serve("good", play_hello);
    call_with("none.pem", 1000);
    assert_not_one_byte();
    assert_non_null(strstr(caller.detail, "authorities"));
}

static void play_plain_http(struct mock_conn *conn)
{
    char some[1024];

    (void)!read(conn->sock.fd, some, sizeof(some));
    mock_say(conn, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void a_vendor_without_tls_is_unreachable(void **state)
{
    (void)state;
    mock_start(&vendor, play_plain_http, NULL, NULL);
    call_with("ca.pem", 1000);
    assert_int_equal(caller.fault, FAULT_UNREACHABLE);
    assert_non_null(strstr(caller.detail, "TLS handshake failed"));
}

static void play_once(struct mock_conn *conn)
{
    if (SSL_session_reused(conn->sock.ssl))
        atomic_fetch_add(&n_resumed, 1);
    mock_request(conn, NULL, 0);
    mock_say(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                   "Content-Length: 5\r\n\r\nhello");
}

static void a_session_is_resumed_by_the_next_connection(void **state)
{
    (void)state;
    serve("good", play_once);
    for (int i = 0; i < 10; i++) {
        call_with("ca.pem", 1000);
        assert_int_equal(caller.fault, FAULT_NONE);
    }
    assert_int_equal(atomic_load(&vendor.n_conns), 10);
    assert_int_equal(atomic_load(&n_resumed), 9);
}

static void play_until_goodbye(struct mock_conn *conn)
{
    mock_request(conn, NULL, 0);
    mock_say(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    if (conn->number % 2) { /* ends the stream without a goodbye */
        shutdown(conn->sock.fd, SHUT_WR);
        (void)mock_wait_end(conn, 2000);
        mock_hang_up(conn, true);
    }
}

static void an_end_without_a_goodbye_is_a_cut(void **state)
{
    (void)state;
    serve("good", play_until_goodbye);
    for (int i = 0; i < 6; i++) {
        call_with("ca.pem", 1000);
        assert_int_equal(caller.fault, i % 2 ? FAULT_CUT_SHORT : FAULT_NONE);
        assert_int_equal(caller.body.len, 5);
    }
}

static void play_large(struct mock_conn *conn)
{
    static char block[50000];
    char line[32];

    while (mock_request(conn, NULL, 0)) {
        mock_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        snprintf(line, sizeof(line), "%zx\r\n", sizeof(block));
        for (int i = 0; i < 400; i++) {
            memset(block, 'a' + i % 26, sizeof(block));
            mock_say(conn, line);
            if (mock_write(conn, block, sizeof(block)) != 0)
                return;
            mock_say(conn, "\r\n");
        }
        mock_say(conn, "0\r\n\r\n");
    }
}

static enum fault pause_each_32nd(struct mock_caller *c, const char *bytes)
{
    if (bytes && c->n_bodies % 32 == 0)
        upstream_pause(c->call);
    return FAULT_NONE;
}

static void large_bodies_go_both_ways_through_pauses(void **state)
{
    struct upstream_lane to;

    (void)state;
    serve("good", play_large);
    caller.hook = pause_each_32nd;
    to = lane_with("ca.pem");
    for (int i = 0; i < 2; i++) {
        mock_call(&caller, up, &to, 16 << 20);
        while (!caller.n_dones) {
            mock_run_ms(loop, 1);
            if (!caller.n_dones)
                upstream_resume(caller.call);
        }
        assert_int_equal(caller.fault, FAULT_NONE);
        assert_int_equal(caller.body.len, 400 * 50000);
        for (size_t at = 0; at < caller.body.len; at += 50000)
            assert_int_equal(caller.body.bytes[at],
                             'a' + (int)(at / 50000) % 26);
    }
    assert_int_equal(atomic_load(&vendor.n_conns), 1);
}

static atomic_llong ended_ms;

static void play_silent(struct mock_conn *conn)
{
    if (mock_wait_end(conn, 5000) >= 0)
        atomic_store(&ended_ms, clock_mono_ms());
}

static void a_cancel_in_the_handshake_reaches_the_vendor(void **state)
{
    struct upstream_lane to;
    int64_t began_ms;

    (void)state;
    mock_start(&vendor, play_silent, NULL, NULL);
    to = lane_with("ca.pem");
    mock_call(&caller, up, &to, 10);
    mock_run_ms(loop, 50);
    began_ms = clock_mono_ms();
    upstream_cancel(caller.call);
    caller.call = NULL;
    while (!atomic_load(&ended_ms) && clock_mono_ms() < began_ms + 5000)
        mock_run_ms(loop, 1);
    assert_in_range(atomic_load(&ended_ms), began_ms, began_ms + 100);
}

static void a_handshake_that_hangs_times_out(void **state)
{
    struct upstream_lane to;
    int64_t began_ms = clock_mono_ms();

    (void)state;
    mock_start(&vendor, play_silent, NULL, NULL);
    to = lane_with("ca.pem");
    caller.connect_ms = 200;
    mock_call(&caller, up, &to, 10);
    mock_run_until(loop, &caller.n_dones);
    assert_in_range(clock_mono_ms() - began_ms, 200, 1000);
    assert_int_equal(caller.fault, FAULT_UNREACHABLE);
    assert_string_equal(caller.detail, "timed out in the TLS handshake");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_vendor_whose_authority_is_trusted_is_called),
        CASE(an_unknown_authority_gets_not_one_byte),
        CASE(a_certificate_for_another_host_gets_not_one_byte),
        CASE(an_expired_certificate_gets_not_one_byte),
        CASE(a_missing_file_of_authorities_is_told),
        CASE(a_vendor_without_tls_is_unreachable),
        CASE(a_session_is_resumed_by_the_next_connection),
        CASE(an_end_without_a_goodbye_is_a_cut),
        CASE(large_bodies_go_both_ways_through_pauses),
        CASE(a_cancel_in_the_handshake_reaches_the_vendor),
        CASE(a_handshake_that_hangs_times_out),
    };

    return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
