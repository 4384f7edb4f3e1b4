/*
 * load.c - sends chat requests to a proxy and measures the answers.
 *
 * Requests (the default): C connections, each sends its next request when
 * the last answer is complete; a warm-up, then a measured phase, each
 * ending when nothing is in flight. With --gate 1 every measured phase
 * waits for a line on standard input, so that whoever watches the proxy can
 * read its CPU time while all is quiet.
 *
 * Streams (--streams N): opens N streams and counts their chunks. A line
 * on standard input prints what came so far; `end` closes all.
 *
 * Results are JSON, one object a line.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fatal.h"

#include "answer.h"
#include "prompt.h"
#include "tool.h"

#define OPENING_MAX 64 /* streams that wait for their first byte at once */

enum conn_state {
    CONN_CLOSED,
    CONN_CONNECTING,
    CONN_IDLE,
    CONN_BUSY
};

struct conn {
    int fd;
    enum conn_state state;
    bool waiting;     /* for the first byte of a stream */
    size_t sent, key; /* of the request in flight: whose it is */
    int64_t began_ns;
    int64_t first_ns; /* 0 until the first byte of an answer */
    struct answer answer;
};

struct result {
    unsigned long completed, errors, reconnects;
    unsigned long refused; /* answers other than 200 */
    int first_status;      /* of those */
    struct samples total_us, first_us;
};

static long port = 8080, connections = 64, body_bytes = 1024, requests;
static long warmup_ms = 500, run_ms = 2000, gate, streams, opening;
static const char *key = "", *model = "chat", *user = "bench", *keys_file = "";
static long as_stream;
static struct text keys; /* all of --keys, each as long as the first */
static size_t n_keys, next_key, key_len, key_at; /* in the request */

static int loop;
static struct text request;
static struct conn *conns;
static struct result result;
static struct sse_counts counts;
static bool sending;            /* an idle connection sends the next one */
static unsigned long allowance; /* requests that may still begin */
static size_t busy;             /* connections with a request in flight */
static size_t next_stream, open_streams;

static void conn_close(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
    c->state = CONN_CLOSED;
}

static void conn_open(struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fatal("no socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
        errno != EINPROGRESS)
        fatal("cannot connect to port %ld: %s", port, strerror(errno));
    c->state = CONN_CONNECTING;
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &ev);
}

static void stream_opened(struct conn *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    opening--;
}

/* The request in flight failed. */
static void conn_fail(struct conn *c)
{
    result.errors++;
    busy--;
    stream_opened(c);
    conn_close(c);
}

/* All connections send the same bytes, but for the key. */
static void key_set(const struct conn *c)
{
    if (n_keys > 0)
        memcpy(request.data + key_at, keys.data + c->key * (key_len + 1),
               key_len);
}

static void conn_write(struct conn *c)
{
    key_set(c);
    while (c->sent < request.len) {
        ssize_t n = send(c->fd, request.data + c->sent, request.len - c->sent,
                         MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN)
                conn_fail(c);
            return;
        }
        c->sent += (size_t)n;
    }
}

static void conn_begin(struct conn *c)
{
    c->state = CONN_BUSY;
    c->sent = 0;
    if (n_keys > 0)
        c->key = next_key++ % n_keys;
    c->began_ns = now_ns();
    c->first_ns = 0;
    answer_reset(&c->answer);
    busy++;
    conn_write(c);
}

/* Starts the next request on an idle connection, if there is to be one. */
static void conn_next(struct conn *c)
{
    if (!sending || allowance == 0)
        return;
    if (c->state == CONN_CLOSED)
        conn_open(c);
    if (c->state != CONN_IDLE)
        return;
    allowance--;
    conn_begin(c);
}

/* The same, after an answer or a failure: a stream is opened once. */
static void conn_again(struct conn *c)
{
    if (!streams)
        conn_next(c);
}

static void conn_done(struct conn *c)
{
    const struct answer *a = &c->answer;
    bool whole = a->sse || (a->body_bytes && a->last == '}');
    busy--;
    c->state = CONN_IDLE;
    if (a->status == 200 && whole) {
        result.completed++;
        samples_add(&result.total_us, (double)(now_ns() - c->began_ns) / 1000);
    } else {
        result.errors++;
        result.refused++;
        if (!result.first_status)
            result.first_status = a->status;
        stream_opened(c);
    }
    if (a->closes || streams) {
        conn_close(c);
        result.reconnects += !streams;
    }
    conn_again(c);
}

static void conn_first_byte(struct conn *c)
{
    c->first_ns = now_ns();
    samples_add(&result.first_us, (double)(c->first_ns - c->began_ns) / 1000);
    open_streams += c->waiting;
    stream_opened(c);
}

/* The server ended the connection. */
static void conn_ended(struct conn *c)
{
    if (c->state == CONN_BUSY) {
        conn_fail(c);
    } else {
        result.reconnects++;
        conn_close(c);
    }
    conn_again(c);
}

static void conn_read(struct conn *c)
{
    static char scratch[256 * 1024];
    for (;;) {
        ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || c->state != CONN_BUSY) {
            conn_ended(c);
            return;
        }
        if (!c->first_ns)
            conn_first_byte(c);
        switch (answer_feed(&c->answer, scratch, (size_t)n)) {
        case ANSWER_MORE: break;
        case ANSWER_DONE: conn_done(c); return;
        case ANSWER_BROKEN: conn_ended(c); return;
        }
    }
}

static void conn_ready(struct conn *c, unsigned events)
{
    if (c->state == CONN_CONNECTING) {
        if (events & (EPOLLERR | EPOLLHUP)) {
            result.errors++;
            allowance -= allowance > 0;
            stream_opened(c);
            conn_close(c);
            conn_again(c);
            return;
        }
        c->state = CONN_IDLE;
        conn_next(c);
        return;
    }
    if ((events & EPOLLOUT) && c->state == CONN_BUSY && c->sent < request.len)
        conn_write(c);
    if (c->state != CONN_CLOSED &&
        (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        conn_read(c);
}

/* One round of events; true if standard input has something to say. */
static bool loop_turn(int wait_ms)
{
    struct epoll_event ready[256];
    bool told = false;
    int n = epoll_wait(loop, ready, ARRAY_LEN(ready), wait_ms);
    for (int i = 0; i < n; i++) {
        struct conn *c = ready[i].data.ptr;
        if (c)
            conn_ready(c, ready[i].events);
        else
            told = true;
    }
    return told;
}

static void result_print(const char *phase, double seconds)
{
    printf("{\"phase\":\"%s\",\"completed\":%lu,\"errors\":%lu,"
           "\"refused\":%lu,\"first_status\":%d,\"reconnects\":%lu,"
           "\"seconds\":%.3f,\"rps\":%.1f,\"latency_us\":",
           phase, result.completed, result.errors, result.refused,
           result.first_status, result.reconnects, seconds,
           (double)result.completed / seconds);
    samples_print(&result.total_us);
    printf(",\"first_byte_us\":");
    samples_print(&result.first_us);
    if (as_stream)
        printf(",\"chunks\":%lu,\"done\":%lu,\"bad\":%lu", counts.chunks,
               counts.done, counts.bad);
    printf("}\n");
    fflush(stdout);
}

static void result_clear(void)
{
    result.total_us.n = result.first_us.n = 0;
    result = (struct result){.total_us = result.total_us,
                             .first_us = result.first_us};
    counts.delay_us.n = 0;
    counts = (struct sse_counts){.delay_us = counts.delay_us};
}

/* Sends for run_ms, or until `most` requests have begun, then waits for
 * all that is in flight. */
static void phase_run(const char *name, long ms, unsigned long most)
{
    result_clear();
    while (loop_turn(0))
        continue; /* notice connections that ended meanwhile */
    sending = true;
    allowance = most;
    int64_t began = now_ns(), until = began + ms * 1000000;
    for (long i = 0; i < connections; i++)
        conn_next(&conns[i]);
    while ((most == ULONG_MAX ? now_ns() < until : allowance > 0) || busy) {
        loop_turn(10);
        if (most == ULONG_MAX && now_ns() >= until)
            sending = false;
        if (result.errors > 1000)
            break;
    }
    sending = false;
    result_print(name, (double)(now_ns() - began) / 1e9);
}

static void requests_run(void)
{
    char line[64];
    if (warmup_ms)
        phase_run("warm", warmup_ms, ULONG_MAX);
    do {
        if (gate && !fgets(line, sizeof(line), stdin))
            return;
        phase_run("measured", run_ms,
                  requests ? (unsigned long)requests : ULONG_MAX);
    } while (gate);
}

static void marks_print(const char *phase)
{
    printf("{\"phase\":\"%s\",\"open\":%zu,\"running\":%zu,\"errors\":%lu,"
           "\"refused\":%lu,\"first_status\":%d,\"completed\":%lu,"
           "\"chunks\":%lu,\"others\":%lu,\"done\":%lu,\"bad\":%lu,"
           "\"at_ns\":%lld,\"delay_us\":",
           phase, open_streams, busy, result.errors, result.refused,
           result.first_status, result.completed, counts.chunks, counts.others,
           counts.done, counts.bad, (long long)now_ns());
    samples_print(&counts.delay_us);
    printf(",\"first_byte_us\":");
    samples_print(&result.first_us);
    printf("}\n");
    fflush(stdout);
    counts.delay_us.n = 0;
}

static void streams_open_more(void)
{
    while (next_stream < (size_t)streams && opening < OPENING_MAX) {
        struct conn *c = &conns[next_stream++];
        c->waiting = true;
        opening++;
        conn_open(c);
    }
}

/* True when the reader of standard input wants the end. */
static bool command_read(void)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (n <= 0 || strncmp(line, "end", 3) == 0)
        return true;
    marks_print("mark");
    return false;
}

static void streams_run(void)
{
    struct epoll_event ev = {.events = EPOLLIN};
    bool open = false;
    epoll_ctl(loop, EPOLL_CTL_ADD, STDIN_FILENO, &ev);
    sending = true;
    allowance = (unsigned long)streams;
    for (;;) {
        streams_open_more();
        if (loop_turn(1000) && command_read())
            break;
        bool all = next_stream == (size_t)streams && opening == 0;
        if (all && !open) {
            open = true;
            marks_print("open");
        }
        if (all && busy == 0)
            break;
    }
    marks_print("end");
}

static void conns_new(size_t n)
{
    conns = calloc(n ? n : 1, sizeof(*conns));
    if (!conns)
        fatal("no memory for %zu connections", n);
    for (size_t i = 0; i < n; i++) {
        conns[i].fd = -1;
        conns[i].answer.counts = &counts;
        if (as_stream && !(conns[i].answer.sse = calloc(1, sizeof(struct sse))))
            fatal("no memory for %zu streams", n);
    }
}

static void keys_read(void)
{
    char line[256];
    FILE *f = fopen(keys_file, "r");
    if (!f)
        fatal("cannot open %s: %s", keys_file, strerror(errno));
    for (; fgets(line, sizeof(line), f); n_keys++) {
        if (n_keys == 0)
            key_len = strcspn(line, "\n");
        if (strlen(line) != key_len + 1)
            fatal("keys of different lengths in %s", keys_file);
        text_add(&keys, line, key_len + 1);
    }
    fclose(f);
    if (n_keys == 0)
        fatal("no keys in %s", keys_file);
    text_add(&keys, "", 1);
    keys.data[key_len] = '\0'; /* the first is the one of the request */
    key = keys.data;
}

static void key_find(void)
{
    const char *at = memmem(request.data, request.len, key, key_len);
    key_at = (size_t)(at - request.data);
}

int main(int argc, char **argv)
{
    const struct option_row rows[] = {
        {"port", "of the proxy on 127.0.0.1", &port, NULL},
        {"connections", "that send one request after another (64)",
         &connections, NULL},
        {"body", "bytes of a request's body (1024)", &body_bytes, NULL},
        {"warmup-ms", "not measured (500)", &warmup_ms, NULL},
        {"run-ms", "measured (2000)", &run_ms, NULL},
        {"requests", "measure so many instead of a time", &requests, NULL},
        {"gate", "1: a line on stdin starts each measured phase", &gate, NULL},
        {"streams", "open so many streams instead", &streams, NULL},
        {"as-stream", "1: requests ask for short streams", &as_stream, NULL},
        {"user", "what the mock shall do: chunks=20,interval_us=20000", NULL,
         &user},
        {"key", "bearer token", NULL, &key},
        {"keys", "a file of them, one a line: each request takes the next",
         NULL, &keys_file},
        {"model", "to ask for (chat)", NULL, &model},
        {0},
    };
    options_read(rows, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    files_raise();
    as_stream |= streams > 0;
    if (*keys_file)
        keys_read();
    prompt_request(&request, &(struct prompt){.model = model,
                                              .key = key,
                                              .user = user,
                                              .stream = as_stream,
                                              .bytes = (size_t)body_bytes});
    if (n_keys > 0)
        key_find();
    loop = epoll_create1(EPOLL_CLOEXEC);
    conns_new((size_t)(streams ? streams : connections));
    if (streams)
        streams_run();
    else
        requests_run();
    return result.errors || counts.bad ? 1 : 0;
}
