/*
 * http_echo.c - the HTTP server alone, with routes that try it.
 *
 *   http_echo ADDRESS [NAME=VALUE ...] [tls CERTIFICATE KEY]
 *
 * prints "ready PORT", and on stderr a line for each thing a handler lives
 * through. SIGHUP reads the certificate anew, SIGTERM drains.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/fatal.h"

#include "http/http.h"
#include "http/tls.h"

static struct http_limits limits = {
    .head_bytes = 16384,
    .headers = 64,
    .body_bytes = 8 << 20,
    .early_bytes = 16384,
    .stream_buffer_bytes = 256 << 10,
    .connections = 10000,
    .requests = 100000,
    .head_ms = 10000,
    .body_ms = 60000,
    .idle_ms = 60000,
    .write_ms = 60000,
};

static struct {
    struct loop *loop;
    struct http_server *server;
    struct tls_context *tls;
    const char *certificate, *key;
} echo;

/* What a slow reply remembers; lives in the request's arena. */
struct job {
    struct http_request *req;
    struct loop_timer timer;
    size_t left, each, paused;
    int64_t every_ms;
    bool cut;
};

static long asked(const struct http_request *req, const char *name,
                  long otherwise)
{
    char *query =
        arena_strndup(req->arena, req->head.query.bytes, req->head.query.len);
    char *save = NULL;
    size_t len = strlen(name);

    for (char *part = strtok_r(query, "&", &save); part;
         part = strtok_r(NULL, "&", &save))
        if (strncmp(part, name, len) == 0 && part[len] == '=')
            return strtol(part + len + 1, NULL, 10);
    return otherwise;
}

static void reply_text(struct http_request *req, const char *text)
{
    http_reply(req, 200, "text/plain", slice_of(text));
}

/* What arrived, as "METHOD path length n_headers\n" and the body. */
static void serve_echo(struct http_request *req, void *site)
{
    char *all = arena_alloc(req->arena, req->body.len + 8192);
    int len =
        snprintf(all, 8192, "%.*s %.*s %zu %zu\n", (int)req->head.method.len,
                 req->head.method.bytes, (int)req->head.path.len,
                 req->head.path.bytes, req->body.len, req->head.n_headers);

    (void)site;
    memcpy(all + len, req->body.bytes, req->body.len);
    len += (int)req->body.len;
    http_release_body(req);
    http_set_header(req, "x-test", "yes");
    http_set_header(req, "x-bad", "a\r\nb: c");
    http_reply(req, 200, "text/plain", (struct slice){all, (size_t)len});
}

static void serve_length(struct http_request *req, void *site)
{
    (void)site;
    reply_text(req, arena_printf(req->arena, "%zu", req->body.len));
}

static void stop_job(void *arg)
{
    struct job *job = arg;

    timer_stop(&job->timer);
}

static void say_gone(void *arg)
{
    struct job *job = arg;

    fprintf(stderr, "gone %.*s\n", (int)job->req->head.path.len,
            job->req->head.path.bytes);
}

static struct job *job_new(struct http_request *req, void (*fn)(void *))
{
    struct job *job = arena_alloc(req->arena, sizeof(*job));

    job->req = req;
    job->timer.fn = fn;
    job->timer.arg = job;
    arena_defer(req->arena, stop_job, job);
    req->on_gone = say_gone;
    req->handler_data = job;
    return job;
}

static void reply_late(void *arg)
{
    struct job *job = arg;

    reply_text(job->req, "late");
}

static void serve_slow(struct http_request *req, void *site)
{
    struct job *job = job_new(req, reply_late);

    (void)site;
    timer_set(echo.loop, &job->timer, asked(req, "ms", 100));
}

/* Streams chunks until there are none left, heeding backpressure. */
static void stream_more(void *arg)
{
    static char block[1 << 18];
    struct job *job = arg;
    bool more = true;

    if (!block[0])
        memset(block, 'x', sizeof(block));
    while (job->left && more) {
        struct slice parts[2] = {{block, job->each - 1}, {"\n", 1}};

        ENSURE(parts[0].len <= sizeof(block));

        job->left--;
        more = http_stream(job->req, parts, 2);
        if (job->every_ms)
            break;
    }
    if (!more)
        job->paused++;
    if (job->left && more && job->every_ms)
        timer_set(echo.loop, &job->timer, job->every_ms);
    if (job->left || !more)
        return;
    if (job->cut)
        http_abort(job->req);
    else
        http_stream_end(job->req);
}

static void serve_stream(struct http_request *req, void *site)
{
    struct job *job = job_new(req, stream_more);

    (void)site;
    job->left = (size_t)asked(req, "n", 3);
    job->each = (size_t)asked(req, "each", 10);
    job->every_ms = asked(req, "every", 0);
    job->cut = asked(req, "cut", 0);
    req->on_drained = stream_more;
    http_stream_begin(req, 200, "text/event-stream");
    stream_more(job);
}

/* Takes no heed of backpressure. */
static void serve_flood(struct http_request *req, void *site)
{
    static char block[65536];
    struct job *job = job_new(req, NULL);

    (void)site;
    http_stream_begin(req, 200, "text/plain");
    for (int i = 0; i < 1000; i++)
        if (!http_stream(req, &(struct slice){block, sizeof(block)}, 1))
            job->paused++;
}

static void serve_big(struct http_request *req, void *site)
{
    size_t size = (size_t)asked(req, "size", 1 << 20);
    char *bytes = arena_alloc(req->arena, size);

    (void)site;
    memset(bytes, 'b', size);
    http_reply(req, 200, "text/plain", (struct slice){bytes, size});
}

static bool admit_none(struct http_request *req, void *site)
{
    static const struct http_error e = {
        401, "authentication_error", "invalid_api_key", NULL, "no \"key\"\n"};

    (void)site;
    http_reply_error(req, &e);
    return false;
}

static bool admit_watched(struct http_request *req, void *site)
{
    (void)site;
    (void)job_new(req, NULL);
    return true;
}

static void serve_rss(struct http_request *req, void *site)
{
    FILE *f = fopen("/proc/self/statm", "r");
    char text[100] = "", *resident = NULL;
    unsigned long pages;

    (void)site;
    if (f) {
        if (fgets(text, sizeof(text), f))
            resident = strchr(text, ' ');
        fclose(f);
    }
    pages = resident ? strtoul(resident, NULL, 10) : 0;
    reply_text(req, arena_printf(req->arena, "%lu %zu", pages * 4096,
                                 http_server_connections(echo.server)));
}

static void serve_abort(struct http_request *req, void *site)
{
    (void)site;
    http_abort(req);
}

static const struct http_route routes[] = {
    {"POST", "/echo", NULL, serve_echo},
    {"GET", "/echo", NULL, serve_echo},
    {"POST", "/length", NULL, serve_length},
    {"POST", "/watched", admit_watched, serve_length},
    {"POST", "/closed", admit_none, serve_echo},
    {"GET", "/slow", NULL, serve_slow},
    {"POST", "/slow", NULL, serve_slow},
    {"GET", "/stream", NULL, serve_stream},
    {"GET", "/flood", NULL, serve_flood},
    {"GET", "/big", NULL, serve_big},
    {"GET", "/abort", NULL, serve_abort},
    {"GET", "/rss", NULL, serve_rss},
};

static const struct http_site site_of_tests = {routes, ARRAY_LEN(routes), NULL};

static void set_limit(const char *word)
{
    static const struct {
        const char *name;
        void *at;
    } names[] = {
        {"head", &limits.head_bytes},
        {"headers", &limits.headers},
        {"body", &limits.body_bytes},
        {"early", &limits.early_bytes},
        {"stream_buffer", &limits.stream_buffer_bytes},
        {"connections", &limits.connections},
        {"requests", &limits.requests},
        {"head_ms", &limits.head_ms},
        {"body_ms", &limits.body_ms},
        {"idle_ms", &limits.idle_ms},
        {"write_ms", &limits.write_ms},
    };

    const char *equals = strchr(word, '=');

    for (size_t i = 0; equals && i < ARRAY_LEN(names); i++) {
        int64_t value = strtoll(equals + 1, NULL, 10);

        if (strncmp(word, names[i].name, (size_t)(equals - word)) == 0 &&
            names[i].name[equals - word] == '\0') {
            memcpy(names[i].at, &value, sizeof(value));
            return;
        }
    }
    fatal("not an argument: %s", word);
}

static struct tls_context *load_tls(void)
{
    char error[256];
    struct tls_context *tls =
        tls_server_new(echo.certificate, echo.key, error, sizeof(error));

    if (!tls)
        fprintf(stderr, "tls: %s\n", error);
    return tls;
}

static void on_hup(evutil_socket_t signal, short what, void *arg)
{
    struct tls_context *fresh = load_tls();

    (void)signal;
    (void)what;
    (void)arg;
    if (fresh) {
        http_server_tls(echo.server, fresh);
        tls_context_free(echo.tls);
        echo.tls = fresh;
    }
    fputs("reloaded\n", stderr);
}

static void on_idle(void *arg)
{
    (void)arg;
    loop_stop(echo.loop);
}

static void on_term(evutil_socket_t signal, short what, void *arg)
{
    (void)signal;
    (void)what;
    (void)arg;
    http_server_drain(echo.server, on_idle, NULL);
}

static void on_int(evutil_socket_t signal, short what, void *arg)
{
    (void)signal;
    (void)what;
    (void)arg;
    loop_stop(echo.loop);
}

static int open_socket(const char *address)
{
    struct sockaddr_in6 own = {0};
    socklen_t len = sizeof(own);
    char error[256];
    int fd = http_listen_open(address, error, sizeof(error));

    if (fd < 0)
        fatal("%s", error);
    getsockname(fd, (struct sockaddr *)&own, &len);
    printf("ready %d\n", ntohs(own.sin6_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct event *signals[3];

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stderr, NULL, _IOLBF, 0);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "tls") == 0 && i + 2 < argc) {
            echo.certificate = argv[++i];
            echo.key = argv[++i];
            echo.tls = load_tls();
        } else {
            set_limit(argv[i]);
        }
    }
    if (argc < 2 || (echo.certificate && !echo.tls))
        return 2;
    echo.loop = loop_new();
    echo.server = http_server_new(echo.loop, &limits, &site_of_tests);
    signals[0] = evsignal_new(loop_events(echo.loop), SIGHUP, on_hup, NULL);
    signals[1] = evsignal_new(loop_events(echo.loop), SIGTERM, on_term, NULL);
    signals[2] = evsignal_new(loop_events(echo.loop), SIGINT, on_int, NULL);
    for (int i = 0; i < 3; i++)
        event_add(signals[i], NULL);
    http_server_listen(echo.server, open_socket(argv[1]), echo.tls);
    loop_run(echo.loop);
    http_server_free(echo.server);
    tls_context_free(echo.tls);
    for (int i = 0; i < 3; i++)
        event_free(signals[i]);
    loop_free(echo.loop);
    return 0;
}
