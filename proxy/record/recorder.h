/*
 * recorder.h - receipts on their way to the ledger and the routing log.
 *
 * One tray per worker, one recorder thread: it writes the ledger (SQLite,
 * WAL, synchronous=FULL, one transaction for all that has gathered) and then
 * the log. A worker takes a place in its tray before it dispatches anything
 * and fills it at the end, so a receipt always has room: a full tray, or a
 * ledger that cannot be written, refuses new work and loses nothing. What
 * could not be written is kept and tried again until it can.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#include "record/intents.h"
#include "record/limited.h"
#include "record/purse.h"
#include "record/receipt.h"
#include "record/warning.h"

struct recorder;

enum {
    RECEIPT_JSON_LEAST = 12 * 1024, /* a line with all but its `others` */
    RECEIPT_JSON_MOST = 32 * 1024,  /* the longest line */
};

/* Opens or creates ledger.db and routing.jsonl in `state_dir` (made if it is
 * missing), starts the thread ("bijia-rec"). NULL and a message. */
struct recorder *recorder_new(const char *state_dir, int n_workers, char *error,
                              size_t error_size) MUST_CHECK;
/* Writes everything put so far, then ends the thread. A ledger that takes no
 * row for 30 s is given up: its receipts go to the log. */
void recorder_free(struct recorder *r);

/* A place for one receipt, from worker `w`'s thread. False: full or broken.
 * Then exactly one of put (copies; takes the snapshot reference over) and
 * cancel. */
bool recorder_reserve(struct recorder *r, int w) MUST_CHECK;
void recorder_put(struct recorder *r, int w, const struct receipt *receipt);
void recorder_cancel(struct recorder *r, int w);

/* What teams may spend, shared; and a worker's attempts under way. An attempt
 * is dispatched only after its place was opened with a hold of it; its receipt
 * names the place, which is free again once the receipt is in the ledger. */
struct purses *recorder_purses(struct recorder *r);
struct intents *recorder_intents(struct recorder *r, int w);
/* Calls fn(to) from the recorder's thread whenever accounts that somebody
 * waits for have got their cover. Before any worker starts. */
void recorder_on_granted(struct recorder *r, void (*fn)(void *to), void *to);

/* A budget has reached a fraction: copied. From any thread, before the receipt
 * of what reached it. */
void recorder_warn(struct recorder *r, const struct warning *w);
/* Calls fn(to) from the recorder's thread for each that is new, once it is in
 * the ledger. Before any worker starts. */
void recorder_on_warning(struct recorder *r,
                         void (*fn)(void *to, const struct warning *w),
                         void *to);

/* Limits have refused a request of that key: counted. Any thread. */
void recorder_limited(struct recorder *r, const char *team, const char *key_id,
                      enum limited_by by);

/* Old rows: `keep_ms` may be set, the counts read. Any thread. */
struct retention;
struct retention *recorder_retention(struct recorder *r);
/* Rows before that instant go now; the recorder's thread does it between its
 * batches. Any thread. */
void recorder_prune(struct recorder *r, int64_t before_unix_ms);

/* For /readyz: the ledger takes rows. Any thread. */
bool recorder_healthy(const struct recorder *r);

/* Opens routing.jsonl anew, for a log that was rotated (a renamed file is
 * noticed within a second without it). Any thread. */
void recorder_reopen(struct recorder *r);

/* A new id for a receipt or an attempt: the time, then chance. Rows arrive
 * nearly in the order of such ids, which is what makes the ledger cheap. */
void receipt_id_new(char id[RECEIPT_ID]);

/* One receipt as its JSON line (with '\n'); for the log and for tests.
 * `size` is at least RECEIPT_JSON_LEAST. Returns the length. */
size_t receipt_json(const struct receipt *r, char *text, size_t size);
