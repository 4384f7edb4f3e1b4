/*
 * purse.h - what teams have spent and reserved, in memory, exactly.
 *
 * An account is one sum that may be limited: a budget in one window (of a
 * team, a key, a user), and for each team one without any limit. All that a
 * request is charged to belongs to one team, so each team's purse has one
 * lock: what a request needs is taken from all its accounts at once, or from
 * none. It is held for some compares and adds, never across a system call.
 *
 *   worker:    purse_take -> [wait] -> purse_settle
 *   recorder:  purses_wanted -> account_plan -> (committed) -> account_grant
 *              (batch_end tells of what was taken and settled)
 *
 * An account is covered by a lease: `covered` is durable, and neither what is
 * spent nor what is reserved ever reaches beyond it in memory. So the ledger
 * knows at every instant a bound of what has been promised; it is moved ahead
 * of need, and only who finds it used up waits for the disk.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/money.h"

#include "routing/budget.h"

enum {
    ACCOUNT_WHO = 72,       /* bytes of a key's id, or a user's name */
    CLAIMS_MOST = 8,        /* accounts of one request */
    ACCOUNTS_MOST = 262144, /* of one team, in memory at once */
    TIME_BACK_MOST_MS = 48 * 3600 * 1000,
};

enum account_scope {
    ACCOUNT_ALL,  /* all that the team spends: no limit */
    ACCOUNT_TEAM, /* a budget of the team, of one key, of one user */
    ACCOUNT_KEY,
    ACCOUNT_USER,
};

/* Zeroed before it is filled: compared byte by byte. */
struct account_key {
    int64_t window_ms; /* unix; when the window began; 0: all times */
    uint8_t scope, period, currency, nothing[5];
    char who[ACCOUNT_WHO]; /* NUL-padded */
};

struct claim {
    struct account_key key;
    int64_t cap_nanos; /* INT64_MAX: no limit */
    int64_t nanos;     /* to be reserved; not negative */
    bool strict;       /* at the cap even what costs nothing is refused */
    const struct budget_mark *marks; /* in any order; may be NULL */
    uint32_t n_marks;
};

/* The largest mark that a charge reached; fraction_nanos 0: none. */
struct reached {
    struct budget_mark mark;
    int64_t spent_nanos;
};

struct purse;
struct account;

/* What was taken for one attempt. */
struct hold {
    struct purse *purse;
    uint32_t n;

    struct {
        struct account *account;
        int64_t nanos;   /* reserved */
        int64_t charged; /* once settled */
        int64_t cap_nanos;
    } parts[CLAIMS_MOST];
};

enum take {
    TAKE_DONE,
    TAKE_OVER, /* it does not fit: *refused says where */
    TAKE_WAIT, /* some account has no cover for it yet: purses' granted() */
};

struct refused {
    uint32_t claim;
    int64_t left_nanos, spent_nanos, reserved_nanos;
};

struct purses;

/* `wake` is called, from any thread and without a lock held, when an account
 * wants cover; `urgent`: somebody waits for it. */
struct purses *purses_new(void (*wake)(void *to, bool urgent), void *to);
void purses_free(struct purses *p);

/* The purse of the team so called, made if there is none: until the end, so
 * over reloads. Any thread. */
struct purse *purses_find(struct purses *p, const char *team);
const char *purse_team(const struct purse *purse);

/* The time by which windows are told and keys expire. It does not go back with
 * the clock, it stands still until the clock has caught up: a window once left
 * is not opened again. Only a clock that is TIME_BACK_MOST_MS behind is
 * believed, since then what it said before was wrong, and would hold all in one
 * window for as long; windows are found again with what was spent in them. */
int64_t purses_time(struct purses *p, int64_t unix_ms);
/* What it told last. */
int64_t purses_high(const struct purses *p);

/* From all of `claims` or none. */
enum take purse_take(struct purse *purse, const struct claim *claims,
                     uint32_t n, int64_t mono_ms, struct hold *out,
                     struct refused *refused) MUST_CHECK;

/* Of each claim, what was reserved becomes what is charged: once. Charges may
 * be 0 (surely not served) and, if a vendor breaks its word, more than was
 * reserved. `reached`, if not NULL, gets for each part the largest mark that is
 * reached and was not told since the account is in memory. */
void purse_settle(struct hold *hold, const int64_t charges[],
                  const struct claim *claims, struct reached reached[]);

/* Of its row in the ledger: known once something was taken from it. */
int64_t account_no(const struct account *a);

/* --- the recorder's side ---------------------------------------------------
 */

bool purses_want(const struct purses *p);
struct account *purses_wanted(struct purses *p);

/* The accounts whose rows one transaction changes. Kept over its retries. */
struct batch {
    struct account *first;
};

/* Those that want cover, as purses_wanted() gave them. */
void batch_add_wanted(struct batch *b, struct account *list);
/* A charge that joins the account's row with this transaction. */
void batch_charge(struct batch *b, struct account *a, int64_t nanos);
/* The same, of a hold: its row is in the ledger once the transaction is. */
void batch_end(struct batch *b, struct account *a, int64_t nanos);
/* The transaction failed: its charges will be told again. */
void batch_forget_charges(struct batch *b);
struct account *account_next(const struct account *a);

/* What an account's row is to say after the transaction. */
struct account_plan {
    struct account *account;
    const char *team;
    const struct account_key *key;
    int64_t no;    /* of its row; 0: not looked up yet */
    int64_t delta; /* charges that join it */
    int64_t covered;
    bool closing;                   /* may be forgotten after it */
    int64_t used, room, least, cap; /* where `covered` comes from */
};

void account_plan(struct account *a, struct account_plan *out);
/* With `no` 0, once the row was found or made: `used` is what it says. */
void account_plan_from(struct account_plan *plan, int64_t used);
/* The row says so, durably. True: somebody waited. The batch forgets it: look
 * for the next one before. */
bool account_grant(const struct account_plan *plan);
/* One hold has no row and needs none, or batch_end() was not told of it. */
void account_recorded(struct account *a);

/* Queues all that were idle since `before_mono_ms` to give their cover back.
 * Returns how many. */
size_t purses_close_idle(struct purses *p, int64_t before_mono_ms);
/* Frees a closed account unless it is used again. */
void account_drop(struct account *a);

/* --- looking ----------------------------------------------------------------
 */

struct account_view {
    struct account_key key;
    int64_t cap_nanos, spent_nanos, reserved_nanos, covered_nanos;
};

/* Calls for each account in memory, with the purse's lock held. */
void purse_look(struct purse *purse,
                void (*each)(void *to, const struct account_view *view),
                void *to);
void purses_look(struct purses *p,
                 void (*each)(void *to, const char *team,
                              const struct account_view *view),
                 void *to);
