#include <string.h>

#include "base/fatal.h"

#include "http/conn.h"
#include "http/fields.h"
#include "http/http.h"

enum {
    HEAD_ROOM = 4096, /* of a reply's head, extra headers included */
    EXTRAS_MOST_BYTES = 3072,
    TYPE_MOST_BYTES = 256,
    HELD_BYTES_MOST = 4096, /* of a reply that may wait for others */
    HELD_MOST = 16,         /* of such replies */
    PARTS_MOST = 61, /* of one chunk: with head and frame what a write takes */
};

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

struct head_text {
    size_t len;
    char bytes[HEAD_ROOM];
};

static struct turn *turn_of(struct http_request *req)
{
    return (struct turn *)req; /* its first member */
}

static void put(struct head_text *h, const char *text, size_t len)
{
    ENSURE(len <= sizeof(h->bytes) - h->len);
    memcpy(h->bytes + h->len, text, len);
    h->len += len;
}

#define PUT(h, text) put(h, text, sizeof(text) - 1)

static void put_text(struct head_text *h, const char *text)
{
    put(h, text, strlen(text));
}

/* In the base given (10 or 16). */
static void put_number(struct head_text *h, size_t n, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    put(h, digits + at, sizeof(digits) - at);
}

static const char *reason_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

static bool is_printable(const char *text)
{
    const char *end = text + strlen(text);

    return text_end(text, end) == end;
}

void http_set_header(struct http_request *req, const char *name,
                     const char *value)
{
    struct turn *t = turn_of(req);
    size_t bytes = strlen(name) + strlen(value) + 4;
    struct extra_header *h;

    if (t->begun || !is_printable(value) ||
        bytes > EXTRAS_MOST_BYTES - t->extras_bytes)
        return;
    h = arena_alloc(req->arena, sizeof(*h));
    h->name = name;
    h->value = value;
    *t->last_extra = h;
    t->last_extra = &h->next;
    t->extras_bytes += bytes;
}

/* May the connection serve another request? Decided when the reply begins,
 * for its head must say so. */
static bool decide_keep(struct http_conn *c, const struct turn *t)
{
    const struct http_server *s = c->server;

    if (!t->body_done)
        c->ending = END_LINGER;
    else if (!t->req.head.keep_alive || s->draining ||
             c->requests >= s->limits->requests)
        c->ending = END_CLOSE;
    return c->ending == END_KEEP;
}

static void put_head(struct head_text *h, struct turn *t, int status,
                     const char *type)
{
    struct http_conn *c = t->req.conn;

    h->len = 0;
    PUT(h, "HTTP/1.1 ");
    put_number(h, (size_t)status, 10);
    PUT(h, " ");
    put_text(h, reason_of(status));
    PUT(h, "\r\n");
    put_text(h, server_date(c->server));
    if (type && strlen(type) <= TYPE_MOST_BYTES && is_printable(type)) {
        PUT(h, "Content-Type: ");
        put_text(h, type);
        PUT(h, "\r\n");
    }
    if (!decide_keep(c, t))
        PUT(h, "Connection: close\r\n");
    for (const struct extra_header *e = t->extras; e; e = e->next) {
        put_text(h, e->name);
        PUT(h, ": ");
        put_text(h, e->value);
        PUT(h, "\r\n");
    }
    t->begun = true;
}

/* The reply is complete as far as the handler is concerned. */
static void end(struct turn *t)
{
    t->ended = true;
    conn_enter(t->req.conn, CONN_FLUSHING);
    conn_later(t->req.conn);
}

/* Head and body wait for the end of this turn of the loop, as those of other
 * requests do: sent one right after another they cost least. */
static void hold(struct turn *t, const struct slice parts[2])
{
    size_t len = parts[0].len + parts[1].len;
    char *room;

    buf_init(&t->head, len);
    room = buf_room(&t->head, len);
    ENSURE(room);
    memcpy(room, parts[0].bytes, parts[0].len);
    memcpy(room + parts[0].len, parts[1].bytes, parts[1].len);
    buf_grow(&t->head, len);
    t->req.conn->server->n_held++;
}

static void send_held(struct http_server *s)
{
    s->n_held = 0;
    for (struct http_conn *c = s->later; c; c = c->next_later)
        if (c->turn && c->turn->ended && c->turn->head.len)
            conn_send_head(c);
}

void http_reply(struct http_request *req, int status, const char *type,
                struct slice body)
{
    struct turn *t = turn_of(req);
    struct head_text h;
    struct slice parts[2];
    bool bodiless = status == 204 || status == 304;

    ENSURE(!t->begun && !t->ended);
    put_head(&h, t, status, type);
    if (!bodiless) {
        PUT(&h, "Content-Length: ");
        put_number(&h, body.len, 10);
        PUT(&h, "\r\n");
    }
    PUT(&h, "\r\n");
    if (bodiless || t->head_only)
        body.len = 0;
    parts[0] = (struct slice){h.bytes, h.len};
    parts[1] = body;
    if (h.len + body.len > HELD_BYTES_MOST)
        conn_send(req->conn, parts, 2);
    else
        hold(t, parts);
    end(t);
    if (req->conn->server->n_held >= HELD_MOST)
        send_held(req->conn->server);
}

void http_reply_error(struct http_request *req, const struct http_error *e)
{
    http_reply(req, e->status, "application/json",
               http_error_json(req->arena, e));
}

void http_stream_begin(struct http_request *req, int status, const char *type)
{
    struct turn *t = turn_of(req);
    struct head_text h;

    ENSURE(!t->begun && !t->ended);
    /* An HTTP/1.0 request never asks to be kept: the close is its end. */
    t->chunked = !t->req.head.version_0;
    put_head(&h, t, status, type);
    if (t->chunked)
        PUT(&h, "Transfer-Encoding: chunked\r\n");
    PUT(&h, "\r\n");
    buf_init(&t->head, HEAD_ROOM);
    ENSURE(buf_add(&t->head, (struct slice){h.bytes, h.len}) == 0);
    conn_later(req->conn);
}

/* A stream's head, if it still waits to go out with the first chunk. */
static struct slice waiting_head(const struct turn *t)
{
    return (struct slice){t->head.len ? t->head.bytes : "", t->head.len};
}

void conn_send_head(struct http_conn *c)
{
    struct slice head = waiting_head(c->turn);

    conn_send(c, &head, 1);
    buf_fini(&c->turn->head);
}

static void send_chunk(struct turn *t, const struct slice *parts, size_t n,
                       size_t bytes)
{
    struct slice framed[PARTS_MOST + 3];
    struct head_text size = {.len = 0};

    put_number(&size, bytes, 16);
    PUT(&size, "\r\n");
    framed[0] = waiting_head(t);
    framed[1] = (struct slice){size.bytes, size.len};
    memcpy(framed + 2, parts, n * sizeof(*parts));
    framed[n + 2] = (struct slice){"\r\n", 2};
    conn_send(t->req.conn, framed, n + 3);
    buf_fini(&t->head);
}

/* HTTP/1.0: no frame. */
static void send_bare(struct turn *t, const struct slice *parts, size_t n)
{
    conn_send_head(t->req.conn);
    conn_send(t->req.conn, parts, n);
}

bool http_stream(struct http_request *req, const struct slice *parts, size_t n)
{
    struct turn *t = turn_of(req);
    struct http_conn *c = req->conn;
    size_t limit = c->server->limits->stream_buffer_bytes, bytes;

    ENSURE(t->begun && !t->ended);
    for (; n && !t->head_only; parts += bytes, n -= bytes) {
        size_t some = n < PARTS_MOST ? n : PARTS_MOST, total = 0;

        for (size_t i = 0; i < some; i++)
            total += parts[i].len;
        bytes = some;
        if (!total)
            continue;
        if (c->out.len && c->out.len + total > 2 * limit)
            conn_leave(c); /* the handler does not heed backpressure */
        else if (t->chunked)
            send_chunk(t, parts, some, total);
        else
            send_bare(t, parts, some);
    }
    t->stalled = c->out.len > limit / 4;
    return !t->stalled && !c->gone;
}

void http_stream_end(struct http_request *req)
{
    static const struct slice last = {"0\r\n\r\n", 5};
    struct turn *t = turn_of(req);

    ENSURE(t->begun && !t->ended);
    conn_send_head(req->conn);
    if (t->chunked && !t->head_only)
        conn_send(req->conn, &last, 1);
    end(t);
}

void http_abort(struct http_request *req)
{
    struct turn *t = turn_of(req);

    ENSURE(!t->ended);
    conn_send_head(req->conn);
    req->conn->ending = t->begun && t->chunked ? END_BROKEN : END_RESET;
    end(t);
}

void http_release_body(struct http_request *req)
{
    conn_drop_body(req->conn);
    req->body = (struct slice){"", 0};
}
