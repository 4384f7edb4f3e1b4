/*
 * reserve.c - what an attempt may cost, taken from all accounts or none.
 *
 *   reserve_take -> reserve_intend -> (dispatched) -> reserve_settle
 *        |  \-> reserve_drop
 *        +-> reserve_wait -> [lease granted] -> exchange_go_on
 *
 * What does not fit is refused, never shrunk; only a request that asked for
 * no bound of its output may be given one, if the budget says so. Each
 * attempt takes for itself: a retry never spends what the first one holds.
 */
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/failpoint.h"

#include "serve/exchange.h"

/* A user's name as it lies in the request; a long one by its hash. */
static void put_who(char who[ACCOUNT_WHO], struct slice name)
{
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];

    if (name.len < ACCOUNT_WHO - 8) {
        memcpy(who, name.bytes, name.len);
        return;
    }
    digest_sha256(digest, name);
    snprintf(who, ACCOUNT_WHO, "#%s", digest_text(digest, hex));
}

static struct slice user_of(const struct chat *chat)
{
    const struct chat_field *f = &chat->field[CHAT_USER];

    if (f->kind != JSON_STRING)
        return (struct slice){"", 0};
    return (struct slice){chat->body.bytes + f->value.at + 1, f->value.len - 2};
}

static void claim_budget(const struct exchange *x, size_t i, int64_t time_ms,
                         struct claim *c)
{
    const struct budget *all = x->key->team->budgets, *b = &all[i];
    static const uint8_t scopes[] = {
        [EACH_TEAM] = ACCOUNT_TEAM,
        [EACH_KEY] = ACCOUNT_KEY,
        [EACH_USER] = ACCOUNT_USER,
    };

    c->key.scope = scopes[b->each];
    c->key.period = (uint8_t)b->period;
    c->key.currency = (uint8_t)b->cap.currency;
    c->key.window_ms = budget_window_ms(all, i, time_ms);
    if (b->each == EACH_KEY)
        put_who(c->key.who, slice_of(x->key->id));
    if (b->each == EACH_USER)
        put_who(c->key.who, user_of(x->chat));
    c->cap_nanos = b->cap.nanos;
    c->strict = b->at_cap == AT_CAP_REFUSE;
    c->marks = b->marks;
    c->n_marks = b->n_marks;
}

/* Once for an exchange: windows are those of its admission. */
static void find_claims(struct exchange *x)
{
    const struct team *team = x->key->team;
    int64_t time_ms =
        purses_time(recorder_purses(x->worker->recorder), x->at_unix_ms);

    x->n_claims = (uint32_t)team->n_budgets + 1;
    x->claims = arena_alloc(x->arena, x->n_claims * sizeof(*x->claims));
    x->claims[0].key.scope = ACCOUNT_ALL;
    x->claims[0].key.period = PERIOD_TOTAL;
    x->claims[0].key.currency = (uint8_t)x->edition->snapshot->currency;
    x->claims[0].cap_nanos = INT64_MAX;
    for (size_t i = 0; i < team->n_budgets; i++)
        claim_budget(x, i, time_ms, &x->claims[i + 1]);
}

/* Rounded up: what is converted by half up at settlement is never more. */
static bool convert_up(const struct exchange *x, struct money m,
                       enum currency to, int64_t *nanos)
{
    struct money told;

    if (!price_convert(&told, x->edition->snapshot, m, to, x->at_unix_ms))
        return false;
    *nanos = told.nanos +
             (m.currency != to && m.nanos > 0 && told.nanos < INT64_MAX);
    return true;
}

static bool price_claims(struct exchange *x, struct money worst)
{
    for (uint32_t i = 0; i < x->n_claims; i++)
        if (!convert_up(x, worst, (enum currency)x->claims[i].key.currency,
                        &x->claims[i].nanos))
            return false;
    return true;
}

static int64_t asked_tokens(const struct exchange *x)
{
    return x->chat->bound_tokens ? x->chat->bound_tokens : x->chat->most_tokens;
}

static enum take take_once(struct exchange *x, const struct offer *offer,
                           struct reserved *out, struct hold *hold)
{
    out->bounds = bounds_of(offer, &x->query, (int64_t)x->chat->body.len,
                            asked_tokens(x));
    if (!worst_case(&out->worst, offer, x->at_unix_ms, &out->bounds)) {
        /* Listed without a price, as the policy wants it: it may not touch a
         * budget. */
        out->worst = (struct money){0, offer->vendor->conf->currency};
        if (x->n_claims > 1) {
            x->refused = (struct refused){.claim = 1};
            return TAKE_OVER;
        }
    }
    if (!price_claims(x, out->worst)) {
        x->refused = (struct refused){.claim = x->n_claims > 1};
        return TAKE_OVER;
    }
    return purse_take(x->edition->purses[x->key->team->index], x->claims,
                      x->n_claims, loop_now_ms(x->worker->loop), hold,
                      &x->refused);
}

/* May the output be bounded by what the budget that refused has left? */
static bool bound_output(struct exchange *x, const struct offer *offer)
{
    uint32_t i = x->refused.claim;
    const struct budget *b = i ? &x->key->team->budgets[i - 1] : NULL;
    struct money left = {x->refused.left_nanos,
                         (enum currency)x->claims[i].key.currency};
    int64_t tokens;

    if (!b || !b->conf->bound_output || x->chat->most_tokens > 0 ||
        left.nanos <= 0)
        return false;
    tokens = worst_fitting(x->edition->snapshot, offer, &x->query,
                           (int64_t)x->chat->body.len, x->at_unix_ms, left);
    if (!tokens || (x->chat->bound_tokens && tokens >= x->chat->bound_tokens))
        return false;
    x->chat->bound_tokens = tokens;
    return true;
}

static enum take take_bounded(struct exchange *x, const struct offer *offer,
                              struct reserved *out, struct hold *hold)
{
    enum take take;

    x->chat->bound_tokens = 0;
    do
        take = take_once(x, offer, out, hold);
    while (take == TAKE_OVER && bound_output(x, offer));
    return take;
}

enum reserve reserve_take(struct exchange *x, const struct offer *offer,
                          struct reserved *out)
{
    struct intents *in =
        recorder_intents(x->worker->recorder, x->worker->index);
    uint32_t place = intents_take(in);

    if (!place)
        return RESERVE_NONE;
    if (!x->claims)
        find_claims(x);
    FAILPOINT("reserve_before");
    switch (take_bounded(x, offer, out, intents_hold(in, place))) {
    case TAKE_DONE:
        out->place = place;
        FAILPOINT("reserved");
        return RESERVE_DONE;
    case TAKE_WAIT: intents_untake(in, place); return RESERVE_WAIT;
    case TAKE_OVER: break;
    }
    intents_untake(in, place);
    if (x->refused.claim > 0)
        x->over = &x->key->team->budgets[x->refused.claim - 1];
    return x->refused.claim > 0 ? RESERVE_OVER : RESERVE_NONE;
}

static const int64_t nothing[CLAIMS_MOST];

void reserve_drop(struct exchange *x, const struct reserved *r)
{
    struct intents *in =
        recorder_intents(x->worker->recorder, x->worker->index);
    struct hold *h = intents_hold(in, r->place);

    purse_settle(h, nothing, NULL, NULL);
    for (uint32_t i = 0; i < h->n; i++)
        account_recorded(h->parts[i].account);
    intents_untake(in, r->place);
}

static void copy_name(char *to, size_t size, const char *name)
{
    size_t len = strnlen(name, size - 1);

    memcpy(to, name, len);
    to[len] = '\0';
}

void reserve_intend(struct attempt *t)
{
    struct exchange *x = t->exchange;
    struct intents *in =
        recorder_intents(x->worker->recorder, x->worker->index);
    struct intent *i = intents_at(in, t->place);
    const struct hold *h = intents_hold(in, t->place);

    i->n = x->n_attempts;
    i->at_unix_ms = x->at_unix_ms;
    memcpy(i->id, t->id, sizeof(i->id));
    memcpy(i->exchange, x->id, sizeof(i->exchange));
    copy_name(i->key_id, sizeof(i->key_id), x->key->id);
    copy_name(i->asked, sizeof(i->asked), x->asked);
    copy_name(i->team, sizeof(i->team), x->key->team->name);
    copy_name(i->vendor, sizeof(i->vendor), t->offer->vendor->name);
    copy_name(i->model, sizeof(i->model), t->offer->model);
    i->stream = x->stream;
    i->currency = (uint8_t)t->worst.currency;
    i->base_currency = (uint8_t)x->edition->snapshot->currency;
    i->bound_nanos = t->worst.nanos;
    i->n_accounts = h->n;
    for (uint32_t k = 0; k < h->n; k++) {
        i->accounts[k].no = account_no(h->parts[k].account);
        i->accounts[k].nanos = h->parts[k].nanos;
    }
    intents_open(in, t->place);
    FAILPOINT("intended");
}

static void warn(const struct exchange *x, const struct hold *h,
                 const struct reached reached[])
{
    struct warning w = {.at_unix_ms = x->at_unix_ms};

    for (uint32_t i = 1; i < h->n; i++) {
        if (!reached[i].mark.fraction_nanos)
            continue;
        receipt_id_new(w.id);
        copy_name(w.team, sizeof(w.team), x->key->team->name);
        w.key = x->claims[i].key;
        w.account_no = account_no(h->parts[i].account);
        w.mark = reached[i].mark;
        w.spent_nanos = reached[i].spent_nanos;
        w.cap_nanos = x->claims[i].cap_nanos;
        recorder_warn(x->worker->recorder, &w);
    }
}

/* Half up, as all is told: so accounts are the sums of their rows. */
static int64_t charge_of(const struct exchange *x, const struct attempt *t,
                         enum currency currency)
{
    struct money told = {0, currency};

    if (currency == t->compared.currency)
        return t->compared.nanos;
    if (!price_convert(&told, x->edition->snapshot, t->cost, currency,
                       x->at_unix_ms))
        return 0;
    return told.nanos;
}

void reserve_settle(struct attempt *t)
{
    struct exchange *x = t->exchange;
    struct intents *in =
        recorder_intents(x->worker->recorder, x->worker->index);
    struct intent *i = intents_at(in, t->place);
    struct hold *h = intents_hold(in, t->place);
    struct reached reached[CLAIMS_MOST];
    int64_t charges[CLAIMS_MOST];

    FAILPOINT("settle_before");
    for (uint32_t k = 0; k < h->n; k++)
        charges[k] = charge_of(x, t, (enum currency)x->claims[k].key.currency);
    purse_settle(h, charges, x->claims, reached);
    i->cost_nanos = t->cost.nanos;
    i->estimated = t->usage.estimated;
    i->usage = t->usage;
    i->currency = (uint8_t)t->cost.currency;
    warn(x, h, reached);
    intents_settle(in, t->place);
    FAILPOINT("settled");
}

/* --- waiting for a lease -----------------------------------------------------
 */

void reserve_wait(struct exchange *x)
{
    struct worker *w = x->worker;

    x->waiting = true;
    x->wait_next = w->waiting;
    x->wait_prev = &w->waiting;
    if (w->waiting)
        w->waiting->wait_prev = &x->wait_next;
    w->waiting = x;
    timer_set(w->loop, &x->wait, EXCHANGE_LEASE_MS);
}

void reserve_unwait(struct exchange *x)
{
    if (!x->waiting)
        return;
    x->waiting = false;
    *x->wait_prev = x->wait_next;
    if (x->wait_next)
        x->wait_next->wait_prev = x->wait_prev;
}

/* Those that must wait again begin a new list; the oldest are served first. */
void reserve_try_all(struct worker *w)
{
    struct exchange *list = w->waiting, *turned = NULL;

    w->waiting = NULL;
    while (list) {
        struct exchange *x = list;

        list = x->wait_next;
        x->wait_next = turned;
        turned = x;
    }
    for (struct exchange *x = turned, **prev = &turned; x; x = x->wait_next) {
        x->wait_prev = prev;
        prev = &x->wait_next;
    }
    while (turned) {
        struct exchange *x = turned;

        reserve_unwait(x);
        exchange_go_on(x);
    }
}
