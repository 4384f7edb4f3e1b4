/*
 * mock_vendor.h - a vendor on loopback that plays a script, for tests.
 *
 * Each connection has a thread of its own with blocking reads and writes:
 * `play` is called with it and the connection is closed when it returns.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/sock.h"

struct tls_context;

struct mock_conn {
    struct mock_vendor *vendor;
    struct sock sock;
    int number; /* 0: the vendor's first */
};

struct mock_vendor {
    void (*play)(struct mock_conn *conn);
    const void *data; /* play()'s own */
    struct tls_context *tls;
    uint16_t port;
    int listen_fd;
    pthread_t thread;
    atomic_int n_conns, n_live, n_requests;
    atomic_int n_bytes; /* that mock_request() has read */
};

void mock_start(struct mock_vendor *v, void (*play)(struct mock_conn *),
                const void *data, struct tls_context *tls);
void mock_stop(struct mock_vendor *v); /* waits for the threads */

/* Reads a head and its Content-Length body into `into`, cut at `size`. The
 * bytes read, or 0: the connection ended. */
size_t mock_request(struct mock_conn *conn, char *into, size_t size);
/* 0, or -1: the peer is gone. */
int mock_write(struct mock_conn *conn, const char *bytes, size_t len);
int mock_say(struct mock_conn *conn, const char *text);
/* Closes it now; with RST if `reset`. */
void mock_hang_up(struct mock_conn *conn, bool reset);
/* Milliseconds until the peer ended the connection, or -1: not within
 * most_ms. What it still sends is thrown away. */
int64_t mock_wait_end(struct mock_conn *conn, int64_t most_ms);
