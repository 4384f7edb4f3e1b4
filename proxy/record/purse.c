#include "record/purse.h"

#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

enum {
    ROOM_LEAST = 16, /* places of a table, a power of two */
    TEAMS_ROOM = 1024,
};

struct account {
    struct account_key key;
    struct purse *purse;
    struct account *same; /* next in its place of the table */
    struct account *next; /* in the list of the wanted */
    /* under the purse's lock */
    int64_t used;     /* spent + reserved */
    int64_t reserved; /* by holds not yet settled */
    int64_t covered;  /* durable: used <= covered */
    int64_t cap;      /* as claimed last */
    int64_t wanted;   /* of those that wait: their sum since the last plan */
    int64_t no; /* of its row; set before `open`, then never again */
    int64_t last_mono_ms;
    uint32_t n_holds; /* not yet recorded */
    bool open;        /* its row is known */
    bool queued;      /* was put into the list of the wanted, not granted */
    bool waited, closing;
    /* the recorder's alone */
    struct account *batch_next;
    int64_t delta;
    bool in_batch, from_wanted;
};

struct purse {
    pthread_mutex_t lock;
    struct purses *all;
    struct purse *same; /* next in its place */
    struct account **table;
    size_t room, n;
    char team[];
};

struct purses {
    pthread_mutex_t lock; /* of the two below */
    struct purse *table[TEAMS_ROOM];
    struct account *wanted;
    _Atomic(int64_t) high_ms;
    atomic_bool want;
    void (*wake)(void *to, bool urgent);
    void *to;
};

static void *make(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (!p)
        fatal("out of memory keeping accounts");
    return p;
}

static uint64_t hash_of(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t hash = 14695981039346656037ULL, word;

    for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        hash = (hash ^ word) * 1099511628211ULL;
        hash ^= hash >> 29;
    }
    for (; len > 0; len--, p++)
        hash = (hash ^ *p) * 1099511628211ULL;
    return hash ^ hash >> 32;
}

struct purses *purses_new(void (*wake)(void *to, bool urgent), void *to)
{
    struct purses *p = make(1, sizeof(*p));

    pthread_mutex_init(&p->lock, NULL);
    p->wake = wake;
    p->to = to;
    return p;
}

static void purse_free(struct purse *purse)
{
    for (size_t i = 0; i < purse->room; i++)
        for (struct account *a = purse->table[i]; a;) {
            struct account *same = a->same;

            free(a);
            a = same;
        }
    free(purse->table);
    pthread_mutex_destroy(&purse->lock);
    free(purse);
}

void purses_free(struct purses *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < TEAMS_ROOM; i++)
        for (struct purse *purse = p->table[i]; purse;) {
            struct purse *same = purse->same;

            purse_free(purse);
            purse = same;
        }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct purse *purses_find(struct purses *p, const char *team)
{
    size_t len = strlen(team);
    struct purse **place = &p->table[hash_of(team, len) % TEAMS_ROOM];
    struct purse *purse;

    pthread_mutex_lock(&p->lock);
    for (purse = *place; purse; purse = purse->same)
        if (strcmp(purse->team, team) == 0)
            break;
    if (!purse) {
        purse = make(1, sizeof(*purse) + len + 1);
        pthread_mutex_init(&purse->lock, NULL);
        memcpy(purse->team, team, len + 1);
        purse->all = p;
        purse->room = ROOM_LEAST;
        purse->table = make(purse->room, sizeof(struct account *));
        purse->same = *place;
        *place = purse;
    }
    pthread_mutex_unlock(&p->lock);
    return purse;
}

const char *purse_team(const struct purse *purse)
{
    return purse->team;
}

int64_t purses_time(struct purses *p, int64_t unix_ms)
{
    int64_t high = atomic_load_explicit(&p->high_ms, memory_order_relaxed);

    while (unix_ms > high)
        if (atomic_compare_exchange_weak(&p->high_ms, &high, unix_ms))
            return unix_ms;
    return high;
}

/* --- accounts, under the purse's lock --------------------------------------- */

static void grow(struct purse *purse)
{
    size_t room = purse->room * 2;
    struct account **table = make(room, sizeof(struct account *));

    for (size_t i = 0; i < purse->room; i++)
        for (struct account *a = purse->table[i], *same; a; a = same) {
            struct account **to =
                &table[hash_of(&a->key, sizeof(a->key)) & (room - 1)];

            same = a->same;
            a->same = *to;
            *to = a;
        }
    free(purse->table);
    purse->table = table;
    purse->room = room;
}

/* NULL: as many as may be are there already. */
static struct account *find_account(struct purse *purse,
                                    const struct account_key *key)
{
    uint64_t hash = hash_of(key, sizeof(*key));
    struct account *a = purse->table[hash & (purse->room - 1)];

    while (a && memcmp(&a->key, key, sizeof(*key)) != 0)
        a = a->same;
    if (a || purse->n >= ACCOUNTS_MOST)
        return a;
    if (purse->n >= purse->room)
        grow(purse);
    a = make(1, sizeof(*a));
    a->key = *key;
    a->purse = purse;
    a->same = purse->table[hash & (purse->room - 1)];
    purse->table[hash & (purse->room - 1)] = a;
    purse->n++;
    return a;
}

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What is left of the cover when more is asked for: enough for as much again
 * as is under way. */
static bool is_low(const struct account *a)
{
    return a->covered < a->cap &&
           a->covered - a->used < larger(a->reserved, 1);
}

/* Lists of what was queued under the lock, given on after it. */
static void want(struct account *a, struct account **list)
{
    if (a->queued)
        return;
    a->queued = true;
    a->next = *list;
    *list = a;
}

static void give_on(struct purses *p, struct account *list, bool urgent)
{
    struct account *last = list;

    if (list) {
        while (last->next)
            last = last->next;
        pthread_mutex_lock(&p->lock);
        last->next = p->wanted;
        p->wanted = list;
        atomic_store(&p->want, true);
        pthread_mutex_unlock(&p->lock);
    }
    if (list || urgent)
        p->wake(p->to, urgent);
}

static bool is_over(const struct account *a, const struct claim *c)
{
    if (c->nanos == 0)
        return c->strict && a->used >= c->cap_nanos;
    return sum_of(a->used, c->nanos) > c->cap_nanos;
}

static enum take look_at(struct account *const *accounts,
                         const struct claim *claims, uint32_t n,
                         struct refused *refused)
{
    enum take take = TAKE_DONE;

    for (uint32_t i = 0; i < n; i++) {
        const struct account *a = accounts[i];
        int64_t after = sum_of(a->used, claims[i].nanos);

        if (a->open && is_over(a, &claims[i])) {
            *refused = (struct refused){i, claims[i].cap_nanos - a->used,
                                        a->used - a->reserved, a->reserved};
            return TAKE_OVER;
        }
        if (!a->open || after > a->covered)
            take = TAKE_WAIT;
    }
    return take;
}

static void ask(struct account *a, const struct claim *c, enum take take,
                struct account **list)
{
    if (take == TAKE_WAIT &&
        (!a->open || sum_of(a->used, c->nanos) > a->covered)) {
        a->wanted = sum_of(a->wanted, c->nanos);
        a->waited = true;
        want(a, list);
    } else if (take == TAKE_DONE && is_low(a)) {
        want(a, list);
    }
}

enum take purse_take(struct purse *purse, const struct claim *claims,
                     uint32_t n, int64_t mono_ms, struct hold *out,
                     struct refused *refused)
{
    struct account *accounts[CLAIMS_MOST], *wanted = NULL;
    enum take take = TAKE_DONE;

    ENSURE(n <= CLAIMS_MOST);
    pthread_mutex_lock(&purse->lock);
    for (uint32_t i = 0; i < n; i++) {
        accounts[i] = find_account(purse, &claims[i].key);
        if (!accounts[i]) {
            pthread_mutex_unlock(&purse->lock);
            *refused = (struct refused){.claim = i};
            return TAKE_OVER;
        }
        accounts[i]->cap = claims[i].cap_nanos;
        accounts[i]->last_mono_ms = mono_ms;
    }
    take = look_at(accounts, claims, n, refused);
    *out = (struct hold){.purse = purse, .n = take == TAKE_DONE ? n : 0};
    for (uint32_t i = 0; i < n; i++) {
        struct account *a = accounts[i];

        if (take == TAKE_DONE) {
            a->used += claims[i].nanos;
            a->reserved += claims[i].nanos;
            a->n_holds++;
            out->parts[i].account = a;
            out->parts[i].nanos = claims[i].nanos;
            out->parts[i].cap_nanos = claims[i].cap_nanos;
        }
        ask(a, &claims[i], take, &wanted);
    }
    pthread_mutex_unlock(&purse->lock);
    give_on(purse->all, wanted, take == TAKE_WAIT);
    return take;
}

static int64_t warning(const struct claim *c, int64_t before, int64_t after)
{
    int64_t reached = 0;

    for (uint32_t i = 0; c && i < c->n_warn; i++)
        if (before < c->warn_nanos[i] && c->warn_nanos[i] <= after)
            reached = larger(reached, c->warn_nanos[i]);
    return reached;
}

void purse_settle(struct hold *hold, const int64_t charges[],
                  const struct claim *claims, int64_t warned[])
{
    struct account *wanted = NULL;

    pthread_mutex_lock(&hold->purse->lock);
    for (uint32_t i = 0; i < hold->n; i++) {
        struct account *a = hold->parts[i].account;
        int64_t before = a->used - a->reserved;

        hold->parts[i].charged = charges[i];
        a->reserved -= hold->parts[i].nanos;
        a->used = sum_of(a->used - hold->parts[i].nanos, charges[i]);
        if (a->used > a->covered)
            want(a, &wanted);
        if (warned)
            warned[i] = warning(claims ? &claims[i] : NULL, before,
                                a->used - a->reserved);
    }
    pthread_mutex_unlock(&hold->purse->lock);
    give_on(hold->purse->all, wanted, false);
}

int64_t account_no(const struct account *a)
{
    return a->no;
}

/* --- the recorder's side ---------------------------------------------------- */

bool purses_want(const struct purses *p)
{
    return atomic_load(&p->want);
}

struct account *purses_wanted(struct purses *p)
{
    struct account *list;

    if (!atomic_load(&p->want))
        return NULL;
    pthread_mutex_lock(&p->lock);
    list = p->wanted;
    p->wanted = NULL;
    atomic_store(&p->want, false);
    pthread_mutex_unlock(&p->lock);
    return list;
}

void batch_add_wanted(struct batch *b, struct account *list)
{
    for (struct account *a = list, *next; a; a = next) {
        next = a->next;
        a->from_wanted = true;
        batch_charge(b, a, 0);
    }
}

void batch_charge(struct batch *b, struct account *a, int64_t nanos)
{
    a->delta = sum_of(a->delta, nanos);
    if (a->in_batch)
        return;
    a->in_batch = true;
    a->batch_next = b->first;
    b->first = a;
}

void batch_forget_charges(struct batch *b)
{
    for (struct account *a = b->first; a; a = a->batch_next)
        a->delta = 0;
}

struct account *account_next(const struct account *a)
{
    return a->batch_next;
}

/* Room for those that wait, and for as much again as is under way. */
void account_plan(struct account *a, struct account_plan *out)
{
    *out = (struct account_plan){
        .account = a,
        .team = a->purse->team,
        .key = a->key,
        .no = a->no,
        .delta = a->delta,
    };
    pthread_mutex_lock(&a->purse->lock);
    if (a->closing && a->open && a->n_holds == 0 && !a->waited) {
        a->covered = a->used;
        out->closing = true;
    }
    a->closing = false;
    if (!out->closing)
        out->room = sum_of(sum_of(a->wanted, a->wanted), a->reserved) * 2;
    if (out->room < 0)
        out->room = INT64_MAX;
    a->wanted = 0;
    out->cap = a->cap;
    out->least = a->covered;
    account_plan_from(out, a->used);
    pthread_mutex_unlock(&a->purse->lock);
}

/* Never beyond the cap, except for what is used already; never less than
 * workers may already be counting on. */
void account_plan_from(struct account_plan *plan, int64_t used)
{
    int64_t target = sum_of(used, plan->room);

    if (target > plan->cap)
        target = larger(plan->cap, used);
    plan->used = used;
    plan->covered = larger(target, plan->least);
}

bool account_grant(const struct account_plan *plan)
{
    struct account *a = plan->account;
    bool waited;

    pthread_mutex_lock(&a->purse->lock);
    if (!a->open) {
        a->open = true;
        a->no = plan->no;
        a->used = plan->used;
    }
    if (!plan->closing)
        a->covered = larger(a->covered, plan->covered);
    if (a->from_wanted)
        a->queued = false;
    waited = a->waited;
    a->waited = false;
    pthread_mutex_unlock(&a->purse->lock);
    a->delta = 0;
    a->in_batch = a->from_wanted = false;
    return waited;
}

void account_recorded(struct account *a)
{
    pthread_mutex_lock(&a->purse->lock);
    ENSURE(a->n_holds > 0);
    a->n_holds--;
    pthread_mutex_unlock(&a->purse->lock);
}

static size_t close_idle(struct purse *purse, int64_t before_mono_ms,
                         struct account **list)
{
    size_t n = 0;

    pthread_mutex_lock(&purse->lock);
    for (size_t i = 0; i < purse->room; i++)
        for (struct account *a = purse->table[i]; a; a = a->same)
            if (a->open && !a->queued && a->n_holds == 0 &&
                a->last_mono_ms < before_mono_ms) {
                a->closing = true;
                want(a, list);
                n++;
            }
    pthread_mutex_unlock(&purse->lock);
    return n;
}

size_t purses_close_idle(struct purses *p, int64_t before_mono_ms)
{
    struct account *list = NULL, *last;
    size_t n = 0;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < TEAMS_ROOM; i++)
        for (struct purse *purse = p->table[i]; purse; purse = purse->same)
            n += close_idle(purse, before_mono_ms, &list);
    last = list;
    while (last && last->next)
        last = last->next;
    if (last) {
        last->next = p->wanted;
        p->wanted = list;
        atomic_store(&p->want, true);
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

void account_drop(struct account *a)
{
    struct purse *purse = a->purse;
    struct account **at;
    bool idle;

    pthread_mutex_lock(&purse->lock);
    idle = a->n_holds == 0 && !a->queued && a->used == a->covered;
    if (idle) {
        at = &purse->table[hash_of(&a->key, sizeof(a->key)) &
                           (purse->room - 1)];
        while (*at != a)
            at = &(*at)->same;
        *at = a->same;
        purse->n--;
    }
    pthread_mutex_unlock(&purse->lock);
    if (idle)
        free(a);
}

/* --- looking ---------------------------------------------------------------- */

void purse_look(struct purse *purse,
                void (*each)(void *to, const struct account_view *view),
                void *to)
{
    pthread_mutex_lock(&purse->lock);
    for (size_t i = 0; i < purse->room; i++)
        for (const struct account *a = purse->table[i]; a; a = a->same) {
            struct account_view view = {a->key, a->cap, a->used - a->reserved,
                                        a->reserved, a->covered};

            each(to, &view);
        }
    pthread_mutex_unlock(&purse->lock);
}

struct looking {
    void (*each)(void *to, const char *team, const struct account_view *view);
    void *to;
    const char *team;
};

static void look_on(void *to, const struct account_view *view)
{
    const struct looking *l = to;

    l->each(l->to, l->team, view);
}

void purses_look(struct purses *p,
                 void (*each)(void *to, const char *team,
                              const struct account_view *view),
                 void *to)
{
    struct looking l = {each, to, NULL};

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < TEAMS_ROOM; i++)
        for (struct purse *purse = p->table[i]; purse; purse = purse->same) {
            l.team = purse->team;
            purse_look(purse, look_on, &l);
        }
    pthread_mutex_unlock(&p->lock);
}
