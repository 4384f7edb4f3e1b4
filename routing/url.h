/* url.h - where a vendor's API begins, taken apart once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct url {
    bool tls;
    const char *host; /* without brackets, small letters */
    uint16_t port;
    const char *path; /* "" or "/v1": no slash at its end */
};

/* Reads "https://host[:port][/path]". No user, query or fragment: they have
 * no place in a base URL. Returns NULL, or what is wrong with it. */
const char *url_read(struct url *out, const char *text,
                     struct arena *a) MUST_CHECK;
