/*
 * sock.h - a connected, non-blocking byte stream, plain or TLS.
 *
 * Both sides of the proxy use it: one way to read and write, one set of
 * results. Reads go into the caller's buffer and writes come from the
 * caller's slices: a sock keeps no bytes of its own (OpenSSL does, of
 * records that are not whole).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/slice.h"

struct ssl_st;

enum {
    SOCK_EOF = 0,    /* the peer has ended its half; TLS: close_notify */
    SOCK_AGAIN = -1, /* nothing now: wait until readable, or writable if
                        sock_wants_write() */
    SOCK_BROKEN = -2 /* reset, TLS alert, EOF without close_notify ... */
};

struct sock {
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    bool wants_write;   /* the last SOCK_AGAIN waits for writability */
};

/* Bytes moved (> 0) or one of the above. */
ssize_t sock_read(struct sock *s, void *into, size_t size) MUST_CHECK;
ssize_t sock_writev(struct sock *s, const struct slice *from,
                    size_t n) MUST_CHECK;

/* TLS holds decrypted bytes that no event will tell of: read again. */
bool sock_pending(const struct sock *s);

/* Ends our half: the peer sees the end of the stream. Unless `clean`, TLS
 * says no goodbye, so that it sees a broken one. */
void sock_shutdown(struct sock *s, bool clean);

/* Closes. With `reset`, so that the peer sees an unclean end (RST). */
void sock_close(struct sock *s, bool reset);
