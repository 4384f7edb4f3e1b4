#include "serve/tally.h"

#include "serve/exchange.h"

const int32_t tally_ends_ms[TALLY_SPANS - 1] = {
    5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000, 120000};

static void add(_Atomic uint64_t *counter, int64_t n)
{
    if (n > 0)
        atomic_fetch_add_explicit(counter, (uint64_t)n, memory_order_relaxed);
}

static void observe(struct tally_histogram *h, int64_t ms)
{
    int i = 0;

    while (i < TALLY_SPANS - 1 && ms > tally_ends_ms[i])
        i++;
    add(&h->n[i], 1);
    add(&h->sum_ms, ms);
}

static void tally_attempt(const struct exchange *x, const struct attempt *t)
{
    struct tally_offer *o = health_tally(
        x->worker->health, x->edition->offer_slots[t->offer->index]);

    add(&o->attempts[t->fault], 1);
    add(&o->input_tokens, t->usage.input_tokens);
    add(&o->cached_tokens, t->usage.cached_tokens);
    add(&o->output_tokens, t->usage.output_tokens);
    add(&o->cost_nanos, t->compared.nanos);
    if (t->fault != FAULT_NONE)
        add(&o->failed_nanos, t->compared.nanos);
    if (t->first_byte_ms >= 0)
        observe(&o->first_byte, t->first_byte_ms);
}

uint64_t tally_stated(struct tally_offer *o, int64_t stated_nanos,
                      int64_t our_nanos, bool differs)
{
    add(&o->stated_nanos, stated_nanos);
    add(&o->stated_ours_nanos, our_nanos);
    return differs ? atomic_fetch_add_explicit(&o->stated_off, 1,
                                               memory_order_relaxed) +
                         1
                   : 0;
}

void tally_exchange(const struct exchange *x)
{
    struct tally_requests *r = &x->worker->tally;
    int class = x->status / 100;

    for (uint32_t i = 0; i < x->n_attempts; i++)
        tally_attempt(x, x->attempts[i]);
    add(&r->by_class[class < TALLY_CLASSES ? class : 0], 1);
    add(&r->streams, x->stream);
    observe(&r->total, loop_now_ms(x->worker->loop) - x->began_ms);
}
