/*
 * A million random histories of reserve, settle, release, commit, failed
 * commit, crash and power cut, on the real accounts over a ledger of a few
 * numbers. After each step the invariants must hold:
 *
 *   I1  what vendors have billed never exceeds a budget
 *   I2  at rest the ledger holds no less than what was billed: nothing is lost
 *   I3  spent and reserved never exceed the budget, nor the durable lease
 *   I4  without a crash and without doubt it holds exactly what was billed
 *   I5  at rest nothing is reserved, and no lease is open
 *   I6  the sum of an account's rows is its balance; an attempt has one row
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/purse_state.h"

enum {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    HISTORIES = 100000, /* the whole million is for the plain build */
#else
    HISTORIES = 1000000,
#endif
    MUTANT_HISTORIES = 100000,
    STEPS = 24,
    ATTEMPTS = 6, /* of one history, all told */
    ACCOUNTS = 3, /* all of the team, its budget, a key's */
    CAP_MOST = 12,
    BOUND_MOST = 4,
};

/* Shortcuts seen in the wild; each must break an invariant, or the test that
 * holds them proves nothing. */
enum mutant {
    MUTANT_NONE,
    MUTANT_LATE,      /* dispatches before there is a lease */
    MUTANT_RELEASE,   /* recovery releases what was open */
    MUTANT_DUPLICATE, /* a batch written twice is charged twice */
    MUTANT_DOUBT,     /* what may have been served is released */
    MUTANT_POWER,     /* after a power cut nobody looks at the leases */
    MUTANT_RACE,      /* looks whether it fits, reserves later */
    MUTANTS,
};

enum stage {
    STAGE_NONE,
    STAGE_HELD,    /* reserved, intent written */
    STAGE_SENT,    /* dispatched: the vendor bills when it likes */
    STAGE_SETTLED, /* waits for its row */
    STAGE_DONE,
};

struct attempt {
    enum stage stage;
    struct hold hold;
    int64_t bound, billed, charge;
    bool intent, intent_settled; /* survive a crash, not a power cut */
    int rows;                    /* in the ledger */
    int64_t row;                 /* what it says */
};

struct row {
    bool there;
    int64_t spent, covered;
};

struct history {
    uint64_t random;
    struct purses *purses;
    struct purse *purse;
    struct attempt attempts[ATTEMPTS];
    struct row rows[ACCOUNTS];
    int64_t leases; /* charged after power cuts */
    int64_t caps[ACCOUNTS];
    bool crashed, doubted;
    bool calm; /* at the end nothing fails any more */
    enum mutant mutant;
    const char *broken; /* the first invariant that did not hold */
    struct batch batch; /* the recorder's */
};

static uint64_t roll(struct history *h, uint64_t n)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % n;
}

static void nobody(void *to, bool urgent)
{
    (void)to;
    (void)urgent;
}

static void begin_process(struct history *h)
{
    h->purses = purses_new(nobody, NULL);
    h->purse = purses_find(h->purses, "team");
    h->batch = (struct batch){NULL};
}

/* --- what must hold ---------------------------------------------------------
 */

static void must(struct history *h, bool holds, const char *invariant)
{
    if (!holds && !h->broken)
        h->broken = invariant;
}

static int64_t billed(const struct history *h)
{
    int64_t sum = 0;

    for (int i = 0; i < ATTEMPTS; i++)
        sum += h->attempts[i].billed;
    return sum;
}

static void check_view(void *to, const struct account_view *v)
{
    struct history *h = to;
    const struct row *row = &h->rows[v->key.scope];
    int64_t used = v->spent_nanos + v->reserved_nanos;

    if (!row->there) /* not opened yet: nothing was taken */
        return;
    must(h, used <= h->caps[v->key.scope], "I3");
    must(h, used <= v->covered_nanos || used <= row->spent, "I3");
    must(h, v->covered_nanos <= row->covered, "I3");
}

static void check(struct history *h)
{
    int64_t rows = h->leases;

    for (int i = 0; i < ACCOUNTS; i++)
        must(h, billed(h) <= h->caps[i], "I1");
    for (int i = 0; i < ATTEMPTS; i++) {
        must(h, h->attempts[i].rows <= 1, "I6");
        rows += h->attempts[i].row;
    }
    if (h->rows[0].there)
        must(h, rows == h->rows[0].spent, "I6");
    for (int i = 0; i < ACCOUNTS; i++)
        must(h, h->rows[i].spent <= h->rows[i].covered, "I3");
    purse_look(h->purse, check_view, h);
}

static void check_idle(void *to, const struct account_view *v)
{
    must(to, v->reserved_nanos == 0, "I5");
}

/* --- the worker -------------------------------------------------------------
 */

static void take(struct history *h, struct attempt *a)
{
    struct claim claims[ACCOUNTS];
    struct refused refused;
    enum take taken;

    a->bound = (int64_t)roll(h, BOUND_MOST + 1);
    memset(claims, 0, sizeof(claims));
    for (int i = 0; i < ACCOUNTS; i++) {
        claims[i].key.scope = (uint8_t)i;
        claims[i].cap_nanos = h->caps[i];
        claims[i].nanos = a->bound;
    }
    taken = purse_take(h->purse, claims, ACCOUNTS, 0, &a->hold, &refused);
    if (taken == TAKE_OVER && h->mutant == MUTANT_RACE)
        taken = roll(h, 8) ? TAKE_OVER : TAKE_WAIT;
    if (taken == TAKE_WAIT &&
        (h->mutant == MUTANT_LATE || h->mutant == MUTANT_RACE)) {
        a->stage = STAGE_SENT;
        return;
    }
    if (taken != TAKE_DONE)
        return;
    a->stage = STAGE_HELD;
    a->intent = true;
}

static void settle(struct history *h, struct attempt *a, int64_t charge)
{
    const int64_t charges[ACCOUNTS] = {charge, charge, charge};

    a->charge = charge;
    if (a->hold.n == 0) { /* a mutant's: it holds nothing */
        a->stage = STAGE_DONE;
        return;
    }
    (void)h;
    purse_settle(&a->hold, charges, NULL, NULL);
    a->intent_settled = true;
    a->stage = STAGE_SETTLED;
}

static void step_attempt(struct history *h, struct attempt *a)
{
    switch (a->stage) {
    case STAGE_NONE: take(h, a); break;
    case STAGE_HELD:
        if (roll(h, 4) == 0)
            settle(h, a, 0); /* surely not served */
        else
            a->stage = STAGE_SENT;
        break;
    case STAGE_SENT:
        if (a->billed == 0 && roll(h, 2))
            a->billed = (int64_t)roll(h, (uint64_t)a->bound + 1);
        if (roll(h, 2)) {
            bool doubt = roll(h, 3) == 0;

            h->doubted = h->doubted || doubt;
            if (doubt && h->mutant == MUTANT_DOUBT)
                settle(h, a, 0);
            else
                settle(h, a, doubt ? a->bound : a->billed);
        }
        break;
    case STAGE_SETTLED:
    case STAGE_DONE: break;
    }
}

/* --- the recorder -----------------------------------------------------------
 */

struct transaction {
    struct row rows[ACCOUNTS];
    bool adds[ATTEMPTS];
    struct account_plan plans[ACCOUNTS];
    int n_plans;
};

static void move(struct transaction *t, struct account_plan *plan)
{
    struct row *row = &t->rows[plan->key->scope];

    if (!plan->no) {
        plan->no = plan->key->scope + 1;
        row->there = true;
        account_plan_from(plan, row->spent);
    }
    row->spent += plan->delta;
    row->covered = plan->covered > row->spent ? plan->covered : row->spent;
}

static void write_batch(struct history *h, struct transaction *t,
                        const bool ended[])
{
    memcpy(t->rows, h->rows, sizeof(t->rows));
    t->n_plans = 0;
    batch_forget_charges(&h->batch);
    for (int i = 0; i < ATTEMPTS; i++) {
        const struct attempt *a = &h->attempts[i];

        t->adds[i] = ended[i] && a->rows == 0;
        for (uint32_t k = 0; ended[i] && k < a->hold.n; k++)
            batch_charge(&h->batch, a->hold.parts[k].account,
                         t->adds[i] || h->mutant == MUTANT_DUPLICATE
                             ? a->hold.parts[k].charged
                             : 0);
    }
    for (struct account *a = h->batch.first; a; a = account_next(a)) {
        account_plan(a, &t->plans[t->n_plans]);
        move(t, &t->plans[t->n_plans++]);
    }
}

static void commit(struct history *h, const struct transaction *t)
{
    memcpy(h->rows, t->rows, sizeof(h->rows));
    for (int i = 0; i < ATTEMPTS; i++)
        if (t->adds[i]) {
            h->attempts[i].rows++;
            h->attempts[i].row = h->attempts[i].charge;
        }
}

static void crash(struct history *h, bool power_cut);

/* Workers go on while the recorder works. */
static void step_meanwhile(struct history *h)
{
    if (!h->calm && roll(h, 4) == 0)
        step_attempt(h, &h->attempts[roll(h, ATTEMPTS)]);
}

/* One batch; its commit may fail, known or not, and be tried again; the
 * process may die before it, after it, and in between. */
static void record(struct history *h)
{
    struct transaction t;
    bool ended[ATTEMPTS];

    for (int i = 0; i < ATTEMPTS; i++)
        ended[i] = h->attempts[i].stage == STAGE_SETTLED;
    batch_add_wanted(&h->batch, purses_wanted(h->purses));
    for (;;) {
        uint64_t fate = h->calm ? 15 : roll(h, 16);

        write_batch(h, &t, ended);
        if (fate == 0) { /* died before the commit */
            crash(h, roll(h, 3) == 0);
            return;
        }
        step_meanwhile(h);
        if (fate == 1) /* failed */
            continue;
        commit(h, &t);
        step_meanwhile(h);
        if (fate == 2) { /* died behind it */
            crash(h, roll(h, 3) == 0);
            return;
        }
        if (fate != 3)
            break; /* 3: done, but we were told that it failed */
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        struct attempt *a = &h->attempts[i];

        if (!ended[i])
            continue;
        a->stage = STAGE_DONE;
        a->intent = false;
        for (uint32_t k = 0; k < a->hold.n; k++)
            account_recorded(a->hold.parts[k].account);
    }
    h->batch.first = NULL;
    for (int i = 0; i < t.n_plans; i++) {
        account_grant(&t.plans[i]);
        step_meanwhile(h);
    }
    for (int i = 0; i < t.n_plans; i++)
        if (t.plans[i].closing)
            account_drop(t.plans[i].account);
}

/* --- crashes ----------------------------------------------------------------
 */

static void resume_intents(struct history *h)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        struct attempt *a = &h->attempts[i];
        int64_t charge = a->intent_settled ? a->charge : a->bound;

        if (!a->intent || a->rows > 0 || h->mutant == MUTANT_RELEASE)
            continue;
        a->rows++;
        a->row = charge;
        for (int k = 0; k < ACCOUNTS; k++)
            h->rows[k].spent += charge;
    }
}

/* The vendor may go on billing what was sent. */
static void crash(struct history *h, bool power_cut)
{
    h->crashed = true;
    if (power_cut && h->mutant != MUTANT_POWER)
        for (int k = 0; k < ACCOUNTS; k++) {
            h->leases += k ? 0 : h->rows[k].covered - h->rows[k].spent;
            h->rows[k].spent = h->rows[k].covered;
        }
    else if (!power_cut)
        resume_intents(h);
    for (int k = 0; k < ACCOUNTS; k++)
        h->rows[k].covered = h->rows[k].spent;
    for (int i = 0; i < ATTEMPTS; i++) {
        struct attempt *a = &h->attempts[i];

        if (a->stage == STAGE_SENT && a->billed == 0)
            a->billed = (int64_t)roll(h, (uint64_t)a->bound + 1);
        a->intent = false;
        if (a->stage != STAGE_NONE)
            a->stage = STAGE_DONE;
    }
    purses_free(h->purses);
    begin_process(h);
}

/* --- histories --------------------------------------------------------------
 */

static void come_to_rest(struct history *h)
{
    for (int i = 0; i < ATTEMPTS; i++)
        while (h->attempts[i].stage == STAGE_HELD ||
               h->attempts[i].stage == STAGE_SENT)
            step_attempt(h, &h->attempts[i]);
    for (int i = 0; i < 4; i++)
        record(h);
    purses_close_idle(h->purses, 1);
    record(h);
}

static bool is_closed(const struct history *h)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (h->attempts[i].stage != STAGE_NONE &&
            h->attempts[i].stage != STAGE_DONE)
            return false;
    for (int k = 0; k < ACCOUNTS; k++)
        if (h->rows[k].covered != h->rows[k].spent)
            return false;
    return true;
}

/* The invariant that broke, or NULL. */
static const char *live(uint64_t seed, enum mutant mutant)
{
    struct history h = {.random = seed * 2654435761u + 88172645463325252u,
                        .mutant = mutant};
    int64_t sum = 0;

    h.caps[0] = INT64_MAX;
    for (int i = 1; i < ACCOUNTS; i++)
        h.caps[i] = (int64_t)roll(&h, CAP_MOST + 1);
    begin_process(&h);
    for (int i = 0; i < STEPS; i++) {
        uint64_t what = roll(&h, 32);

        if (what == 0)
            crash(&h, roll(&h, 3) == 0);
        else if (what == 1)
            purses_close_idle(h.purses, 1);
        else if (what < 12)
            record(&h);
        else
            step_attempt(&h, &h.attempts[roll(&h, ATTEMPTS)]);
        check(&h);
    }
    h.calm = true;
    come_to_rest(&h);
    check(&h);
    must(&h, is_closed(&h), "I5");
    purse_look(h.purse, check_idle, &h);
    for (int i = 0; i < ATTEMPTS; i++)
        sum += h.attempts[i].row;
    sum += h.leases;
    must(&h, sum >= billed(&h), "I2");
    if (!h.crashed && !h.doubted)
        must(&h, sum == billed(&h), "I4");
    purses_free(h.purses);
    return h.broken;
}

static void a_million_histories_keep_the_invariants(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        const char *broken = live(seed, MUTANT_NONE);

        if (broken)
            fail_msg("%s is broken by history %llu", broken,
                     (unsigned long long)seed);
    }
}

static void each_shortcut_breaks_an_invariant(void **state)
{
    (void)state;
    for (int m = MUTANT_NONE + 1; m < MUTANTS; m++) {
        const char *broken = NULL;

        for (uint64_t seed = 1; seed <= MUTANT_HISTORIES && !broken; seed++)
            broken = live(seed, (enum mutant)m);
        if (!broken)
            fail_msg("nothing was broken by mutant %d", m);
        print_message("mutant %d breaks %s\n", m, broken);
    }
}

static void time_never_goes_back(void **state)
{
    struct purses *p = purses_new(nobody, NULL);

    (void)state;
    assert_int_equal(purses_time(p, 100), 100);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(purses_time(p, 200), 200);
        assert_int_equal(purses_time(p, 50), 200);
    }
    assert_int_equal(purses_time(p, 201), 201);
    purses_free(p);
}

static void a_clock_that_was_far_ahead_is_not_believed_for_ever(void **state)
{
    static const int64_t now_ms = 1795338000000, day_ms = 24 * 3600 * 1000LL;
    struct purses *p = purses_new(nobody, NULL);

    (void)state;
    assert_int_equal(purses_time(p, now_ms + 2 * day_ms), now_ms + 2 * day_ms);
    assert_int_equal(purses_time(p, now_ms), now_ms + 2 * day_ms);
    assert_int_equal(purses_time(p, now_ms + 400 * day_ms),
                     now_ms + 400 * day_ms);
    assert_int_equal(purses_time(p, now_ms), now_ms);
    assert_int_equal(purses_time(p, now_ms - 1), now_ms);
    assert_int_equal(purses_high(p), now_ms);
    purses_free(p);
}

/* Takes `nanos` of the team's only account and charges them. */
static struct reached spend(struct purse *purse, const struct claim *claim)
{
    struct account_plan plan;
    struct refused refused;
    struct reached reached;
    struct hold hold;

    while (purse_take(purse, claim, 1, 0, &hold, &refused) == TAKE_WAIT) {
        struct batch batch = {NULL};

        batch_add_wanted(&batch, purses_wanted(purse->all));
        account_plan(batch.first, &plan);
        if (!plan.no) {
            plan.no = 1;
            account_plan_from(&plan, 0);
        }
        account_grant(&plan);
    }
    purse_settle(&hold, &claim->nanos, claim, &reached);
    return reached;
}

static void each_mark_of_a_budget_is_told_when_it_is_reached(void **state)
{
    static const struct budget_mark marks[] = {
        {800000000, 80}, {500000000, 50}, {1000000000, 100}};
    struct claim claim = {
        .cap_nanos = 1000, .nanos = 10, .marks = marks, .n_marks = 3};
    static const struct budget_mark more[] = {{500000000, 500},
                                              {900000000, 111}};
    struct purses *p = purses_new(nobody, NULL);
    struct purse *purse = purses_find(p, "team");
    struct reached r;

    (void)state;
    for (int n = 1; n <= 11; n++) {
        r = spend(purse, &claim);
        assert_int_equal(r.mark.fraction_nanos, n == 5    ? 500000000
                                                : n == 8  ? 800000000
                                                : n == 10 ? 1000000000
                                                          : 0);
        assert_int_equal(r.spent_nanos, n * 10);
    }
    claim.marks = more; /* another amount: what was told stays told */
    claim.n_marks = 2;
    for (int n = 12; n <= 60; n++)
        assert_int_equal(spend(purse, &claim).mark.fraction_nanos, 0);
    purses_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_histories_keep_the_invariants),
        cmocka_unit_test(each_shortcut_breaks_an_invariant),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(each_mark_of_a_budget_is_told_when_it_is_reached),
        cmocka_unit_test(a_clock_that_was_far_ahead_is_not_believed_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
