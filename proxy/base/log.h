/*
 * log.h - what the operator should know, one `key=value` line each, to
 * stderr. Never a prompt, never a key, never bytes of a client or vendor
 * unless escaped by LOG's %s of a bounded, printable text.
 */
#pragma once

#include "base/attr.h"

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
};

void log_set_level(enum log_level level);

/* Writes "2026-11-22T09:00:00.123Z level=info event=EVENT ...": `event` is a
 * constant word; fmt gives further key=value pairs. Threads: any. */
void log_line(enum log_level level, const char *event, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Writes lines as they are, such as those of a diag. Threads: any. */
void log_text(const char *lines);
