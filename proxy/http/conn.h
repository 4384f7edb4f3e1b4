/*
 * conn.h - a client's connection, as the files of this room share it.
 *
 *   accept -> [HANDSHAKE] -> IDLE -> HEAD -> BODY -> WORKING -> FLUSHING ->
 * IDLE any refusal: -> FLUSHING -> LINGER -> DEAD
 *
 * conn_enter() is the only mover of the state. Nothing is freed under a
 * handler's feet: what a call decides (request over, client gone, connection
 * dead) is carried out by settle() in conn.c, at the end of the event or, for
 * a call from elsewhere, by the server's `later` event in the same loop turn.
 *
 * Invariants: 1 a turn exists from BODY on until its end is settled; 2
 * on_gone runs at most once, never inside a call of the handler's, and never
 * after the reply is complete; 3 in WORKING the socket is read or EV_CLOSED
 * watched, never neither.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/buf.h"

#include "http/http.h"
#include "http/sock.h"
#include "http/tls.h"

enum conn_state {
    CONN_HANDSHAKE, /* TLS is being set up */
    CONN_IDLE,      /* no byte of the next request yet */
    CONN_HEAD,      /* part of a head is held */
    CONN_BODY,      /* the head is read; its body comes */
    CONN_WORKING,   /* handle was called, the reply is not complete */
    CONN_FLUSHING,  /* it is; its last bytes wait for the client */
    CONN_LINGER,    /* our half is closed; reads on, so that no reset
                       overtakes the reply */
    CONN_RESETTING, /* an RST follows the last byte */
    CONN_DEAD,      /* closed; freed when settled */
};

/* What comes after the reply at hand. */
enum conn_ending {
    END_KEEP,   /* the next request */
    END_CLOSE,  /* close; LINGER first if the client may still be sending */
    END_LINGER, /* it is */
    END_BROKEN, /* close so that a chunked reply is seen to lack its end */
    END_RESET,  /* ... one that only the close delimits */
};

enum {
    CONN_READ_BYTES = 48 * 1024, /* of one read that may hold a head */
    CONN_SHY_BYTES = 4 * 1024,   /* ... after a body that was longer */
    CONN_ADOPT_BYTES = 8 * 1024, /* a body that long is not copied, if whole */
    CONN_BLOCKS_MOST = 64,       /* of a server, kept for the next such */
    CONN_OUT_MOST_BYTES = 1 << 30,
};

struct extra_header {
    struct extra_header *next;
    const char *name, *value;
};

/* One request and its reply; lives in its own arena. */
struct turn {
    struct http_request req; /* first: handlers hold a pointer to it */
    const struct http_route *route;
    struct extra_header *extras, **last_extra;
    size_t extras_bytes;
    struct buf head; /* of a stream: goes out with its first chunk, or when
                        this turn of the loop ends; so does a short reply */

    struct buf body;
    bool adopted; /* the body lies in a block of the server's */
    struct http_chunks chunks;
    uint64_t wire_bytes; /* of a chunked body, framing included */

    bool body_done; /* the request has been read to its end */
    bool begun;     /* the reply's head is out */
    bool ended;     /* the reply is complete, or given up */
    bool chunked;   /* the reply is */
    bool head_only; /* the request was HEAD: no body goes out */
    bool stalled;   /* the handler waits for on_drained */
};

struct http_conn {
    struct http_server *server;
    struct http_conn *next, **prev; /* of the server's connections */
    struct http_conn *next_later;
    struct turn *turn;
    struct sock sock;
    struct event event;
    struct loop_timer timer;
    struct buf held; /* read, not yet taken: a part of a head, or early bytes */
    struct buf out;  /* not yet taken by the client */
    size_t head_seen;
    int64_t requests;
    int64_t since_ms; /* in this state; HEAD: since its first byte */
    int64_t moved_ms; /* bytes last went out, or began to wait */
    uint32_t linger_bytes;
    short interest; /* what `event` waits for */
    uint8_t state;  /* enum conn_state */
    bool shy;       /* the last body was long: so may the next be */
    bool inside;    /* settle() comes at the end of this event anyway */
    bool queued;    /* in the server's `later` list */
    bool gone;      /* the client left, or must be dropped */
    bool eof;       /* nothing more will come in */
    bool edge;      /* once reading had to stop `event` is edge-triggered for
                       good: the client's leaving comes through, waiting bytes
                       do not make the loop spin (libevent's changelist does
                       not go back from EV_ET) */
    bool unread;    /* there may be bytes that no event will tell of: TLS holds
                       them, or their edge is past */
    uint8_t ending; /* enum conn_ending */
};

struct http_server {
    struct loop *loop;
    const struct http_limits *limits;
    const struct http_site *site;
    struct listener *listeners;
    struct http_conn *conns, *later;
    struct event later_event;
    int n_held; /* short replies that wait, at most */
    size_t n_conns;
    int reserve_fd;       /* given up for a moment when there are no others */
    char *block;          /* CONN_READ_BYTES for the next head; or NULL */
    struct block *blocks; /* that were given back */
    size_t n_blocks;
    bool draining;
    void (*on_idle)(void *arg);
    void *on_idle_arg;

    int64_t date_s;                             /* of `date`, in loop time */
    char date[40];                              /* "Date: ...\r\n" */
    struct http_header room[HTTP_HEADERS_MOST]; /* of a head being parsed */
};

/* conn.c */
void conn_new(struct http_server *s, int fd, struct tls_context *tls);
/* A connection over the limit: told so, then closed. */
void conn_turn_away(struct http_server *s, int fd);
void conn_enter(struct http_conn *c, enum conn_state state);
void conn_leave(struct http_conn *c); /* the client did, or must */
void conn_later(struct http_conn *c); /* settle() before this loop turn ends */
void conn_settle_later(struct http_server *s);
void conn_watch(struct http_conn *c); /* after `out` or the state changed */
void conn_rearm(struct http_conn *c); /* after a deadline came nearer */
void conn_close_idle(struct http_conn *c); /* if it is, and nothing came */
struct turn *conn_begin_turn(struct http_conn *c);

/* read.c */
void conn_read(struct http_conn *c);
void conn_take_held(struct http_conn *c);
bool conn_may_read(const struct http_conn *c);

/* write.c */
void conn_send(struct http_conn *c, const struct slice *parts, size_t n);
void conn_flush(struct http_conn *c);

/* read.c: the body is not needed any more. */
void conn_drop_body(struct http_conn *c);
void conn_free_blocks(struct http_server *s);

/* reply.c: what still waits, if anything does. */
void conn_send_head(struct http_conn *c);

/* error.c: a refusal of the server's own, for the turn at hand. `detail`
 * (NULL: none) is put behind the status's message. */
void conn_refuse_turn(struct http_conn *c, int status, const char *detail);

/* server.c: calls admit, or refuses (404, 405). False: it was refused. */
bool server_admit(struct http_server *s, struct turn *t) MUST_CHECK;
const char *server_date(struct http_server *s);
