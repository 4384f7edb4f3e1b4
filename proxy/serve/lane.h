/*
 * lane.h - where calls go: connections to one address, for one vendor key.
 *
 * A lane keeps the connections that finished a call cleanly, and gives out
 * the one used last. Kept ones stay watched: one that ends or speaks unasked
 * is closed at once; the rest go when they are older than idle_ms, before
 * the vendor closes them. A lane with neither calls nor connections is gone.
 *
 * Private to upstream.c and call_io.c, which own the rest of a connection.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <event2/event_struct.h>

#include "base/loop.h"
#include "base/pool.h"

#include "http/sock.h"
#include "serve/dial.h"
#include "serve/upstream.h"

enum {
    LANE_KEPT_MOST = 256, /* per lane; then the oldest goes */
    LANE_BUCKETS = 256,
};

struct lanes;
struct tls_context;

/* One CA file's context, made when first needed. */
struct lane_trust {
    struct lane_trust *next;
    const char *ca_file; /* or NULL: the system's */
    struct tls_context *context;
};

struct lane {
    struct lanes *lanes;
    struct lane *next; /* in its bucket */
    uint64_t id;
    int64_t idle_ms;
    struct lane_trust *trust; /* NULL: plain */
    struct conn *newest, *oldest;
    size_t n_kept, n_calls;
    struct loop_timer ageing; /* for the oldest */
    uint16_t port;
    char host[DIAL_HOST_MOST + 1];
};

struct conn {
    struct sock sock;
    struct event readable, writable;
    bool writable_on;
    struct lane *lane;
    struct upstream_call *call; /* NULL: kept */
    struct conn *newer, *older; /* while kept */
    int64_t kept_until_ms;
    uint32_t edition; /* of lanes->edition, when it was dialled */
};

struct lanes {
    struct loop *loop;
    struct arena *arena;
    struct pool lane_pool, conn_pool;
    struct lane *buckets[LANE_BUCKETS];
    struct lane_trust *trusts;
    uint32_t edition; /* lanes_flush() begins a new one */
    int64_t n_kept;
};

void lanes_init(struct lanes *lanes, struct loop *loop, struct arena *arena);
void lanes_fini(struct lanes *lanes); /* no call is left */
void lanes_flush(struct lanes *lanes);
void lanes_warm(struct lanes *lanes); /* upstream_warm() */

/* The lane, made if new, with one call more. */
struct lane *lane_enter(struct lanes *lanes,
                        const struct upstream_lane *to) MUST_CHECK
NON_NULL_RETURN;
/* One call less; the lane may go. */
void lane_leave(struct lane *lane);

/* The kept connection used last, or NULL. Still watched for reading. */
struct conn *lane_take(struct lane *lane) MUST_CHECK;
/* `conn` is whole, unused and watched for reading alone. */
void lane_keep(struct conn *conn);

/* TLS for a new connection: 0, or -1 and why. */
int lane_begin_tls(struct conn *conn, char *error,
                   size_t error_size) MUST_CHECK;

/* A connection around `fd`; on_event gets it as its argument. */
struct conn *lane_conn_new(struct lane *lane, int fd,
                           void (*on_event)(int fd, short what,
                                            void *conn)) MUST_CHECK
NON_NULL_RETURN;
void lane_conn_close(struct conn *conn, bool reset);
/* A kept connection has become readable. */
void lane_conn_stirred(struct conn *conn);
