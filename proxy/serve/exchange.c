#include "serve/exchange.h"

#include <string.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"

/* Which states may follow which: a bit per follower. */
static const uint8_t follows[] = {
    [EXCHANGE_ASKED] = 1 << EXCHANGE_DECIDED | 1 << EXCHANGE_SETTLED,
    [EXCHANGE_DECIDED] = 1 << EXCHANGE_RESERVED | 1 << EXCHANGE_SETTLED,
    [EXCHANGE_RESERVED] = 1 << EXCHANGE_TRYING | 1 << EXCHANGE_SETTLED,
    [EXCHANGE_TRYING] =
        1 << EXCHANGE_TRYING | 1 << EXCHANGE_ANSWERING | 1 << EXCHANGE_SETTLED,
    [EXCHANGE_ANSWERING] = 1 << EXCHANGE_SETTLED,
    [EXCHANGE_SETTLED] = 0,
};

static void exchange_check(const struct exchange *x)
{
#ifndef NDEBUG
    bool calling = x->now && x->now->call;

    ENSURE(x->streaming == false || x->first_byte_ms >= 0); /* (1) */
    ENSURE(!calling || x->state == EXCHANGE_TRYING ||
           x->state == EXCHANGE_ANSWERING); /* (2) */
    ENSURE(x->place == (x->state >= EXCHANGE_RESERVED &&
                        x->state < EXCHANGE_SETTLED));       /* (3) */
    ENSURE(!x->gate.entered || x->state < EXCHANGE_SETTLED); /* (6) */
#else
    (void)x;
#endif
}

static void enter(struct exchange *x, enum exchange_state state)
{
    ENSURE(follows[x->state] & 1 << state);
    x->state = state;
}

static void drop_early(void *arg)
{
    struct exchange *x = arg;

    if (x->early)
        worker_return_arena(x->worker, x->early);
    x->early = NULL;
}

static void on_gone(void *arg);
static void on_drained(void *arg);
static void on_wait(void *arg);
static void on_total(void *arg);

struct exchange *exchange_open(struct worker *w, struct http_request *req,
                               const struct team_key *key)
{
    struct exchange *x = arena_alloc(req->arena, sizeof(*x));

    x->worker = w;
    x->edition = edition_retain(w->edition);
    arena_defer(req->arena, edition_release, x->edition);
    x->req = req;
    x->arena = req->arena;
    x->key = key;
    x->began_ms = req->began_ms;
    x->first_byte_ms = -1;
    x->asked = "";
    x->wait = (struct loop_timer){.fn = on_wait, .arg = x};
    x->total = (struct loop_timer){.fn = on_total, .arg = x};
    gate_fetch(x);
    receipt_id_new(x->id);
    req->handler_data = x;
    req->on_gone = on_gone;
    req->on_drained = on_drained;
    http_set_header(req, "x-bijia-request-id", x->id);
    return x;
}

/* The receipt; of one budget's refusal among very many only a count. */
static void record(struct exchange *x)
{
    struct worker *w = x->worker;
    bool counts = x->over && x->n_attempts == 0;

    x->place = false;
    if (counts && !limit_may_write(x->gate.limits[1], loop_now_ms(w->loop))) {
        recorder_cancel(w->recorder, w->index);
        recorder_limited(w->recorder, x->key->team->name, x->key->id,
                         LIMITED_BUDGET);
        return;
    }
    settle_record(x, loop_now_ms(w->loop) - x->began_ms);
}

/* The one end of an exchange: money, receipt, and nothing of it goes on. */
static void exchange_settle(struct exchange *x)
{
    enter(x, EXCHANGE_SETTLED);
    reserve_unwait(x);
    timer_stop(&x->wait);
    timer_stop(&x->total);
    if (x->place)
        record(x);
    gate_leave(x);
    tally_exchange(x);
    exchange_check(x);
    drop_early(x);
}

static void refuse(struct exchange *x, const struct refusal *r)
{
    x->fault = r->fault;
    x->status = r->error.status;
    gate_tell(x);
    if (r->retry_after_ms > 0)
        http_set_header(
            x->req, "retry-after",
            arena_printf(x->arena, "%lld",
                         (long long)(r->retry_after_ms + 999) / 1000));
    exchange_settle(x);
    http_reply_error(x->req, &r->error); /* x may be gone after it */
}

struct looker {
    const struct exchange *x;
    int64_t now_ms;
};

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    const struct looker *l = self;
    bool room = attempt_has_room(l->x, offer);
    struct health_view view;

    health_look(l->x->worker->health, l->x->edition->offer_slots[offer->index],
                l->now_ms, &view);
    *out = (struct offer_state){
        .available = view.available && view.cool_until_ms <= l->now_ms,
        .disabled = view.disabled,
        .key_ready = room || attempt_key_ready(l->x, offer),
        .crowded = !room,
        .latency_ms = view.latency_ms,
        .fails_ppm = view.fails_ppm,
        .failed_nanos = view.failed_nanos,
        .input_ppm = view.input_ppm,
        .output_tokens = view.output_tokens,
        .quota_left = settle_quota_left(l->x, offer, l->x->at_unix_ms),
    };
}

static void exchange_decide(struct exchange *x)
{
    struct looker looker = {x, loop_now_ms(x->worker->loop)};
    struct conditions conditions = {
        .now_unix_ms = x->at_unix_ms, .look = look, .self = &looker};

    query_of_chat(&x->query, x->chat, x->key->team);
    if (x->downgraded)
        x->query.asked = x->over->conf->downgrade;
    x->outlook = memory_decide(x->worker->memory, &x->edition->learnt,
                               &x->decision, &x->query, &conditions, x->early);
    settle_remember(x);
}

/* A place for the receipt. What attempts may cost is reserved for each of
 * them: reserve.c. */
static bool exchange_reserve(struct exchange *x)
{
    if (!recorder_reserve(x->worker->recorder, x->worker->index))
        return false;
    x->place = true;
    enter(x, EXCHANGE_RESERVED);
    return true;
}

/* Is there time and number left for one more attempt? */
static bool may_try(const struct exchange *x)
{
    const struct conf_server *c = &x->edition->snapshot->conf->server;
    int64_t spent_ms = loop_now_ms(x->worker->loop) - x->began_ms;

    return x->n_attempts < (uint32_t)c->attempts_most &&
           x->n_attempts < RECEIPT_ATTEMPTS &&
           (x->n_attempts == 0 || spent_ms < c->attempts_budget_ms);
}

/* Once: the budget that is full may name an alias to answer instead. */
static bool downgrade(struct exchange *x)
{
    if (!x->over || x->over->at_cap != AT_CAP_DOWNGRADE || x->downgraded ||
        x->n_attempts > 0)
        return false;
    x->downgraded = true;
    exchange_decide(x);
    x->over = NULL;
    x->next = 0;
    return true;
}

/* True: something is under way, or waited for. */
static bool try_next(struct exchange *x)
{
    while (may_try(x) && x->next < x->decision.n_listed) {
        switch (attempt_start(x, &x->decision.verdicts[x->next])) {
        case STARTED: exchange_check(x); return true;
        case STARTED_WAITS: reserve_wait(x); return true;
        case STARTED_OVER:
        case STARTED_NOT: x->next++; break;
        }
    }
    return false;
}

/* The next offer that will take an attempt; or the refusal. */
static void exchange_try(struct exchange *x)
{
    struct refusal r;

    enter(x, EXCHANGE_TRYING);
    if (try_next(x) || (downgrade(x) && try_next(x)))
        return;
    r = x->over ? refusal_of_budget(x) : refusal_of_attempt(x);
    settle_price(x);
    refuse(x, &r);
}

static void give_up_waiting(struct exchange *x)
{
    struct refusal r = refusal_of_ledger();

    settle_price(x);
    refuse(x, &r);
}

void exchange_go_on(struct exchange *x)
{
    timer_stop(&x->wait);
    if (recorder_healthy(x->worker->recorder))
        exchange_try(x);
    else
        give_up_waiting(x);
}

static const char *printable(struct arena *a, const char *text)
{
    size_t len = strnlen(text, sizeof(((struct receipt *)0)->asked) - 1);
    char *copy = arena_strndup(a, text, len);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)copy[i] < ' ' || copy[i] == 127)
            copy[i] = '?';
    return copy;
}

static bool read_chat(struct exchange *x)
{
    struct chat_error error;
    struct http_error told = {.status = 400, .type = "invalid_request_error"};
    struct refusal r;

    x->early = worker_borrow_arena(x->worker);
    arena_defer(x->arena, drop_early, x);
    x->chat = arena_alloc(x->early, sizeof(*x->chat));
    if (chat_read(x->chat, x->req->body, x->early, &error) != 0) {
        told.message = error.message;
        told.param = *error.param ? error.param : NULL;
        r = (struct refusal){FAULT_BAD_REQUEST, told, 0};
        refuse(x, &r);
        return false;
    }
    x->asked = printable(x->arena, x->chat->model);
    x->stream = x->chat->stream;
    x->show_usage = x->chat->include_usage;
    x->n = x->chat->n;
    return true;
}

/* By the estimate of the first offer. */
static int64_t expected_tokens(const struct exchange *x)
{
    const struct usage *u = &x->decision.verdicts[0].expected;

    return u->input_tokens + u->output_tokens;
}

void exchange_run(struct exchange *x)
{
    struct refusal r;

    x->at_unix_ms = clock_unix_ms();
    x->admitted_ms = loop_now_ms(x->worker->loop);
    if (!gate_enter(x, &r)) {
        refuse(x, &r);
        return;
    }
    if (!read_chat(x))
        return;
    exchange_decide(x);
    enter(x, EXCHANGE_DECIDED);
    if (x->decision.n_listed > 0 && !gate_tokens(x, expected_tokens(x), &r)) {
        refuse(x, &r);
        return;
    }
    if (!exchange_reserve(x)) {
        r = refusal_of_ledger();
        refuse(x, &r);
        return;
    }
    if (x->decision.n_listed == 0) {
        r = refusal_of_decision(x);
        refuse(x, &r);
        return;
    }
    timer_set(x->worker->loop, &x->total,
              x->edition->snapshot->conf->server.total_ms);
    exchange_try(x);
}

/* --- while an attempt answers ------------------------------------------ */

void exchange_first_byte(struct exchange *x)
{
    struct attempt *t = x->now;

    enter(x, EXCHANGE_ANSWERING);
    if (t->first_byte_ms < 0)
        t->first_byte_ms =
            (int32_t)(loop_now_ms(x->worker->loop) - t->started_ms);
    x->first_byte_ms =
        (int32_t)(t->started_ms - x->began_ms) + t->first_byte_ms;
    gate_tell(x);
    attempt_taken(t);
    http_set_header(x->req, "x-bijia-vendor", t->offer->vendor->name);
    http_set_header(x->req, "x-bijia-model", t->offer->model);
    if (x->expected_known)
        http_set_header(x->req, "x-bijia-expected-cost",
                        settle_cost_text(x->arena, x->expected));
    if (!t->call || upstream_sent_all(t->call)) {
        http_release_body(x->req);
        drop_early(x);
    }
    if (!x->stream)
        return;
    x->streaming = true;
    x->status = 200;
    http_set_header(x->req, "cache-control", "no-cache");
    http_stream_begin(x->req, 200, "text/event-stream; charset=utf-8");
}

void exchange_flush(struct exchange *x)
{
    uint32_t n = x->n_parts;

    if (!n)
        return;
    x->n_parts = 0;
    if (http_stream(x->req, x->parts, n) || x->state == EXCHANGE_SETTLED)
        return;
    if (!x->paused && x->now->call) {
        x->paused = true;
        x->lagged = true;
        timer_stop(&x->wait); /* the client is slow, not the vendor */
        upstream_pause(x->now->call);
    }
}

void exchange_say(struct exchange *x, struct slice bytes)
{
    if (x->n_parts == EXCHANGE_PARTS)
        exchange_flush(x);
    if (x->state == EXCHANGE_ANSWERING)
        x->parts[x->n_parts++] = bytes;
}

static void on_drained(void *arg)
{
    struct exchange *x = arg;

    if (!x->paused || !x->now->call)
        return;
    x->paused = false;
    timer_set(x->worker->loop, &x->wait, x->now->offer->vendor->silence_ms);
    upstream_resume(x->now->call);
}

/* The attempt has ended well: x->now->reader knows all there is. */
void exchange_stream_done(struct exchange *x)
{
    exchange_flush(x);
    if (x->state == EXCHANGE_SETTLED)
        return; /* the client left while we wrote */
    x->fault = FAULT_NONE;
    settle_price(x);
    exchange_settle(x);
    http_stream_end(x->req); /* x may be gone after it */
}

void exchange_answered(struct exchange *x, struct slice whole)
{
    exchange_first_byte(x);
    x->fault = FAULT_NONE;
    x->status = 200;
    settle_price(x);
    if (!x->now->unpriced)
        http_set_header(x->req, "x-bijia-cost",
                        settle_cost_text(x->arena, x->cost));
    exchange_settle(x);
    http_reply(x->req, 200, "application/json", whole); /* the same */
}

/* A stream that broke after its first byte: the client must not take it for
 * whole. */
static void cut(struct exchange *x)
{
    struct refusal r = refusal_of_attempt(x);
    struct slice json = http_error_json(x->arena, &r.error);

    exchange_flush(x);
    if (x->state == EXCHANGE_SETTLED)
        return;
    x->fault = r.fault;
    settle_price(x);
    exchange_say(x, slice_of("data: "));
    exchange_say(x, json);
    exchange_say(x, slice_of("\n\n"));
    exchange_flush(x);
    if (x->state == EXCHANGE_SETTLED)
        return;
    exchange_settle(x);
    http_abort(x->req); /* the same */
}

void exchange_failed(struct exchange *x)
{
    const struct fault_traits *traits = fault_traits(x->now->fault);
    struct refusal r;

    exchange_check(x);
    timer_stop(&x->wait);
    if (x->state == EXCHANGE_ANSWERING) {
        cut(x);
        return;
    }
    if (traits->elsewhere) {
        if (traits->blame != BLAME_KEY || !attempt_key_ready(x, x->now->offer))
            x->next++;
        exchange_try(x);
        return;
    }
    r = refusal_of_attempt(x);
    settle_price(x);
    refuse(x, &r);
}

/* --- the clocks and the client ------------------------------------------ */

static void on_wait(void *arg)
{
    struct exchange *x = arg;

    if (x->waiting)
        give_up_waiting(x);
    else
        attempt_silent(x->now);
}

static void on_total(void *arg)
{
    struct exchange *x = arg;

    if (x->waiting) {
        give_up_waiting(x);
        return;
    }
    x->next = x->decision.n_listed; /* no time for another */
    attempt_end(x->now, FAULT_SILENT);
    exchange_failed(x);
}

static void on_gone(void *arg)
{
    struct exchange *x = arg;

    if (x->state == EXCHANGE_SETTLED)
        return;
    x->fault = FAULT_CLIENT_GONE;
    x->status = 499;
    if (x->now && x->now->call)
        attempt_end(x->now, FAULT_CLIENT_GONE);
    if (x->state >= EXCHANGE_TRYING)
        settle_price(x);
    exchange_settle(x);
}
