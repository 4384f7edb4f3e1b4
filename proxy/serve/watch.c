#include "serve/watch.h"

#include <string.h>

static void look(struct stat *out, const char *path)
{
    if (stat(path, out) != 0)
        memset(out, 0, sizeof(*out));
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_size == b->st_size && same_time(a->st_mtim, b->st_mtim) &&
           same_time(a->st_ctim, b->st_ctim);
}

void watch_look(struct watch *w)
{
    struct stat now;

    look(&now, w->path);
    if (same(&now, &w->last))
        return;
    w->last = now;
    w->changed(w->arg);
}

static void on_time(void *arg)
{
    struct watch *w = arg;

    timer_set(w->loop, &w->timer, WATCH_MS);
    watch_look(w);
}

void watch_start(struct watch *w, struct loop *loop, const char *path,
                 void (*changed)(void *arg), void *arg)
{
    *w = (struct watch){.loop = loop,
                        .path = path,
                        .changed = changed,
                        .arg = arg,
                        .timer = {.fn = on_time, .arg = w}};
    look(&w->last, path);
    timer_set(loop, &w->timer, WATCH_MS);
}

void watch_stop(struct watch *w)
{
    timer_stop(&w->timer);
}
