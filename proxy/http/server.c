#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fatal.h"

#include "http/conn.h"
#include "http/http.h"
#include "http/listen.h"

enum {
    PATH_SHOWN = 200, /* bytes of a path that an error repeats */
};

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conn_settle_later(arg);
}

struct http_server *http_server_new(struct loop *loop,
                                    const struct http_limits *limits,
                                    const struct http_site *site)
{
    struct http_server *s = calloc(1, sizeof(*s));

    if (!s)
        fatal("out of memory making a server");
    s->loop = loop;
    s->limits = limits;
    s->site = site;
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    event_assign(&s->later_event, loop_events(loop), -1, 0, on_later, s);
    return s;
}

void http_server_tls(struct http_server *s, struct tls_context *tls)
{
    listeners_tls(s, tls);
}

size_t http_server_connections(const struct http_server *s)
{
    return s->n_conns;
}

void http_server_drain(struct http_server *s, void (*on_idle)(void *arg),
                       void *arg)
{
    struct http_conn *next;

    listeners_close(s);
    s->draining = true;
    if (!s->n_conns) {
        on_idle(arg);
        return;
    }
    s->on_idle = on_idle;
    s->on_idle_arg = arg;
    for (struct http_conn *c = s->conns; c; c = next) {
        next = c->next;
        conn_close_idle(c);
    }
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    listeners_close(s);
    s->on_idle = NULL;
    for (struct http_conn *c = s->conns; c; c = c->next)
        conn_leave(c);
    conn_settle_later(s);
    ENSURE(!s->conns);
    event_del(&s->later_event);
    if (s->reserve_fd >= 0)
        close(s->reserve_fd);
    conn_free_blocks(s);
    free(s);
}

const char *server_date(struct http_server *s)
{
    int64_t now_s = loop_now_ms(s->loop) / 1000;
    time_t unix_s;
    struct tm tm;

    if (now_s == s->date_s)
        return s->date;
    s->date_s = now_s;
    unix_s = (time_t)(clock_unix_ms() / 1000);
    gmtime_r(&unix_s, &tm);
    strftime(s->date, sizeof(s->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
             &tm);
    return s->date;
}

/* "GET /path", cut to a sane length; both hold printable ASCII only. */
static const char *shown(const struct http_request *req)
{
    struct slice path = req->head.path, method = req->head.method;
    bool cut = path.len > PATH_SHOWN;

    return arena_printf(req->arena, "%.*s %.*s%s", (int)method.len,
                        method.bytes, (int)(cut ? PATH_SHOWN : path.len),
                        path.bytes, cut ? "..." : "");
}

static void refuse_path(struct http_request *req)
{
    struct http_error e = {404, "invalid_request_error", "unknown_url", NULL,
                           NULL};

    e.message =
        arena_printf(req->arena, "Unknown request URL: %s.", shown(req));
    http_reply_error(req, &e);
}

static void refuse_method(struct http_request *req, const char *allow)
{
    struct http_error e = {405, "invalid_request_error", "method_not_allowed",
                           NULL, NULL};

    e.message = arena_printf(req->arena, "Not allowed: %s (only %s).",
                             shown(req), allow);
    http_set_header(req, "Allow", allow);
    http_reply_error(req, &e);
}

static bool leads_to(const struct http_route *r, struct slice path)
{
    size_t len = strlen(r->path) - 1;

    if (r->path[len] != '*')
        return slice_is(path, r->path);
    return path.len > len && memcmp(path.bytes, r->path, len) == 0;
}

bool server_admit(struct http_server *s, struct turn *t)
{
    struct http_request *req = &t->req;
    const char *allow = NULL;

    for (size_t i = 0; i < s->site->n_routes && !t->route; i++) {
        const struct http_route *r = &s->site->routes[i];

        if (!leads_to(r, req->head.path))
            continue;
        if (slice_is(req->head.method, r->method))
            t->route = r;
        allow = allow ? arena_printf(req->arena, "%s, %s", allow, r->method)
                      : r->method;
    }
    if (!t->route && allow) {
        refuse_method(req, allow);
        return false;
    }
    if (!t->route) {
        refuse_path(req);
        return false;
    }
    if (!t->route->admit || t->route->admit(req, s->site->data))
        return true;
    if (!t->ended)
        conn_refuse_turn(req->conn, 500, NULL);
    return false;
}
