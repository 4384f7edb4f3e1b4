#include "http/conn.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fatal.h"

enum {
    BODY_BYTES_PER_S = 16 * 1024, /* slower bodies are timed out */
    LINGER_MS = 5000,
    RESET_POLL_MS = 20,
};

/* When the wait at hand is over, or 0: it may last. */
static int64_t deadline_ms(const struct http_conn *c)
{
    const struct http_limits *l = c->server->limits;

    if (c->out.len && c->state < CONN_LINGER)
        return c->moved_ms + l->write_ms;
    switch ((enum conn_state)c->state) {
    case CONN_HANDSHAKE:
    case CONN_HEAD: return c->since_ms + l->head_ms;
    case CONN_IDLE: return c->since_ms + l->idle_ms;
    case CONN_BODY:
        return c->since_ms + l->body_ms +
               (int64_t)(c->turn->body.len * 1000 / BODY_BYTES_PER_S);
    case CONN_LINGER:
    case CONN_RESETTING: return c->since_ms + LINGER_MS;
    case CONN_WORKING:
    case CONN_FLUSHING:
    case CONN_DEAD: return 0;
    }
    return 0;
}

/* An earlier setting is left to fire: on_timer() looks at the deadline. */
void conn_rearm(struct http_conn *c)
{
    int64_t due_ms = deadline_ms(c);
    int64_t wait_ms = due_ms - loop_now_ms(c->server->loop);

    if (due_ms)
        timer_set(c->server->loop, &c->timer,
                  c->state == CONN_RESETTING ? RESET_POLL_MS : wait_ms);
}

void conn_enter(struct http_conn *c, enum conn_state state)
{
    if (c->state == CONN_DEAD)
        return;
    c->state = (uint8_t)state;
    if (state == CONN_WORKING || state == CONN_FLUSHING)
        return; /* their only deadline is that of waiting bytes */
    c->since_ms = loop_now_ms(c->server->loop);
    if (state != CONN_BODY) /* the reader arms it, if the body is not there */
        conn_rearm(c);
}

static void shut(struct http_conn *c, bool reset)
{
    if (c->state == CONN_DEAD)
        return;
    event_del(&c->event);
    timer_stop(&c->timer);
    sock_close(&c->sock, reset);
    c->state = CONN_DEAD;
}

static void release(struct http_conn *c)
{
    struct http_server *s = c->server;
    void (*on_idle)(void *) = s->on_idle;

    ENSURE(!c->turn && !c->queued);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    buf_fini(&c->held);
    buf_fini(&c->out);
    free(c);
    s->n_conns--;
    if (s->draining && !s->n_conns && on_idle) {
        s->on_idle = NULL;
        on_idle(s->on_idle_arg);
    }
}

struct turn *conn_begin_turn(struct http_conn *c)
{
    struct arena *a = arena_new();
    struct turn *t = arena_alloc(a, sizeof(*t));
    int64_t head_ms = c->since_ms;
    bool waited = c->state == CONN_HEAD;

    t->req.conn = c;
    t->req.arena = a;
    t->last_extra = &t->extras;
    c->turn = t;
    c->ending = END_KEEP;
    conn_enter(c, CONN_BODY);
    t->req.began_ms = waited ? head_ms : c->since_ms;
    return t;
}

static void end_turn(struct http_conn *c)
{
    struct turn *t = c->turn;

    conn_drop_body(c);
    buf_fini(&t->head);
    c->turn = NULL;
    arena_free(t->req.arena);
}

/* The reply is out: on to the next request, or to the end. */
static void after_reply(struct http_conn *c)
{
    enum conn_ending ending = (enum conn_ending)c->ending;

    if (ending == END_KEEP && !c->eof && !c->server->draining) {
        conn_enter(c, CONN_IDLE);
    } else if (ending == END_RESET) {
        conn_enter(c, CONN_RESETTING);
    } else if (c->eof || (ending <= END_CLOSE && !c->held.len && !c->unread)) {
        shut(c, false);
    } else {
        buf_fini(&c->held);
        sock_shutdown(&c->sock, ending != END_BROKEN);
        conn_enter(c, CONN_LINGER);
    }
}

static void drop(struct http_conn *c)
{
    struct turn *t = c->turn;
    bool amid = t && !t->ended;

    if (amid) {
        t->ended = true;
        if (t->req.on_gone)
            t->req.on_gone(t->req.handler_data);
    }
    shut(c, amid || c->out.len);
}

/* Carries out what was decided, until nothing is left to do. May free c. */
static void settle(struct http_conn *c)
{
    c->inside = true;
    for (;;) {
        if (c->turn && c->turn->head.len)
            conn_send_head(c);
        if (c->gone && c->state != CONN_DEAD)
            drop(c);
        if (c->turn && (c->turn->ended || c->state == CONN_DEAD))
            end_turn(c);
        if (c->state == CONN_FLUSHING && !c->out.len)
            after_reply(c);
        else if (c->state == CONN_IDLE && c->held.len)
            conn_take_held(c);
        else if (c->unread && c->state != CONN_DEAD && conn_may_read(c))
            conn_read(c);
        else
            break;
    }
    c->inside = false;
    if (c->state == CONN_DEAD && c->queued)
        return; /* conn_settle_later() still holds it, and comes soon */
    if (c->state == CONN_DEAD)
        release(c);
    else
        conn_watch(c);
}

void conn_leave(struct http_conn *c)
{
    c->gone = true;
    conn_later(c);
}

void conn_later(struct http_conn *c)
{
    struct http_server *s = c->server;

    if (c->inside || c->queued)
        return;
    c->queued = true;
    c->next_later = s->later;
    if (!s->later)
        event_active(&s->later_event, EV_TIMEOUT, 0);
    s->later = c;
}

void conn_settle_later(struct http_server *s)
{
    s->n_held = 0;
    while (s->later) {
        struct http_conn *c = s->later;

        s->later = c->next_later;
        c->queued = false;
        settle(c);
    }
}

static void shake_hands(struct http_conn *c)
{
    char error[128];
    int rc = tls_handshake(&c->sock, error, sizeof(error));

    if (rc == SOCK_BROKEN)
        shut(c, false);
    if (rc != 1)
        return;
    conn_enter(c, CONN_IDLE);
    conn_read(c);
}

/* While a reply is in the making: has the client left? */
static void look_for_end(struct http_conn *c, bool closed)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (c->state != CONN_WORKING && c->state != CONN_FLUSHING)
        return;
    getsockopt(c->sock.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error || (closed && c->state == CONN_WORKING))
        conn_leave(c);
    else if (closed)
        c->eof = true; /* the reply is complete: the client may have it */
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    struct loop *loop = c->server->loop;

    (void)fd;
    loop_stop_clock(loop);
    c->inside = true;
    if (c->state == CONN_HANDSHAKE) {
        shake_hands(c);
    } else {
        if ((what & EV_WRITE) && c->out.len)
            conn_flush(c);
        if ((what & (EV_READ | EV_CLOSED)) && conn_may_read(c))
            conn_read(c);
        else if (what & EV_READ)
            c->unread = true;
        if (c->edge && (what & (EV_READ | EV_CLOSED)))
            look_for_end(c, what & EV_CLOSED);
    }
    settle(c);
    loop_start_clock(loop);
}

/* What `event` should wait for. */
static short wanted(struct http_conn *c)
{
    int want = EV_PERSIST;

    if (c->state == CONN_HANDSHAKE) {
        want |= c->sock.wants_write ? EV_WRITE : EV_READ;
        return (short)want;
    }
    if (c->out.len)
        want |= EV_WRITE;
    if (c->state == CONN_RESETTING || c->eof)
        return (short)want;
    if (!c->edge && !conn_may_read(c))
        c->edge = c->unread = true;
    want |= c->edge ? EV_READ | EV_CLOSED | EV_ET : EV_READ;
    return (short)want;
}

void conn_watch(struct http_conn *c)
{
    struct event_base *base = loop_events(c->server->loop);
    short want;

    if (c->state == CONN_DEAD)
        return;
    want = wanted(c);
    if (want == c->interest)
        return;
    if (c->interest)
        event_del(&c->event);
    event_assign(&c->event, base, c->sock.fd, want, on_event, c);
    c->interest = want;
    if (want != EV_PERSIST && event_add(&c->event, NULL) != 0)
        conn_leave(c);
}

static void expire(struct http_conn *c)
{
    if (c->out.len && c->state < CONN_LINGER) {
        conn_leave(c);
        return;
    }
    switch ((enum conn_state)c->state) {
    case CONN_HANDSHAKE:
    case CONN_IDLE:
    case CONN_LINGER: shut(c, false); break;
    case CONN_RESETTING: shut(c, true); break;
    case CONN_HEAD:
        (void)conn_begin_turn(c);
        conn_refuse_turn(c, 408, NULL);
        break;
    case CONN_BODY: conn_refuse_turn(c, 408, NULL); break;
    case CONN_WORKING:
    case CONN_FLUSHING:
    case CONN_DEAD: break;
    }
}

static void on_timer(void *arg)
{
    struct http_conn *c = arg;
    int64_t due_ms = deadline_ms(c);
    int in_flight = 0;

    if (!due_ms)
        return;
    if (c->state == CONN_RESETTING)
        (void)ioctl(c->sock.fd, SIOCOUTQ, &in_flight);
    if ((c->state != CONN_RESETTING || in_flight > 0) &&
        due_ms > loop_now_ms(c->server->loop)) {
        conn_rearm(c);
        return;
    }
    c->inside = true;
    expire(c);
    settle(c);
}

static struct http_conn *make(struct http_server *s, int fd)
{
    struct http_conn *c = calloc(1, sizeof(*c));

    if (!c)
        fatal("out of memory accepting a connection");
    c->server = s;
    c->sock.fd = fd;
    c->state = CONN_IDLE;
    c->timer.fn = on_timer;
    c->timer.arg = c;
    buf_init(&c->held, CONN_OUT_MOST_BYTES);
    buf_init(&c->out, CONN_OUT_MOST_BYTES);
    c->next = s->conns;
    if (c->next)
        c->next->prev = &c->next;
    c->prev = &s->conns;
    s->conns = c;
    s->n_conns++;
    return c;
}

void conn_new(struct http_server *s, int fd, struct tls_context *tls)
{
    struct http_conn *c = make(s, fd);

    conn_enter(c, tls ? CONN_HANDSHAKE : CONN_IDLE);
    if (tls && tls_begin(&c->sock, tls, NULL, 0) != 0)
        shut(c, true);
    settle(c);
}

void conn_turn_away(struct http_server *s, int fd)
{
    struct http_conn *c = make(s, fd);

    c->inside = true;
    (void)conn_begin_turn(c);
    conn_refuse_turn(c, 503, "too many connections");
    settle(c);
}

void conn_close_idle(struct http_conn *c)
{
    char byte;

    if (c->state != CONN_IDLE || c->held.len ||
        recv(c->sock.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return;
    conn_leave(c);
}
