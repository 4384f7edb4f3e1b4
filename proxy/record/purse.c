#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"
#include "base/log.h"

#include "record/purse_state.h"

enum {
    ROOM_LEAST = 8, /* places of a table, a power of two; a cache line */
};

/* In cache lines of its own. */
static void *make(size_t n, size_t size)
{
    size_t bytes =
        (n * size + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    void *p = aligned_alloc(CACHE_LINE_BYTES, bytes);

    if (!p)
        fatal("out of memory keeping accounts");
    memset(p, 0, bytes);
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

    while (unix_ms > high || high - unix_ms > TIME_BACK_MOST_MS)
        if (atomic_compare_exchange_weak(&p->high_ms, &high, unix_ms)) {
            if (unix_ms < high)
                log_line(LOG_WARN, "clock",
                         "back_ms=%" PRId64 " note=\"too far to have been "
                         "right before: windows go by it again\"",
                         high - unix_ms);
            return unix_ms;
        }
    return high;
}

int64_t purses_high(const struct purses *p)
{
    return atomic_load_explicit(&p->high_ms, memory_order_relaxed);
}

/* --- accounts, under the purse's lock ---------------------------------------
 */

/* What a team spends in all, and its own budgets, are of nobody. */
static size_t key_bytes(const struct account_key *key)
{
    return key->scope <= ACCOUNT_TEAM ? offsetof(struct account_key, who)
                                      : sizeof(*key);
}

static uint64_t key_hash(const struct account_key *key)
{
    return hash_of(key, key_bytes(key));
}

struct account **account_place(struct purse *purse,
                               const struct account_key *key)
{
    return &purse->table[key_hash(key) & (purse->room - 1)];
}

static void grow(struct purse *purse)
{
    size_t room = purse->room * 2;
    struct account **table = make(room, sizeof(struct account *));

    for (size_t i = 0; i < purse->room; i++)
        for (struct account *a = purse->table[i], *same; a; a = same) {
            struct account **to = &table[key_hash(&a->key) & (room - 1)];

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
    uint64_t hash = key_hash(key);
    struct account *a = purse->table[hash & (purse->room - 1)];

    while (a && memcmp(&a->key, key, key_bytes(key)) != 0)
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

/* All accounts of a claim come into the cache at a time. */
static void fetch_accounts(const struct purse *purse,
                           const struct claim *claims, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct account *a =
            purse->table[key_hash(&claims[i].key) & (purse->room - 1)];

        if (a) {
            __builtin_prefetch(a);
            __builtin_prefetch(&a->no);
        }
    }
}

int64_t nanos_add(int64_t a, int64_t b)
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
    return a->covered < a->cap && a->covered - a->used < larger(a->reserved, 1);
}

/* Lists of what was queued under the lock, given on after it. */
void account_want(struct account *a, struct account **list)
{
    if (a->queued)
        return;
    a->queued = true;
    a->next = *list;
    *list = a;
}

void purses_give_on(struct purses *p, struct account *list, bool urgent)
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
    return nanos_add(a->used, c->nanos) > c->cap_nanos;
}

static enum take look_at(struct account *const *accounts,
                         const struct claim *claims, uint32_t n,
                         struct refused *refused)
{
    enum take take = TAKE_DONE;

    for (uint32_t i = 0; i < n; i++) {
        const struct account *a = accounts[i];
        int64_t after = nanos_add(a->used, claims[i].nanos);

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
        (!a->open || nanos_add(a->used, c->nanos) > a->covered)) {
        a->wanted = nanos_add(a->wanted, c->nanos);
        a->waited = true;
        account_want(a, list);
    } else if (take == TAKE_DONE && is_low(a)) {
        account_want(a, list);
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
    fetch_accounts(purse, claims, n);
    for (uint32_t i = 0; i < n; i++) {
        accounts[i] = find_account(purse, &claims[i].key);
        if (!accounts[i]) {
            pthread_mutex_unlock(&purse->lock);
            *refused = (struct refused){.claim = i};
            return TAKE_OVER;
        }
        accounts[i]->cap = claims[i].cap_nanos;
        accounts[i]->asked = claims[i].nanos;
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
    purses_give_on(purse->all, wanted, take == TAKE_WAIT);
    return take;
}

static struct reached reach(struct account *a, const struct claim *c)
{
    struct reached r = {.spent_nanos = a->used - a->reserved};

    for (uint32_t i = 0; i < c->n_marks; i++)
        if (c->marks[i].nanos > 0 && c->marks[i].nanos <= r.spent_nanos &&
            c->marks[i].fraction_nanos > a->warned) {
            r.mark = c->marks[i];
            a->warned = r.mark.fraction_nanos;
        }
    return r;
}

void purse_settle(struct hold *hold, const int64_t charges[],
                  const struct claim *claims, struct reached reached[])
{
    struct account *wanted = NULL;

    pthread_mutex_lock(&hold->purse->lock);
    for (uint32_t i = 0; i < hold->n; i++) {
        struct account *a = hold->parts[i].account;

        hold->parts[i].charged = charges[i];
        a->reserved -= hold->parts[i].nanos;
        a->used = nanos_add(a->used - hold->parts[i].nanos, charges[i]);
        if (a->used > a->covered)
            account_want(a, &wanted);
        if (reached)
            reached[i] = reach(a, &claims[i]);
    }
    pthread_mutex_unlock(&hold->purse->lock);
    purses_give_on(hold->purse->all, wanted, false);
}

int64_t account_no(const struct account *a)
{
    return a->no;
}

/* --- looking ----------------------------------------------------------------
 */

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
