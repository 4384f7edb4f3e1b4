#include "admin/desk.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

/* --- replies -------------------------------------------------------------- */

void desk_reply(struct http_request *req, cJSON *json)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;

    cJSON_Delete(json);
    if (!text)
        fatal("out of memory telling the admin plane");
    http_reply(req, 200, "application/json", slice_of(text));
    free(text);
}

void desk_refuse(struct http_request *req, int status, const char *message)
{
    const struct http_error e = {
        .status = status, .type = "invalid_request_error", .message = message};

    http_reply_error(req, &e);
}

static void delete_json(void *json)
{
    cJSON_Delete(json);
}

const char *desk_word(struct http_request *req, const char *name, bool *ok)
{
    cJSON *json = cJSON_ParseWithLength(req->body.bytes, req->body.len);
    const cJSON *word = cJSON_GetObjectItemCaseSensitive(json, name);

    *ok = cJSON_IsObject(json);
    if (json)
        arena_defer(req->arena, delete_json, json);
    if (!*ok)
        desk_refuse(req, 400, "The body is not a JSON object.");
    return *ok && cJSON_IsString(word) ? word->valuestring : NULL;
}

/* --- workers' answers ----------------------------------------------------- */

struct counting {
    struct arena *arena; /* holds this */
    struct program *program;
    struct http_request *req; /* NULL: the client has left */
    void (*then)(struct http_request *, struct program *,
                 const struct desk_counts *);
    struct desk_counts counts;
    int n_left;
};

struct question {
    struct counting *counting;
    struct worker *worker;
    size_t connections;
};

static void on_gone(void *arg)
{
    struct counting *c = arg;

    c->req = NULL;
}

/* On main's loop again. */
static void take_answer(void *arg)
{
    struct question *q = arg;
    struct counting *c = q->counting;

    c->counts.connections[q->worker->index] = q->connections;
    if (--c->n_left > 0)
        return;
    if (c->req)
        c->then(c->req, c->program, &c->counts);
    arena_free(c->arena);
}

/* On the worker's own thread; after its end there is no server any more. */
static void answer(void *arg)
{
    struct question *q = arg;

    if (q->worker->server)
        q->connections = http_server_connections(q->worker->server);
    loop_post(q->counting->program->loop, take_answer, q);
}

void desk_count(struct http_request *req, struct program *p,
                void (*then)(struct http_request *req, struct program *p,
                             const struct desk_counts *counts))
{
    struct arena *a = arena_new();
    struct counting *c = arena_alloc(a, sizeof(*c));
    struct question *q = arena_alloc(a, (size_t)p->n_workers * sizeof(*q));

    c->arena = a;
    c->program = p;
    c->req = req;
    c->then = then;
    c->n_left = p->n_workers;
    req->handler_data = c;
    req->on_gone = on_gone;
    for (int i = 0; i < p->n_workers; i++) {
        q[i] = (struct question){c, &p->workers[i], 0};
        loop_post(p->workers[i].loop, answer, &q[i]);
    }
}
