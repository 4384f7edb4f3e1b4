/* acts.c - what the admin plane changes. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/time.h"

#include "conf/value.h"

#include "routing/match.h"

#include "admin/desk.h"
#include "admin/key_store.h"
#include "record/retention.h"

/* --- offers --------------------------------------------------------------- */

static void set_disabled(struct http_request *req, void *plane, bool disabled)
{
    const struct program *p = ((struct plane *)plane)->program;
    const struct snapshot *s = p->edition->snapshot;
    uint64_t *bits = arena_alloc(req->arena, bits_words(s) * sizeof(*bits));
    cJSON *json, *list;
    bool ok;
    const char *word = desk_word(req, "offer", &ok);

    if (!ok)
        return;
    if (!word || match_offers(s, word, bits) == 0) {
        desk_refuse(req, 404,
                    word ? arena_printf(req->arena,
                                        "No offer is called \"%.128s\": "
                                        "vendor/model, model, or vendor/*.",
                                        word)
                         : "\"offer\" is missing: vendor/model, model, or "
                           "vendor/*.");
        return;
    }
    json = cJSON_CreateObject();
    list = cJSON_AddArrayToObject(json, disabled ? "disabled" : "enabled");
    for (uint32_t i = 0; i < s->n_offers; i++)
        if (bits_have(bits, i)) {
            health_disable(p->health, p->edition->offer_slots[i], disabled);
            cJSON_AddItemToArray(list, cJSON_CreateString(s->offers[i].name));
            log_line(LOG_INFO, "admin", "offer=%s disabled=%s",
                     s->offers[i].name, disabled ? "yes" : "no");
        }
    desk_reply(req, json);
}

void act_disable(struct http_request *req, void *plane)
{
    set_disabled(req, plane, true);
}

void act_enable(struct http_request *req, void *plane)
{
    set_disabled(req, plane, false);
}

/* --- the program ---------------------------------------------------------- */

void act_reload(struct http_request *req, void *plane)
{
    struct program *p = ((struct plane *)plane)->program;
    cJSON *json;

    if (p->draining || !program_reload(p)) {
        desk_refuse(req, 409,
                    "The files are refused, see the log; the running edition "
                    "stays.");
        return;
    }
    json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "edition",
                            (double)p->edition->snapshot->edition);
    desk_reply(req, json);
}

void act_drain(struct http_request *req, void *plane)
{
    struct program *p = ((struct plane *)plane)->program;
    cJSON *json = cJSON_CreateObject();

    cJSON_AddBoolToObject(json, "draining", true);
    desk_reply(req, json);
    if (!p->draining)
        program_drain(p);
}

/* Done by and by: GET /v1/ledger tells how far it is. */
void act_prune(struct http_request *req, void *plane)
{
    const struct program *p = ((struct plane *)plane)->program;
    int64_t before_ms;
    bool ok;
    const char *before = desk_word(req, "before", &ok);

    if (!ok)
        return;
    if (!before || !time_parse(&before_ms, before) ||
        !retention_is_fit(before_ms)) {
        desk_refuse(req, 400,
                    "\"before\" is an instant more than 32 days ago.");
        return;
    }
    log_line(LOG_INFO, "admin", "ledger_before=%s removed=yes", before);
    recorder_prune(p->recorder, before_ms);
    state_ledger(req, plane);
}

/* --- keys ----------------------------------------------------------------- */

static void store_failed(struct http_request *req, const struct key_store *s)
{
    desk_refuse(req, s->is_usage ? 400 : 409, s->why);
}

static void reply_made(struct http_request *req, struct program *p,
                       struct key_made *made)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "id", made->id);
    cJSON_AddStringToObject(json, "team", made->team);
    cJSON_AddStringToObject(json, "key", made->text);
    log_line(LOG_INFO, "admin", "key=%s team=%s made=yes", made->id,
             made->team);
    wipe(made->text, sizeof(made->text));
    program_look_at_keys(p);
    desk_reply(req, json);
}

void act_key_new(struct http_request *req, void *plane)
{
    struct program *p = ((struct plane *)plane)->program;
    struct key_store store = {.dir = p->dir, .arena = req->arena};
    struct key_made made;
    const char *expires;
    bool ok;
    struct key_wish wish = {.team = desk_word(req, "team", &ok)};

    if (!ok)
        return;
    wish.name = desk_word(req, "name", &ok);
    expires = desk_word(req, "expires", &ok);
    if (!wish.team)
        desk_refuse(req, 400, "\"team\" is missing.");
    else if (expires && !key_store_expiry(&wish.expires_ms, expires))
        desk_refuse(
            req, 400,
            "\"expires\" is neither an instant nor a duration such as 30d.");
    else if (key_store_new(&store, &wish, &made) != 0)
        store_failed(req, &store);
    else
        reply_made(req, p, &made);
}

void act_key_rotate(struct http_request *req, void *plane)
{
    struct program *p = ((struct plane *)plane)->program;
    struct key_store store = {.dir = p->dir, .arena = req->arena};
    int64_t grace_ms = 3600 * 1000;
    struct key_made made;
    bool ok;
    const char *id = desk_word(req, "id", &ok), *grace;

    if (!ok)
        return;
    grace = desk_word(req, "grace", &ok);
    if (!id)
        desk_refuse(req, 400, "\"id\" is missing.");
    else if (grace && !value_parse(&grace_ms, FIELD_DURATION, grace))
        desk_refuse(req, 400, "\"grace\" is not a duration such as 24h.");
    else if (key_store_rotate(&store, id, grace_ms, &made) != 0)
        store_failed(req, &store);
    else
        reply_made(req, p, &made);
}

void act_key_revoke(struct http_request *req, void *plane)
{
    struct program *p = ((struct plane *)plane)->program;
    struct key_store store = {.dir = p->dir, .arena = req->arena};
    bool ok;
    const char *id = desk_word(req, "id", &ok);
    cJSON *json;

    if (!ok)
        return;
    if (!id) {
        desk_refuse(req, 400, "\"id\" is missing.");
        return;
    }
    if (key_store_revoke(&store, id) != 0) {
        store_failed(req, &store);
        return;
    }
    program_look_at_keys(p);
    json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "revoked", id);
    desk_reply(req, json);
}
