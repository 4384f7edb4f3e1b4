/*
 * mock_caller.h - one upstream call as a test sees it: everything it was
 * told, and hooks to act from inside its callbacks.
 */
#pragma once

#include "base/buf.h"

#include "serve/upstream.h"

struct mock_caller {
    struct upstream *upstream;
    struct upstream_call *call; /* NULL: over */
    struct slice parts[4];
    enum fault fault;
    char detail[160];
    struct buf body;
    int status, n_heads, n_bodies, n_read_ends, n_dones;
    bool keep_alive, sent_any, sent_all, reused;
    /* If set, called in on_body (bytes NULL: in on_head). */
    enum fault (*hook)(struct mock_caller *caller, const char *bytes);
    const void *hook_data;
    int64_t connect_ms; /* 0: five seconds */
};

/* A POST with a body of body_len bytes, to `to`. The caller's
 * hook and connect_ms stay. */
void mock_call(struct mock_caller *caller, struct upstream *u,
               const struct upstream_lane *to, size_t body_len);
/* A plain lane to 127.0.0.1. */
struct upstream_lane mock_lane(uint64_t lane, uint16_t port);

/* Runs the loop until *flag is not zero; fails the process after 20 s. */
void mock_run_until(struct loop *loop, const int *flag);
void mock_run_ms(struct loop *loop, int64_t ms);
/* Ends the caller's memory; its call must be over. */
void mock_caller_fini(struct mock_caller *caller);

size_t mock_open_files(void);
