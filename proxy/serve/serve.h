/*
 * serve.h - the running program: workers, signals, reload, drain.
 *
 *   SIGHUP            read the files again; a bad one changes nothing
 *   SIGTERM, SIGINT   finish what is running, at most timeouts.drain, and end
 */
#pragma once

struct program;

/* The admin plane, which is a room above: opened once all else is ready, on
 * main's loop, closed when that has ended. NULL from open: it cannot begin. */
struct serve_plane {
    void *(*open)(struct program *p);
    void (*close)(void *plane);
};

/* Serves the configuration in `dir` until a signal ends it. Returns the exit
 * status: 0, or 1 when it could not begin (complaints are on stderr). */
int serve_run(const char *dir, const struct serve_plane *plane);
