/*
 * tool.h - what the mock upstream and the load generator share: a clock,
 * an option table, a growable text, samples with percentiles, file limits.
 *
 * Both are single-threaded programs on epoll. They share no code with the
 * proxy but its way to die, so that a fault of ours cannot hide in both.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* CLOCK_MONOTONIC: comparable between processes of one machine. */
int64_t now_ns(void);

/* One `--name VALUE`. Exactly one of number and text is set. */
struct option_row {
    const char *name;
    const char *help;
    long *number;
    const char **text;
};

/* Reads argv by the table; `--help` or a bad word ends the program. */
void options_read(const struct option_row *rows, int argc, char **argv);

/* Bytes that grow; len <= cap. */
struct text {
    char *data;
    size_t len, cap;
};

void text_add(struct text *t, const void *data, size_t len);
void text_addf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_fini(struct text *t);

/* Measured values, in whatever unit the owner names. */
struct samples {
    float *value;
    size_t n, cap;
};

void samples_add(struct samples *s, double value);
/* Sorts, then returns the value below which `part` (0..1) of them lie;
 * 0 when there are none. */
double samples_at(struct samples *s, double part);
/* {"p50":..,"p90":..,"p99":..,"max":..} */
void samples_print(struct samples *s);

/* Raises the limit of open files to what the system allows. */
void files_raise(void);

/* True if `data` begins with `word`. */
#define STARTS_WITH(data, len, word) \
    ((len) >= sizeof(word) - 1 && memcmp(data, word, sizeof(word) - 1) == 0)
