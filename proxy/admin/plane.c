#include "admin/plane.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fatal.h"
#include "base/log.h"

#include "admin/desk.h"

enum {
    ERROR_TEXT = 512,
};

const char *plane_socket(const struct conf *conf, struct arena *a)
{
    const struct conf_server *c = &conf->server;

    return conf_path(conf,
                     c->admin_socket
                         ? c->admin_socket
                         : arena_printf(a, "%s/admin.sock", c->state_dir),
                     a);
}

static bool is_allowed(const struct program *p, int64_t user)
{
    const struct conf_words *users =
        &p->edition->snapshot->conf->server.admin_users;

    if (user < 0)
        return false;
    if (user == 0 || user == (int64_t)geteuid())
        return true;
    for (size_t i = 0; i < users->n; i++)
        if (strtoll(users->items[i].text, NULL, 10) == user)
            return true;
    return false;
}

static bool admit(struct http_request *req, void *plane)
{
    const struct plane *pl = plane;
    int64_t user = http_peer_user(req);

    if (is_allowed(pl->program, user))
        return true;
    log_line(LOG_WARN, "admin", "user=%lld result=refused", (long long)user);
    desk_refuse(req, 403, "This user is not among admin.users.");
    return false;
}

static const struct http_route routes[] = {
    {"GET", "/v1/status", admit, state_status},
    {"GET", "/v1/offers", admit, state_offers},
    {"GET", "/v1/vendors", admit, state_vendors},
    {"GET", "/v1/teams", admit, state_teams},
    {"GET", "/v1/keys", admit, state_keys},
    {"GET", "/metrics", admit, metrics_show},
    {"POST", "/v1/offers/disable", admit, act_disable},
    {"POST", "/v1/offers/enable", admit, act_enable},
    {"POST", "/v1/keys/new", admit, act_key_new},
    {"POST", "/v1/keys/rotate", admit, act_key_rotate},
    {"POST", "/v1/keys/revoke", admit, act_key_revoke},
    {"GET", "/v1/ledger", admit, state_ledger},
    {"POST", "/v1/ledger/prune", admit, act_prune},
    {"POST", "/v1/reload", admit, act_reload},
    {"POST", "/v1/drain", admit, act_drain},
};

static const struct http_limits limits = {
    .head_bytes = 16 << 10,
    .headers = 64,
    .body_bytes = 64 << 10,
    .early_bytes = 16 << 10,
    .stream_buffer_bytes = 256 << 10,
    .connections = 64,
    .requests = 10000,
    .head_ms = 10000,
    .body_ms = 10000,
    .idle_ms = 60000,
    .write_ms = 60000,
};

static void *plane_open(struct program *p)
{
    const char *path = plane_socket(p->edition->snapshot->conf, p->arena);
    struct plane *pl = arena_alloc(p->arena, sizeof(*pl));
    char error[ERROR_TEXT];
    int fd = http_listen_local(path, error, sizeof(error));

    if (fd < 0) {
        log_line(LOG_ERROR, "admin", "error=\"%s\"", error);
        return NULL;
    }
    pl->program = p;
    pl->limits = limits;
    pl->site = (struct http_site){routes, ARRAY_LEN(routes), pl};
    pl->server = http_server_new(p->loop, &pl->limits, &pl->site);
    http_server_listen(pl->server, fd, NULL);
    return pl;
}

static void plane_close(void *plane)
{
    struct plane *pl = plane;
    struct arena *a = arena_new();

    unlink(plane_socket(pl->program->edition->snapshot->conf, a));
    arena_free(a);
    http_server_free(pl->server);
}

const struct serve_plane admin_plane = {plane_open, plane_close};
