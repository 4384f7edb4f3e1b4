/* recorder_write.c - one batch on its way into the ledger: until it can be
 * written, or the end has come. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#include "record/names.h"
#include "record/recorder_state.h"

enum {
    RETRY_MS = 250,
    REMIND_MS = 60 * 1000,   /* between lines about one long failure */
    FAREWELL_MS = 30 * 1000, /* see recorder_free() */
    NOTE_MS = 60 * 1000,     /* between notes of the time */
};

static void add_to_ledger(struct recorder *r)
{
    for (size_t i = 0; i < r->n_batch; i++)
        ledger_add(r->ledger, r->batch[i].receipt);
}

static void charge(struct recorder *r)
{
    for (size_t i = 0; i < r->n_batch; i++)
        charging_add(&r->charging, intents_of(r->intents, r->batch[i].worker),
                     r->batch[i].receipt, ledger_fresh(r->ledger, i));
}

int64_t recorder_now(struct recorder *r)
{
    return purses_time(r->purses, clock_unix_ms());
}

/* So that a restart knows a clock that was set back. */
static int note_time(struct recorder *r)
{
    int64_t now_ms = clock_mono_ms();

    if (r->noted_at_ms && now_ms - r->noted_at_ms < NOTE_MS)
        return 0;
    if (ledger_note_time(r->ledger, recorder_now(r)))
        return -1;
    r->noted_at_ms = now_ms;
    return 0;
}

static int note_warnings(struct recorder *r)
{
    for (struct warning *w = r->warnings; w; w = w->next)
        if (ledger_warn(r->ledger, w))
            return -1;
    return 0;
}

static int note_limited(struct recorder *r)
{
    for (size_t i = 0; r->refused && i < r->refused->n; i++)
        if (ledger_limited(r->ledger, &r->refused->counts[i]))
            return -1;
    return 0;
}

static void log_limited(struct recorder *r)
{
    struct buf line;

    for (size_t i = 0; r->refused && i < r->refused->n; i++) {
        buf_init(&line, RECEIPT_JSON_LEAST);
        limited_line(&line, &r->refused->counts[i], clock_unix_ms());
        routing_log_add_line(&r->log, (struct slice){line.bytes, line.len});
        buf_fini(&line);
    }
}

static int try_ledger(struct recorder *r)
{
    if (r->failed && ledger_recover(r->ledger))
        return -1;
    charging_again(&r->charging);
    FAILPOINT("begin_before");
    if (ledger_begin(r->ledger))
        return -1;
    add_to_ledger(r);
    if (ledger_put(r->ledger))
        return -1;
    charge(r);
    if (charging_move(&r->charging, r->ledger) || note_warnings(r) ||
        note_limited(r) || note_time(r))
        return -1;
    FAILPOINT("commit_before");
    if (ledger_commit(r->ledger))
        return -1;
    FAILPOINT("commit_after");
    return 0;
}

void recorder_failed(struct recorder *r)
{
    int64_t now_ms = clock_mono_ms();

    if (!r->failed)
        r->failed_at_ms = now_ms;
    if (!r->failed || now_ms - r->told_at_ms >= REMIND_MS) {
        log_line(LOG_ERROR, "ledger_failed",
                 "problem=\"%s\" note=\"new work is refused; what is under "
                 "way is kept\"",
                 ledger_problem(r->ledger));
        r->told_at_ms = now_ms;
    }
    r->failed = true;
    atomic_store_explicit(&r->broken, true, memory_order_relaxed);
    if (r->granted) /* who waits need not wait */
        r->granted(r->granted_to);
}

static void note_success(struct recorder *r)
{
    if (!r->failed)
        return;
    log_line(LOG_INFO, "ledger_recovered", "after_ms=%" PRId64,
             clock_mono_ms() - r->failed_at_ms);
    r->failed = false;
    atomic_store_explicit(&r->broken, false, memory_order_relaxed);
}

/* The last that can be done for a receipt whose ledger has gone: its attempts'
 * intents stay, and the next start will find them. */
static void give_up(const struct receipt *receipt)
{
    char cost[MONEY_TEXT];

    log_line(LOG_ERROR, "receipt_not_in_ledger",
             "id=%s team=%s at_unix_ms=%" PRId64 " cost=%s currency=%s",
             receipt->id, receipt_team(receipt) ? receipt_team(receipt) : "-",
             receipt->at_unix_ms, decimal_text(receipt->cost.nanos, cost),
             currency_name(receipt->cost.currency));
}

/* Until the batch is in the ledger, or the end has waited long enough. */
static bool write_ledger(struct recorder *r)
{
    int64_t ending_ms = 0;

    while (try_ledger(r)) {
        recorder_failed(r);
        recorder_rest(r, RETRY_MS);
        if (!atomic_load(&r->ending))
            continue;
        if (ending_ms == 0)
            ending_ms = clock_mono_ms();
        if (clock_mono_ms() - ending_ms >= FAREWELL_MS) {
            for (size_t i = 0; i < r->n_batch; i++)
                give_up(r->batch[i].receipt);
            return false;
        }
    }
    note_success(r);
    return true;
}

void recorder_tell_warnings(struct recorder *r)
{
    for (struct warning *w = r->warnings, *next; w; w = next) {
        next = w->next;
        if (w->fresh && r->warned)
            r->warned(r->warned_to, w);
        free(w);
    }
    r->warnings = NULL;
}

static void free_places(struct recorder *r)
{
    for (size_t i = 0; i < r->n_batch; i++)
        charging_free(intents_of(r->intents, r->batch[i].worker),
                      r->batch[i].receipt);
}

static void add_to_log(struct recorder *r)
{
    for (size_t i = 0; i < r->n_batch; i++) {
        if (i + 1 < r->n_batch)
            receipt_prefetch(r->batch[i + 1].receipt);
        routing_log_add(&r->log, r->batch[i].receipt);
        snapshot_release(r->batch[i].receipt->snapshot);
    }
}

void recorder_write(struct recorder *r)
{
    if (write_ledger(r)) {
        free_places(r);
        FAILPOINT("grant_before");
        if (charging_grant(&r->charging) && r->granted)
            r->granted(r->granted_to);
    } else {
        for (struct warning *w = r->warnings; w; w = w->next)
            w->fresh = false;
    }
    recorder_tell_warnings(r);
    add_to_log(r);
    log_limited(r);
    routing_log_flush(&r->log);
    recorder_return(r);
}
