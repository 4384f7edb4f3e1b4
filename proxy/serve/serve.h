/*
 * serve.h - the running program: workers, signals, reload, drain.
 *
 *   SIGHUP            read the files again; a bad one changes nothing
 *   SIGTERM, SIGINT   finish what is running, at most timeouts.drain, and end
 */
#pragma once

/* Serves the configuration in `dir` until a signal ends it. Returns the exit
 * status: 0, or 1 when it could not begin (complaints are on stderr). */
int serve_run(const char *dir);
