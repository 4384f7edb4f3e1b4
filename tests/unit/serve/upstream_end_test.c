/* How calls end before their time: cut by the vendor, or cancelled by us. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#include "mock_caller.h"
#include "mock_vendor.h"
#include "serve/upstream.h"

enum {
    SOON_MS = 100, /* the vendor sees a cancel within this */
};

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
    assert_int_equal(upstream_counts(up).active, 0);
    upstream_free(up);
    loop_free(loop);
    mock_stop(&vendor);
    return 0;
}

static void start(size_t body_len)
{
    struct upstream_lane to = mock_lane(1, vendor.port);

    mock_call(&caller, up, &to, body_len);
}

/* Cut after n bytes */

static const struct canned {
    const char *bytes;
    bool by_close;
} cans[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
     false},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world", true},
    {"HTTP/1.1 100 Continue\r\n\r\n"
     "HTTP/1.1 429 Slow\r\nContent-Length: 11\r\n\r\nhello world",
     false},
};

struct cut {
    const struct canned *can;
    size_t len;
    bool reset;
};

/* The cut to come, for the vendor's threads. */
static atomic_size_t can_to_play, len_to_play;
static atomic_bool reset_to_play;

static void play_cut(struct mock_conn *conn)
{
    const char *bytes;
    size_t len;
    bool reset;

    if (!mock_request(conn, NULL, 0))
        return;
    bytes = cans[atomic_load(&can_to_play)].bytes;
    len = atomic_load(&len_to_play);
    reset = atomic_load(&reset_to_play);
    mock_write(conn, bytes, len);
    if (reset && len)
        usleep(3000); /* so that the bytes are not overtaken */
    mock_hang_up(conn, reset);
}

static void assert_cut(const struct cut *cut)
{
    const char *body = strstr(cut->can->bytes, "hello");
    bool whole = cut->len == strlen(cut->can->bytes);

    if (whole && !(cut->can->by_close && cut->reset)) {
        assert_int_equal(caller.fault, FAULT_NONE);
    } else if (!caller.n_heads) {
        assert_int_equal(caller.fault, FAULT_HUNG_UP);
    } else if (cut->can->by_close && !cut->reset) {
        assert_int_equal(caller.fault, FAULT_NONE);
    } else {
        assert_int_equal(caller.fault, FAULT_CUT_SHORT);
    }
    if (strstr(cut->can->bytes, "chunked"))
        return;
    assert_in_range(caller.body.len, 0, 11);
    if (caller.body.len)
        assert_memory_equal(caller.body.bytes, body, caller.body.len);
}

static void play_and_check(const struct cut *cut)
{
    atomic_store(&can_to_play, (size_t)(cut->can - cans));
    atomic_store(&len_to_play, cut->len);
    atomic_store(&reset_to_play, cut->reset);
    upstream_flush(up);
    start(100);
    mock_run_until(loop, &caller.n_dones);
    assert_cut(cut);
}

static void a_cut_at_each_byte_is_told_from_an_end(void **state)
{
    (void)state;
    mock_start(&vendor, play_cut, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cans); i++)
        for (size_t len = 0; len <= strlen(cans[i].bytes); len++)
            for (int reset = 0; reset < 2; reset++)
                play_and_check(&(struct cut){&cans[i], len, reset});
}

static void play_bytes(struct mock_conn *conn)
{
    while (mock_request(conn, NULL, 0))
        for (const char *b = conn->vendor->data; *b; b++) {
            mock_write(conn, b, 1);
            usleep(200);
        }
}

static void a_byte_at_a_time_is_an_answer_all_the_same(void **state)
{
    (void)state;
    mock_start(&vendor, play_bytes, cans[1].bytes, NULL);
    for (int i = 0; i < 3; i++) {
        start(100);
        mock_run_until(loop, &caller.n_dones);
        assert_int_equal(caller.fault, FAULT_NONE);
        assert_int_equal(caller.body.len, 11);
        assert_memory_equal(caller.body.bytes, "hello world", 11);
    }
    assert_int_equal(atomic_load(&vendor.n_conns), 1);
}

static void play_endless_head(struct mock_conn *conn)
{
    mock_request(conn, NULL, 0);
    mock_say(conn, "HTTP/1.1 200 OK\r\n");
    while (mock_say(conn, "X-Filler: abcdefghijklmnopqrstuvwxyz\r\n") == 0)
        ;
}

static void an_endless_head_is_garbled(void **state)
{
    (void)state;
    mock_start(&vendor, play_endless_head, NULL, NULL);
    start(100);
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(caller.fault, FAULT_GARBLED);
    assert_string_equal(caller.detail, "the answer's head is too long");
}

static void play_nothing(struct mock_conn *conn)
{
    mock_hang_up(conn, true);
}

static void a_vendor_that_only_hangs_up_fails_the_call(void **state)
{
    (void)state;
    mock_start(&vendor, play_nothing, NULL, NULL);
    for (int i = 0; i < 200; i++) {
        start(i % 2 ? 100 : 4 << 20);
        mock_run_until(loop, &caller.n_dones);
        assert_true(caller.fault == FAULT_HUNG_UP ||
                    caller.fault == FAULT_UNREACHABLE);
        assert_int_equal(caller.fault == FAULT_UNREACHABLE, !caller.sent_any);
    }
}

/* Cancelled */

static atomic_llong ended_ms;

/* Says `data`, or if that is NULL reads nothing of the request. */
static void play_watch(struct mock_conn *conn)
{
    struct pollfd p = {.fd = conn->sock.fd};

    if (conn->vendor->data) {
        mock_request(conn, NULL, 0);
        mock_say(conn, conn->vendor->data);
    }
    if (conn->vendor->data ? mock_wait_end(conn, 10000) >= 0
                           : poll(&p, 1, 10000) == 1) /* reset, that is */
        atomic_store(&ended_ms, clock_mono_ms());
}

static void cancel_and_wait(void)
{
    int64_t began_ms = clock_mono_ms();

    atomic_store(&ended_ms, 0);
    upstream_cancel(caller.call);
    caller.call = NULL;
    while (!atomic_load(&ended_ms) && clock_mono_ms() < began_ms + 5000)
        mock_run_ms(loop, 1);
    assert_in_range(atomic_load(&ended_ms), began_ms, began_ms + SOON_MS);
    assert_int_equal(caller.n_dones, 0);
}

static void a_cancel_before_the_head_reaches_the_vendor(void **state)
{
    (void)state;
    mock_start(&vendor, play_watch, "", NULL);
    start(100);
    while (!atomic_load(&vendor.n_requests))
        mock_run_ms(loop, 1);
    cancel_and_wait();
}

static void a_cancel_in_the_body_reaches_the_vendor(void **state)
{
    (void)state;
    mock_start(&vendor, play_watch,
               "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", NULL);
    for (int i = 0; i < 50; i++) {
        start(100);
        mock_run_until(loop, &caller.n_bodies);
        if (i % 2)
            upstream_pause(caller.call);
        cancel_and_wait();
    }
}

static void a_cancel_in_the_upload_resets_the_connection(void **state)
{
    (void)state;
    mock_start(&vendor, play_watch, NULL, NULL);
    start(64 << 20);
    mock_run_ms(loop, 50);
    assert_true(upstream_sent_any(caller.call));
    assert_false(upstream_sent_all(caller.call));
    cancel_and_wait();
}

static void a_cancel_while_dialling_leaves_nothing(void **state)
{
    (void)state;
    mock_start(&vendor, play_watch, "", NULL);
    for (int i = 0; i < 500; i++) {
        start(100);
        if (i % 3)
            mock_run_ms(loop, i % 3 - 1);
        upstream_cancel(caller.call);
        caller.call = NULL;
    }
    mock_run_ms(loop, 50);
    assert_int_equal(caller.n_dones, 0);
}

static enum fault cancel_at(struct mock_caller *c, const char *bytes)
{
    const char *when = c->hook_data;

    if ((*when == 'h') == !bytes) {
        upstream_cancel(c->call);
        upstream_pause(c->call);
        c->call = NULL;
    }
    return FAULT_OVERLOADED; /* of no matter now */
}

static enum fault fail_at(struct mock_caller *c, const char *bytes)
{
    const char *when = c->hook_data;

    return (*when == 'h') == !bytes ? FAULT_OVERLOADED : FAULT_NONE;
}

static void play_hello(struct mock_conn *conn)
{
    while (mock_request(conn, NULL, 0))
        mock_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void a_watcher_may_cancel_from_inside(void **state)
{
    (void)state;
    mock_start(&vendor, play_hello, NULL, NULL);
    caller.hook = cancel_at;
    caller.hook_data = "head";
    for (int i = 0; i < 20; i++) {
        start(100);
        while (caller.call)
            mock_run_ms(loop, 1);
        mock_run_ms(loop, 1);
        assert_int_equal(caller.n_dones, 0);
        assert_int_equal(caller.n_read_ends, 0);
    }
    assert_int_equal(upstream_counts(up).idle, 0);
}

static void a_watchers_fault_ends_the_call(void **state)
{
    static const char head[] = "head", body[] = "body";

    (void)state;
    mock_start(&vendor, play_hello, NULL, NULL);
    caller.hook = fail_at;
    for (int i = 0; i < 20; i++) {
        caller.hook_data = i % 2 ? head : body;
        start(100);
        mock_run_until(loop, &caller.n_dones);
        assert_int_equal(caller.fault, FAULT_OVERLOADED);
    }
    assert_int_equal(upstream_counts(up).idle, 0);
}

static void a_flush_closes_kept_and_later_finished_connections(void **state)
{
    struct upstream_lane to;

    (void)state;
    mock_start(&vendor, play_hello, NULL, NULL);
    start(100);
    mock_run_until(loop, &caller.n_dones);
    to = mock_lane(2, vendor.port);
    mock_call(&caller, up, &to, 100);
    upstream_flush(up);
    assert_int_equal(upstream_counts(up).idle, 0);
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(caller.fault, FAULT_NONE);
    start(100);
    assert_false(upstream_reused(caller.call));
    mock_run_until(loop, &caller.n_dones);
}

static void nobody_listening_is_unreachable(void **state)
{
    struct upstream_lane to;

    (void)state;
    mock_start(&vendor, play_hello, NULL, NULL);
    to = mock_lane(1, 1);
    mock_call(&caller, up, &to, 100);
    mock_run_until(loop, &caller.n_dones);
    assert_int_equal(caller.fault, FAULT_UNREACHABLE);
    assert_string_equal(caller.detail, "could not connect: Connection refused");
    assert_false(caller.sent_any);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_cut_at_each_byte_is_told_from_an_end),
        CASE(a_byte_at_a_time_is_an_answer_all_the_same),
        CASE(an_endless_head_is_garbled),
        CASE(a_vendor_that_only_hangs_up_fails_the_call),
        CASE(a_cancel_before_the_head_reaches_the_vendor),
        CASE(a_cancel_in_the_body_reaches_the_vendor),
        CASE(a_cancel_in_the_upload_resets_the_connection),
        CASE(a_cancel_while_dialling_leaves_nothing),
        CASE(a_watcher_may_cancel_from_inside),
        CASE(a_watchers_fault_ends_the_call),
        CASE(a_flush_closes_kept_and_later_finished_connections),
        CASE(nobody_listening_is_unreachable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
