#include <event2/event.h>

#include "base/fatal.h"

#include "serve/call.h"

enum {
    SLICES_MOST = 16,     /* of one write */
    RECORD_BYTES = 16384, /* the largest of TLS */
};

void call_watch_writable(struct upstream_call *call, bool on)
{
    struct conn *conn = call->conn;

    if (on == conn->writable_on)
        return;
    conn->writable_on = on;
    if (!on)
        event_del(&conn->writable);
    else if (event_add(&conn->writable, NULL) != 0)
        fatal("cannot watch a connection");
}

/* Sending */

/* The next slices to go out, as many as one write takes. */
static size_t gather(const struct upstream_call *call, struct slice *into,
                     size_t *bytes)
{
    size_t n = 0, skip = call->sent;

    *bytes = 0;
    for (size_t i = 0; i < call->n_parts && n < SLICES_MOST; i++) {
        struct slice part = call->parts[i];

        if (part.len > skip) {
            into[n++] = (struct slice){part.bytes + skip, part.len - skip};
            *bytes += part.len - skip;
        }
        skip = 0;
    }
    return n;
}

static void advance(struct upstream_call *call, size_t n)
{
    call->sent += n;
    while (call->n_parts && call->sent >= call->parts->len) {
        call->sent -= call->parts->len;
        call->parts++;
        call->n_parts--;
    }
}

static void broke(struct upstream_call *call)
{
    call->write_broken = true;
    call_watch_writable(call, false);
    call_again(call);
}

void call_send(struct upstream_call *call)
{
    struct sock *sock = &call->conn->sock;
    struct slice some[SLICES_MOST];
    size_t bytes, done = 0;

    advance(call, 0); /* empty parts */
    while (call->n_parts && !call->write_broken && done < CALL_WRITE_MOST) {
        size_t n = gather(call, some, &bytes);
        ssize_t sent = sock_writev(sock, some, n);

        if (sent == SOCK_AGAIN) {
            call_watch_writable(call, !sock->ssl || sock->wants_write);
            return;
        }
        if (sent <= 0) {
            broke(call);
            return;
        }
        call->sent_any = true;
        done += (size_t)sent;
        advance(call, (size_t)sent);
        if (!sock->ssl && (size_t)sent < bytes)
            break; /* the socket is full */
    }
    if (!call->write_broken)
        call_watch_writable(call, call->n_parts > 0);
}

/* Receiving */

/* After a callback that returned `fault`: does the call go on? */
static bool goes_on(struct upstream_call *call, enum fault fault)
{
    call->busy = false;
    if (call->gone) {
        call_free(call);
        return false;
    }
    if (fault == FAULT_NONE)
        return true;
    call_finish(call, fault, "");
    return false;
}

/* Gives on what is in the input; what a pause leaves of it stays in *in.
 * False: the call is gone. */
static bool give_on(struct upstream_call *call, struct slice *in)
{
    const struct upstream_watcher *w = &call->watcher;
    struct incoming_piece piece;
    bool given = false;

    while (!call->paused) {
        enum incoming_step step = incoming_next(&call->incoming, in, &piece);
        enum fault fault;

        if (step == INCOMING_WANTS)
            break;
        if (step == INCOMING_WHOLE || step == INCOMING_GARBLED) {
            call->stray = in->len > 0;
            call_finish(call,
                        step == INCOMING_WHOLE ? FAULT_NONE : FAULT_GARBLED,
                        step == INCOMING_WHOLE ? "" : piece.why);
            return false;
        }
        call->busy = given = true;
        fault = step == INCOMING_HEAD ? w->on_head(call->data, &piece.head)
                                      : w->on_body(call->data, piece.body);
        if (!goes_on(call, fault))
            return false;
    }
    if (!given)
        return true;
    call->busy = true;
    w->on_read_end(call->data);
    return goes_on(call, FAULT_NONE);
}

static bool give_on_rest(struct upstream_call *call)
{
    struct slice in = {call->rest.bytes, call->rest.len};

    call->resumed = false;
    if (!give_on(call, &in))
        return false;
    buf_drop(&call->rest, call->rest.len - in.len);
    if (!call->rest.len)
        buf_fini(&call->rest);
    return true;
}

/* As much as is there, at most CALL_READ_BYTES; `*more`: maybe not all. */
static ssize_t read_some(struct sock *sock, char *into, bool *more)
{
    size_t had = 0;
    ssize_t n;

    *more = false;
    if (!sock->ssl) {
        n = sock_read(sock, into, CALL_READ_BYTES);
        *more = n == CALL_READ_BYTES;
        return n;
    }
    do {
        n = sock_read(sock, into + had, CALL_READ_BYTES - had);
        if (n > 0)
            had += (size_t)n;
        *more =
            n > 0 ? n >= RECORD_BYTES || sock_pending(sock) : n != SOCK_AGAIN;
    } while (n > 0 && *more && had <= CALL_READ_BYTES - RECORD_BYTES);
    return had ? (ssize_t)had : n;
}

static void ended(struct upstream_call *call, bool clean)
{
    const char *why;
    enum fault fault = incoming_end(&call->incoming, clean, &why);

    if (fault == FAULT_HUNG_UP && !call->sent_any) {
        fault = FAULT_UNREACHABLE;
        why = "the connection was dead before anything was sent";
    }
    call_finish(call, fault, why);
}

static void ran_dry(struct upstream_call *call)
{
    if (call->write_broken)
        ended(call, false);
    else if (call->conn->sock.wants_write)
        call_watch_writable(call, true);
    else if (!call->n_parts)
        call_watch_writable(call, false);
}

void call_receive(struct upstream_call *call)
{
    struct conn *conn = call->conn;
    char *into = loop_scratch(call->upstream->loop);
    size_t got = 0;
    bool more = true;

    if (call->paused || (call->resumed && !give_on_rest(call)))
        return;
    if (call->rest.len)
        return; /* paused anew, or resumed anew: call_again() has it */
    while (more && !call->paused && got < CALL_READ_MOST) {
        ssize_t n = read_some(&conn->sock, into, &more);
        struct slice in = {into, n > 0 ? (size_t)n : 0};

        if (n == SOCK_AGAIN) {
            ran_dry(call);
            return;
        }
        if (n <= 0) {
            ended(call, n == SOCK_EOF);
            return;
        }
        got += in.len;
        if (!give_on(call, &in))
            return;
        if (buf_add(&call->rest, in) != 0)
            fatal("more was read than fits");
        if (in.len)
            return;
    }
    if (!call->paused && conn->sock.ssl && (more || call->write_broken))
        call_again(call);
}
