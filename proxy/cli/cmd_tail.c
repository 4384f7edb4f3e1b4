#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fatal.h"

#include "conf/conf.h"

#include "cli/follow.h"
#include "cli/options.h"
#include "cli/tail.h"

enum {
    POLL_MS = 100,
    LAST_DEFAULT = 10,
    LAST_MOST = 100000,
    WINDOW_BYTES = 256 * 1024, /* read at the end, doubled until enough */
};

struct tail {
    struct follow follow;
    struct tail_filter filter;
    struct tail_table table;
    bool json;
    /* the last lines, before following: a ring */
    char **last;
    long n_last, n_kept; /* n_kept: ever */
};

static void keep(struct tail *t, const char *line, size_t len)
{
    char **place = &t->last[t->n_kept++ % t->n_last];

    free(*place);
    *place = strndup(line, len);
    if (!*place)
        fatal("out of memory keeping the last lines");
}

static void forget(struct tail *t)
{
    for (long i = 0; i < t->n_last; i++) {
        free(t->last[i]);
        t->last[i] = NULL;
    }
    t->n_kept = 0;
}

/* A damaged line passes where nothing is filtered. */
static bool passes(const struct tail *t, const char *line, size_t len)
{
    bool empty = tail_filter_is_empty(&t->filter), pass;
    cJSON *json;

    if (empty || len == 0)
        return len > 0;
    json = tail_parse(line, len);
    pass = json && tail_passes(json, &t->filter);
    cJSON_Delete(json);
    return pass;
}

static void keep_line(void *to, const char *line, size_t len)
{
    struct tail *t = to;

    if (passes(t, line, len))
        keep(t, line, len);
}

static void show_line(void *to, const char *line, size_t len)
{
    struct tail *t = to;
    cJSON *json;

    if (!passes(t, line, len))
        return;
    json = tail_parse(line, len);
    if (json && t->json)
        printf("%s\n", line);
    else if (json)
        tail_table_row(&t->table, json);
    else if (t->json)
        fprintf(stderr, "bijia tail: a damaged line was left out\n");
    else
        tail_table_damaged(&t->table, line);
    cJSON_Delete(json);
}

/* Reads ever more of the end until enough lines of it pass. */
static void show_last(struct tail *t)
{
    int64_t size = follow_size(&t->follow), window = WINDOW_BYTES;

    if (size < 0)
        return;
    if (t->n_last == 0) {
        follow_seek(&t->follow, size);
        return;
    }
    for (;; window *= 2) {
        forget(t);
        follow_seek(&t->follow, size > window ? size - window : 0);
        follow_read(&t->follow, keep_line, t);
        if (t->n_kept >= t->n_last || window >= size)
            break;
    }
    for (long i = t->n_kept > t->n_last ? t->n_kept - t->n_last : 0;
         i < t->n_kept; i++) {
        const char *line = t->last[i % t->n_last];

        show_line(t, line, strlen(line));
    }
}

/* Until the terminal or the reader goes. */
static int follow_on(struct tail *t)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    while (fflush(stdout) == 0) {
        nanosleep(&pause, NULL);
        follow_read(&t->follow, show_line, t);
    }
    return 1;
}

static bool wants_colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no && *no) &&
           !(term && strcmp(term, "dumb") == 0);
}

/* The log that the configuration names. NULL: told. */
static const char *find_log(const struct args *args, struct arena *a)
{
    static struct diag diag;
    const struct conf *conf;
    const char *dir;

    if (args->n_words > 0)
        return args->words[0];
    if (conf_load(&conf, option_conf_dir(args, NULL), a, &diag) != 0) {
        diag_print(&diag);
        return NULL;
    }
    dir = conf_path(conf, conf->server.state_dir, a);
    return arena_printf(a, "%s/routing.jsonl", dir);
}

/* 0, or the status of a usage error. */
static int take_options(struct tail *t, const struct args *args)
{
    const char *last = option_value(args, "-n");
    char *end = NULL;

    t->json = option_given(args, "--json");
    t->filter = (struct tail_filter){
        .team = option_value(args, "--team"),
        .vendor = option_value(args, "--vendor"),
        .model = option_value(args, "--model"),
        .status = option_value(args, "--status"),
    };
    t->n_last = last ? strtol(last, &end, 10) : LAST_DEFAULT;
    if (last && (*end || end == last || t->n_last < 0 || t->n_last > LAST_MOST))
        return usage_error(args, "-n wants a number from 0 to %d, found \"%s\"",
                           LAST_MOST, last);
    if (t->filter.status && !tail_status_is_fit(t->filter.status))
        return usage_error(args,
                           "--status wants 429, 4xx or error, found \"%s\"",
                           t->filter.status);
    return 0;
}

static int show(struct tail *t, const struct args *args)
{
    bool follow = !option_given(args, "--no-follow");

    if (follow_size(&t->follow) < 0) {
        fprintf(stderr, "bijia tail: there is no %s%s\n", t->follow.path,
                follow ? " yet" : "");
        if (!follow)
            return 1;
    }
    tail_table_init(&t->table, stdout, wants_colours());
    if (!t->json)
        tail_table_head(&t->table);
    show_last(t);
    if (follow)
        return follow_on(t);
    follow_rest(&t->follow, show_line, t);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int run(const struct args *args)
{
    static struct tail t;
    struct arena *a = arena_new();
    int status = take_options(&t, args);
    const char *path;

    if (status == 0) {
        t.last = arena_alloc(a, (size_t)(t.n_last + 1) * sizeof(*t.last));
        path = find_log(args, a);
        status = 1;
        if (path) {
            follow_init(&t.follow, path);
            status = show(&t, args);
            follow_fini(&t.follow);
        }
        forget(&t);
    }
    arena_free(a);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--json", NULL, "the lines as they stand in the log"},
    {"--team", "TEAM", "only this team's"},
    {"--vendor", "VENDOR", "only where it answered or was tried"},
    {"--model", "MODEL", "only where it was asked for or answered"},
    {"--status", "STATUS", "only this: 429, 4xx, or error (400 and above)"},
    {"-n", "N", "begin with the last N that pass (10)"},
    {"--no-follow", NULL, "end there"},
};

extern const struct command command_tail;
const struct command command_tail = {
    .name = "tail",
    .usage = "[FILE] [--json] [--team TEAM] [--vendor VENDOR] "
             "[--model MODEL] [--status STATUS] [-n N] [--no-follow]",
    .help = "show the routing log as it grows",
    .more = "One line a request: what was asked, who answered, what it took\n"
            "and cost, what was expected, what was saved against the next\n"
            "cheapest (may be negative), and what failed on the way.\n"
            "\"~\" before the tokens: the vendor did not tell, they are\n"
            "counted. Goes on when the log is rotated. Colours only on a\n"
            "terminal and without $NO_COLOR.\n\n"
            "FILE: a routing log; else the configuration's.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 1,
    .run = run,
};
