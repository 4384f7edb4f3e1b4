/* state.c - what bijia knows at this moment, as JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "base/time.h"

#include "admin/desk.h"
#include "record/retention.h"

/* --- words ---------------------------------------------------------------- */

static void add_number(cJSON *to, const char *name, int64_t n)
{
    cJSON_AddNumberToObject(to, name, (double)n);
}

static void add_amount(cJSON *to, const char *name, int64_t nanos)
{
    char text[MONEY_TEXT];

    decimal_text(nanos, text);
    cJSON_AddStringToObject(to, name, text);
}

static int64_t read_word(const _Atomic int64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static int64_t left_ms(int64_t until_ms, int64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

static void add_bucket(cJSON *to, const char *name, const struct bucket *b,
                       int64_t now_ms)
{
    struct limit_view v = bucket_look(b, now_ms);
    cJSON *o;

    if (!v.limit)
        return;
    o = cJSON_AddObjectToObject(to, name);
    add_number(o, "limit", v.limit);
    add_number(o, "remaining", v.remaining);
    add_number(o, "reset_ms", v.reset_ms);
}

static void add_limit(cJSON *to, const struct limit *l, int64_t now_ms)
{
    add_number(to, "in_flight", read_word(&l->in_flight));
    if (read_word(&l->at_once))
        add_number(to, "concurrency", read_word(&l->at_once));
    if (read_word(&l->learnt))
        add_number(to, "learnt_concurrency", limit_learnt(l));
    add_bucket(to, "rpm", &l->requests, now_ms);
    add_bucket(to, "tpm", &l->tokens, now_ms);
}

/* --- status --------------------------------------------------------------- */

static void tell_status(struct http_request *req, struct program *p,
                        const struct desk_counts *counts)
{
    const struct snapshot *s = p->edition->snapshot;
    cJSON *json = cJSON_CreateObject();
    int64_t connections = 0;

    for (int i = 0; i < p->n_workers; i++)
        connections += (int64_t)counts->connections[i];
    cJSON_AddStringToObject(json, "version", BIJIA_VERSION);
    cJSON_AddStringToObject(json, "state",
                            p->draining ? "draining" : "serving");
    cJSON_AddBoolToObject(json, "ledger", recorder_healthy(p->recorder));
    add_number(json, "uptime_ms", loop_now_ms(p->loop) - p->began_ms);
    add_number(json, "edition", (int64_t)s->edition);
    add_number(json, "workers", p->n_workers);
    add_number(json, "connections", connections);
    add_number(json, "vendors", (int64_t)s->n_vendors);
    add_number(json, "offers", (int64_t)s->n_offers);
    add_number(json, "teams", (int64_t)s->n_teams);
    add_number(json, "keys", (int64_t)s->n_keys);
    desk_reply(req, json);
}

void state_status(struct http_request *req, void *plane)
{
    desk_count(req, ((struct plane *)plane)->program, tell_status);
}

/* --- offers and vendors --------------------------------------------------- */

static const char *word_of(const struct health_view *v, int64_t now_ms)
{
    if (v->disabled)
        return "disabled";
    if (v->cool_until_ms > now_ms)
        return "cooling";
    return v->available ? "ready" : "breaker";
}

static cJSON *offer_json(const struct program *p, const struct offer *o)
{
    const struct edition *e = p->edition;
    const struct vendor_doors *doors = &e->vendors[o->vendor->index];
    int64_t now_ms = loop_now_ms(p->loop), in_flight = 0;
    cJSON *json = cJSON_CreateObject();
    struct health_view v;

    health_look(p->health, e->offer_slots[o->index], now_ms, &v);
    for (uint32_t k = 0; k < doors->n_keys; k++)
        in_flight +=
            read_word(&doors->keys[k]
                           .model_limits[o->index - o->vendor->first_offer]
                           ->in_flight);
    cJSON_AddStringToObject(json, "vendor", o->vendor->name);
    cJSON_AddStringToObject(json, "model", o->model);
    cJSON_AddStringToObject(json, "state",
                            doors->n_keys ? word_of(&v, now_ms) : "no_key");
    add_number(json, "cooling_ms", left_ms(v.cool_until_ms, now_ms));
    add_number(json, "in_flight", in_flight);
    add_number(json, "first_byte_ms", v.latency_ms);
    add_number(json, "fails_ppm", v.fails_ppm);
    add_number(json, "output_tokens", v.output_tokens);
    return json;
}

void state_offers(struct http_request *req, void *plane)
{
    const struct program *p = ((struct plane *)plane)->program;
    const struct snapshot *s = p->edition->snapshot;
    cJSON *json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(json, "offers");

    for (size_t i = 0; i < s->n_offers; i++)
        cJSON_AddItemToArray(list, offer_json(p, &s->offers[i]));
    desk_reply(req, json);
}

/* Keys are told by their place: what they are is nobody's business. */
static cJSON *key_json(const struct program *p, const struct vendor *v,
                       uint32_t k)
{
    const struct door_key *key = &p->edition->vendors[v->index].keys[k];
    int64_t now_ms = loop_now_ms(p->loop);
    cJSON *json = cJSON_CreateObject(), *models;
    struct health_view view;

    health_look(p->health, key->slot, now_ms, &view);
    add_number(json, "key", k + 1);
    add_number(json, "cooling_ms", left_ms(view.cool_until_ms, now_ms));
    add_limit(json, key->limit, now_ms);
    models = cJSON_AddObjectToObject(json, "models");
    for (uint32_t i = 0; i < v->n_offers; i++) {
        const struct offer *o =
            &p->edition->snapshot->offers[v->first_offer + i];

        add_limit(cJSON_AddObjectToObject(models, o->model),
                  key->model_limits[i], now_ms);
    }
    return json;
}

void state_vendors(struct http_request *req, void *plane)
{
    const struct program *p = ((struct plane *)plane)->program;
    const struct snapshot *s = p->edition->snapshot;
    cJSON *json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(json, "vendors");

    for (size_t i = 0; i < s->n_vendors; i++) {
        const struct vendor *v = &s->vendors[i];
        cJSON *one = cJSON_CreateObject(), *keys;

        cJSON_AddItemToArray(list, one);
        cJSON_AddStringToObject(one, "vendor", v->name);
        if (v->conf->region)
            cJSON_AddStringToObject(one, "region", v->conf->region);
        keys = cJSON_AddArrayToObject(one, "keys");
        for (uint32_t k = 0; k < p->edition->vendors[i].n_keys; k++)
            cJSON_AddItemToArray(keys, key_json(p, v, k));
    }
    desk_reply(req, json);
}

/* --- teams ---------------------------------------------------------------- */

struct teams {
    cJSON *json; /* by name */
};

static void add_account(void *to, const char *team,
                        const struct account_view *view)
{
    static const char *const scopes[] = {"all", "team", "key", "user"};
    const struct teams *t = to;
    cJSON *one = cJSON_GetObjectItemCaseSensitive(t->json, team), *account;
    char who[ACCOUNT_WHO + 1] = "", at[TIME_TEXT];

    if (!one)
        return;
    account = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(one, "accounts"),
                         account);
    memcpy(who, view->key.who, ACCOUNT_WHO);
    cJSON_AddStringToObject(account, "of", scopes[view->key.scope & 3]);
    if (*who)
        cJSON_AddStringToObject(account, "who", who);
    if (view->key.window_ms)
        cJSON_AddStringToObject(account, "since",
                                time_text(view->key.window_ms, at));
    cJSON_AddStringToObject(account, "currency",
                            currency_name((enum currency)view->key.currency));
    if (view->cap_nanos != INT64_MAX)
        add_amount(account, "cap", view->cap_nanos);
    add_amount(account, "spent", view->spent_nanos);
    add_amount(account, "reserved", view->reserved_nanos);
}

void state_teams(struct http_request *req, void *plane)
{
    const struct program *p = ((struct plane *)plane)->program;
    const struct snapshot *s = p->edition->snapshot;
    cJSON *json = cJSON_CreateObject();
    struct teams t = {cJSON_AddObjectToObject(json, "teams")};

    for (size_t i = 0; i < s->n_teams; i++) {
        const struct limit *l = p->edition->team_limits[i];
        cJSON *one = cJSON_AddObjectToObject(t.json, s->teams[i].name);

        add_limit(one, l, loop_now_ms(p->loop));
        add_number(
            one, "refused",
            (int64_t)atomic_load_explicit(&l->n_refused, memory_order_relaxed));
        cJSON_AddArrayToObject(one, "accounts");
    }
    purses_look(recorder_purses(p->recorder), add_account, &t);
    desk_reply(req, json);
}

void state_keys(struct http_request *req, void *plane)
{
    const struct program *p = ((struct plane *)plane)->program;
    const struct snapshot *s = p->edition->snapshot;
    cJSON *json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(json, "keys");
    char at[TIME_TEXT];

    for (size_t i = 0; i < s->n_keys; i++) {
        const struct team_key *key = &s->keys[i];
        cJSON *one = cJSON_CreateObject();

        if (atomic_load(&p->edition->key_limits[i]->revoked)) {
            cJSON_Delete(one);
            continue;
        }
        cJSON_AddItemToArray(list, one);
        cJSON_AddStringToObject(one, "id", key->id);
        cJSON_AddStringToObject(one, "team", key->team->name);
        cJSON_AddStringToObject(one, "name", key->name ? key->name : "");
        if (key->expires_ms != INT64_MAX)
            cJSON_AddStringToObject(one, "expires",
                                    time_text(key->expires_ms, at));
        add_limit(one, p->edition->key_limits[i], loop_now_ms(p->loop));
    }
    desk_reply(req, json);
}

/* Of what was removed since the start. */
void state_ledger(struct http_request *req, void *plane)
{
    const struct program *p = ((struct plane *)plane)->program;
    const struct retention *r = recorder_retention(p->recorder);
    cJSON *json = cJSON_CreateObject();

    add_number(json, "keep_ms", read_word(&r->keep_ms));
    cJSON_AddBoolToObject(json, "busy", atomic_load(&r->busy));
    cJSON_AddBoolToObject(json, "failed", atomic_load(&r->failed));
    add_number(json, "requests", read_word(&r->n_exchanges));
    add_number(json, "attempts", read_word(&r->n_attempts));
    add_number(json, "accounts", read_word(&r->n_accounts));
    desk_reply(req, json);
}
