#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

#include "http/conn.h"

/*
 * Bytes are read into the loop's scratch, a body of known length straight
 * into its block. What is not of the request at hand is held before any
 * handler runs, for handlers use the scratch as well. A head is read into a
 * block of the server's: if the whole of a larger body has come with it, the
 * request keeps that block and the server takes another.
 */
enum {
    BODY_FIRST_BYTES = 1024 * 1024, /* taken on a Content-Length's word */
    LINGER_MOST_BYTES = 128 * 1024 * 1024,
    OVERHEAD_BYTES = 4 * 1024, /* of a chunked body, and a tenth of it */
};

bool conn_may_read(const struct http_conn *c)
{
    switch ((enum conn_state)c->state) {
    case CONN_HANDSHAKE:
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_LINGER: return true;
    case CONN_WORKING:
    case CONN_FLUSHING:
        return !c->eof && c->held.len < c->server->limits->early_bytes;
    case CONN_RESETTING:
    case CONN_DEAD: return false;
    }
    return false;
}

static void refuse(struct http_conn *c, int status, const char *detail)
{
    conn_refuse_turn(c, status, detail);
}

/* The head is copied, for its slices live as long as the request. */
static int parse_head(struct http_conn *c, struct turn *t, struct slice head)
{
    struct http_server *s = c->server;
    struct http_head *h = &t->req.head;
    size_t most = s->limits->headers;
    const char *why;
    int status;

    if (most > HTTP_HEADERS_MOST)
        most = HTTP_HEADERS_MOST;
    head.bytes = arena_strndup(t->req.arena, head.bytes, head.len);
    h->headers = s->room;
    status = http_parse_request(h, head, most, &why);
    if (status) {
        refuse(c, status, why);
        return -1;
    }
    h->headers = arena_alloc(t->req.arena, h->n_headers * sizeof(*h->headers));
    memcpy(h->headers, s->room, h->n_headers * sizeof(*h->headers));
    return 0;
}

static void begin_request(struct http_conn *c, struct slice head)
{
    struct turn *t = conn_begin_turn(c);
    const struct http_limits *l = c->server->limits;
    int64_t len;

    c->requests++;
    if (parse_head(c, t, head) != 0)
        return;
    len = t->req.head.body_len;
    t->body_done = len == 0;
    t->head_only = slice_is(t->req.head.method, "HEAD");
    if (len > 0 && (uint64_t)len > l->body_bytes) {
        refuse(c, 413, NULL);
        return;
    }
    if (!server_admit(c->server, t))
        return;
    c->shy = len > CONN_READ_BYTES;
    buf_init(&t->body, len > 0 ? (size_t)len : l->body_bytes);
}

/* Room for more of a body of known length: at first what a modest one needs,
 * then as much again as has come. */
static char *known_room(struct turn *t, size_t *size)
{
    size_t left = (size_t)t->req.head.body_len - t->body.len;
    size_t most = t->body.len;
    char *room;

    if (most < BODY_FIRST_BYTES)
        most = BODY_FIRST_BYTES;
    if (t->body.len < t->body.size && most > t->body.size - t->body.len)
        most = t->body.size - t->body.len;
    *size = left < most ? left : most;
    room = buf_room(&t->body, *size);
    ENSURE(room);
    return room;
}

static void grow_known(struct turn *t, size_t n)
{
    buf_grow(&t->body, n);
    t->body_done = t->body.len == (size_t)t->req.head.body_len;
}

static size_t take_known(struct turn *t, struct slice in)
{
    size_t taken = 0;

    while (taken < in.len && !t->body_done) {
        size_t size, some = in.len - taken;
        char *room = known_room(t, &size);

        if (some > size)
            some = size;
        memcpy(room, in.bytes + taken, some);
        grow_known(t, some);
        taken += some;
    }
    return taken;
}

static size_t take_chunks(struct http_conn *c, struct slice in)
{
    struct turn *t = c->turn;
    struct slice left = in, body;

    while (left.len && !t->chunks.done) {
        if (http_chunks_next(&t->chunks, &left, &body) != 0) {
            refuse(c, 400, "a bad chunk in the body");
            return 0;
        }
        if (buf_add(&t->body, body) != 0) {
            refuse(c, 413, NULL);
            return 0;
        }
    }
    t->wire_bytes += in.len - left.len;
    if (t->wire_bytes - t->body.len > t->body.len / 10 + OVERHEAD_BYTES) {
        refuse(c, 400, "too many small chunks in the body");
        return 0;
    }
    t->body_done = t->chunks.done;
    return in.len - left.len;
}

/* Is `in`, read into the server's block, a body worth keeping the block for? */
static bool adopt(struct http_conn *c, struct slice in)
{
    struct http_server *s = c->server;
    struct turn *t = c->turn;

    if (in.len < CONN_ADOPT_BYTES || !s->block ||
        in.len != (size_t)t->req.head.body_len || in.bytes < s->block ||
        in.bytes >= s->block + CONN_READ_BYTES)
        return false;
    buf_adopt(&t->body, s->block, CONN_READ_BYTES, in);
    s->block = NULL;
    t->adopted = t->body_done = true;
    return true;
}

/* A block that waits for its next use. */
struct block {
    struct block *next;
};

void conn_drop_body(struct http_conn *c)
{
    struct http_server *s = c->server;
    struct turn *t = c->turn;
    struct block *block = (void *)t->body.block;

    if (!t->adopted || KEEPS_NOTHING || s->n_blocks == CONN_BLOCKS_MOST) {
        buf_fini(&t->body);
        return;
    }
    buf_init(&t->body, t->body.limit);
    t->adopted = false;
    block->next = s->blocks;
    s->blocks = block;
    s->n_blocks++;
}

void conn_free_blocks(struct http_server *s)
{
    free(s->block);
    while (s->blocks) {
        struct block *block = s->blocks;

        s->blocks = block->next;
        free(block);
    }
}

static size_t take_body(struct http_conn *c, struct slice in)
{
    if (c->turn->req.head.body_len == HTTP_CHUNKED)
        return take_chunks(c, in);
    if (adopt(c, in))
        return in.len;
    return take_known(c->turn, in);
}

static void handle(struct http_conn *c)
{
    struct turn *t = c->turn;

    conn_enter(c, CONN_WORKING);
    t->req.body = (struct slice){t->body.len ? t->body.bytes : "", t->body.len};
    t->req.handled = true;
    t->route->handle(&t->req, c->server->site->data);
}

/* Is the request still to be read or handled? (Not so if it was refused.) */
static bool goes_on(const struct http_conn *c)
{
    return c->state == CONN_BODY && !c->turn->ended && !c->gone;
}

static bool head_too_long(const struct http_conn *c, size_t end, size_t have)
{
    return (end ? end : have + 1) > c->server->limits->head_bytes;
}

/* Nothing of the body has come with the head: does the client wait? */
static void send_continue(struct http_conn *c)
{
    static const struct slice text = {"HTTP/1.1 100 Continue\r\n\r\n", 25};

    if (goes_on(c) && c->turn->req.head.expect_continue && !c->turn->body_done)
        conn_send(c, &text, 1);
}

/* How much of `in`, which begins with a head, is of this request. */
static size_t take_request(struct http_conn *c, struct slice in)
{
    size_t end = http_head_end(in.bytes, in.len, &c->head_seen);

    if (head_too_long(c, end, in.len)) {
        (void)conn_begin_turn(c);
        refuse(c, 431, "the head is too long");
        return 0;
    }
    if (!end) {
        if (c->state == CONN_IDLE)
            conn_enter(c, CONN_HEAD);
        return 0;
    }
    c->head_seen = 0;
    begin_request(c, (struct slice){in.bytes, end});
    if (in.len == end)
        send_continue(c);
    else if (goes_on(c) && !c->turn->body_done)
        end += take_body(c, (struct slice){in.bytes + end, in.len - end});
    return end;
}

static void go_on(struct http_conn *c)
{
    if (!goes_on(c))
        return;
    if (c->turn->body_done)
        handle(c);
    else
        conn_rearm(c);
}

static void drop_held(struct http_conn *c, size_t n)
{
    buf_drop(&c->held, n);
    if (!c->held.len)
        buf_fini(&c->held);
}

static void hold(struct http_conn *c, struct slice bytes)
{
    if (buf_add(&c->held, bytes) != 0)
        conn_leave(c); /* cannot be: each read is bounded */
}

void conn_take_held(struct http_conn *c)
{
    drop_held(c, take_request(c, (struct slice){c->held.bytes, c->held.len}));
    go_on(c);
}

static void take_read(struct http_conn *c, struct slice in)
{
    size_t taken = 0;

    if (c->state == CONN_HEAD) {
        hold(c, in);
        conn_take_held(c);
        return;
    }
    if (c->state == CONN_IDLE)
        taken = take_request(c, in);
    else if (c->state == CONN_BODY)
        taken = take_body(c, in);
    hold(c, (struct slice){in.bytes + taken, in.len - taken});
    go_on(c);
}

static void ended(struct http_conn *c)
{
    if (c->state == CONN_FLUSHING)
        c->eof = true; /* a half-close: the complete reply goes out still */
    else
        conn_leave(c);
}

static char *head_room(struct http_server *s)
{
    if (!s->block && s->blocks) {
        s->block = (void *)s->blocks;
        s->blocks = s->blocks->next;
        s->n_blocks--;
    }
    if (!s->block)
        s->block = malloc(CONN_READ_BYTES);
    if (!s->block)
        fatal("out of memory allocating a block to read into");
    return s->block;
}

/* One read, and what comes of it. False: there is nothing more now. */
static bool read_once(struct http_conn *c)
{
    struct turn *t = c->turn;
    char *into = loop_scratch(c->server->loop);
    size_t size = CONN_READ_BYTES;
    bool straight = c->state == CONN_BODY && t->req.head.body_len > 0;
    ssize_t n;

    if (c->state == CONN_IDLE) {
        into = head_room(c->server);
        if (c->shy)
            size = CONN_SHY_BYTES;
    } else if (straight) {
        into = known_room(t, &size);
    } else if (c->state == CONN_LINGER) {
        size = LOOP_SCRATCH_BYTES;
    }
    n = sock_read(&c->sock, into, size);
    if (n == SOCK_AGAIN)
        return false;
    if (n == SOCK_BROKEN)
        conn_leave(c);
    else if (n == SOCK_EOF)
        ended(c);
    if (n <= 0)
        return false;
    if (c->state == CONN_LINGER) {
        c->linger_bytes += (uint32_t)n;
        if (c->linger_bytes > LINGER_MOST_BYTES)
            conn_leave(c);
    } else if (straight) {
        grow_known(t, (size_t)n);
        go_on(c);
    } else {
        take_read(c, (struct slice){into, (size_t)n});
    }
    return true;
}

void conn_read(struct http_conn *c)
{
    c->unread = false;
    while (!c->gone && read_once(c) && (c->edge || sock_pending(&c->sock)))
        if (!conn_may_read(c)) {
            c->unread = true;
            return;
        }
}
