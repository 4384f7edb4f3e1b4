/*
 * http.h - the HTTP/1.1 server as its handlers see it.
 *
 * Knows bytes, heads and bodies; knows nothing of models or money. One
 * request at a time per connection: what a client sends early is held (at
 * most limits->early_bytes, then TCP pushes back) until the answer is out.
 *
 *   head whole -> route->admit -> (100 Continue) -> body -> route->handle
 *   handle -> http_reply | http_stream_begin, http_stream ..., _end | _abort
 *
 * admit is called once the head is there, before the body is read; it may
 * refuse by replying. handle is called once the whole body has arrived, and
 * must in the end make exactly one of http_reply, http_stream_end and
 * http_abort happen, unless on_gone was called first. All on one loop.
 *
 * The request and its arena stay until the callback (of whatever event) in
 * which that one call was made has returned; then the arena is emptied, even
 * if bytes still wait for the client. on_gone never comes from inside a call
 * made here. admit must leave the loop's scratch alone; handle need not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/loop.h"
#include "base/slice.h"

#include "http/parse.h"

struct http_server;
struct http_conn;
struct tls_context;

struct http_limits { /* all > 0 */
    size_t head_bytes, headers, body_bytes, early_bytes, stream_buffer_bytes;
    size_t connections; /* on this server */
    int64_t requests;   /* per connection, then it is closed */
    int64_t head_ms;    /* from a head's first byte to its last */
    int64_t body_ms;    /* and a second more for each 16 KiB that came */
    int64_t idle_ms;    /* between requests */
    int64_t write_ms;   /* while bytes wait and the client takes none */
};

struct http_request {
    struct http_conn *conn;
    struct arena *arena; /* see below */
    struct http_head head;
    struct slice body; /* at handle; stays until http_release_body() */
    int64_t began_ms;  /* loop_now_ms() at the first byte of the head */
    bool handled;      /* handle was called */

    /* Set by the handler, or by admit; called at most once, if the client
     * leaves (its FIN alone counts, too), or takes nothing for write_ms, or
     * its body is refused after admit, before the reply is complete. The
     * request must not be used after it returns. */
    void (*on_gone)(void *handler_data);
    /* After http_stream() said false: the client has taken in most of it. */
    void (*on_drained)(void *handler_data);
    void *handler_data;
};

/* A path's last '*' stands for one byte or more, slashes among them. */
struct http_route {
    const char *method, *path;
    bool (*admit)(struct http_request *req, void *site); /* NULL: yes */
    void (*handle)(struct http_request *req, void *site);
};

struct http_site {
    const struct http_route *routes;
    size_t n_routes;
    void *data; /* given to admit and handle as `site` */
};

/* `limits` are read anew for each request: they may be changed between. */
struct http_server *http_server_new(struct loop *loop,
                                    const struct http_limits *limits,
                                    const struct http_site *site) MUST_CHECK
NON_NULL_RETURN;

/* Serves a listening socket (http_listen_open), which is the server's from
 * here on; `tls` NULL: plain. May be called several times. http_server_tls
 * replaces the context for new connections. A context stays the caller's, to
 * be freed once no server uses it; connections keep what they need of it. */
void http_server_listen(struct http_server *s, int fd, struct tls_context *tls);
void http_server_tls(struct http_server *s, struct tls_context *tls);

/* No new connections; idle ones are closed; each other one after its reply
 * ("Connection: close"). on_idle runs when none is left, maybe at once; it
 * must not free the server itself. */
void http_server_drain(struct http_server *s, void (*on_idle)(void *arg),
                       void *arg);
size_t http_server_connections(const struct http_server *s);
/* Cuts what is left (on_gone runs for it) and frees. */
void http_server_free(struct http_server *s);

/* A listening socket with SO_REUSEPORT at "host:port", "[::1]:port" or
 * ":port"; -1 and a message. */
int http_listen_open(const char *address, char *error,
                     size_t error_size) MUST_CHECK;

/* A listening unix socket at `path` for this user and root alone (0600); what
 * stands there already goes. Paths may be longer than an address can be. Only
 * while the process has one thread. -1 and a message. */
int http_listen_local(const char *path, char *error,
                      size_t error_size) MUST_CHECK;
/* The user at the other end of a unix socket; -1: nobody knows. */
int64_t http_peer_user(const struct http_request *req);

/* Adds a header to the reply about to be made. Both are constants or live in
 * the request's arena. A value with a control character, or what passes 3 KiB
 * in all, is left out. */
void http_set_header(struct http_request *req, const char *name,
                     const char *value);

/* The body is sent or copied before this returns. A request that was not read
 * to its end (a refusal by admit) costs its connection. */
void http_reply(struct http_request *req, int status, const char *type,
                struct slice body);

/* An error as OpenAI's SDKs read it: {"error":{message,type,param,code}};
 * param and code may be NULL. Texts are escaped. */
struct http_error {
    int status;
    const char *type, *code, *param, *message;
};

void http_reply_error(struct http_request *req, const struct http_error *e);

/* The object of such an error alone, for an SSE event; in the arena. */
struct slice http_error_json(struct arena *a, const struct http_error *e);

/* A reply whose length is not known: chunked (HTTP/1.0: until close). */
void http_stream_begin(struct http_request *req, int status, const char *type);
/* Sent at once as far as the client takes them, the rest is copied. False:
 * more than a quarter of stream_buffer_bytes is waiting: stop until
 * on_drained. What is streamed all the same is kept up to twice the limit,
 * then the connection is cut (on_gone). */
bool http_stream(struct http_request *req, const struct slice *parts,
                 size_t n) MUST_CHECK;
void http_stream_end(struct http_request *req);
/* The answer is broken: what is queued is sent, then the connection ends
 * uncleanly (no last chunk), so that no client takes it for whole. */
void http_abort(struct http_request *req);

/* req->body is not needed any more: its memory goes back before the reply. */
void http_release_body(struct http_request *req);
