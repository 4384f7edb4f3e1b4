/*
 * feed.h - prices that the running program goes on reading.
 *
 *   wait `every` --> fetch (a file, or https by libcurl) --> import_read
 *     --> import_judge against the edition in force --> state/feed-prices.yaml
 *     --> main's loop: reload
 *
 * On a thread of its own: a slow server, a large catalogue and a disk that
 * stalls are no worker's business. What is doubtful is held back and told; a
 * feed that cannot be read changes nothing and says so. People accept what is
 * held back by writing it into prices.yaml.
 */
#pragma once

#include "base/arena.h"
#include "base/loop.h"

#include "routing/snapshot.h"

struct feed;

/* The thread starts and waits for an edition. `changed` is posted to `loop`
 * whenever the file of prices has another content. In `a`. */
struct feed *feed_start(struct loop *loop, void (*changed)(void *arg),
                        void *arg, struct arena *a) NON_NULL_RETURN;

/* From now on by this edition's words and prices; takes a reference of its
 * own. Main thread. The first edition, and one whose feed is another, is read
 * for at once. */
void feed_follow(struct feed *f, struct snapshot *s);

/* Since the start; and as of the last reading. From any thread. */
struct feed_counts {
    uint64_t changed, same, refused; /* readings */
    uint64_t held;                   /* prices held back at the last one */
};

struct feed_counts feed_count(const struct feed *f);

/* Ends the thread, at most a second later, and waits for that. */
void feed_stop(struct feed *f);
