/*
 * follow.h - a log that grows, line by line.
 *
 * Follows the name, as `tail -F` does: a file that was renamed is read to its
 * end, then the new one from its beginning; a file that was cut is read anew.
 * Polled; nothing here waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    FOLLOW_LINE_BYTES = 64 * 1024, /* what is longer is cut */
};

struct follow {
    const char *path; /* the owner's */
    int fd;           /* -1: the file is not there (yet) */
    int64_t at;       /* how far it was read */
    bool skipping;    /* up to the next newline: begun in mid-line, or cut */
    size_t len;       /* of the line that has no end yet */
    char line[FOLLOW_LINE_BYTES + 1];
};

/* Lends a line without its newline, with a NUL. */
typedef void follow_line(void *to, const char *line, size_t len);

void follow_init(struct follow *f, const char *path);
void follow_fini(struct follow *f);

/* The file's size, -1: it is not there. */
int64_t follow_size(struct follow *f);
/* Goes on with the first line that begins at `at` or behind it. */
void follow_seek(struct follow *f, int64_t at);

/* Calls `each` with every whole line there is by now. */
void follow_read(struct follow *f, follow_line *each, void *to);
/* And with the last one, that has no newline (yet). */
void follow_rest(struct follow *f, follow_line *each, void *to);
