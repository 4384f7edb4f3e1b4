/*
 * hook.h - warnings of budgets on their way to people.
 *
 *   recorder's thread: hook_warn --> a line in the log, a count
 *     --> [policy.yaml names a webhook] a queue --> this thread: POST (libcurl)
 *
 * On a thread of its own, as the feed is: nobody waits for somebody else's
 * server. What is not taken is tried again, HOOK_TRIES times in all; what
 * waits when the program ends is tried once more, for two seconds at most.
 * The ledger sees to it that each warning comes here once.
 */
#pragma once

#include "base/arena.h"

#include "routing/snapshot.h"

#include "record/warning.h"

struct hook;

enum {
    HOOK_TRIES = 5,
};

struct hook *hook_start(struct arena *a) NON_NULL_RETURN;
/* From now on to this edition's webhook; takes a reference of its own. */
void hook_follow(struct hook *h, struct snapshot *s);
/* `hook` is a struct hook. From any thread. */
void hook_warn(void *hook, const struct warning *w);
void hook_stop(struct hook *h);

/* Since the start, for the metrics; any thread. */
struct hook_count {
    char team[WARNING_TEAM];
    uint8_t scope, period; /* enum account_scope, enum budget_period */
    int64_t fraction_nanos;
    uint64_t n;
};

void hook_each(struct hook *h,
               void (*each)(void *to, const struct hook_count *count),
               void *to);

struct hook_posts {
    uint64_t sent, failed; /* warnings; failed: given up */
    uint64_t waiting;
};

struct hook_posts hook_posts(struct hook *h);
