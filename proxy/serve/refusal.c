/* refusal.c - why the client gets no answer, in words its SDK understands. */
#include <string.h>

#include "serve/exchange.h"

enum {
    SECRET_LEAST = 4, /* bytes; a shorter key is none, but part of many words */
};

static bool any(const struct decision *d, enum why why)
{
    for (uint32_t i = 0; i < d->n_verdicts; i++)
        if (d->verdicts[i].why == why)
            return true;
    return false;
}

/* What the team's own rules keep from it. */
static bool all_forbidden(const struct decision *d)
{
    static const bool forbids[WHY_COUNT] = {[WHY_RESIDENCY] = true,
                                            [WHY_FLOOR] = true,
                                            [WHY_TEAM] = true,
                                            [WHY_PRICE_CAP] = true};

    for (uint32_t i = 0; i < d->n_verdicts; i++)
        if (!forbids[d->verdicts[i].why])
            return false;
    return true;
}

/* "deepseek/deepseek-flash: context; qwen/qwen-plus: no_key" */
static const char *reasons(struct exchange *x)
{
    const struct decision *d = &x->decision;
    const char *text = "";

    for (uint32_t i = 0; i < d->n_verdicts && i < 8; i++) {
        const struct verdict *v = &d->verdicts[i];

        text = arena_printf(
            x->arena, "%s%s%s: %s", text, i ? "; " : "", v->offer->name,
            v->why == WHY_CANNOT_SAY && v->refusal ? v->refusal
                                                   : why_help(v->why));
    }
    return text;
}

/* Reasons that lie in the request: changing it would help. */
static const enum why of_request[] = {WHY_TOOLS,    WHY_VISION, WHY_JSON,
                                      WHY_THINKING, WHY_OUTPUT, WHY_CANNOT_SAY};

static bool asks_too_much(const struct decision *d)
{
    for (size_t i = 0; i < ARRAY_LEN(of_request); i++)
        if (any(d, of_request[i]))
            return true;
    return false;
}

/* When the first offer that is only cooling down will be back. */
static int64_t soonest_ms(const struct exchange *x)
{
    const struct decision *d = &x->decision;
    int64_t now_ms = loop_now_ms(x->worker->loop), soonest = 0;

    for (uint32_t i = 0; i < d->n_verdicts; i++) {
        const struct offer *o = d->verdicts[i].offer;
        const struct vendor_doors *doors =
            &x->edition->vendors[o->vendor->index];

        for (uint32_t k = 0; k <= doors->n_keys; k++) {
            struct health_view view;
            int64_t wait_ms;

            health_look(x->worker->health,
                        k < doors->n_keys ? doors->keys[k].slot
                                          : x->edition->offer_slots[o->index],
                        now_ms, &view);
            wait_ms = view.cool_until_ms - now_ms;
            if (wait_ms <= 0 && k < doors->n_keys)
                headroom_look(&doors->keys[k], o, 1, now_ms, &wait_ms);
            if (wait_ms > 0 && (!soonest || wait_ms < soonest))
                soonest = wait_ms;
        }
    }
    return soonest ? soonest : 1000;
}

struct refusal refusal_of_decision(struct exchange *x)
{
    const struct decision *d = &x->decision;
    struct refusal r = {.fault = FAULT_BAD_REQUEST};

    r.error = (struct http_error){
        .status = 400, .type = "invalid_request_error", .param = "model"};
    if (d->n_verdicts == 0) {
        r.fault = FAULT_NO_MODEL;
        r.error.status = 404;
        r.error.code = "model_not_found";
        r.error.message = arena_printf(
            x->arena,
            "The model `%s` does not exist here. GET /v1/models lists those "
            "that do.",
            x->asked);
        return r;
    }
    r.error.message = arena_printf(
        x->arena, "No vendor can take this request for `%s` now: %s.", x->asked,
        reasons(x));
    if (all_forbidden(d)) {
        r.error.status = 403;
        r.error.code = "model_not_allowed";
    } else if (any(d, WHY_BREAKER) || any(d, WHY_KEYS_COOLING) ||
               any(d, WHY_HEADROOM)) {
        r.fault = FAULT_OVERLOADED;
        r.error = (struct http_error){.status = 503,
                                      .type = "server_error",
                                      .code = "no_vendor_ready",
                                      .message = r.error.message};
        r.retry_after_ms = soonest_ms(x);
    } else if (any(d, WHY_DISABLED)) { /* one that could: see sieve.c */
        r.fault = FAULT_OVERLOADED;
        r.error = (struct http_error){
            .status = 503,
            .type = "server_error",
            .code = "no_vendor_enabled",
            .message = arena_printf(x->arena,
                                    "No vendor that can take this request for "
                                    "`%s` is enabled: %s.",
                                    x->asked, reasons(x))};
    } else if (any(d, WHY_CONTEXT)) {
        r.fault = FAULT_TOO_LONG;
        r.error.code = "context_length_exceeded";
        r.error.param = "messages";
    } else if (asks_too_much(d)) {
        r.error.code = "unsupported_by_model";
        r.error.param = NULL;
    } else {
        r.fault = FAULT_OVERLOADED;
        r.error.status = 503;
        r.error.type = "server_error";
        r.error.code = "no_vendor_configured";
    }
    return r;
}

/* "qwen/qwen3.7-flash rate_limited, deepseek/deepseek-flash unreachable" */
static const char *story(struct exchange *x)
{
    const char *text = "";

    for (uint32_t i = 0; i < x->n_attempts; i++)
        text = arena_printf(x->arena, "%s%s%s %s", text, i ? ", " : "",
                            x->attempts[i]->offer->name,
                            fault_traits(x->attempts[i]->fault)->name);
    return text;
}

struct refusal refusal_of_ledger(void)
{
    static const struct http_error full = {
        .status = 503,
        .type = "server_error",
        .code = "ledger_unavailable",
        .message = "The ledger cannot take new work at the moment.",
    };

    return (struct refusal){FAULT_LEDGER, full, 1000};
}

/* "CNY 9.98 of CNY 10.00 per day are spent, and 0.50 are reserved ..." */
struct refusal refusal_of_budget(struct exchange *x)
{
    const struct budget *b = x->over;
    const struct claim *c = &x->claims[x->refused.claim];
    char cap[MONEY_TEXT], spent[MONEY_TEXT], reserved[MONEY_TEXT],
        asked[MONEY_TEXT];
    bool passing = x->refused.reserved_nanos > 0 &&
                   c->nanos <= b->cap.nanos - x->refused.spent_nanos;
    struct refusal r = {.fault = FAULT_OVER_BUDGET,
                        .retry_after_ms = passing ? 1000 : 0};

    r.error = (struct http_error){
        .status = 429,
        .type = "insufficient_quota",
        .code = "insufficient_quota",
        .message = arena_printf(
            x->arena,
            "The budget of %s %s (%s %s %s%s) does not cover this request: %s "
            "are spent, %s are reserved by requests under way, and this one "
            "may cost %s.%s",
            strcmp(b->conf->each, "team") == 0 ? "team" : "this",
            strcmp(b->conf->each, "team") == 0 ? x->key->team->name
                                               : b->conf->each,
            currency_name(b->cap.currency), decimal_text(b->cap.nanos, cap),
            b->period == PERIOD_TOTAL ? "in " : "per ", b->conf->per,
            decimal_text(x->refused.spent_nanos, spent),
            decimal_text(x->refused.reserved_nanos, reserved),
            decimal_text(c->nanos, asked),
            x->chat && x->chat->most_tokens
                ? ""
                : " A smaller max_tokens makes that less."),
    };
    /* OpenAI's SDKs try a 429 again unless they are told. */
    http_set_header(x->req, "x-should-retry", passing ? "true" : "false");
    return r;
}

/* What a vendor says, without our key there, whatever a key looks like: those
 * that look like one are gone already (vendors/redact.c). */
static const char *without_key(const struct attempt *t, struct slice said)
{
    char *text = arena_strndup(t->exchange->arena, said.bytes, said.len);
    struct slice key = t->key->secret;
    char *at = text;

    if (key.len < SECRET_LEAST)
        return text;
    while ((at = strstr(at, key.bytes))) {
        memset(at, '*', key.len);
        at += key.len;
    }
    return text;
}

struct refusal refusal_of_attempt(struct exchange *x)
{
    struct refusal r = {.fault = FAULT_OVERLOADED};
    const struct attempt *t = x->now;
    const struct fault_traits *traits;
    struct slice said = {NULL, 0};

    if (!t) { /* every breaker closed its door since the decision */
        r.error = (struct http_error){
            .status = 503,
            .type = "server_error",
            .code = "no_vendor_ready",
            .message = "No vendor is ready for this model at the moment."};
        r.retry_after_ms = 1000;
        return r;
    }
    traits = fault_traits(t->fault);
    if (t->reader)
        said = t->reader->answer.error;
    r.fault = t->fault;
    r.error = (struct http_error){
        .status = traits->status, .type = traits->type, .code = traits->code};
    if (traits->elsewhere || !said.len)
        r.error.message =
            arena_printf(x->arena, "No vendor could answer: %s.", story(x));
    else
        r.error.message = without_key(t, said);
    if (t->fault == FAULT_RATE_LIMITED || t->fault == FAULT_OVERLOADED)
        r.retry_after_ms = t->retry_after_ms ? t->retry_after_ms : 1000;
    return r;
}
