/*
 * watch.h - has a file been replaced? Looked at every WATCH_MS.
 *
 * A look is one stat(): its inode, size and times together tell a new file
 * from the old one. What has come and gone between two looks is not seen.
 */
#pragma once

#include <sys/stat.h>

#include "base/loop.h"

enum {
    WATCH_MS = 250,
};

struct watch {
    struct loop *loop;
    const char *path;
    void (*changed)(void *arg); /* on the loop's thread */
    void *arg;
    struct stat last; /* all zero: no such file */
    struct loop_timer timer;
};

/* `path` stays the caller's. From here on. */
void watch_start(struct watch *w, struct loop *loop, const char *path,
                 void (*changed)(void *arg), void *arg);
/* Looks now. */
void watch_look(struct watch *w);
void watch_stop(struct watch *w);
