/*
 * routing_log.h - receipts for people: one JSON object a line.
 *
 * The ledger is the authority, this is news: a disk that is full or a reader
 * that does not read costs lines, which are counted and told, and never
 * holds up the recorder. May be renamed or truncated at any time; a line is
 * always whole or alone on its line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/slice.h"

#include "record/receipt.h"

enum {
    ROUTING_LOG_BYTES = 256 * 1024, /* written at once */
};

struct routing_log {
    const char *path;  /* the owner's */
    int fd;            /* -1: could not be opened */
    int error;         /* errno of the last failure */
    bool torn;         /* the file does not end in a newline */
    int64_t looked_ms; /* when it was last seen to be at its path */
    uint64_t n_lost;   /* lines, since the last that was written */
    uint32_t n_lines;  /* in `text` */
    size_t len;
    char *text;
};

/* -1: it cannot be opened; errno says why. Lines are counted as lost and it
 * is tried again each second. */
int routing_log_open(struct routing_log *g, const char *path);
void routing_log_close(struct routing_log *g);

void routing_log_add(struct routing_log *g, const struct receipt *receipt);
/* A line of another kind, with its newline. */
void routing_log_add_line(struct routing_log *g, struct slice line);
/* Writes what was added. */
void routing_log_flush(struct routing_log *g);
/* Opens the path anew at the next line. */
void routing_log_reopen(struct routing_log *g);
