#include "serve/worker.h"

#include "base/attr.h"

#include "serve/door.h"
#include "serve/exchange.h"

static const struct http_route routes[] = {
    {"POST", "/v1/chat/completions", door_admit, door_chat},
    {"GET", "/v1/models", door_admit, door_models},
    {"GET", "/v1/models/*", door_admit, door_model},
    {"GET", "/healthz", NULL, door_healthz},
    {"GET", "/readyz", NULL, door_readyz},
};

void worker_init(struct worker *w, struct edition *edition)
{
    w->edition = edition_retain(edition);
    key_memory_init(&w->keys, edition->snapshot);
    w->limits = edition->limits;
    w->site = (struct http_site){routes, ARRAY_LEN(routes), w};
    w->loop = loop_new();
    w->upstream = upstream_new(w->loop);
    w->server = http_server_new(w->loop, &w->limits, &w->site);
}

void worker_take_tls(struct worker *w, struct tls_context *tls)
{
    http_server_tls(w->server, tls);
    tls_context_free(w->tls); /* connections keep what they need of it */
    w->tls = tls;
}

void worker_listen(struct worker *w, int fd)
{
    http_server_listen(w->server, fd, w->tls);
}

void worker_fini(struct worker *w)
{
    http_server_free(w->server);
    tls_context_free(w->tls);
    w->server = NULL; /* what was posted may still look */
    upstream_free(w->upstream);
    while (w->n_spare > 0)
        arena_free(w->spare[--w->n_spare]);
    loop_free(w->loop);
    edition_release(w->edition);
    key_memory_fini(&w->keys);
}

void worker_take_edition(struct worker *w, struct edition *edition)
{
    edition_release(w->edition);
    w->edition = edition;
    key_memory_fini(&w->keys);
    key_memory_init(&w->keys, edition->snapshot);
    w->limits = edition->limits;
}

void worker_granted(void *worker)
{
    struct worker *w = worker;

    reserve_try_all(w);
}

struct arena *worker_borrow_arena(struct worker *w)
{
    return w->n_spare > 0 ? w->spare[--w->n_spare] : arena_new();
}

void worker_return_arena(struct worker *w, struct arena *a)
{
    if (w->n_spare == (int)ARRAY_LEN(w->spare)) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    w->spare[w->n_spare++] = a;
}
