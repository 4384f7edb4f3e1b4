/*
 * attempt.c - one offer tried with one key.
 *
 *   attempt_start -> adapter->write -> upstream_start
 *   on_head -> on_body ... (on_read_end) -> on_done
 *   -> attempt_end -> exchange_failed | exchange_answered | _stream_done
 *
 * A stream's clock is semantic: `wait` runs to the first event that says
 * something, then from event to event; comments and heartbeats do not wind
 * it. An unstreamed answer has until `answer` to be there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/fatal.h"
#include "base/log.h"

#include "serve/exchange.h"
#include "serve/retry_after.h"

enum {
    ANSWER_HEAD_BYTES = 64 * 1024,
    COOL_MOST_MS = 10 * 60 * 1000, /* a vendor's Retry-After beyond it is not
                                      believed */
};

static int64_t now_of(const struct exchange *x)
{
    return loop_now_ms(x->worker->loop);
}

/* --- keys ---------------------------------------------------------------- */

/* The next key that is not cooling, and with `tokens` > 0 one whose limits
 * leave room for so many. */
static const struct door_key *find_key(const struct exchange *x,
                                       const struct offer *offer,
                                       int64_t tokens)
{
    const struct vendor_doors *doors =
        &x->edition->vendors[offer->vendor->index];
    int64_t now_ms = now_of(x);

    for (uint32_t i = 0; i < doors->n_keys; i++) {
        const struct door_key *k =
            &doors->keys[(x->worker->turn + i) % doors->n_keys];
        int64_t wait_ms;

        if (health_cool_until(x->worker->health, k->slot) <= now_ms &&
            (!tokens || headroom_look(k, offer, tokens, now_ms, &wait_ms)))
            return k;
    }
    return NULL;
}

bool attempt_key_ready(const struct exchange *x, const struct offer *offer)
{
    return find_key(x, offer, 0) != NULL;
}

bool attempt_has_room(const struct exchange *x, const struct offer *offer)
{
    return find_key(x, offer, 1) != NULL;
}

/* --- the vendor's answer ------------------------------------------------- */

/* Bytes of the vendor as they were read stay until the read has ended. */
static bool is_scratch(const struct exchange *x, const char *bytes)
{
    const char *scratch = loop_scratch(x->worker->loop);

    return bytes >= scratch && bytes < scratch + LOOP_SCRATCH_BYTES;
}

static void say(void *listener, struct slice bytes)
{
    struct attempt *t = listener;
    struct exchange *x = t->exchange;

    if (!t->reader->answer.began)
        return; /* heartbeats: they commit us to nothing */
    if (x->state == EXCHANGE_TRYING)
        exchange_first_byte(x);
    timer_set(x->worker->loop, &x->wait, t->offer->vendor->silence_ms);
    exchange_say(x, bytes);
    if (!is_scratch(x, bytes.bytes))
        exchange_flush(x); /* the reader's own memory: valid only now */
}

/* An unstreamed answer is said once, by adapter->end. */
static void say_whole(void *listener, struct slice bytes)
{
    struct attempt *t = listener;

    t->whole = bytes;
}

static bool has_type(const struct http_head *head, const char *type)
{
    struct slice value = http_find(head, "content-type");

    return value.len >= strlen(type) &&
           strncasecmp(value.bytes, type, strlen(type)) == 0;
}

static enum fault on_head(void *watcher, const struct http_head *head)
{
    struct attempt *t = watcher;
    struct exchange *x = t->exchange;
    struct slice coding = http_find(head, "content-encoding");

    t->status = head->status;
    t->reader->status = head->status;
    t->retry_after_ms = retry_after_ms(head);
    t->rest_ms = headroom_rest_ms(head);
    if (coding.len && !slice_is(coding, "identity"))
        return FAULT_GARBLED;
    if (head->status >= 300 && head->status < 400)
        return FAULT_GARBLED; /* a base URL that moved: never followed */
    if (head->status >= 400)
        return FAULT_NONE; /* the reader sorts it */
    t->reader->stream = x->stream && has_type(head, "text/event-stream");
    if (head->body_len > 0)
        t->reader->length_hint = (size_t)head->body_len;
    if (!t->reader->stream && !has_type(head, "application/json"))
        return FAULT_GARBLED;
    if (!x->stream)
        t->first_byte_ms = (int32_t)(now_of(x) - t->started_ms);
    return FAULT_NONE;
}

/* A stream with its usage and every finish_reason needs no more: a vendor
 * that keeps it open after that has a short grace. */
static void watch_end(struct attempt *t)
{
    const struct answer *a = &t->reader->answer;
    struct exchange *x = t->exchange;

    if (!x->paused && (a->done || (a->finished && a->has_usage)))
        timer_set(x->worker->loop, &x->wait, EXCHANGE_GRACE_MS);
}

static enum fault on_body(void *watcher, struct slice bytes)
{
    struct attempt *t = watcher;
    enum fault fault = t->manner->adapter->body(t->reader, bytes);

    if (t->reader->stream)
        watch_end(t);
    return fault;
}

static void on_read_end(void *watcher)
{
    struct attempt *t = watcher;

    exchange_flush(t->exchange);
}

/* The transfer has ended, well or not: what does it mean? A fault of the
 * transfer stands, unless all that matters had come before it. */
static enum fault verdict_of(struct attempt *t, enum fault transfer)
{
    struct reader *r = t->reader;
    bool enough = r->answer.done ||
                  (r->stream && r->answer.finished && r->answer.has_usage);
    enum fault said;

    if (!t->status)
        return transfer ? transfer : FAULT_HUNG_UP;
    if (transfer && t->status < 400 && !enough)
        return transfer;
    said = t->manner->adapter->end(r);
    if (said)
        return said;
    if (t->status >= 400)
        return FAULT_OVERLOADED;
    if (!r->answer.done)
        return FAULT_CUT_SHORT;
    return r->answer.began ? FAULT_NONE : FAULT_GARBLED;
}

static void finish(struct attempt *t, enum fault fault)
{
    struct exchange *x = t->exchange;

    attempt_end(t, fault);
    if (fault)
        exchange_failed(x);
    else if (x->streaming)
        exchange_stream_done(x);
    else
        exchange_answered(x, t->whole);
}

static void on_done(void *watcher, enum fault transfer, const char *detail)
{
    struct attempt *t = watcher;

    t->sent_any = upstream_sent_any(t->call);
    t->call = NULL;
    if (transfer)
        log_line(LOG_INFO, "attempt_failed",
                 "id=%s vendor=%s model=%s fault=%s detail=\"%s\"", t->id,
                 t->offer->vendor->name, t->offer->model,
                 fault_traits(transfer)->name, detail ? detail : "");
    finish(t, verdict_of(t, transfer));
}

void attempt_silent(struct attempt *t)
{
    const struct answer *a = &t->reader->answer;
    enum fault fault = FAULT_SILENT;

    if (t->reader->stream && (a->done || (a->finished && a->has_usage)))
        fault = verdict_of(t, FAULT_NONE);
    finish(t, fault);
}

/* --- beginning and end --------------------------------------------------- */

static const struct upstream_watcher watcher = {
    .on_head = on_head,
    .on_body = on_body,
    .on_read_end = on_read_end,
    .on_done = on_done,
};

static struct reader *new_reader(struct attempt *t)
{
    struct exchange *x = t->exchange;
    const struct conf_server *c = &x->edition->snapshot->conf->server;
    struct reader *r = reader_new(t->manner, x->arena);

    r->show_usage = x->show_usage;
    r->stream_asked = x->stream;
    r->created_s = x->at_unix_ms / 1000;
    r->model = t->offer->sent_as;
    r->event_limit = (size_t)c->event_bytes;
    r->answer_limit = (size_t)c->answer_bytes;
    r->say = x->stream ? say : say_whole;
    r->listener = t;
    return r;
}

/* The digits of n, at the end of `digits`. */
static struct slice decimal(char digits[24], size_t n)
{
    size_t at = 24;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return (struct slice){digits + at, 24 - at};
}

static struct slice *whole_request(const struct attempt *t,
                                   const struct wire *wire)
{
    struct arena *a = t->exchange->early;
    struct slice *parts = arena_alloc(a, (wire->n_body + 3) * sizeof(*parts));
    char digits[24];
    const struct slice line[] = {
        slice_of("POST "),
        slice_of(t->offer->vendor->base_path),
        slice_of(wire->path),
        slice_of(" HTTP/1.1\r\n"),
    };
    const struct slice lines[] = {
        slice_of(wire->headers),         slice_of("Content-Length: "),
        decimal(digits, wire->body_len), slice_of("\r\nx-bijia-attempt: "),
        {t->id, RECEIPT_ID - 1},         slice_of("\r\n\r\n"),
    };

    parts[0] = arena_join(a, line, ARRAY_LEN(line));
    parts[1] = t->key->head;
    parts[2] = arena_join(a, lines, ARRAY_LEN(lines));
    memcpy(parts + 3, wire->body, wire->n_body * sizeof(*parts));
    return parts;
}

static void send(struct attempt *t, const struct wire *wire)
{
    struct exchange *x = t->exchange;
    const struct conf_server *c = &x->edition->snapshot->conf->server;
    struct upstream_request request = {
        .to = t->key->lane,
        .parts = whole_request(t, wire),
        .n_parts = wire->n_body + 3,
        .connect_ms = c->connect_ms,
        .head_limit = ANSWER_HEAD_BYTES,
    };

    t->call = upstream_start(x->worker->upstream, &request, &watcher, t);
    timer_set(x->worker->loop, &x->wait,
              x->stream ? t->first_byte_limit_ms : c->answer_ms);
}

static struct attempt *attempt_new(struct exchange *x, const struct verdict *v,
                                   const struct door_key *key,
                                   const struct reserved *reserved)
{
    struct attempt *t = arena_alloc(x->arena, sizeof(*t));
    const struct vendor *vendor = v->offer->vendor;
    const struct query *q = &x->query;

    t->exchange = x;
    t->offer = v->offer;
    t->manner = &v->offer->manner;
    t->key = key;
    t->place = reserved->place;
    t->bounds = reserved->bounds;
    t->worst = reserved->worst;
    t->expected = v->expected;
    t->raw_input =
        tokenizer_estimate(vendor->tokenizer, &q->text, q->n_messages,
                           q->n_images, q->image_bytes);
    t->first_byte_limit_ms = v->offer->conf->first_byte_ms
                                 ? v->offer->conf->first_byte_ms
                                 : vendor->first_byte_ms;
    t->first_byte_ms = -1;
    t->total_ms = -1;
    t->started_ms = now_of(x);
    receipt_id_new(t->id);
    return t;
}

/* With a key and a hold: writes the request and sends it. */
static bool launch(struct attempt *t, struct health_ticket ticket)
{
    struct exchange *x = t->exchange;
    struct wire wire = {.headers = ""};
    const char *why = NULL;

    x->worker->turn++;
    t->ticket = ticket;
    x->attempts[x->n_attempts++] = t;
    x->now = t;
    t->fault = t->manner->adapter->write(&wire, t->manner, t->offer->sent_as,
                                         x->chat, x->early, &why);
    reserve_intend(t);
    if (t->fault) { /* decide() asks refuses(): not expected */
        attempt_end(t, t->fault);
        return false;
    }
    t->reader = new_reader(t);
    send(t, &wire);
    FAILPOINT("dispatched");
    return true;
}

enum started attempt_start(struct exchange *x, const struct verdict *v)
{
    int64_t tokens = v->expected.input_tokens + v->expected.output_tokens;
    const struct door_key *key = find_key(x, v->offer, tokens);
    struct health_ticket ticket;
    struct reserved reserved;
    struct attempt *t;
    struct room room;

    if (!key)
        return STARTED_NOT;
    switch (reserve_take(x, v->offer, &reserved)) {
    case RESERVE_DONE: break;
    case RESERVE_WAIT: return STARTED_WAITS;
    case RESERVE_OVER: return STARTED_OVER;
    case RESERVE_NONE: return STARTED_NOT;
    }
    if (!headroom_enter(&room, key, v->offer, tokens, now_of(x))) {
        reserve_drop(x, &reserved);
        return STARTED_NOT;
    }
    if (!health_begin(x->worker->health,
                      x->edition->offer_slots[v->offer->index], now_of(x),
                      &ticket)) {
        headroom_leave(&room, 0, FAULT_CLIENT_GONE);
        reserve_drop(x, &reserved);
        return STARTED_NOT;
    }
    t = attempt_new(x, v, key, &reserved);
    t->room = room;
    return launch(t, ticket) ? STARTED : STARTED_NOT;
}

void attempt_taken(struct attempt *t)
{
    struct exchange *x = t->exchange;

    if (x->outlook && x->early)
        t->lesson =
            memory_sent(x->worker->memory, x->outlook, x->edition->snapshot,
                        &x->decision, t->offer, x->arena);
    x->outlook = NULL;
}

/* What the fault says of the offer and the key, for decisions to come. */
static void teach(struct attempt *t)
{
    struct exchange *x = t->exchange;
    const struct fault_traits *traits = fault_traits(t->fault);
    int64_t now_ms = now_of(x), cool_ms = traits->cool_ms;
    const struct answer *a = &t->reader->answer;

    health_end(x->worker->health, t->ticket, t->fault, t->first_byte_ms,
               now_ms);
    if (t->fault == FAULT_NONE && a->has_usage)
        health_learn(x->worker->health, t->ticket.slot, t->raw_input,
                     a->usage.input_tokens,
                     a->usage.output_tokens / (x->n > 1 ? x->n : 1));
    if (t->fault == FAULT_NONE && !t->lesson)
        attempt_taken(t); /* an unstreamed answer, which comes at once */
    if (t->fault == FAULT_NONE && a->has_usage && t->lesson)
        memory_answered(x->worker->memory, t->lesson, x->edition->snapshot,
                        t->offer, &a->usage, x->at_unix_ms);
    if (t->retry_after_ms > 0)
        cool_ms = t->retry_after_ms;
    else if (a->retry_after_ms > 0)
        cool_ms = a->retry_after_ms;
    if (t->fault == FAULT_NONE && t->rest_ms > 0)
        health_cool(x->worker->health, t->key->slot, now_ms + t->rest_ms);
    if (cool_ms > COOL_MOST_MS && cool_ms > traits->cool_ms)
        cool_ms = COOL_MOST_MS;
    if (traits->blame == BLAME_KEY && cool_ms > 0)
        health_cool(x->worker->health, t->key->slot, now_ms + cool_ms);
    else if (traits->blame == BLAME_OFFER && cool_ms > 0)
        health_cool(x->worker->health, t->ticket.slot, now_ms + cool_ms);
}

/* What counts against the vendor's limits: its own figure, or the guess. */
static int64_t tokens_used(const struct attempt *t)
{
    const struct answer *a = t->reader ? &t->reader->answer : NULL;

    if (a && a->has_usage)
        return a->usage.input_tokens + a->usage.output_tokens;
    return t->sent_any ? t->room.tokens : 0;
}

void attempt_end(struct attempt *t, enum fault fault)
{
    struct exchange *x = t->exchange;

    timer_stop(&x->wait);
    t->fault = fault;
    t->total_ms = (int32_t)(now_of(x) - t->started_ms);
    if (t->call) {
        t->sent_any = upstream_sent_any(t->call);
        upstream_cancel(t->call);
        t->call = NULL;
    }
    settle_attempt(t);
    headroom_leave(&t->room, tokens_used(t), fault);
    if (!t->reader) {
        health_end(x->worker->health, t->ticket, FAULT_CLIENT_GONE, -1,
                   now_of(x));
        return;
    }
    teach(t);
}
