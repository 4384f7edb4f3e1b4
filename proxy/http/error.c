#include <string.h>

#include "http/conn.h"
#include "http/http.h"

/* The refusals that this room makes by itself. */
static const struct http_error refusals[] = {
    {400, "invalid_request_error", "bad_request", NULL,
     "The HTTP request is malformed"},
    {408, "invalid_request_error", "request_timeout", NULL,
     "The request did not arrive in time"},
    {413, "invalid_request_error", "request_too_large", NULL,
     "The request's body is larger than this server accepts"},
    {414, "invalid_request_error", "url_too_long", NULL,
     "The request's URL is too long"},
    {417, "invalid_request_error", "expectation_failed", NULL,
     "The request's Expect header cannot be met"},
    {431, "invalid_request_error", "headers_too_large", NULL,
     "The request's headers are larger than this server accepts"},
    {500, "server_error", "internal_error", NULL,
     "The server made a mistake while handling the request"},
    {501, "invalid_request_error", "not_implemented", NULL,
     "The HTTP request uses something this server does not implement"},
    {503, "server_error", "overloaded", NULL,
     "The server is overloaded: try again later"},
    {505, "invalid_request_error", "http_version_not_supported", NULL,
     "The HTTP version is not supported"},
};

struct text {
    char *at;
};

static void put(struct text *t, const char *s)
{
    size_t len = strlen(s);

    memcpy(t->at, s, len);
    t->at += len;
}

/* The length of the well-formed UTF-8 character at `s`, or 0. */
static size_t character(const unsigned char *s)
{
    size_t len = s[0] < 0x80                    ? 1
                 : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
                 : (s[0] & 0xf0) == 0xe0        ? 3
                 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                : 0;

    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80) /* the final NUL is not one either */
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

/* At most six bytes for each of `s`. */
static void put_escaped(struct text *t, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)s;

    while (*at) {
        size_t len = character(at);

        if (!len) {
            put(t, "\xef\xbf\xbd");
            at++;
            continue;
        }
        if (*at < 0x20 || *at == 0x7f) {
            put(t, "\\u00");
            *t->at++ = hex[*at >> 4];
            *t->at++ = hex[*at & 15];
        } else {
            if (*at == '"' || *at == '\\')
                *t->at++ = '\\';
            memcpy(t->at, at, len);
            t->at += len;
        }
        at += len;
    }
}

static void put_member(struct text *t, const char *name, const char *value)
{
    put(t, name);
    if (!value) {
        put(t, "null");
        return;
    }
    put(t, "\"");
    put_escaped(t, value);
    put(t, "\"");
}

static size_t room_for(const char *s)
{
    return s ? 6 * strlen(s) : 0;
}

struct slice http_error_json(struct arena *a, const struct http_error *e)
{
    size_t most = 96 + room_for(e->message) + room_for(e->type) +
                  room_for(e->param) + room_for(e->code);
    char *bytes = arena_alloc(a, most);
    struct text t = {bytes};

    put_member(&t, "{\"error\":{\"message\":", e->message ? e->message : "");
    put_member(&t, ",\"type\":", e->type);
    put_member(&t, ",\"param\":", e->param);
    put_member(&t, ",\"code\":", e->code);
    put(&t, "}}");
    return (struct slice){bytes, (size_t)(t.at - bytes)};
}

static struct http_error refusal_of(int status)
{
    struct http_error internal = {.status = 500};

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].status == status)
            return refusals[i];
        if (refusals[i].status == 500)
            internal = refusals[i];
    }
    return internal;
}

void conn_refuse_turn(struct http_conn *c, int status, const char *detail)
{
    struct turn *t = c->turn;
    struct http_request *req = &t->req;
    struct http_error e = refusal_of(status);
    void (*on_gone)(void *) = req->on_gone;

    if (detail)
        e.message = arena_printf(req->arena, "%s: %s.", e.message, detail);
    else
        e.message = arena_printf(req->arena, "%s.", e.message);
    req->on_gone = NULL;
    if (on_gone) /* it was admitted, but handle will not be called */
        on_gone(req->handler_data);
    http_reply_error(req, &e);
}
