#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/fatal.h"

int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static NO_RETURN void options_help(const struct option_row *rows, int code)
{
    FILE *to = code ? stderr : stdout;
    for (const struct option_row *row = rows; row->name; row++)
        fprintf(to, "  --%-14s %s\n", row->name, row->help);
    exit(code);
}

static const struct option_row *option_find(const struct option_row *rows,
                                            const char *word)
{
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    for (const struct option_row *row = rows; row->name; row++)
        if (strcmp(row->name, word + 2) == 0)
            return row;
    return NULL;
}

void options_read(const struct option_row *rows, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0)
            options_help(rows, 0);
        const struct option_row *row = option_find(rows, argv[i]);
        if (!row || i + 1 >= argc) {
            fprintf(stderr, "%s: not understood: %s\n", argv[0], argv[i]);
            options_help(rows, 2);
        }
        char *end = argv[i + 1];
        if (row->text)
            *row->text = argv[i + 1];
        else
            *row->number = strtol(argv[i + 1], &end, 10);
        if (row->number && (*end || end == argv[i + 1]))
            fatal("--%s wants a number, not %s", row->name, argv[i + 1]);
    }
}

static void text_reserve(struct text *t, size_t more)
{
    if (t->len + more <= t->cap)
        return;
    t->cap = (t->len + more) * 3 / 2 + 256;
    t->data = realloc(t->data, t->cap);
    if (!t->data)
        fatal("no memory for %zu bytes", t->cap);
}

void text_add(struct text *t, const void *data, size_t len)
{
    text_reserve(t, len);
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

void text_addf(struct text *t, const char *fmt, ...)
{
    va_list args;
    char line[4096];

    va_start(args, fmt);
    int len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    ENSURE(len >= 0 && (size_t)len < sizeof(line));
    text_add(t, line, (size_t)len);
}

void text_fini(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

void samples_add(struct samples *s, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4096;
        s->value = realloc(s->value, s->cap * sizeof(*s->value));
        if (!s->value)
            fatal("no memory for %zu samples", s->cap);
    }
    s->value[s->n++] = (float)value;
}

static int value_compare(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

double samples_at(struct samples *s, double part)
{
    if (s->n == 0)
        return 0;
    qsort(s->value, s->n, sizeof(*s->value), value_compare);
    return (double)s->value[(size_t)(part * (double)(s->n - 1))];
}

void samples_print(struct samples *s)
{
    printf("{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
           samples_at(s, 0.50), samples_at(s, 0.90), samples_at(s, 0.99),
           samples_at(s, 1.0));
}

void files_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
