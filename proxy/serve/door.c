#include "serve/door.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json_write.h"

#include "serve/exchange.h"

enum {
    LIST_BYTES = 4 << 20,
    MODEL_BYTES = 64 << 10, /* more than a head holds, escaped */
    MODEL_SHOWN = 96,
};

/* The client's key: "Authorization: Bearer KEY". len 0: none was sent. */
static struct slice presented_key(const struct http_request *req)
{
    static const char scheme[] = "bearer ";
    struct slice value = http_find(&req->head, "authorization");
    size_t skip = sizeof(scheme) - 1;

    if (value.len <= skip || strncasecmp(value.bytes, scheme, skip) != 0)
        return (struct slice){NULL, 0};
    while (skip < value.len && value.bytes[skip] == ' ')
        skip++;
    return (struct slice){value.bytes + skip, value.len - skip};
}

/* Revocation is a flag that all workers see at once; a reload that takes the
 * key out of the edition follows. */
static bool key_is_good(const struct worker *w, const struct team_key *key,
                        struct http_error *out)
{
    const struct edition *e = w->edition;
    const struct limit *l = e->key_limits[key - e->snapshot->keys];

    if (atomic_load_explicit(&l->revoked, memory_order_relaxed))
        return false;
    if (key->expires_ms == INT64_MAX ||
        key->expires_ms >
            purses_time(recorder_purses(w->recorder), clock_unix_ms()))
        return true;
    out->message = "This API key has expired. `bijia keys rotate ID` makes "
                   "its successor.";
    return false;
}

bool door_admit(struct http_request *req, void *worker)
{
    static const struct http_error missing = {
        .status = 401,
        .type = "invalid_request_error",
        .message = "You didn't provide an API key. Send it in an "
                   "Authorization header: Authorization: Bearer YOUR_KEY.",
    };
    static const struct http_error wrong = {
        .status = 401,
        .type = "invalid_request_error",
        .code = "invalid_api_key",
        .message = "Incorrect API key provided. Keys of this proxy begin with "
                   "bj_ and are made by `bijia keys new TEAM`.",
    };
    struct worker *w = worker;
    struct slice presented = presented_key(req);
    const struct team_key *key;
    struct http_error gone = wrong;

    if (presented.len == 0) {
        http_reply_error(req, &missing);
        return false;
    }
    key = key_memory_check(&w->keys, w->edition->snapshot, presented);
    if (!key) {
        http_reply_error(req, &wrong);
        return false;
    }
    if (!key_is_good(w, key, &gone)) {
        http_reply_error(req, &gone);
        return false;
    }
    exchange_open(w, req, key);
    return true;
}

void door_chat(struct http_request *req, void *worker)
{
    (void)worker;
    exchange_run(req->handler_data);
}

static int put_model(struct buf *out, const char *id, const char *owner)
{
    return json_add_raw(out, "{\"id\":") || json_add_text(out, slice_of(id)) ||
           json_add_raw(out, ",\"object\":\"model\",\"created\":0,"
                             "\"owned_by\":") ||
           json_add_text(out, slice_of(owner)) || json_add_raw(out, "}");
}

struct listing {
    struct buf text;
    size_t n;
    bool full;
};

static void list_model(void *to, const char *id, const char *owner)
{
    struct listing *l = to;

    if ((l->n++ && json_add_raw(&l->text, ",") != 0) ||
        put_model(&l->text, id, owner) != 0)
        l->full = true;
}

void door_models(struct http_request *req, void *worker)
{
    static const struct http_error too_many = {
        .status = 500,
        .type = "server_error",
        .message = "There are more models than one list can hold.",
    };
    const struct exchange *x = req->handler_data;
    struct listing l = {.n = 0};

    (void)worker;
    buf_init(&l.text, LIST_BYTES);
    if (json_add_raw(&l.text, "{\"object\":\"list\",\"data\":[") != 0)
        l.full = true;
    snapshot_list_models(x->edition->snapshot, x->key->team, list_model, &l);
    if (json_add_raw(&l.text, "]}") != 0)
        l.full = true;
    if (l.full)
        http_reply_error(req, &too_many);
    else
        http_reply(req, 200, "application/json",
                   (struct slice){l.text.bytes, l.text.len});
    buf_fini(&l.text);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind "/v1/models/": its slashes as they are or as %2F. */
static const char *asked_model(const struct http_request *req)
{
    struct slice from = req->head.path;
    char *text = arena_alloc(req->arena, from.len + 1), *to = text;

    for (size_t i = sizeof("/v1/models/") - 1; i < from.len; i++) {
        bool coded = from.bytes[i] == '%' && from.len - i > 2;
        int high = coded ? digit_of(from.bytes[i + 1]) : -1;
        int low = coded ? digit_of(from.bytes[i + 2]) : -1;

        if (high < 0 || low < 0) {
            *to++ = from.bytes[i];
        } else {
            *to++ = (char)(high << 4 | low);
            i += 2;
        }
    }
    *to = '\0';
    return strlen(text) == (size_t)(to - text) ? text : "";
}

static void refuse_model(struct http_request *req, const char *asked)
{
    struct http_error e = {.status = 404,
                           .type = "invalid_request_error",
                           .code = "model_not_found",
                           .param = "model"};
    char *shown = arena_strndup(req->arena, asked, strnlen(asked, MODEL_SHOWN));

    for (char *c = shown; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    e.message = arena_printf(req->arena,
                             "The model `%s` does not exist here, or is not "
                             "for this team. GET /v1/models lists those that "
                             "are.",
                             shown);
    http_reply_error(req, &e);
}

void door_model(struct http_request *req, void *worker)
{
    const struct exchange *x = req->handler_data;
    const char *asked = asked_model(req);
    const char *owner =
        snapshot_model_owner(x->edition->snapshot, x->key->team, asked);
    struct buf text;

    (void)worker;
    if (!owner) {
        refuse_model(req, asked);
        return;
    }
    buf_init(&text, MODEL_BYTES);
    if (put_model(&text, asked, owner) != 0)
        refuse_model(req, asked);
    else
        http_reply(req, 200, "application/json",
                   (struct slice){text.bytes, text.len});
    buf_fini(&text);
}

void door_healthz(struct http_request *req, void *worker)
{
    (void)worker;
    http_reply(req, 200, "application/json", slice_of("{\"status\":\"ok\"}"));
}

void door_readyz(struct http_request *req, void *worker)
{
    static const struct http_error not_ready = {
        .status = 503,
        .type = "server_error",
        .code = "not_ready",
        .message = "The ledger cannot be written, or the proxy is draining.",
    };
    const struct worker *w = worker;

    if (w->draining || !recorder_healthy(w->recorder))
        http_reply_error(req, &not_ready);
    else
        http_reply(req, 200, "application/json",
                   slice_of("{\"status\":\"ready\"}"));
}
