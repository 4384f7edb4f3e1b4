/*
 * settle.c - what happened, as money and as a receipt.
 *
 * An attempt costs what the vendor's own usage says at the price of the
 * instant that its vendor goes by: the exchange's admission, unless
 * `price_at` says otherwise. Where the vendor may have served but said nothing
 * the most it may have billed is charged, marked as estimated: of an answer
 * that was cut, or whose vendor stops when we do, the prompt's bound and what
 * was seen; of one that goes on without us, or of which nothing was seen, or
 * that may think unseen, all that was reserved.
 */
#include <string.h>

#include "base/log.h"

#include "vendors/quirk.h"

#include "serve/exchange.h"

enum {
    UNSEEN_TOKENS = 16,       /* of a cut answer: what frames its choices */
    UNSEEN_TOKENS_GONE = 256, /* said by the vendor before it saw us leave */
    OVER_BOUND_MS = 10 * 60 * 1000,
    STATED_OFF_PERCENT = 1,
    STATED_OFF_LEAST = 1000, /* nanos: less is rounding */
    PERCENT = 100,
};

/* Of no byte too many: a stream's arena is full to the last hundred bytes. */
const char *settle_cost_text(struct arena *a, struct money m)
{
    char text[MONEY_TEXT];
    const struct slice parts[] = {slice_of(currency_name(m.currency)),
                                  {" ", 1},
                                  slice_of(decimal_text(m.nanos, text))};

    return arena_join(a, parts, ARRAY_LEN(parts)).bytes;
}

/* An error told inside an answer that had begun, or by a stream that was open:
 * what was served until then may be billed. A first event that says why it is
 * not even begun (a key, a limit, the content) is a refusal. */
static bool broke_off(const struct attempt *t)
{
    const struct reader *r = t->reader;
    bool refusal = t->fault != FAULT_OVERLOADED ||
                   quirk_has(t->manner, QUIRK_REFUSES_IN_200);

    return r && r->status < 300 && r->answer.fault == t->fault &&
           !fault_traits(t->fault)->maybe_billed &&
           (r->answer.began || (r->stream && !refusal));
}

/* Is what we saw of the answer, and a little, all that can be billed? */
static bool saw_all(const struct attempt *t)
{
    if (!t->reader)
        return false;
    if (broke_off(t) && !t->reader->answer.began)
        return true; /* it began with the error: nothing was thought either */
    if (t->expected.thinks || t->offer->conf->always_thinks)
        return false;
    if (t->fault == FAULT_CLIENT_GONE)
        return t->offer->vendor->conf->cancel_stops_billing &&
               t->exchange->stream && t->first_byte_ms >= 0 &&
               !t->exchange->lagged;
    return t->fault == FAULT_NONE || t->fault == FAULT_CUT_SHORT ||
           broke_off(t);
}

/* A token is at least a byte of text. */
static struct usage estimated_usage(const struct attempt *t)
{
    struct usage u = {.input_tokens = t->bounds.input_tokens,
                      .output_tokens = t->bounds.output_tokens,
                      .estimated = true};
    int64_t seen;

    if (!saw_all(t))
        return u;
    seen = t->reader->answer.shown_bytes +
           (t->fault == FAULT_CLIENT_GONE ? UNSEEN_TOKENS_GONE : UNSEEN_TOKENS);
    if (seen < u.output_tokens)
        u.output_tokens = seen;
    return u;
}

static bool is_billed(const struct attempt *t)
{
    if (t->fault == FAULT_NONE)
        return true;
    if (t->reader && t->reader->answer.has_usage)
        return true;
    return t->maybe_billed;
}

/* The instant whose price bills the attempt: see `price_at` in vendors.yaml.
 * A first byte that never came is the end. */
static int64_t price_instant(const struct exchange *x, const struct attempt *t)
{
    int64_t started = x->at_unix_ms + t->started_ms - x->admitted_ms;

    switch (t->offer->vendor->price_at) {
    case PRICE_AT_ADMISSION: break;
    case PRICE_AT_FIRST_BYTE:
        return started +
               (t->first_byte_ms >= 0 ? t->first_byte_ms : t->total_ms);
    case PRICE_AT_END: return started + t->total_ms;
    }
    return x->at_unix_ms;
}

/* Some vendors tell the usage with each chunk, or half of it at the head: of an
 * answer that did not end that is the prompt, and the least of the rest. */
static void so_far(struct usage *u, const struct usage *told)
{
    int64_t output = u->output_tokens;

    *u = *told;
    u->estimated = true;
    if (u->output_tokens < output)
        u->output_tokens = output;
}

/* What the vendor counted, and what it said of how it served; where it said
 * nothing, as it was asked to. */
static struct usage usage_of(const struct attempt *t)
{
    const struct answer *a = t->reader ? &t->reader->answer : NULL;
    bool told = a && a->has_usage;
    bool half = told && !a->finished && t->maybe_billed;
    struct usage u = told && !half ? a->usage : estimated_usage(t);

    if (half)
        so_far(&u, &a->usage);
    u.tier = a && a->has_tier ? a->tier : t->expected.tier;
    u.thinks = t->expected.thinks || u.thinking_tokens > 0;
    return u;
}

int64_t settle_quota_left(const struct exchange *x, const struct offer *offer,
                          int64_t at_unix_ms)
{
    const struct conf_quota *q = offer->quota;

    return q ? quotas_left(x->worker->quotas, x->edition->quota_slots[q->index],
                           q, at_unix_ms)
             : 0;
}

/* What the offer's quota gives for the attempt; it is then taken. */
static int64_t take_quota(const struct exchange *x, const struct attempt *t,
                          int64_t at_unix_ms)
{
    const struct conf_quota *q = t->offer->quota;

    return q ? quotas_take(x->worker->quotas, x->edition->quota_slots[q->index],
                           q, at_unix_ms,
                           t->usage.input_tokens + t->usage.output_tokens)
             : 0;
}

static void complain(const struct attempt *t, const char *what)
{
    log_line(LOG_WARN, "price", "id=%s vendor=%s model=%s note=\"%s\"", t->id,
             t->offer->vendor->name, t->offer->model, what);
}

static void price_attempt(struct exchange *x, struct attempt *t)
{
    const struct answer *a = t->reader ? &t->reader->answer : NULL;
    int64_t at = price_instant(x, t);
    struct cost cost;

    t->maybe_billed = t->fault != FAULT_NONE && t->sent_any &&
                      (fault_traits(t->fault)->maybe_billed || broke_off(t));
    t->cost = (struct money){0, t->worst.currency};
    t->compared = (struct money){0, x->edition->snapshot->currency};
    if (!is_billed(t))
        return;
    t->usage = usage_of(t);
    if (a && a->has_stated_cost)
        t->stated = (struct money){a->stated_cost_nanos, CURRENCY_USD};
    if (price_bill(&cost, t->offer, at, &t->usage, take_quota(x, t, at))) {
        t->cost = cost.total;
        if (cost.beyond)
            complain(t, "the price book has no row for this: the nearest one "
                        "was taken");
    } else if (a && a->has_stated_cost) {
        t->cost = t->stated;
    } else {
        t->unpriced = true;
        complain(t, "it has no price: nobody knows what this cost");
    }
    if (t->usage.estimated && t->worst.currency == t->cost.currency &&
        money_less(t->worst, t->cost))
        t->cost = t->worst;
    if (!price_convert(&t->compared, x->edition->snapshot, t->cost,
                       x->edition->snapshot->currency, x->at_unix_ms))
        complain(t, "no exchange rate: its cost is not added to the team's");
}

/* The vendor bills more than it can by all we know: what was reserved did not
 * cover it. Told, and the offer is left alone for a while. */
static void check_bound(struct exchange *x, struct attempt *t)
{
    if (t->unpriced || t->cost.currency != t->worst.currency ||
        !money_less(t->worst, t->cost))
        return;
    log_line(LOG_ERROR, "bill_over_bound",
             "id=%s vendor=%s model=%s input=%lld output=%lld note=\"more than "
             "was reserved; the offer rests for 10 minutes\"",
             t->id, t->offer->vendor->name, t->offer->model,
             (long long)t->usage.input_tokens,
             (long long)t->usage.output_tokens);
    health_cool(x->worker->health, t->ticket.slot,
                loop_now_ms(x->worker->loop) + OVER_BOUND_MS);
}

static bool is_off(int64_t stated, int64_t ours)
{
    int64_t off = stated > ours ? stated - ours : ours - stated;

    return off > STATED_OFF_LEAST &&
           (__int128)off * PERCENT > (__int128)stated * STATED_OFF_PERCENT;
}

/* What the vendor says that it bills, beside what the book says. Told the
 * first time, the second, the fourth, the eighth ... */
static void check_stated(const struct exchange *x, const struct attempt *t)
{
    const struct snapshot *s = x->edition->snapshot;
    struct money stated = t->stated;
    char theirs[MONEY_TEXT], ours[MONEY_TEXT];
    struct tally_offer *o;
    uint64_t n;

    if (stated.nanos == 0 || t->unpriced ||
        !price_convert(&stated, s, stated, s->currency, x->at_unix_ms))
        return;
    o = health_tally(x->worker->health,
                     x->edition->offer_slots[t->offer->index]);
    n = tally_stated(o, stated.nanos, t->compared.nanos,
                     is_off(stated.nanos, t->compared.nanos));
    if (n == 0 || (n & (n - 1)) != 0)
        return;
    log_line(
        LOG_WARN, "stated_cost",
        "id=%s vendor=%s model=%s stated=%s ours=%s currency=%s times=%llu",
        t->id, t->offer->vendor->name, t->offer->model,
        decimal_text(stated.nanos, theirs),
        decimal_text(t->compared.nanos, ours), currency_name(s->currency),
        (unsigned long long)n);
}

void settle_attempt(struct attempt *t)
{
    if (t->settled)
        return;
    t->settled = true;
    price_attempt(t->exchange, t);
    check_bound(t->exchange, t);
    check_stated(t->exchange, t);
    reserve_settle(t);
}

/* What the same answer would have cost at the next best offer: its tokens
 * counted as that vendor would count them, nothing of it cached. */
static void price_runner_up(struct exchange *x)
{
    const struct snapshot *s = x->edition->snapshot;
    const struct attempt *t = x->now;
    struct usage u = t->usage;
    struct cost cost;

    x->runner_up = NULL;
    for (uint32_t i = 0; i < x->n_others && !x->runner_up; i++)
        if (x->others[i].why == WHY_LISTED &&
            x->others[i].offer != t->offer->index) {
            x->runner_up = &s->offers[x->others[i].offer];
            if (t->expected.input_tokens > 0)
                u.input_tokens =
                    (int64_t)((__int128)u.input_tokens * x->others_input[i] /
                              t->expected.input_tokens);
        }
    if (!x->runner_up)
        return;
    u.cached_tokens = 0;
    u.cache_write_tokens = 0;
    u.cache_write_1h_tokens = 0;
    u.thinks =
        (x->query.needs & NEED_THINKING) || x->runner_up->conf->always_thinks;
    price_expect(&u, x->runner_up, x->at_unix_ms);
    if (!price_bill(&cost, x->runner_up, x->at_unix_ms, &u,
                    settle_quota_left(x, x->runner_up, x->at_unix_ms)) ||
        !price_convert(&x->runner_up_cost, s, cost.total, s->currency,
                       x->at_unix_ms))
        x->runner_up = NULL;
}

void settle_price(struct exchange *x)
{
    x->cost = (struct money){0, x->edition->snapshot->currency};
    for (uint32_t i = 0; i < x->n_attempts; i++)
        x->cost = money_add(x->cost, x->attempts[i]->compared);
    if (x->now && is_billed(x->now))
        price_runner_up(x);
}

void settle_remember(struct exchange *x)
{
    const struct decision *d = &x->decision;
    uint32_t n =
        d->n_verdicts < RECEIPT_OTHERS ? d->n_verdicts : RECEIPT_OTHERS;

    x->others = arena_alloc(x->arena, (n + 1) * sizeof(*x->others));
    x->others_input = arena_alloc(x->arena, (n + 1) * sizeof(*x->others_input));
    x->n_others = n;
    x->others_omitted = d->n_verdicts - n;
    for (uint32_t i = 0; i < n; i++) {
        const struct verdict *v = &d->verdicts[i];

        x->others[i] = (struct receipt_other){
            .offer = (uint16_t)v->offer->index,
            .why = (uint8_t)v->why,
            .compared = v->compared,
        };
        x->others_input[i] = v->expected.input_tokens;
    }
    x->expected = (struct money){0, x->edition->snapshot->currency};
    x->cost = x->expected;
    if (d->n_listed > 0) {
        x->expected = d->verdicts[0].compared;
        x->expected_known = d->verdicts[0].comparable;
        x->estimated_input = d->verdicts[0].expected.input_tokens;
        x->expected_output = d->verdicts[0].expected.output_tokens;
    }
}

static struct receipt_attempt record_attempt(const struct attempt *t)
{
    struct receipt_attempt r = {
        .offer = (uint16_t)t->offer->index,
        .fault = (uint8_t)t->fault,
        .maybe_billed = t->maybe_billed,
        .unpriced = t->unpriced,
        .estimated = t->usage.estimated,
        .place = t->place,
        .status = t->status,
        .first_byte_ms = t->first_byte_ms,
        .total_ms = t->total_ms,
        .usage = t->usage,
        .cost = t->cost,
        .stated = t->stated,
    };

    memcpy(r.id, t->id, sizeof(r.id));
    return r;
}

/* All that was considered, but for the one whose answer the client has. */
static void record_others(const struct exchange *x, struct receipt *r)
{
    int32_t chosen = r->chosen < 0 ? -1 : r->attempts[r->chosen].offer;

    for (uint32_t i = 0; i < x->n_others; i++)
        if (x->others[i].offer != chosen)
            r->others[r->n_others++] = x->others[i];
    r->others_omitted = x->others_omitted;
}

void settle_record(struct exchange *x, int64_t total_ms)
{
    struct snapshot *s = x->edition->snapshot;
    struct receipt r = {
        .at_unix_ms = x->at_unix_ms,
        .snapshot = snapshot_retain(s),
        .team = x->key->team->index,
        .stream = x->stream,
        .status = x->status,
        .fault = (uint8_t)x->fault,
        .n_attempts = x->n_attempts,
        .chosen = -1,
        .estimated_input = x->estimated_input,
        .expected_output = x->expected_output,
        .expected = x->expected,
        .cost = x->cost,
        .has_runner_up = x->runner_up != NULL,
        .runner_up = x->runner_up ? (uint16_t)x->runner_up->index : 0,
        .runner_up_cost = x->runner_up_cost,
        .first_byte_ms = x->first_byte_ms,
        .total_ms = (int32_t)total_ms,
    };

    memcpy(r.id, x->id, sizeof(r.id));
    memcpy(r.key_id, x->key->id, strnlen(x->key->id, sizeof(r.key_id) - 1));
    memcpy(r.asked, x->asked, strnlen(x->asked, sizeof(r.asked) - 1));
    for (uint32_t i = 0; i < x->n_attempts; i++)
        r.attempts[i] = record_attempt(x->attempts[i]);
    if (x->n_attempts > 0 && (x->fault == FAULT_NONE || x->streaming ||
                              x->fault == FAULT_CLIENT_GONE))
        r.chosen = (int32_t)x->n_attempts - 1;
    record_others(x, &r);
    recorder_put(x->worker->recorder, x->worker->index, &r);
}
