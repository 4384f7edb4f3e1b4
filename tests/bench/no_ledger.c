/*
 * no_ledger.c - a ledger that keeps nothing: what the proxy would cost
 * without one.
 *
 * Stands in for ledger.c when bijia_no_ledger is linked. Receipts still go to
 * the routing log, budgets are counted in memory only: all that is missing is
 * what SQLite, its file and the seals of its rows cost.
 */
#include <stdlib.h>

#include "base/fatal.h"

#include "record/ledger.h"

struct ledger {
    int64_t n_accounts;
};

struct ledger *ledger_open(const char *dir, char *error, size_t error_size)
{
    struct ledger *l = calloc(1, sizeof(*l));

    (void)dir;
    (void)error;
    (void)error_size;
    if (!l)
        fatal("out of memory opening no ledger");
    return l;
}

void ledger_close(struct ledger *l)
{
    free(l);
}

int ledger_begin(struct ledger *l)
{
    (void)l;
    return 0;
}

void ledger_add(struct ledger *l, const struct receipt *receipt)
{
    (void)l;
    (void)receipt;
}

int ledger_put(struct ledger *l)
{
    (void)l;
    return 0;
}

uint32_t ledger_fresh(const struct ledger *l, size_t i)
{
    (void)l;
    (void)i;
    return UINT32_MAX;
}

int ledger_move(struct ledger *l, struct account_plan *plan)
{
    if (!plan->no) {
        plan->no = ++l->n_accounts;
        account_plan_from(plan, 0);
    }
    return 0;
}

int ledger_commit(struct ledger *l)
{
    (void)l;
    return 0;
}

int ledger_resume(struct ledger *l, const char *dir, struct resumed *told)
{
    (void)l;
    (void)dir;
    *told = (struct resumed){0};
    return 0;
}

int ledger_rest(struct ledger *l)
{
    (void)l;
    return 0;
}

const char *ledger_id(const struct ledger *l)
{
    (void)l;
    return "none";
}

int64_t ledger_high_ms(struct ledger *l)
{
    (void)l;
    return 0;
}

int ledger_recover(struct ledger *l)
{
    (void)l;
    return 0;
}

const char *ledger_problem(const struct ledger *l)
{
    (void)l;
    return "there is no ledger";
}

int ledger_note_time(struct ledger *l, int64_t unix_ms)
{
    (void)l;
    (void)unix_ms;
    return 0;
}

int ledger_warn(struct ledger *l, struct warning *w)
{
    (void)l;
    (void)w;
    return 0;
}

int ledger_prune(struct ledger *l, int64_t before_unix_ms, struct pruned *told)
{
    (void)l;
    (void)before_unix_ms;
    (void)told;
    return 0;
}
