/*
 * file.h - small files that are replaced whole or not at all.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

/* Makes the file `path` of `bytes`, for nobody else to read (0600): written
 * aside, synced, renamed over, its directory synced. 0, or -1 and errno. */
int file_replace(const char *path, struct slice bytes,
                 struct arena *a) MUST_CHECK;

/* The same, but only if there is no such file yet (else EEXIST). */
int file_create(const char *path, struct slice bytes,
                struct arena *a) MUST_CHECK;

/* Waits until nobody else holds the lock of this directory. Returns what
 * dir_unlock() takes, or -1 and errno; the process's end unlocks, too. */
int dir_lock(const char *dir) MUST_CHECK;
void dir_unlock(int lock);

/* All of standard input, NUL-terminated, or NULL and errno (EFBIG: more than
 * `most` bytes). */
char *stdin_read(size_t *len, size_t most, struct arena *a);

/* All of a file, the same way. */
char *file_read(const char *path, size_t *len, size_t most, struct arena *a);

/* When it was last written, unix; `now_ms` if that is later, or not known. */
int64_t file_written_ms(const char *path, int64_t now_ms);
