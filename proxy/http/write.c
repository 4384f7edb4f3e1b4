#include "base/fatal.h"

#include "http/conn.h"

/* So little must be left in the queue before a handler that was asked to
 * stop is asked to go on: this part of stream_buffer_bytes. */
enum {
    LOW_PART = 16,
};

static void queue(struct http_conn *c, const struct slice *parts, size_t n,
                  size_t sent)
{
    for (size_t i = 0; i < n; i++) {
        struct slice p = parts[i];
        size_t skip = sent < p.len ? sent : p.len;

        sent -= skip;
        p.bytes += skip;
        p.len -= skip;
        if (buf_add(&c->out, p) != 0)
            fatal("a reply of more than %d bytes", CONN_OUT_MOST_BYTES);
    }
}

void conn_send(struct http_conn *c, const struct slice *parts, size_t n)
{
    size_t total = 0;
    ssize_t sent = SOCK_AGAIN;

    for (size_t i = 0; i < n; i++)
        total += parts[i].len;
    if (c->gone || c->state == CONN_DEAD || !total)
        return;
    if (!c->out.len)
        sent = sock_writev(&c->sock, parts, n);
    if (sent == (ssize_t)total)
        return;
    if (sent <= 0 && sent != SOCK_AGAIN) {
        conn_leave(c);
        return;
    }
    if (!c->out.len)
        c->moved_ms = loop_now_ms(c->server->loop);
    queue(c, parts, n, sent > 0 ? (size_t)sent : 0);
    conn_rearm(c);
    conn_watch(c);
}

/* False: the client takes no more now. */
static bool flush_once(struct http_conn *c)
{
    struct slice all = {c->out.bytes, c->out.len};
    ssize_t sent = sock_writev(&c->sock, &all, 1);

    if (sent == SOCK_AGAIN)
        return false;
    if (sent <= 0) {
        conn_leave(c);
        return false;
    }
    c->moved_ms = loop_now_ms(c->server->loop);
    buf_drop(&c->out, (size_t)sent);
    return true;
}

void conn_flush(struct http_conn *c)
{
    struct turn *t = c->turn;

    while (flush_once(c) && c->edge && c->out.len)
        continue;
    if (!c->out.len) {
        buf_fini(&c->out);
        conn_rearm(c);
    }
    if (c->gone || !t || !t->stalled || t->ended ||
        c->out.len > c->server->limits->stream_buffer_bytes / LOW_PART)
        return;
    t->stalled = false;
    if (t->req.on_drained)
        t->req.on_drained(t->req.handler_data);
}
