#include "serve/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#include "mock_caller.h"
#include "mock_vendor.h"

#define OK_1K_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

static struct loop *loop;
static struct upstream *up;
static struct mock_vendor vendor;
static struct mock_caller caller;

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    up = upstream_new(loop);
    memset(&caller, 0, sizeof(caller));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mock_caller_fini(&caller);
    upstream_free(up);
    loop_free(loop);
    if (vendor.port)
        mock_stop(&vendor);
    vendor.port = 0;
    return 0;
}

/* One call with `body_len` bytes, to its end. */
static void call_once(uint64_t lane, size_t body_len)
{
    struct upstream_lane to = mock_lane(lane, vendor.port);

    mock_call(&caller, up, &to, body_len);
    mock_run_until(loop, &caller.n_dones);
}

static void answer_hello(struct mock_conn *conn)
{
    while (mock_request(conn, NULL, 0))
        if (mock_say(conn, OK_1K_HEAD "hello") != 0)
            return;
}

static void an_answer_comes_whole(void **state)
{
    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    call_once(1, 1000);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(caller.status, 200);
    assert_int_equal(caller.body.len, 5);
    assert_memory_equal(caller.body.bytes, "hello", 5);
    assert_false(caller.reused);
    assert_true(caller.sent_all);
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    for (int i = 0; i < 100; i++) {
        call_once(1, 1000);
        assert_int_equal(caller.fault, FAULT_NONE);
        assert_int_equal(caller.reused, i > 0);
    }
    assert_int_equal(atomic_load(&vendor.n_conns), 1);
    assert_int_equal(upstream_counts(up).idle, 1);
    assert_int_equal(upstream_counts(up).active, 0);
}

/* A request on a kept connection is sent when this turn of the loop ends. */
static void a_request_cancelled_in_its_turn_was_never_sent(void **state)
{
    struct upstream_lane to;

    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    call_once(1, 1000);
    to = mock_lane(1, vendor.port);
    mock_call(&caller, up, &to, 1000);
    assert_true(upstream_reused(caller.call));
    assert_false(upstream_sent_any(caller.call));
    upstream_cancel(caller.call);
    mock_run_ms(loop, 50);
    assert_int_equal(atomic_load(&vendor.n_requests), 1);
    call_once(1, 1000);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(atomic_load(&vendor.n_requests), 2);
}

/* So many wait for each other, and no more. */
static void requests_wait_for_a_few_others_only(void **state)
{
    enum {
        CALLS = 40
    };

    static struct mock_caller callers[CALLS];
    struct upstream_lane to;
    int n_sent = 0;

    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    to = mock_lane(1, vendor.port);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CALLS; i++)
            mock_call(&callers[i], up, &to, 100);
        for (int i = 0; i < CALLS && round; i++)
            n_sent += upstream_sent_all(callers[i].call);
        for (int i = 0; i < CALLS; i++) {
            mock_run_until(loop, &callers[i].n_dones);
            assert_int_equal(callers[i].fault, FAULT_NONE);
            assert_int_equal(callers[i].reused, round);
        }
    }
    assert_int_equal(n_sent, CALLS / 16 * 16);
    for (int i = 0; i < CALLS; i++)
        mock_caller_fini(&callers[i]);
}

/* Nor does a large one: what it is made of is in the cache now. */
static void a_large_request_does_not_wait(void **state)
{
    struct upstream_lane to;

    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    call_once(1, 1000);
    to = mock_lane(1, vendor.port);
    mock_call(&caller, up, &to, 300 * 1024);
    assert_true(upstream_reused(caller.call));
    assert_true(upstream_sent_any(caller.call));
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(caller.fault, FAULT_NONE);
}

static void two_keys_never_share_a_connection(void **state)
{
    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    for (int i = 0; i < 100; i++)
        call_once(1 + (uint64_t)(i % 2), 10);
    assert_int_equal(atomic_load(&vendor.n_conns), 2);
    assert_int_equal(upstream_counts(up).reused, 98);
}

static void an_aged_connection_is_closed_and_not_used(void **state)
{
    struct upstream_lane to;

    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    to = mock_lane(1, vendor.port);
    to.idle_ms = 100;
    mock_call(&caller, up, &to, 10);
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(upstream_counts(up).idle, 1);
    mock_run_ms(loop, 200);
    assert_int_equal(upstream_counts(up).idle, 0);
    assert_int_equal(atomic_load(&vendor.n_live), 0);
    mock_call(&caller, up, &to, 10);
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_false(caller.reused);
}

static void hang_up_when_idle(struct mock_conn *conn)
{
    mock_request(conn, NULL, 0);
    mock_say(conn, OK_1K_HEAD "hello");
    usleep(20000);
}

static void an_idle_connection_that_the_vendor_ends_is_closed(void **state)
{
    (void)state;
    mock_start(&vendor, hang_up_when_idle, NULL, NULL);
    call_once(1, 10);
    assert_int_equal(upstream_counts(up).idle, 1);
    mock_run_ms(loop, 100);
    assert_int_equal(upstream_counts(up).idle, 0);
    call_once(1, 10);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(atomic_load(&vendor.n_conns), 2);
}

static void speak_when_idle(struct mock_conn *conn)
{
    mock_request(conn, NULL, 0);
    mock_say(conn, OK_1K_HEAD "hello");
    usleep(20000);
    mock_say(conn, OK_1K_HEAD "never");
    (void)mock_wait_end(conn, 2000);
}

static void a_vendor_that_speaks_unasked_loses_the_connection(void **state)
{
    (void)state;
    mock_start(&vendor, speak_when_idle, NULL, NULL);
    call_once(1, 10);
    mock_run_ms(loop, 100);
    assert_int_equal(upstream_counts(up).idle, 0);
}

static void say_too_much(struct mock_conn *conn)
{
    mock_request(conn, NULL, 0);
    mock_say(conn, OK_1K_HEAD "hello" OK_1K_HEAD "never");
    (void)mock_wait_end(conn, 2000);
}

static void a_connection_with_stray_bytes_is_not_kept(void **state)
{
    (void)state;
    mock_start(&vendor, say_too_much, NULL, NULL);
    call_once(1, 10);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(caller.body.len, 5);
    assert_int_equal(upstream_counts(up).idle, 0);
}

static void answer_then_close(struct mock_conn *conn)
{
    if (mock_request(conn, NULL, 0) && conn->number % 2)
        return; /* executed, and no answer */
    mock_say(conn, OK_1K_HEAD "hello");
    mock_request(conn, NULL, 0);
}

static void a_request_is_executed_once_for_each_attempt(void **state)
{
    enum {
        TIMES = 2000
    };

    int faults = 0;

    (void)state;
    mock_start(&vendor, answer_then_close, NULL, NULL);
    for (int i = 0; i < TIMES; i++) {
        call_once(1, 100);
        if (caller.fault == FAULT_HUNG_UP)
            faults++;
        else
            assert_int_equal(caller.fault, FAULT_NONE);
        assert_true(caller.sent_any);
    }
    assert_int_equal(atomic_load(&vendor.n_requests), TIMES);
    assert_true(faults > TIMES / 2);
}

static void answer_fully_closed(struct mock_conn *conn)
{
    mock_request(conn, NULL, 0);
    mock_say(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                   "Content-Length: 2\r\n\r\nok");
    (void)mock_wait_end(conn, 2000);
}

static void a_connection_the_vendor_will_close_is_not_kept(void **state)
{
    (void)state;
    mock_start(&vendor, answer_fully_closed, NULL, NULL);
    call_once(1, 10);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(upstream_counts(up).idle, 0);
}

static void refuse_early(struct mock_conn *conn)
{
    char some[1000];

    (void)!sock_read(&conn->sock, some, sizeof(some));
    mock_say(conn, "HTTP/1.1 413 Payload Too Large\r\n"
                   "Content-Length: 3\r\n\r\nbig");
    usleep(50000); /* so that the answer is not overtaken by what it reads */
    (void)mock_wait_end(conn, 5000);
}

static void an_early_refusal_is_read_while_the_body_is_sent(void **state)
{
    (void)state;
    mock_start(&vendor, refuse_early, NULL, NULL);
    call_once(1, 64 << 20);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(caller.status, 413);
    assert_int_equal(caller.body.len, 3);
    assert_false(caller.sent_all);
    assert_int_equal(upstream_counts(up).idle, 0);
}

static void refuse_and_reset(struct mock_conn *conn)
{
    char some[1000];

    (void)!sock_read(&conn->sock, some, sizeof(some));
    mock_say(conn, "HTTP/1.1 413 Payload Too Large\r\n"
                   "Content-Length: 3\r\n\r\nbig");
    usleep(50000); /* so that the answer is not overtaken */
}

static void an_early_refusal_followed_by_a_reset_is_read(void **state)
{
    (void)state;
    mock_start(&vendor, refuse_and_reset, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        call_once(1, 16 << 20);
        assert_int_equal(caller.fault, FAULT_NONE);
        assert_int_equal(caller.status, 413);
    }
}

static void a_large_upload_arrives(void **state)
{
    (void)state;
    mock_start(&vendor, answer_hello, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        call_once(1, 64 << 20);
        assert_int_equal(caller.fault, FAULT_NONE);
    }
    assert_int_equal(atomic_load(&vendor.n_conns), 1);
    assert_true(atomic_load(&vendor.n_bytes) > 3 * 64 * 1024 * 1024);
}

static void stream_60_mb(struct mock_conn *conn)
{
    static char block[1 << 16];
    char line[32];

    while (mock_request(conn, NULL, 0)) {
        mock_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        snprintf(line, sizeof(line), "%zx\r\n", sizeof(block));
        for (int i = 0; i < 60 * 16; i++) {
            memset(block, 'a' + i % 26, sizeof(block));
            if (mock_say(conn, line) ||
                mock_write(conn, block, sizeof(block)) ||
                mock_say(conn, "\r\n"))
                return;
        }
        mock_say(conn, "0\r\n\r\n");
    }
}

static bool is_paused; /* then no body may come */

static enum fault pause_each_16th(struct mock_caller *c, const char *bytes)
{
    assert_false(is_paused);
    if (bytes && c->n_bodies % 16 == 0) {
        upstream_pause(c->call);
        is_paused = true;
    }
    return FAULT_NONE;
}

static void a_paused_stream_waits_and_then_comes_whole(void **state)
{
    struct upstream_lane to;
    int pauses = 0;

    (void)state;
    mock_start(&vendor, stream_60_mb, NULL, NULL);
    to = mock_lane(1, vendor.port);
    caller.hook = pause_each_16th;
    mock_call(&caller, up, &to, 10);
    while (!caller.n_dones) {
        mock_run_ms(loop, 1);
        if (!is_paused || caller.n_dones)
            continue;
        if (pauses++ < 5)
            mock_run_ms(loop, 30); /* nothing comes: see the hook */
        is_paused = false;
        upstream_resume(caller.call);
    }
    assert_true(pauses > 50);
    assert_int_equal(caller.fault, FAULT_NONE);
    assert_int_equal(caller.body.len, 60 * 1024 * 1024);
    for (size_t i = 0; i < caller.body.len; i += 1 << 16)
        assert_int_equal(caller.body.bytes[i], 'a' + (int)(i >> 16) % 26);
    assert_int_equal(upstream_counts(up).idle, 1);
}

static void a_paused_call_does_not_spin_when_the_vendor_goes(void **state)
{
    struct upstream_lane to;
    clock_t before;

    (void)state;
    mock_start(&vendor, hang_up_when_idle, NULL, NULL);
    to = mock_lane(1, vendor.port);
    caller.hook = pause_each_16th;
    mock_call(&caller, up, &to, 10);
    upstream_pause(caller.call);
    before = clock();
    mock_run_ms(loop, 300);
    assert_true(clock() - before < CLOCKS_PER_SEC / 10);
    assert_int_equal(caller.n_heads, 0);
    upstream_resume(caller.call);
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(caller.fault, FAULT_NONE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_comes_whole),
        CASE(a_connection_is_used_again),
        CASE(a_request_cancelled_in_its_turn_was_never_sent),
        CASE(requests_wait_for_a_few_others_only),
        CASE(a_large_request_does_not_wait),
        CASE(two_keys_never_share_a_connection),
        CASE(an_aged_connection_is_closed_and_not_used),
        CASE(an_idle_connection_that_the_vendor_ends_is_closed),
        CASE(a_vendor_that_speaks_unasked_loses_the_connection),
        CASE(a_connection_with_stray_bytes_is_not_kept),
        CASE(a_request_is_executed_once_for_each_attempt),
        CASE(a_connection_the_vendor_will_close_is_not_kept),
        CASE(an_early_refusal_is_read_while_the_body_is_sent),
        CASE(an_early_refusal_followed_by_a_reset_is_read),
        CASE(a_large_upload_arrives),
        CASE(a_paused_stream_waits_and_then_comes_whole),
        CASE(a_paused_call_does_not_spin_when_the_vendor_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
