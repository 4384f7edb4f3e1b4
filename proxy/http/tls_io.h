/* tls_io.h - what sock.c asks of tls.c, for a sock that has TLS. */
#pragma once

#include "http/sock.h"

ssize_t tls_read(struct sock *s, void *into, size_t size) MUST_CHECK;
ssize_t tls_writev(struct sock *s, const struct slice *from,
                   size_t n) MUST_CHECK;
bool tls_pending(const struct sock *s);
void tls_goodbye(struct sock *s); /* close_notify, unless it cannot be sent */
void tls_end(struct sock *s);     /* frees */
