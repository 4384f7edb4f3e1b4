#include "mock_caller.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/fatal.h"

enum {
    PATIENCE_MS = 20000,
    CONNECT_MS = 5000,
    HEAD_LIMIT = 16 * 1024,
    BODY_MOST = 256 * 1024 * 1024,
};

static enum fault on_head(void *watcher, const struct http_head *head)
{
    struct mock_caller *c = watcher;

    ENSURE(c->n_heads == 0 && c->n_dones == 0);
    c->n_heads++;
    c->status = head->status;
    c->keep_alive = head->keep_alive;
    return c->hook ? c->hook(c, NULL) : FAULT_NONE;
}

static enum fault on_body(void *watcher, struct slice bytes)
{
    struct mock_caller *c = watcher;

    ENSURE(c->n_heads == 1 && c->n_dones == 0 && bytes.len);
    c->n_bodies++;
    ENSURE(buf_add(&c->body, bytes) == 0);
    return c->hook ? c->hook(c, bytes.bytes) : FAULT_NONE;
}

static void on_read_end(void *watcher)
{
    struct mock_caller *c = watcher;

    ENSURE(c->n_heads == 1 && c->n_dones == 0);
    c->n_read_ends++;
}

static void on_done(void *watcher, enum fault fault, const char *detail)
{
    struct mock_caller *c = watcher;

    ENSURE(c->n_dones == 0);
    c->n_dones++;
    c->fault = fault;
    snprintf(c->detail, sizeof(c->detail), "%s", detail);
    c->sent_any = upstream_sent_any(c->call);
    c->sent_all = upstream_sent_all(c->call);
    c->reused = upstream_reused(c->call);
    c->call = NULL;
}

struct upstream_lane mock_lane(uint64_t lane, uint16_t port)
{
    return (struct upstream_lane){
        .lane = lane, .host = "127.0.0.1", .port = port, .idle_ms = 10000};
}

static struct slice filler(size_t len)
{
    static char *bytes;
    static size_t size;

    if (len > size) {
        free(bytes);
        bytes = malloc(len);
        ENSURE(bytes);
        memset(bytes, 'x', len);
        size = len;
    }
    return (struct slice){bytes, len};
}

void mock_call(struct mock_caller *caller, struct upstream *u,
               const struct upstream_lane *to, size_t body_len)
{
    static const struct upstream_watcher watcher = {on_head, on_body,
                                                    on_read_end, on_done};
    static char head[256];
    struct upstream_request request = {
        .to = *to,
        .parts = caller->parts,
        .n_parts = 4,
        .connect_ms = caller->connect_ms ? caller->connect_ms : CONNECT_MS,
        .head_limit = HEAD_LIMIT};

    buf_fini(&caller->body);
    *caller = (struct mock_caller){.upstream = u,
                                   .hook = caller->hook,
                                   .hook_data = caller->hook_data,
                                   .connect_ms = caller->connect_ms,
                                   .fault = FAULT_COUNT};
    buf_init(&caller->body, BODY_MOST);
    snprintf(head, sizeof(head),
             "POST /v1/chat/completions HTTP/1.1\r\nHost: vendor\r\n"
             "Content-Length: %zu\r\n\r\n",
             body_len);
    caller->parts[0] = slice_of(head);
    caller->parts[1] = filler(body_len / 2);
    caller->parts[2] = (struct slice){NULL, 0};
    caller->parts[3] = filler(body_len - body_len / 2);
    caller->parts[1].bytes = caller->parts[3].bytes;
    caller->call = upstream_start(u, &request, &watcher, caller);
}

static void wake(void *arg)
{
    (void)arg;
}

/* One turn of the loop, that waits for 10 ms or so. */
static void turn(struct loop *loop)
{
    struct loop_timer timer = {.fn = wake};

    timer_set(loop, &timer, LOOP_TICK_MS);
    event_base_loop(loop_events(loop), EVLOOP_ONCE);
    timer_stop(&timer);
}

void mock_run_until(struct loop *loop, const int *flag)
{
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;

    while (!*flag) {
        turn(loop);
        if (clock_mono_ms() > until_ms)
            fatal("the test waited in vain");
    }
}

void mock_run_ms(struct loop *loop, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;

    while (clock_mono_ms() < until_ms)
        turn(loop);
}

void mock_caller_fini(struct mock_caller *caller)
{
    ENSURE(!caller->call);
    buf_fini(&caller->body);
}

size_t mock_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    ENSURE(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 3; /* ".", ".." and the directory itself */
}

/* libevent tells epoll late (its change list) that a socket is not watched
 * any more: by then its number may be another thread's. Harmless: that one is
 * not in this epoll set. */
const char *__tsan_default_suppressions(void); // NOLINT

const char *__tsan_default_suppressions(void) // NOLINT
{
    return "race:libevent\n";
}
