/*
 * replay.h - requests of the past decided again, in virtual time.
 *
 *   a trace's line --> query --> decide --> attempt (market or record) -->
 * learn
 *
 * The same decide(), the same price function and the same learning as in the
 * proxy; no socket, no thread, no clock.
 */
#pragma once

#include <stdio.h>

#include "base/slice.h"

#include "routing/learn.h"

struct market; /* a process that answers attempts, line by line */

struct market *market_open(const char *command, struct arena *a);
/* Waits for its end. 0, or -1: it failed. */
int market_close(struct market *m);

struct market_answer {
    int status; /* 0: the market is gone, or did not make sense */
    int64_t retry_after_ms;
    struct usage usage;
    struct slice cost; /* its own figure: an amount; empty: none */
};

/* Sends `line`, a JSON object, as an attempt at `offer`. */
void market_ask(struct market *m, struct slice line, const struct offer *offer,
                struct market_answer *out);

/* One line of a trace. Lives until the next. */
struct trace_line {
    struct slice text; /* the object itself */
    char id[64], team[128], asked[128], text_class[16];
    int64_t at_unix_ms, input, output, max_tokens, block_tokens;
    bool thinking;
    uint64_t names[PREFIX_BLOCKS_MOST];
    int32_t ends[PREFIX_BLOCKS_MOST];
    uint32_t n_names;
};

/* False and a sentence: it is none. */
bool trace_read(struct trace_line *out, struct slice text, const char **why);
/* As much text of that class as the reference family counts so many tokens
 * in. */
void trace_text(struct text_count *out, const char *text_class, int64_t tokens);

struct replay {
    const struct snapshot *snapshot;
    struct market *market; /* NULL: what the trace recorded is what happens */
    FILE *decisions;       /* NULL: not wanted */
    struct replay_world *world;
    struct replay_sums *sums;
};

/* What came of it, by offer; money in the snapshot's currency. */
struct replay_sums {
    int64_t requests, unserved, refused, decided_ns;
    int64_t differ; /* bills on which the market and we disagree */
    int64_t total_nanos, expected_nanos;
    int64_t *served, *paid_nanos, *alone_nanos; /* by offer->index */
    int64_t prompt_tokens, cached_tokens;
};

/* 0, or -1 and a complaint on stderr. The sums' arrays live in `kept`. */
int replay_trace(struct replay *r, FILE *trace, struct arena *kept);

/* Empty, and large enough for a trace. In `a`. */
struct learnt *replay_learnt(struct arena *a);

struct replay_log_options {
    const char *without; /* a vendor that is not there; NULL */
    bool json;
};

/* The routing log decided again: see replay_log.c. */
int replay_log(const struct snapshot *s, FILE *log,
               const struct replay_log_options *options, struct arena *kept);
