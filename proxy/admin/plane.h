/*
 * plane.h - the admin plane: a unix socket of its own, on main's own loop.
 *
 * Whoever calls is known by the kernel's word (SO_PEERCRED): root, bijia's
 * own user, and `admin.users`. The public port knows none of its routes, and
 * it knows none of the public port's keys. JSON in and out.
 *
 *   GET  /v1/status /v1/offers /v1/vendors /v1/teams /v1/keys   /metrics
 *   POST /v1/offers/disable, enable   {"offer": WORD}: as an alias names them
 *   POST /v1/keys/new {"team", "name", "expires"}, rotate, revoke {"id"}
 *   POST /v1/reload, /v1/drain
 *
 * What is disabled by hand stays so until it is enabled or bijia ends.
 */
#pragma once

#include "serve/serve.h"

extern const struct serve_plane admin_plane;

struct conf;
struct arena;

/* Where its socket is. */
const char *plane_socket(const struct conf *conf, struct arena *a);
