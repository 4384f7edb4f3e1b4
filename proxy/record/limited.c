#include "record/limited.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/json_write.h"
#include "base/time.h"

#include "record/recorder.h"

enum {
    SOON_MS = 1000,
    LATER_MS = 60 * 1000,
    NUMBER_TEXT = 64,
};

static const char *const names[] = {
    [LIMITED_REQUESTS] = "requests",   [LIMITED_TOKENS] = "tokens",
    [LIMITED_AT_ONCE] = "concurrency", [LIMITED_TOO_LARGE] = "too_large",
    [LIMITED_BUDGET] = "budget",
};

static struct limited_table *table_new(void)
{
    struct limited_table *t = calloc(1, sizeof(*t));

    if (!t)
        fatal("out of memory counting what limits refuse");
    return t;
}

void limited_init(struct limited *l)
{
    *l = (struct limited){.now = table_new(), .taken = table_new()};
    l->took_ms = -LATER_MS;
    pthread_mutex_init(&l->lock, NULL);
}

void limited_fini(struct limited *l)
{
    if (!l->now)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l->now);
    free(l->taken);
    l->now = NULL;
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

/* Ids of keys are unique, so they need no team. */
static struct limited_count *find(struct limited_table *t, const char *team,
                                  const char *key_id)
{
    uint32_t at = hash_of(key_id) % LIMITED_PLACES;
    struct limited_count *c;

    for (; t->places[at]; at = (at + 1) % LIMITED_PLACES) {
        c = &t->counts[t->places[at] - 1];
        if (strcmp(c->key_id, key_id) == 0)
            return c;
    }
    if (t->n == LIMITED_MOST - 1) /* the last is everybody else's */
        return &t->counts[t->n];
    c = &t->counts[t->n++];
    t->places[at] = (uint16_t)t->n;
    snprintf(c->team, sizeof(c->team), "%s", team);
    snprintf(c->key_id, sizeof(c->key_id), "%s", key_id);
    return c;
}

bool limited_add(struct limited *l, const char *team, const char *key_id,
                 enum limited_by by)
{
    struct limited_count *c;
    bool first;

    pthread_mutex_lock(&l->lock);
    first = l->now->n == 0;
    if (first)
        l->first_ms = clock_mono_ms();
    c = find(l->now, team, key_id);
    if (!c->from_unix_ms)
        c->from_unix_ms = clock_unix_ms();
    c->n[by]++;
    pthread_mutex_unlock(&l->lock);
    return first;
}

int64_t limited_wait_ms(struct limited *l, int64_t mono_ms)
{
    int64_t due_ms = -1;

    pthread_mutex_lock(&l->lock);
    if (l->now->n > 0) {
        due_ms = l->first_ms + SOON_MS;
        if (due_ms < l->took_ms + LATER_MS)
            due_ms = l->took_ms + LATER_MS;
        due_ms = due_ms > mono_ms ? due_ms - mono_ms : 0;
    }
    pthread_mutex_unlock(&l->lock);
    return due_ms;
}

const struct limited_table *limited_take(struct limited *l, int64_t mono_ms,
                                         bool now)
{
    int64_t wait_ms = limited_wait_ms(l, mono_ms);
    struct limited_table *t = l->taken;

    if (wait_ms < 0 || (wait_ms > 0 && !now))
        return NULL;
    memset(t, 0, sizeof(*t));
    pthread_mutex_lock(&l->lock);
    l->taken = l->now;
    l->now = t;
    l->took_ms = mono_ms;
    pthread_mutex_unlock(&l->lock);
    if (limited_sum(&l->taken->counts[LIMITED_MOST - 1]) > 0)
        l->taken->n = LIMITED_MOST;
    return l->taken;
}

uint64_t limited_sum(const struct limited_count *c)
{
    uint64_t sum = 0;

    for (int i = 0; i < LIMITED_KINDS; i++)
        sum += c->n[i];
    return sum;
}

static void put(struct buf *b, const char *raw)
{
    if (json_add_raw(b, raw))
        fatal("a line of the routing log is too long");
}

static void put_name(struct buf *b, const char *member, const char *text)
{
    put(b, member);
    if (!*text)
        put(b, "null");
    else if (json_add_text(b, slice_of(text)))
        fatal("a line of the routing log is too long");
}

static void put_number(struct buf *b, const char *member, uint64_t n)
{
    char text[NUMBER_TEXT];

    snprintf(text, sizeof(text), ",\"%s\":%" PRIu64, member, n);
    put(b, text);
}

/* Shaped as a receipt's, so that whoever reads those can read it. */
void limited_line(struct buf *out, const struct limited_count *c,
                  int64_t to_unix_ms)
{
    char id[RECEIPT_ID], at[TIME_TEXT];

    receipt_id_new(id);
    put_name(out, "{\"at\":", time_text(to_unix_ms, at));
    put_name(out, ",\"id\":", id);
    put_name(out, ",\"team\":", c->team);
    put_name(out, ",\"key\":", c->key_id);
    put(out, ",\"asked\":null,\"stream\":false,\"status\":429,\"vendor\":null,"
             "\"model\":null,\"attempts\":[]");
    put_name(out, ",\"fault\":",
             c->n[LIMITED_BUDGET] == limited_sum(c) ? "over_budget"
                                                    : "rate_limited");
    put_name(out, ",\"limited\":{\"since\":", time_text(c->from_unix_ms, at));
    put_number(out, "count", limited_sum(c));
    for (int i = 0; i < LIMITED_KINDS; i++)
        if (c->n[i])
            put_number(out, names[i], c->n[i]);
    put(out, "}}\n");
}
