/*
 * Accounts one by one, at their edges: what the random histories of
 * purse_test.c, with their three accounts of one team, do not come by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/purse_state.h"

enum {
    TEAMS = 3000,
    USERS = 5000,
};

struct woken {
    int n, urgent;
};

static void count(void *to, bool urgent)
{
    struct woken *w = to;

    w->n++;
    w->urgent += urgent;
}

static struct claim claim_of(const char *who, int64_t cap, int64_t nanos)
{
    struct claim c = {.cap_nanos = cap, .nanos = nanos};

    c.key.scope = ACCOUNT_USER;
    memcpy(c.key.who, who, strlen(who));
    return c;
}

/* What the recorder does, without a ledger: all that is wanted is granted.
 * For how many somebody waited. */
static int grant(struct purses *p, int64_t spent)
{
    struct batch batch = {NULL};
    struct account_plan plans[2];
    size_t n = 0;
    int waited = 0;

    batch_add_wanted(&batch, purses_wanted(p));
    for (struct account *a = batch.first; a; a = account_next(a)) {
        assert_true(n < 2);
        account_plan(a, &plans[n]);
        assert_int_equal(plans[n].delta, 0);
        assert_false(plans[n].closing);
        if (!plans[n].no) {
            plans[n].no = 1;
            account_plan_from(&plans[n], spent);
        }
        n++;
    }
    for (size_t i = 0; i < n; i++)
        waited += account_grant(&plans[i]);
    return waited;
}

static enum take take(struct purse *purse, const struct claim *c,
                      struct hold *hold, struct refused *refused)
{
    enum take taken = purse_take(purse, c, 1, 0, hold, refused);

    if (taken != TAKE_WAIT)
        return taken;
    grant(purse->all, 0);
    return purse_take(purse, c, 1, 0, hold, refused);
}

static void each_team_has_a_purse_of_its_own(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    static struct purse *purses[TEAMS];
    char name[32];

    (void)state;
    for (int i = 0; i < TEAMS; i++) {
        snprintf(name, sizeof(name), "%s%d", i % 2 ? "team-" : "研究部", i);
        purses[i] = purses_find(p, name);
        assert_string_equal(purse_team(purses[i]), name);
    }
    for (int i = 0; i < TEAMS; i++) {
        snprintf(name, sizeof(name), "%s%d", i % 2 ? "team-" : "研究部", i);
        assert_ptr_equal(purses_find(p, name), purses[i]);
        assert_string_equal(purse_team(purses[i]), name);
    }
    purses_free(p);
}

struct sums {
    int n;
    int64_t spent, reserved;
};

static void add_up(void *to, const struct account_view *v)
{
    struct sums *s = to;
    int64_t number = strtol(v->key.who, NULL, 10);

    assert_int_equal(v->spent_nanos, number * 2);
    assert_int_equal(v->cap_nanos, number * 2);
    s->n++;
    s->spent += v->spent_nanos;
    s->reserved += v->reserved_nanos;
}

static void an_account_is_found_again_among_thousands(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct sums sums = {0};
    struct refused refused;
    struct hold hold;
    char who[24];

    (void)state;
    for (int round = 0; round < 3; round++)
        for (int64_t i = 1; i <= USERS; i++) {
            struct claim c;

            snprintf(who, sizeof(who), "%d", (int)i);
            c = claim_of(who, i * 2, i);
            assert_int_equal(take(purse, &c, &hold, &refused),
                             round < 2 ? TAKE_DONE : TAKE_OVER);
            if (round < 2)
                purse_settle(&hold, &c.nanos, &c, NULL);
        }
    purse_look(purse, add_up, &sums);
    assert_int_equal(sums.n, USERS);
    assert_int_equal(sums.spent, (int64_t)USERS * (USERS + 1));
    assert_int_equal(sums.reserved, 0);
    purses_free(p);
}

static void what_fits_to_the_nano_is_admitted_and_no_more(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 100, 60);
    static const int64_t charge = 55;
    struct refused refused;
    struct hold first, second;

    (void)state;
    assert_int_equal(take(purse, &c, &first, &refused), TAKE_DONE);
    c.nanos = 41;
    assert_int_equal(take(purse, &c, &second, &refused), TAKE_OVER);
    assert_int_equal(refused.claim, 0);
    assert_int_equal(refused.left_nanos, 40);
    assert_int_equal(refused.spent_nanos, 0);
    assert_int_equal(refused.reserved_nanos, 60);
    c.nanos = 40;
    assert_int_equal(take(purse, &c, &second, &refused), TAKE_DONE);
    purse_settle(&first, &charge, &c, NULL);
    c.nanos = 6;
    assert_int_equal(take(purse, &c, &first, &refused), TAKE_OVER);
    assert_int_equal(refused.left_nanos, 5);
    assert_int_equal(refused.spent_nanos, 55);
    assert_int_equal(refused.reserved_nanos, 40);
    c.nanos = 5;
    assert_int_equal(take(purse, &c, &first, &refused), TAKE_DONE);
    c.nanos = INT64_MAX;
    assert_int_equal(take(purse, &c, &first, &refused), TAKE_OVER);
    purses_free(p);
}

static void at_the_cap_only_a_strict_budget_refuses_what_is_free(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 10, 9);
    struct refused refused;
    struct hold hold;

    (void)state;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    c.nanos = 0;
    c.strict = true;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    c.nanos = 1;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    c.nanos = 0;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_OVER);
    assert_int_equal(refused.left_nanos, 0);
    c.strict = false;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    purses_free(p);
}

static void a_ledger_that_knows_more_than_the_cap_refuses(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 100, 1);
    struct refused refused;
    struct hold hold;

    (void)state;
    assert_int_equal(purse_take(purse, &c, 1, 0, &hold, &refused), TAKE_WAIT);
    assert_int_equal(hold.n, 0);
    grant(p, 120);
    assert_int_equal(purse_take(purse, &c, 1, 0, &hold, &refused), TAKE_OVER);
    assert_int_equal(refused.left_nanos, -20);
    assert_int_equal(refused.spent_nanos, 120);
    purses_free(p);
}

static int64_t covered;

static void see_cover(void *to, const struct account_view *v)
{
    (void)to;
    covered = v->covered_nanos;
}

static void a_lease_is_moved_ahead_before_it_is_used_up(void **state)
{
    struct woken woken = {0};
    struct purses *p = purses_new(count, &woken);
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 1000, 10);
    struct refused refused;
    struct hold hold;
    int waits = 0;

    (void)state;
    assert_int_equal(purse_take(purse, &c, 1, 0, &hold, &refused), TAKE_WAIT);
    assert_int_equal(woken.n, 1);
    assert_int_equal(woken.urgent, 1); /* somebody waits */
    assert_int_equal(grant(p, 0), 1);
    assert_int_equal(grant(p, 0), 0);
    woken = (struct woken){0};
    for (int i = 0; i < 100; i++) {
        enum take taken = purse_take(purse, &c, 1, 0, &hold, &refused);

        if (taken == TAKE_WAIT) {
            waits++;
            grant(p, 0);
            taken = purse_take(purse, &c, 1, 0, &hold, &refused);
        }
        assert_int_equal(taken, TAKE_DONE);
        if (i % 4 == 3) /* the recorder comes by now and then */
            assert_int_equal(grant(p, 0), 0);
    }
    assert_int_equal(waits, 0);
    assert_int_equal(woken.urgent, 0);
    assert_true(woken.n > 2 && woken.n <= 26); /* asked once until granted */
    purse_look(purse, see_cover, NULL);
    assert_int_equal(covered, 1000);
    woken = (struct woken){0};
    c.nanos = 0;
    assert_int_equal(purse_take(purse, &c, 1, 0, &hold, &refused), TAKE_DONE);
    assert_int_equal(woken.n, 0);
    c.nanos = 10;
    assert_int_equal(purse_take(purse, &c, 1, 0, &hold, &refused), TAKE_OVER);
    assert_int_equal(woken.n, 0); /* all is leased: nothing to ask for */
    assert_false(purses_want(p));
    purses_free(p);
}

static void one_who_waits_leaves_no_trace_where_there_was_room(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim both[2] = {claim_of("a", 100, 10), claim_of("b", 5, 10)};
    struct refused refused;
    struct hold hold;

    (void)state;
    assert_int_equal(purse_take(purse, both, 2, 0, &hold, &refused), TAKE_WAIT);
    grant(p, 0);
    assert_int_equal(purse_take(purse, both, 2, 0, &hold, &refused), TAKE_OVER);
    assert_int_equal(refused.claim, 1);
    assert_int_equal(hold.n, 0);
    both[0].nanos = 100; /* all of it is there still */
    assert_int_equal(take(purse, both, &hold, &refused), TAKE_DONE);
    purses_free(p);
}

static void a_charge_beyond_its_lease_asks_for_more_at_once(void **state)
{
    struct woken woken = {0};
    struct purses *p = purses_new(count, &woken);
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", INT64_MAX, 10);
    static const int64_t charge = 1000000;
    struct refused refused;
    struct hold hold;

    (void)state;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    grant(p, 0);
    woken = (struct woken){0};
    purse_settle(&hold, &charge, &c, NULL);
    assert_int_equal(woken.n, 1);
    assert_int_equal(woken.urgent, 0); /* nobody waits for it */
    assert_true(purses_want(p));
    grant(p, 0);
    assert_false(purses_want(p));
    purse_look(purse, see_cover, NULL);
    assert_true(covered >= charge);
    purses_free(p);
}

/* One batch for all that is wanted; how many accounts it closed and dropped. */
static int close_down(struct purses *p, void (*meanwhile)(struct purse *),
                      struct purse *purse)
{
    struct batch batch = {NULL};
    struct account_plan *plans = NULL;
    int n = 0, i = 0, closed = 0;

    batch_add_wanted(&batch, purses_wanted(p));
    for (struct account *a = batch.first; a; a = account_next(a))
        n++;
    plans = calloc((size_t)n + 1, sizeof(*plans));
    assert_non_null(plans);
    for (struct account *a = batch.first; a; a = account_next(a))
        account_plan(a, &plans[i++]);
    if (meanwhile)
        meanwhile(purse);
    for (i = 0; i < n; i++)
        account_grant(&plans[i]);
    for (i = 0; i < n; i++)
        if (plans[i].closing) {
            assert_int_equal(plans[i].covered, plans[i].used);
            account_drop(plans[i].account);
            closed++;
        }
    free(plans);
    return closed;
}

static void count_them(void *to, const struct account_view *v)
{
    (void)v;
    ++*(int *)to;
}

static int accounts_of(struct purse *purse)
{
    int n = 0;

    purse_look(purse, count_them, &n);
    return n;
}

static const int64_t nothing;
static struct hold again;

/* What is free needs no lease. */
static void use_again(struct purse *purse)
{
    struct claim c = claim_of("u", 100, 0);
    struct refused refused;

    assert_int_equal(purse_take(purse, &c, 1, 60, &again, &refused), TAKE_DONE);
}

static void only_what_is_idle_gives_its_lease_back(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 100, 10);
    struct refused refused;
    struct hold hold;

    (void)state;
    assert_int_equal(purse_take(purse, &c, 1, 50, &hold, &refused), TAKE_WAIT);
    grant(p, 0);
    assert_int_equal(purse_take(purse, &c, 1, 50, &hold, &refused), TAKE_DONE);
    grant(p, 0);
    assert_int_equal(purses_close_idle(p, 1000), 0); /* something is held */
    purse_settle(&hold, &c.nanos, &c, NULL);
    assert_int_equal(purses_close_idle(p, 1000), 0); /* and not recorded */
    account_recorded(hold.parts[0].account);
    assert_int_equal(purses_close_idle(p, 50), 0); /* used since then */
    assert_int_equal(purses_close_idle(p, 51), 1);
    assert_int_equal(close_down(p, use_again, purse), 1);
    assert_int_equal(accounts_of(purse), 1); /* it was used meanwhile */
    purse_settle(&again, &nothing, &c, NULL);
    account_recorded(again.parts[0].account);
    grant(p, 0);
    assert_int_equal(purses_close_idle(p, 60), 0);
    assert_int_equal(purses_close_idle(p, 61), 1);
    assert_int_equal(close_down(p, NULL, purse), 1);
    assert_int_equal(accounts_of(purse), 0);
    purses_free(p);
}

/* Between the wish to close it and the batch that would. */
static void what_is_used_before_its_end_is_not_closed(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 100, 10);
    struct refused refused;
    struct hold hold;

    (void)state;
    assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    grant(p, 0);
    purse_settle(&hold, &c.nanos, &c, NULL);
    account_recorded(hold.parts[0].account);
    assert_int_equal(purses_close_idle(p, 1), 1);
    assert_int_equal(purse_take(purse, &c, 1, 5, &hold, &refused), TAKE_DONE);
    assert_int_equal(close_down(p, NULL, purse), 0);
    purse_settle(&hold, &nothing, &c, NULL);
    account_recorded(hold.parts[0].account);
    use_again(purse); /* asks for a lease: its batch closes nothing */
    purse_settle(&again, &nothing, &c, NULL);
    account_recorded(again.parts[0].account);
    c.nanos = 100;
    assert_int_equal(purse_take(purse, &c, 1, 5, &hold, &refused), TAKE_OVER);
    c.nanos = 90;
    take(purse, &c, &hold, &refused); /* grant() says: nothing is closing */
    purses_free(p);
}

static void a_team_has_so_many_accounts_and_room_again_when_they_close(
    void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct refused refused;
    struct hold hold;
    char who[24];

    (void)state;
    for (int i = 0; i <= ACCOUNTS_MOST; i++) {
        struct claim c;

        snprintf(who, sizeof(who), "%d", i);
        c = claim_of(who, 10, 1);
        assert_int_equal(take(purse, &c, &hold, &refused),
                         i < ACCOUNTS_MOST ? TAKE_DONE : TAKE_OVER);
        if (i == ACCOUNTS_MOST)
            break;
        purse_settle(&hold, &nothing, &c, NULL);
        account_recorded(hold.parts[0].account);
        grant(p, 0);
    }
    assert_int_equal(refused.claim, 0);
    assert_int_equal(purses_close_idle(p, 1), ACCOUNTS_MOST);
    assert_int_equal(close_down(p, NULL, purse), ACCOUNTS_MOST);
    assert_int_equal(accounts_of(purse), 0);
    for (int i = 0; i < 2; i++) {
        struct claim c = claim_of(i ? "new" : "other", 10, 1);

        assert_int_equal(take(purse, &c, &hold, &refused), TAKE_DONE);
    }
    purses_free(p);
}

static void a_mark_is_reached_by_what_is_spent_not_by_what_is_reserved(
    void **state)
{
    static const struct budget_mark marks[] = {{500000000, 50}};
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", 100, 30);
    struct hold holds[3];
    struct refused refused;
    struct reached r;

    (void)state;
    c.marks = marks;
    c.n_marks = 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(purse, &c, &holds[i], &refused), TAKE_DONE);
    purse_settle(&holds[0], &c.nanos, &c, &r);
    assert_int_equal(r.spent_nanos, 30);
    assert_int_equal(r.mark.fraction_nanos, 0);
    purse_settle(&holds[1], &c.nanos, &c, &r);
    assert_int_equal(r.spent_nanos, 60);
    assert_int_equal(r.mark.fraction_nanos, 500000000);
    purse_settle(&holds[2], &c.nanos, &c, &r);
    assert_int_equal(r.mark.fraction_nanos, 0);
    purses_free(p);
}

/* Those that wait are covered, and as much again; the next ones need not
 * wait, and what was covered once is not covered again. */
static void a_lease_is_as_large_as_what_is_asked_for(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct purse *purse = purses_find(p, "team");
    struct claim c = claim_of("u", INT64_MAX, 10);
    struct batch batch = {NULL};
    struct account_plan plan;
    struct refused refused;
    struct hold hold;

    (void)state;
    for (int i = 0; i < 50; i++)
        assert_int_equal(purse_take(purse, &c, 1, 0, &hold, &refused),
                         TAKE_WAIT);
    batch_add_wanted(&batch, purses_wanted(p));
    account_plan(batch.first, &plan);
    assert_true(plan.room >= 50 * 10 * 2 && plan.room <= 50 * 10 * 8);
    plan.no = 1;
    account_plan_from(&plan, 0);
    assert_true(account_grant(&plan));
    account_plan(batch.first, &plan);
    assert_true(plan.room >= 10 * 4 && plan.room < 50 * 10);
    purses_free(p);
}

struct seen {
    int n;
    bool wrong;
};

static void see_team(void *to, const char *team, const struct account_view *v)
{
    struct seen *s = to;

    s->n++;
    s->wrong = s->wrong || strcmp(team, v->key.who) != 0;
}

static void all_accounts_of_all_teams_are_looked_at(void **state)
{
    struct purses *p = purses_new(count, &(struct woken){0});
    struct seen seen = {0};
    struct refused refused;
    struct hold hold;
    char name[24];

    (void)state;
    for (int i = 0; i < TEAMS; i++) {
        struct claim c;

        snprintf(name, sizeof(name), "t%d", i);
        c = claim_of(name, 10, 1);
        assert_int_equal(take(purses_find(p, name), &c, &hold, &refused),
                         TAKE_DONE);
        grant(p, 0);
    }
    purses_look(p, see_team, &seen);
    assert_int_equal(seen.n, TEAMS);
    assert_false(seen.wrong);
    purses_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_team_has_a_purse_of_its_own),
        cmocka_unit_test(an_account_is_found_again_among_thousands),
        cmocka_unit_test(what_fits_to_the_nano_is_admitted_and_no_more),
        cmocka_unit_test(at_the_cap_only_a_strict_budget_refuses_what_is_free),
        cmocka_unit_test(a_ledger_that_knows_more_than_the_cap_refuses),
        cmocka_unit_test(a_lease_is_moved_ahead_before_it_is_used_up),
        cmocka_unit_test(a_charge_beyond_its_lease_asks_for_more_at_once),
        cmocka_unit_test(only_what_is_idle_gives_its_lease_back),
        cmocka_unit_test(what_is_used_before_its_end_is_not_closed),
        cmocka_unit_test(
            a_team_has_so_many_accounts_and_room_again_when_they_close),
        cmocka_unit_test(
            a_mark_is_reached_by_what_is_spent_not_by_what_is_reserved),
        cmocka_unit_test(a_lease_is_as_large_as_what_is_asked_for),
        cmocka_unit_test(all_accounts_of_all_teams_are_looked_at),
        cmocka_unit_test(one_who_waits_leaves_no_trace_where_there_was_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
