/*
 * tls.h - the only door to OpenSSL's TLS.
 *
 * Versions 1.2 and newer. A vendor's certificate is always verified, name
 * and chain; there is no way to switch that off. Contexts are refcounted by
 * OpenSSL: a reload replaces the pointer, connections keep the old one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#include "http/sock.h"

struct tls_context;

/* For a listener. On failure NULL and a message in `error`. */
struct tls_context *tls_server_new(const char *certificate_file,
                                   const char *key_file, char *error,
                                   size_t error_size) MUST_CHECK;

/* For vendors; `ca_file` NULL: the system's. Sessions are kept and resumed
 * per `host:port`, bounded. One per worker: unlocked. */
struct tls_context *tls_client_new(const char *ca_file, char *error,
                                   size_t error_size) MUST_CHECK;
void tls_context_free(struct tls_context *t);

/* Puts TLS on s->fd. No I/O yet. For a client `host` is what the certificate
 * must name (SNI, unless it is an address). 0, or -1: out of memory. */
int tls_begin(struct sock *s, struct tls_context *t, const char *host,
              int port) MUST_CHECK;

/* Drives the handshake: 1 done, SOCK_AGAIN (see s->wants_write), or
 * SOCK_BROKEN with a reason in `error` (never key material). */
int tls_handshake(struct sock *s, char *error, size_t error_size) MUST_CHECK;
