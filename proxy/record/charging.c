#include "record/charging.h"

#include <stdlib.h>

#include "base/fatal.h"

void charging_fini(struct charging *c)
{
    free(c->plans);
    *c = (struct charging){.plans = NULL};
}

void charging_want(struct charging *c, struct account *wanted)
{
    batch_add_wanted(&c->batch, wanted);
}

bool charging_any(const struct charging *c)
{
    return c->batch.first != NULL;
}

void charging_add(struct charging *c, struct intents *in,
                  const struct receipt *receipt, bool fresh)
{
    for (uint32_t i = 0; i < receipt->n_attempts; i++) {
        uint32_t place = receipt->attempts[i].place;
        const struct hold *h = place ? intents_hold(in, place) : NULL;

        for (uint32_t k = 0; h && k < h->n; k++)
            batch_end(&c->batch, h->parts[k].account,
                      fresh ? h->parts[k].charged : 0);
    }
}

void charging_again(struct charging *c)
{
    batch_forget_charges(&c->batch);
}

static struct account_plan *make_room(struct charging *c)
{
    if (c->n_plans == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->plans = realloc(c->plans, c->room * sizeof(*c->plans));
        if (!c->plans)
            fatal("out of memory planning leases");
    }
    return &c->plans[c->n_plans++];
}

int charging_move(struct charging *c, struct ledger *l)
{
    c->n_plans = 0;
    for (struct account *a = c->batch.first; a; a = account_next(a)) {
        struct account_plan *plan = make_room(c);

        __builtin_prefetch(account_next(a));
        account_plan(a, plan);
    }
    return ledger_move(l, c->plans, c->n_plans);
}

void charging_free(struct intents *in, const struct receipt *receipt)
{
    for (uint32_t i = 0; i < receipt->n_attempts; i++) {
        uint32_t place = receipt->attempts[i].place;

        if (place)
            intents_free(in, place);
    }
}

bool charging_grant(struct charging *c)
{
    bool waited = false;

    c->batch.first = NULL;
    for (size_t i = 0; i < c->n_plans; i++)
        waited = account_grant(&c->plans[i]) || waited;
    for (size_t i = 0; i < c->n_plans; i++)
        if (c->plans[i].closing)
            account_drop(c->plans[i].account);
    c->n_plans = 0;
    return waited;
}
