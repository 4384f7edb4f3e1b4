#include "record/retention.h"

#include "base/clock.h"

#include "conf/conf.h"

static const int64_t hour_ms = 3600000, day_ms = 24 * 3600000;

bool retention_is_fit(int64_t before_unix_ms)
{
    return before_unix_ms > 0 &&
           before_unix_ms <= clock_unix_ms() - LEDGER_KEEP_LEAST_DAYS * day_ms;
}

void retention_init(struct retention *r)
{
    r->began_mono_ms = clock_mono_ms();
    r->began_unix_ms = clock_unix_ms();
}

void retention_ask(struct retention *r, int64_t before_unix_ms)
{
    atomic_store(&r->busy, true);
    atomic_store(&r->asked_ms, before_unix_ms);
}

bool retention_asked(const struct retention *r)
{
    return atomic_load(&r->asked_ms) != 0;
}

/* A clock that was set forward must not make all rows old: it is believed as
 * far as time has passed since the start, and a day. */
static int64_t careful_now(const struct retention *r)
{
    int64_t now_ms = clock_unix_ms();
    int64_t most_ms =
        r->began_unix_ms + clock_mono_ms() - r->began_mono_ms + day_ms;

    return now_ms < most_ms ? now_ms : most_ms;
}

static void find_work(struct retention *r)
{
    int64_t keep_ms = atomic_load(&r->keep_ms), now_ms = clock_mono_ms();

    r->before_ms = atomic_exchange(&r->asked_ms, 0);
    if (r->before_ms || !keep_ms || now_ms < r->due_ms)
        return;
    r->due_ms = now_ms + hour_ms;
    r->before_ms = careful_now(r) - keep_ms;
}

int retention_step(struct retention *r, struct ledger *l)
{
    struct pruned told = {0};
    int rc;

    if (!r->before_ms)
        find_work(r);
    if (!r->before_ms)
        return 0;
    rc = ledger_prune(l, r->before_ms, &told);
    if (rc >= 0) {
        atomic_fetch_add(&r->n_exchanges, told.n_exchanges);
        atomic_fetch_add(&r->n_attempts, told.n_attempts);
        atomic_fetch_add(&r->n_accounts, told.n_accounts);
    }
    if (rc > 0)
        return 1;
    r->before_ms = 0;
    atomic_store(&r->failed, rc < 0);
    if (!retention_asked(r))
        atomic_store(&r->busy, false);
    return rc;
}
