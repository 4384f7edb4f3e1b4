/*
 * dial.h - a connected socket to host:port; the only door to libcurl here.
 *
 * libcurl resolves (in a thread of its own), races IPv6 and IPv4, and speaks
 * to a forward proxy where one is configured (never taken from the
 * environment); then the socket is ours. No slow DNS answer holds the loop,
 * not even when the dial is cancelled.
 */
#pragma once

#include <stdint.h>

#include "base/loop.h"

#include "vendors/fault.h"

enum {
    DIAL_HOST_MOST = 255,
};

struct dialer; /* one per worker */
struct dial;

struct dialer *dialer_new(struct loop *loop) MUST_CHECK
NON_NULL_RETURN;
void dialer_free(struct dialer *d);

struct dial_to {
    const char *host; /* a name or an address, no brackets */
    uint16_t port;
    const char *forward_proxy; /* or NULL */
    int64_t timeout_ms;
};

/* on_done comes once, from the loop: fd >= 0 (non-blocking, TCP_NODELAY, the
 * caller's), or -1 and a short reason. */
struct dial *dial_start(struct dialer *d, const struct dial_to *to,
                        void (*on_done)(void *arg, int fd, const char *reason),
                        void *arg) MUST_CHECK
NON_NULL_RETURN;
void dial_cancel(struct dial *dial); /* on_done will not come */
