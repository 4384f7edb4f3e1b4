/*
 * faulty_vfs.h - a file system below SQLite that fails when told to.
 *
 * Everything is passed on to the system's own VFS; between, a chosen
 * operation on the log (WAL) or the database fails with a chosen code, a
 * number of times.
 *
 * Beside each file grows NAME.disk: what a power cut would leave of it. A
 * write gets there with the next sync that succeeds; one that fails drops
 * what was written before it, although it stays visible, as in a real page
 * cache, and later syncs do not bring it back.
 */
#pragma once

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/fatal.h"

enum faulty_op {
    FAULTY_WRITE,
    FAULTY_SYNC,
    FAULTY_OPS,
};

enum faulty_file {
    FAULTY_DB,
    FAULTY_WAL,
    FAULTY_FILES,
};

/* How often it is still to fail (-1: always), and with what. */
static atomic_int faulty_left[FAULTY_OPS][FAULTY_FILES];
static atomic_int faulty_code = SQLITE_FULL;
static atomic_int faulty_done[FAULTY_OPS][FAULTY_FILES]; /* well done, ever */

struct faulty_pending { /* written, not synced */
    struct faulty_pending *next;
    sqlite3_int64 at;
    int n;
    char bytes[];
};

struct faulty {
    sqlite3_file base;
    enum faulty_file which;
    int disk; /* NAME.disk */
    struct faulty_pending *first, **last;
    sqlite3_file *real;
};

static sqlite3_vfs faulty_vfs;
static sqlite3_vfs *faulty_real;

#define FAULTY_REAL(f) (((struct faulty *)(f))->real)
#define FAULTY_PASS(f, method, ...) \
    FAULTY_REAL(f)->pMethods->method(FAULTY_REAL(f), ##__VA_ARGS__)

static inline int faulty_strike(sqlite3_file *f, enum faulty_op op)
{
    enum faulty_file which = ((struct faulty *)f)->which;
    int left = atomic_load(&faulty_left[op][which]);

    if (left == 0) {
        atomic_fetch_add(&faulty_done[op][which], 1);
        return SQLITE_OK;
    }
    if (left > 0)
        atomic_fetch_sub(&faulty_left[op][which], 1);
    return atomic_load(&faulty_code);
}

/* What is pending reaches the disk, or never does. */
static inline void faulty_settle(struct faulty *f, bool well)
{
    while (f->first) {
        struct faulty_pending *p = f->first;

        ENSURE(!well || pwrite(f->disk, p->bytes, (size_t)p->n, p->at) == p->n);
        f->first = p->next;
        free(p);
    }
    f->last = &f->first;
}

static inline int faulty_close(sqlite3_file *file)
{
    struct faulty *f = (struct faulty *)file;

    faulty_settle(f, false);
    close(f->disk);
    return FAULTY_PASS(file, xClose);
}

static inline int faulty_read(sqlite3_file *f, void *to, int n,
                              sqlite3_int64 at)
{
    return FAULTY_PASS(f, xRead, to, n, at);
}

static inline void faulty_keep(struct faulty *f, const void *from, int n,
                               sqlite3_int64 at)
{
    struct faulty_pending *p = malloc(sizeof(*p) + (size_t)n);

    ENSURE(p != NULL);
    p->next = NULL;
    p->at = at;
    p->n = n;
    memcpy(p->bytes, from, (size_t)n);
    *f->last = p;
    f->last = &p->next;
}

static inline int faulty_write(sqlite3_file *f, const void *from, int n,
                               sqlite3_int64 at)
{
    int rc = faulty_strike(f, FAULTY_WRITE);

    if (rc)
        return rc;
    faulty_keep((struct faulty *)f, from, n, at);
    return FAULTY_PASS(f, xWrite, from, n, at);
}

static inline int faulty_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    ENSURE(ftruncate(((struct faulty *)f)->disk, size) == 0);
    return FAULTY_PASS(f, xTruncate, size);
}

static inline int faulty_sync(sqlite3_file *f, int flags)
{
    int rc = faulty_strike(f, FAULTY_SYNC);

    faulty_settle((struct faulty *)f, rc == SQLITE_OK);
    return rc ? rc : FAULTY_PASS(f, xSync, flags);
}

static inline int faulty_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return FAULTY_PASS(f, xFileSize, size);
}

static inline int faulty_lock(sqlite3_file *f, int level)
{
    return FAULTY_PASS(f, xLock, level);
}

static inline int faulty_unlock(sqlite3_file *f, int level)
{
    return FAULTY_PASS(f, xUnlock, level);
}

static inline int faulty_locked(sqlite3_file *f, int *out)
{
    return FAULTY_PASS(f, xCheckReservedLock, out);
}

static inline int faulty_control(sqlite3_file *f, int op, void *arg)
{
    return FAULTY_PASS(f, xFileControl, op, arg);
}

static inline int faulty_sector(sqlite3_file *f)
{
    return FAULTY_PASS(f, xSectorSize);
}

static inline int faulty_traits(sqlite3_file *f)
{
    return FAULTY_PASS(f, xDeviceCharacteristics);
}

static inline int faulty_shm_map(sqlite3_file *f, int page, int size, int make,
                                 void volatile **out)
{
    return FAULTY_PASS(f, xShmMap, page, size, make, out);
}

static inline int faulty_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return FAULTY_PASS(f, xShmLock, at, n, flags);
}

static inline void faulty_shm_barrier(sqlite3_file *f)
{
    FAULTY_PASS(f, xShmBarrier);
}

static inline int faulty_shm_unmap(sqlite3_file *f, int remove)
{
    return FAULTY_PASS(f, xShmUnmap, remove);
}

static const sqlite3_io_methods faulty_methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_locked,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector,
    .xDeviceCharacteristics = faulty_traits,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

static inline int faulty_open(sqlite3_vfs *vfs, const char *name,
                              sqlite3_file *file, int flags, int *out_flags)
{
    struct faulty *f = (struct faulty *)file;
    char path[512];
    int rc;

    (void)vfs;
    f->first = NULL;
    f->last = &f->first;
    f->disk = -1;
    f->real = (sqlite3_file *)(f + 1);
    f->which = flags & SQLITE_OPEN_WAL ? FAULTY_WAL : FAULTY_DB;
    rc = faulty_real->xOpen(faulty_real, name, f->real, flags, out_flags);
    f->base.pMethods = f->real->pMethods ? &faulty_methods : NULL;
    if (!name || !f->real->pMethods)
        return rc;
    snprintf(path, sizeof(path), "%s.disk", name);
    f->disk = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ENSURE(f->disk >= 0);
    return rc;
}

static inline int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    char path[512];

    (void)vfs;
    snprintf(path, sizeof(path), "%s.disk", name);
    unlink(path);
    return faulty_real->xDelete(faulty_real, name, sync);
}

/* Makes it the VFS of every database opened from now on. */
static inline void faulty_install(void)
{
    if (faulty_real)
        return;
    faulty_real = sqlite3_vfs_find(NULL);
    ENSURE(faulty_real != NULL);
    faulty_vfs = *faulty_real;
    faulty_vfs.zName = "faulty";
    faulty_vfs.pNext = NULL;
    faulty_vfs.szOsFile = (int)sizeof(struct faulty) + faulty_real->szOsFile;
    faulty_vfs.xOpen = faulty_open;
    faulty_vfs.xDelete = faulty_delete;
    sqlite3_vfs_register(&faulty_vfs, 1);
}

static inline void faulty_set(enum faulty_op op, enum faulty_file which,
                              int times, int code)
{
    atomic_store(&faulty_code, code);
    atomic_store(&faulty_left[op][which], times);
}

static inline void faulty_heal(void)
{
    for (int op = 0; op < FAULTY_OPS; op++)
        for (int which = 0; which < FAULTY_FILES; which++)
            atomic_store(&faulty_left[op][which], 0);
}

/* What a power cut now would leave, as another directory's ledger. */
static inline void faulty_power_cut(const char *from, const char *to)
{
    char command[1024];

    snprintf(command, sizeof(command),
             "cp %s/ledger.db.disk %s/ledger.db && "
             "if [ -e %s/ledger.db-wal.disk ]; then "
             "cp %s/ledger.db-wal.disk %s/ledger.db-wal; fi",
             from, to, from, from, to);
    ENSURE(system(command) == 0); /* NOLINT(cert-env33-c) */
}

/* One number of one query on `dir`/ledger.db, read as another process would;
 * -1: the query failed. */
static inline sqlite3_int64 ledger_ask(const char *dir, const char *sql)
{
    char path[256];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 answer = -1;

    sqlite3_snprintf(sizeof(path), path, "%s/ledger.db", dir);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY,
                        faulty_real ? faulty_real->zName : NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        answer = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return answer;
}
