#include "serve/lane.h"

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/fatal.h"
#include "base/log.h"

#include "http/tls.h"

void lanes_init(struct lanes *lanes, struct loop *loop, struct arena *arena)
{
    *lanes = (struct lanes){.loop = loop, .arena = arena};
    pool_init(&lanes->lane_pool, sizeof(struct lane));
    pool_init(&lanes->conn_pool, sizeof(struct conn));
}

static struct lane **bucket_of(struct lanes *lanes, uint64_t id)
{
    return &lanes->buckets[(id * 0x9E3779B97F4A7C15ULL) >> 56];
}

static void release(struct lane *lane)
{
    struct lane **at = bucket_of(lane->lanes, lane->id);

    if (lane->n_calls || lane->n_kept)
        return;
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    timer_stop(&lane->ageing);
    pool_give(&lane->lanes->lane_pool, lane);
}

/* Takes a connection off the list of the kept. */
static void unkeep(struct conn *conn)
{
    struct lane *lane = conn->lane;

    if (conn->newer)
        conn->newer->older = conn->older;
    else
        lane->newest = conn->older;
    if (conn->older)
        conn->older->newer = conn->newer;
    else
        lane->oldest = conn->newer;
    conn->newer = conn->older = NULL;
    lane->n_kept--;
    lane->lanes->n_kept--;
}

static void drop_oldest(struct lane *lane)
{
    struct conn *conn = lane->oldest;

    unkeep(conn);
    lane_conn_close(conn, false);
}

static void on_age(void *arg)
{
    struct lane *lane = arg;
    int64_t now_ms = loop_now_ms(lane->lanes->loop);

    while (lane->oldest && lane->oldest->kept_until_ms <= now_ms)
        drop_oldest(lane);
    if (lane->oldest)
        timer_set(lane->lanes->loop, &lane->ageing,
                  lane->oldest->kept_until_ms - now_ms);
    release(lane);
}

static struct lane_trust *trust_of(struct lanes *lanes, const char *ca_file)
{
    struct lane_trust *t;

    for (t = lanes->trusts; t; t = t->next)
        if (ca_file ? t->ca_file && strcmp(t->ca_file, ca_file) == 0
                    : !t->ca_file)
            return t;
    t = arena_alloc(lanes->arena, sizeof(*t));
    if (ca_file)
        t->ca_file = arena_strndup(lanes->arena, ca_file, strlen(ca_file));
    t->next = lanes->trusts;
    lanes->trusts = t;
    return t;
}

/* NULL, and why: the certificates cannot be read. */
static struct tls_context *context_of(struct lane_trust *t, char *error,
                                      size_t error_size)
{
    if (!t->context)
        t->context = tls_client_new(t->ca_file, error, error_size);
    return t->context;
}

void lanes_warm(struct lanes *lanes)
{
    char error[128];

    if (!context_of(trust_of(lanes, NULL), error, sizeof(error)))
        log_line(LOG_WARN, "no_system_authorities", "reason=\"%s\"", error);
}

struct lane *lane_enter(struct lanes *lanes, const struct upstream_lane *to)
{
    struct lane **bucket = bucket_of(lanes, to->lane), *lane = *bucket;

    while (lane && lane->id != to->lane)
        lane = lane->next;
    if (!lane) {
        size_t len = strlen(to->host);

        lane = pool_take(&lanes->lane_pool);
        *lane = (struct lane){
            .lanes = lanes,
            .next = *bucket,
            .id = to->lane,
            .trust = to->tls ? trust_of(lanes, to->ca_file) : NULL,
            .ageing = {.fn = on_age, .arg = lane},
            .port = to->port,
        };
        if (len <= DIAL_HOST_MOST) /* else it cannot be dialled anyway */
            memcpy(lane->host, to->host, len);
        *bucket = lane;
    }
    lane->idle_ms = to->idle_ms;
    lane->n_calls++;
    return lane;
}

void lane_leave(struct lane *lane)
{
    lane->n_calls--;
    release(lane);
}

struct conn *lane_take(struct lane *lane)
{
    struct conn *conn = lane->newest;

    if (!conn || conn->kept_until_ms <= loop_now_ms(lane->lanes->loop))
        return NULL; /* the others are older still: on_age() is due */
    unkeep(conn);
    return conn;
}

void lane_keep(struct conn *conn)
{
    struct lane *lane = conn->lane;

    if (lane->idle_ms <= 0 || conn->edition != lane->lanes->edition) {
        lane_conn_close(conn, false);
        return;
    }
    if (lane->n_kept == LANE_KEPT_MOST)
        drop_oldest(lane);
    conn->call = NULL;
    conn->kept_until_ms = loop_now_ms(lane->lanes->loop) + lane->idle_ms;
    conn->older = lane->newest;
    if (lane->newest)
        lane->newest->newer = conn;
    else
        lane->oldest = conn;
    lane->newest = conn;
    lane->n_kept++;
    lane->lanes->n_kept++;
    if (!lane->ageing.due_ms)
        timer_set(lane->lanes->loop, &lane->ageing, lane->idle_ms);
}

int lane_begin_tls(struct conn *conn, char *error, size_t error_size)
{
    struct lane *lane = conn->lane;
    struct tls_context *context = context_of(lane->trust, error, error_size);

    if (!context)
        return -1;
    if (tls_begin(&conn->sock, context, lane->host, lane->port) == 0)
        return 0;
    snprintf(error, error_size, "out of memory beginning TLS");
    return -1;
}

struct conn *lane_conn_new(struct lane *lane, int fd,
                           void (*on_event)(int fd, short what, void *conn))
{
    struct lanes *lanes = lane->lanes;
    struct conn *conn = pool_take(&lanes->conn_pool);
    struct event_base *events = loop_events(lanes->loop);

    conn->sock.fd = fd;
    conn->lane = lane;
    conn->edition = lanes->edition;
    event_assign(&conn->readable, events, fd, EV_READ | EV_PERSIST, on_event,
                 conn);
    event_assign(&conn->writable, events, fd, EV_WRITE | EV_PERSIST, on_event,
                 conn);
    if (event_add(&conn->readable, NULL) != 0)
        fatal("cannot watch a connection");
    return conn;
}

void lane_conn_close(struct conn *conn, bool reset)
{
    event_del(&conn->readable);
    event_del(&conn->writable);
    sock_close(&conn->sock, reset);
    pool_give(&conn->lane->lanes->conn_pool, conn);
}

void lane_conn_stirred(struct conn *conn)
{
    struct lane *lane = conn->lane;
    char byte;

    /* TLS: tickets and the like may still come, and are harmless. */
    if (conn->sock.ssl && sock_read(&conn->sock, &byte, 1) == SOCK_AGAIN)
        return;
    unkeep(conn);
    lane_conn_close(conn, false);
    release(lane);
}

void lanes_flush(struct lanes *lanes)
{
    lanes->edition++;
    for (size_t i = 0; i < LANE_BUCKETS; i++) {
        struct lane *lane = lanes->buckets[i], *next;

        for (; lane; lane = next) {
            next = lane->next;
            while (lane->oldest)
                drop_oldest(lane);
            release(lane);
        }
    }
    for (struct lane_trust *t = lanes->trusts; t; t = t->next) {
        if (t->context && t->ca_file) {
            tls_context_free(t->context); /* the file may have changed */
            t->context = NULL;
        }
    }
}

void lanes_fini(struct lanes *lanes)
{
    lanes_flush(lanes);
    for (struct lane_trust *t = lanes->trusts; t; t = t->next)
        if (t->context)
            tls_context_free(t->context);
    pool_fini(&lanes->lane_pool);
    pool_fini(&lanes->conn_pool);
}
