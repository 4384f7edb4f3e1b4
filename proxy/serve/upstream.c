#include "serve/upstream.h"

#include <stdio.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/fatal.h"

#include "http/tls.h"
#include "serve/call.h"

/*
 *   upstream_start -> kept connection ------------> sending -> head -> body
 *                  \-> dialling -> TLS handshake -/                     |
 *                                                              call_finish
 *
 * dialling     on_dialled()          -> shake() or begin_sending()
 * handshake    on_event() -> shake() -> begin_sending()
 * sending      send_soon() -> call_send(); call_receive() listens already
 * head, body   call_receive()        -> call_finish()
 * any          on_deadline(), upstream_cancel()
 *
 * Invariants:
 * U1 A call has a dial or a connection until it is over, never both.
 * U2 conn->call == call as long as call->conn == conn; a kept one has none.
 * U3 A byte of a request is given to one connection, once.
 * U4 on_done is the last callback of a call.
 */

enum {
    DUE_MOST = 16,               /* requests that wait to be sent together */
    DUE_BYTES_MOST = 256 * 1024, /* of them: they are in the cache still */
};

/* Looking again */

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *u = arg;
    struct upstream_call *mine = u->again, *call;

    (void)fd;
    (void)what;
    u->again = NULL; /* what is put there now waits for the next turn */
    if (mine)
        mine->again_prev = &mine;
    while ((call = mine)) {
        mine = call->again_next;
        if (mine)
            mine->again_prev = &mine;
        call->again_prev = NULL;
        if (call->conn && !call->shaking)
            call_receive(call);
    }
}

void call_again(struct upstream_call *call)
{
    struct upstream *u = call->upstream;
    struct timeval now = {0, 0};

    if (call->again_prev)
        return;
    if (!u->again && event_add(&u->again_event, &now) != 0)
        fatal("cannot arm a timer");
    call->again_next = u->again;
    if (call->again_next)
        call->again_next->again_prev = &call->again_next;
    call->again_prev = &u->again;
    u->again = call;
}

static void not_again(struct upstream_call *call)
{
    if (!call->again_prev)
        return;
    *call->again_prev = call->again_next;
    if (call->again_next)
        call->again_next->again_prev = call->again_prev;
    call->again_prev = NULL;
}

/* Sending together: at the end of a turn of the loop, one write right after
 * another. A vendor that is woken for the first is awake for the next, and
 * writes between other work wake it each time, which costs more than they. */

static void not_due(struct upstream_call *call)
{
    struct upstream *u = call->upstream;

    if (!call->due_prev)
        return;
    *call->due_prev = call->due_next;
    if (call->due_next)
        call->due_next->due_prev = call->due_prev;
    else
        u->last_due = call->due_prev;
    call->due_prev = NULL;
}

static void send_due(struct upstream *u)
{
    struct upstream_call *call;

    u->n_due = 0;
    u->due_bytes = 0;
    while ((call = u->first_due)) {
        not_due(call);
        call_send(call);
    }
}

static void on_send(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_due(arg);
}

static void send_soon(struct upstream_call *call)
{
    struct upstream *u = call->upstream;

    if (!u->first_due)
        event_active(&u->send_event, EV_TIMEOUT, 0);
    call->due_next = NULL;
    call->due_prev = u->last_due;
    *u->last_due = call;
    u->last_due = &call->due_next;
    u->n_due++;
    for (size_t i = 0; i < call->n_parts; i++)
        u->due_bytes += call->parts[i].len;
    if (u->n_due >= DUE_MOST || u->due_bytes >= DUE_BYTES_MOST)
        send_due(u);
}

struct upstream *upstream_new(struct loop *loop)
{
    struct arena *arena = arena_new();
    struct upstream *u = arena_alloc(arena, sizeof(*u));

    u->loop = loop;
    u->arena = arena;
    u->dialer = dialer_new(loop);
    lanes_init(&u->lanes, loop, arena);
    pool_init(&u->calls, sizeof(struct upstream_call));
    event_assign(&u->again_event, loop_events(loop), -1, 0, on_again, u);
    u->last_due = &u->first_due;
    event_assign(&u->send_event, loop_events(loop), -1, 0, on_send, u);
    return u;
}

void upstream_free(struct upstream *u)
{
    if (!u)
        return;
    ENSURE(u->n_active == 0);
    event_del(&u->again_event);
    event_del(&u->send_event);
    lanes_fini(&u->lanes);
    pool_fini(&u->calls);
    dialer_free(u->dialer);
    arena_free(u->arena);
}

void upstream_warm(struct upstream *u)
{
    lanes_warm(&u->lanes);
}

/* The end of a call */

static bool may_keep(const struct upstream_call *call)
{
    return call->incoming.keep_alive && upstream_sent_all(call) &&
           !call->write_broken && !call->stray &&
           !sock_pending(&call->conn->sock);
}

static void let_go_of_conn(struct upstream_call *call, bool whole)
{
    struct conn *conn = call->conn;
    bool unsent = call->sent_any && !upstream_sent_all(call);

    call->conn = NULL;
    if (!whole) {
        lane_conn_close(conn,
                        unsent); /* half a request had better not arrive */
        return;
    }
    if (conn->writable_on)
        event_del(&conn->writable);
    conn->writable_on = false;
    if (call->paused && event_add(&conn->readable, NULL) != 0)
        fatal("cannot watch a connection");
    lane_keep(conn);
}

/* All but the memory, which upstream_sent_any() may still be asked of. */
static void detach(struct upstream_call *call, bool whole)
{
    timer_stop(&call->deadline);
    not_again(call);
    not_due(call);
    if (call->dial)
        dial_cancel(call->dial);
    call->dial = NULL;
    if (call->conn)
        let_go_of_conn(call, whole);
    lane_leave(call->lane);
    call->upstream->n_active--;
    call->gone = true;
}

void call_free(struct upstream_call *call)
{
    incoming_fini(&call->incoming);
    buf_fini(&call->rest);
    pool_give(&call->upstream->calls, call);
}

void call_finish(struct upstream_call *call, enum fault fault,
                 const char *detail)
{
    detach(call, fault == FAULT_NONE && may_keep(call));
    call->watcher.on_done(call->data, fault, detail);
    call_free(call);
}

void upstream_cancel(struct upstream_call *call)
{
    if (call->gone)
        return; /* from inside its on_done */
    detach(call, false);
    if (!call->busy)
        call_free(call);
}

/* The beginning of a call */

static void on_deadline(void *arg)
{
    struct upstream_call *call = arg;

    call_finish(call, FAULT_UNREACHABLE,
                call->shaking ? "timed out in the TLS handshake"
                              : "timed out connecting");
}

static void begin_sending(struct upstream_call *call)
{
    timer_stop(&call->deadline);
    if (call->paused)
        event_del(&call->conn->readable);
    call_send(call);
}

static void shake(struct upstream_call *call)
{
    struct conn *conn = call->conn;
    char error[160] = "";
    int step = tls_handshake(&conn->sock, error, sizeof(error));

    if (step == SOCK_AGAIN) {
        call_watch_writable(call, conn->sock.wants_write);
        return;
    }
    if (step != 1) {
        call_finish(call, FAULT_UNREACHABLE, error);
        return;
    }
    call->shaking = false;
    call_watch_writable(call, false);
    begin_sending(call);
    if (sock_pending(&conn->sock))
        call_again(call);
}

static void go_on(struct upstream_call *call, short what)
{
    struct conn *conn = call->conn;

    if (call->shaking) {
        shake(call);
        return;
    }
    /* TLS may have to read before it can write, and the other way about. */
    if (!upstream_sent_all(call) && ((what & EV_WRITE) || conn->sock.ssl))
        call_send(call);
    if ((what & EV_READ) || conn->sock.ssl || call->write_broken)
        call_receive(call);
}

static void on_event(int fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct loop *loop = conn->lane->lanes->loop;

    (void)fd;
    loop_stop_clock(loop);
    if (conn->call)
        go_on(conn->call, what);
    else
        lane_conn_stirred(conn);
    loop_start_clock(loop);
}

static void on_dialled(void *arg, int fd, const char *reason)
{
    struct upstream_call *call = arg;
    char error[160];

    call->dial = NULL;
    if (fd < 0) {
        call_finish(call, FAULT_UNREACHABLE, reason);
        return;
    }
    call->conn = lane_conn_new(call->lane, fd, on_event);
    call->conn->call = call;
    if (!call->lane->trust) {
        begin_sending(call);
        return;
    }
    if (lane_begin_tls(call->conn, error, sizeof(error)) != 0) {
        call_finish(call, FAULT_UNREACHABLE, error);
        return;
    }
    call->shaking = true;
    shake(call);
}

struct upstream_call *upstream_start(struct upstream *u,
                                     const struct upstream_request *request,
                                     const struct upstream_watcher *watcher,
                                     void *watcher_data)
{
    struct upstream_call *call = pool_take(&u->calls);
    const struct upstream_lane *to = &request->to;
    struct dial_to dial_to = {to->host, to->port, to->forward_proxy,
                              request->connect_ms};

    *call = (struct upstream_call){
        .upstream = u,
        .watcher = *watcher,
        .data = watcher_data,
        .parts = request->parts,
        .n_parts = request->n_parts,
        .deadline = {.fn = on_deadline, .arg = call},
    };
    u->n_active++;
    incoming_init(&call->incoming, request->head_limit);
    buf_init(&call->rest, CALL_READ_BYTES);
    call->lane = lane_enter(&u->lanes, to);
    call->conn = lane_take(call->lane);
    if (call->conn) {
        u->n_reused++;
        call->reused = true;
        call->conn->call = call;
        send_soon(call);
        return call;
    }
    u->n_dialled++;
    timer_set(u->loop, &call->deadline, request->connect_ms);
    call->dial = dial_start(u->dialer, &dial_to, on_dialled, call);
    return call;
}

void upstream_pause(struct upstream_call *call)
{
    if (call->paused || call->gone)
        return;
    call->paused = true;
    if (call->conn && !call->shaking)
        event_del(&call->conn->readable);
}

void upstream_resume(struct upstream_call *call)
{
    if (!call->paused || call->gone)
        return;
    call->paused = false;
    call->resumed = true;
    if (!call->conn || call->shaking)
        return;
    if (event_add(&call->conn->readable, NULL) != 0)
        fatal("cannot watch a connection");
    call_again(call);
}

bool upstream_sent_any(const struct upstream_call *call)
{
    return call->sent_any;
}

bool upstream_sent_all(const struct upstream_call *call)
{
    return call->n_parts == 0;
}

bool upstream_reused(const struct upstream_call *call)
{
    return call->reused;
}

struct upstream_counts upstream_counts(const struct upstream *u)
{
    return (struct upstream_counts){
        .dialled = u->n_dialled,
        .reused = u->n_reused,
        .idle = u->lanes.n_kept,
        .active = u->n_active,
    };
}

void upstream_flush(struct upstream *u)
{
    lanes_flush(&u->lanes);
}
