/*
 * prompt.h - the request that the load generator sends.
 *
 * A chat request as the SDKs write it: a system message, a user's text of
 * English and Chinese prose with escapes, sampling options. The body has
 * exactly the wanted size.
 */
#pragma once

#include <stdbool.h>

#include "tool.h"

struct prompt {
    const char *model;
    const char *key;  /* bearer token; "" = no Authorization header */
    const char *user; /* goes into the body's `user`, where the mock looks */
    bool stream;
    size_t bytes; /* of the body; raised to what the frame needs */
};

/* Appends head and body to `to`. */
void prompt_request(struct text *to, const struct prompt *p);
