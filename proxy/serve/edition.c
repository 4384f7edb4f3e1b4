#include "serve/edition.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fatal.h"

struct held {
    struct edition edition; /* first: callers see only this */
    atomic_uint refs;
    struct arena *arena;
};

/* FNV-1a, 64 bits: lanes are told apart by what makes them different. */
static uint64_t mix(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
    return (hash ^ 0xff) * 1099511628211ULL;
}

static uint64_t lane_id(const struct vendor *v, uint64_t key_id)
{
    uint64_t hash = mix(14695981039346656037ULL, v->host);

    hash = mix(hash, v->conf->ca_file);
    hash = mix(hash, v->conf->forward_proxy);
    hash ^= (uint64_t)v->port << 1 | v->tls;
    hash *= 1099511628211ULL;
    return (hash ^ key_id) * 1099511628211ULL;
}

static struct slice head_lines(const struct vendor *v, const char *key,
                               struct arena *a)
{
    bool v6 = strchr(v->host, ':') != NULL;
    bool usual = v->port == (v->tls ? 443 : 80);
    char port[8] = "";
    static const char *const auths[] = {
        [AUTH_BEARER] = "Authorization: Bearer ",
        [AUTH_API_KEY] = "api-key: ",
        [AUTH_X_API_KEY] = "x-api-key: ",
        [AUTH_X_GOOG_API_KEY] = "x-goog-api-key: ",
        [AUTH_NONE] = "",
    };
    const char *auth = auths[v->auth], *end = *auth ? "\r\n" : "";

    if (!usual)
        snprintf(port, sizeof(port), ":%u", (unsigned)v->port);
    return slice_of(arena_printf(a,
                                 "Host: %s%s%s%s\r\n"
                                 "%s%s%s"
                                 "Content-Type: application/json\r\n"
                                 "Accept: application/json\r\n"
                                 "User-Agent: bijia/" BIJIA_VERSION "\r\n"
                                 "%s",
                                 v6 ? "[" : "", v->host, v6 ? "]" : "", port,
                                 auth, *auth ? key : "", end, v->headers));
}

/* What an edition is made with. */
struct making {
    const struct snapshot *snapshot;
    struct arena *arena;
    struct health *health;
    struct limits *limits;
};

/* As the model's own words say, else as its price list does. */
static struct conf_limits limits_of_offer(const struct offer *o)
{
    struct conf_limits l = o->conf->limits;

    if (!o->priced)
        return l;
    if (!l.rpm)
        l.rpm = o->priced->rpm;
    if (!l.tpm)
        l.tpm = o->priced->tpm;
    if (!l.concurrency)
        l.concurrency = o->priced->concurrency;
    return l;
}

/* `key` is the health slot's name: "key:VENDOR:HASH". */
static struct limit *const *model_limits(const struct making *m,
                                         const struct vendor *v,
                                         const char *key)
{
    struct limit **list =
        arena_alloc(m->arena, (v->n_offers + 1) * sizeof(struct limit *));

    for (uint32_t i = 0; i < v->n_offers; i++) {
        const struct offer *o = &m->snapshot->offers[v->first_offer + i];
        struct conf_limits rules = limits_of_offer(o);

        list[i] = limits_find(
            m->limits, arena_printf(m->arena, "%s/%s", key, o->model), &rules);
    }
    return list;
}

static struct door_key door_of(const struct making *m, const struct vendor *v,
                               const struct secret *secret)
{
    const struct conf *conf = m->snapshot->conf;
    struct arena *a = m->arena;
    uint64_t key_id = secret ? secret->id : 0;
    char name[96];

    snprintf(name, sizeof(name), "key:%.40s:%016" PRIx64, v->name, key_id);
    return (struct door_key){
        .slot = health_slot(m->health, name),
        .limit = limits_find(m->limits, name, &v->conf->limits),
        .model_limits = model_limits(m, v, name),
        .lane =
            {
                .lane = lane_id(v, key_id),
                .host = v->host,
                .port = v->port,
                .tls = v->tls,
                .ca_file = conf_path(conf, v->conf->ca_file, a),
                .forward_proxy = v->conf->forward_proxy,
                .idle_ms = v->idle_ms,
            },
        .head = head_lines(v, secret ? secret->text : "", a),
        .secret = slice_of(secret ? secret->text : ""),
    };
}

static struct vendor_doors doors_of(const struct making *m,
                                    const struct vendor *v)
{
    uint32_t n = v->auth == AUTH_NONE ? 1 : v->n_keys;
    struct door_key *keys = arena_alloc(m->arena, (n + 1) * sizeof(*keys));

    for (uint32_t i = 0; i < n; i++)
        keys[i] = door_of(m, v, v->auth == AUTH_NONE ? NULL : &v->keys[i]);
    return (struct vendor_doors){keys, n};
}

static struct limit *const *team_limits(const struct making *m)
{
    const struct snapshot *s = m->snapshot;
    struct limit **list =
        arena_alloc(m->arena, (s->n_teams + 1) * sizeof(struct limit *));

    for (size_t i = 0; i < s->n_teams; i++)
        list[i] = limits_find(
            m->limits, arena_printf(m->arena, "team:%s", s->teams[i].name),
            &s->teams[i].conf->limits);
    return list;
}

/* A key that stands in the files is not revoked, or not any more. */
static struct limit *const *key_limits(const struct making *m)
{
    const struct snapshot *s = m->snapshot;
    struct limit **list =
        arena_alloc(m->arena, (s->n_keys + 1) * sizeof(struct limit *));

    for (size_t i = 0; i < s->n_keys; i++) {
        list[i] = limits_find(m->limits,
                              arena_printf(m->arena, "bj:%s", s->keys[i].id),
                              &s->keys[i].team->conf->key_limits);
        atomic_store(&list[i]->revoked, false);
    }
    return list;
}

static struct http_limits limits_of(const struct conf_server *c)
{
    return (struct http_limits){
        .head_bytes = (size_t)c->head_bytes,
        .headers = (size_t)c->headers,
        .body_bytes = (size_t)c->body_bytes,
        .early_bytes = (size_t)c->early_bytes,
        .stream_buffer_bytes = (size_t)c->stream_buffer_bytes,
        .connections = (size_t)((c->connections + c->workers - 1) / c->workers),
        .requests = c->requests,
        .head_ms = c->head_ms,
        .body_ms = c->body_ms,
        .idle_ms = c->idle_ms,
        .write_ms = c->write_ms,
    };
}

struct edition *edition_new(struct snapshot *snapshot, struct health *health,
                            struct quotas *quotas, struct limits *limits)
{
    struct arena *a = arena_new();
    const struct making m = {snapshot, a, health, limits};
    struct held *h = arena_alloc(a, sizeof(*h));
    const struct conf_server *c = &snapshot->conf->server;
    struct vendor_doors *vendors =
        arena_alloc(a, (snapshot->n_vendors + 1) * sizeof(*vendors));
    uint32_t *slots = arena_alloc(a, (snapshot->n_offers + 1) * sizeof(*slots));
    uint32_t *quota_slots =
        arena_alloc(a, (snapshot->conf->n_quotas + 1) * sizeof(*slots));

    for (size_t i = 0; i < snapshot->n_vendors; i++)
        vendors[i] = doors_of(&m, &snapshot->vendors[i]);
    for (size_t i = 0; i < snapshot->n_offers; i++)
        slots[i] = health_slot(health, snapshot->offers[i].name);
    for (size_t i = 0; i < snapshot->conf->n_quotas; i++)
        quota_slots[i] = quotas_slot(quotas, snapshot, i);
    h->arena = a;
    atomic_init(&h->refs, 1);
    h->edition = (struct edition){
        .snapshot = snapshot,
        .offer_slots = slots,
        .quota_slots = quota_slots,
        .vendors = vendors,
        .purses =
            arena_alloc(a, (snapshot->n_teams + 1) * sizeof(struct purse *)),
        .team_limits = team_limits(&m),
        .key_limits = key_limits(&m),
        .limits = limits_of(c),
        .rules = {c->breaker_failures, c->breaker_open_ms},
    };
    return &h->edition;
}

void edition_bind(struct edition *e, struct memory *m)
{
    struct held *h = (struct held *)e;

    e->learnt = memory_bind(m, e->snapshot, h->arena);
}

void edition_find_purses(struct edition *e, struct purses *purses)
{
    for (size_t i = 0; i < e->snapshot->n_teams; i++)
        e->purses[i] = purses_find(purses, e->snapshot->teams[i].name);
}

struct edition *edition_retain(struct edition *e)
{
    struct held *h = (struct held *)e;

    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return e;
}

void edition_release(void *edition)
{
    struct held *h = edition;

    if (!h)
        return;
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    snapshot_release(h->edition.snapshot);
    arena_free(h->arena);
}
