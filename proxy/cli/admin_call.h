/* admin_call.h - one question to the admin plane of a running bijia. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

struct admin_answer {
    int status;
    struct slice body; /* in the arena, NUL-terminated */
};

/* Sends METHOD PATH with `body` (JSON, or NULL) to the socket at `path`. 0, or
 * -1 and errno: nobody is there, or it hung up. Blocks. */
int admin_call(struct admin_answer *out, const char *socket_path,
               const char *request, const char *body,
               struct arena *a) MUST_CHECK;
