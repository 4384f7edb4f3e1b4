/*
 * memory.h - what has been learnt, shared by all workers and kept over
 * restarts.
 *
 * One lock, held for the few microseconds of a decision or a lesson; nothing
 * waits for a file under it. Saved to `learnt` in the state directory from
 * time to time and at the end, written aside and renamed: a crash loses what
 * was learnt since. A file that is not ours, or broken, is left out of
 * account, and told. Prompts are kept as hashes with a random key, which lies
 * in the same file.
 */
#pragma once

#include "vendors/chat.h"

#include "routing/learn.h"

struct memory;

/* `dir`: the state directory, or NULL: nothing is kept. */
struct memory *memory_new(const char *dir) MUST_CHECK
NON_NULL_RETURN;
void memory_free(struct memory *m);

/* Writes the file if anything has been learnt since. Any thread. */
void memory_save(struct memory *m);

/* A snapshot, and its offers by their numbers here. */
struct memory_offers {
    const struct snapshot *snapshot;
    const uint16_t *numbers; /* by offer index */
};

/* The numbers live in `a`. Main thread. */
struct memory_offers memory_bind(struct memory *m, const struct snapshot *s,
                                 struct arena *a);

/* decide() with what is known. `base` is asked first, for each offer. Fills
 * in query->prefix from the chat. The outlook lives in `a`. */
struct outlook *memory_decide(struct memory *m,
                              const struct memory_offers *offers,
                              struct decision *out, struct query *query,
                              const struct conditions *base, struct arena *a);

/* `offer` begins to answer. See learnt_sent. */
struct lesson *memory_sent(struct memory *m, struct outlook *o,
                           const struct snapshot *snapshot,
                           const struct decision *d, const struct offer *offer,
                           struct arena *a);

/* It has answered with `usage`, billed by the price of `at_unix_ms`. */
void memory_answered(struct memory *m, const struct lesson *lesson,
                     const struct snapshot *snapshot, const struct offer *offer,
                     const struct usage *usage, int64_t at_unix_ms);

/* The file as it is: for commands. In `a`; NULL: there is none, or it is not
 * one of ours. */
struct learnt *memory_read(const char *dir, struct arena *a);
