/*
 * desk.h - what the admin plane's routes share; private to this room.
 */
#pragma once

#include <cjson/cJSON.h>

#include "http/http.h"
#include "serve/program.h"

struct plane {
    struct program *program;
    struct http_server *server;
    struct http_limits limits;
    struct http_site site;
};

/* Replies with `json`, which is deleted. */
void desk_reply(struct http_request *req, cJSON *json);
void desk_refuse(struct http_request *req, int status, const char *message);

/* The text of `name` in the request's body, in the request's arena; NULL: it
 * is not there. `*ok` false: the body is no JSON object; it was refused. */
const char *desk_word(struct http_request *req, const char *name, bool *ok);

/* Counts what only workers know, then goes on with it, unless the client has
 * left meanwhile. */
struct desk_counts {
    size_t connections[WORKERS_MOST];
};

void desk_count(struct http_request *req, struct program *p,
                void (*then)(struct http_request *req, struct program *p,
                             const struct desk_counts *counts));

/* state.c */
void state_status(struct http_request *req, void *plane);
void state_offers(struct http_request *req, void *plane);
void state_vendors(struct http_request *req, void *plane);
void state_teams(struct http_request *req, void *plane);
void state_keys(struct http_request *req, void *plane);
void state_ledger(struct http_request *req, void *plane);
/* metrics.c */
void metrics_show(struct http_request *req, void *plane);
/* acts.c */
void act_disable(struct http_request *req, void *plane);
void act_enable(struct http_request *req, void *plane);
void act_reload(struct http_request *req, void *plane);
void act_drain(struct http_request *req, void *plane);
void act_prune(struct http_request *req, void *plane);
void act_key_new(struct http_request *req, void *plane);
void act_key_rotate(struct http_request *req, void *plane);
void act_key_revoke(struct http_request *req, void *plane);
