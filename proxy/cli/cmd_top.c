/* cmd_top.c - bijia top: who spends now. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/time.h"

#include "conf/value.h"

#include "cli/options.h"
#include "cli/report_show.h"

enum {
    ERROR_TEXT = 512,
    SECOND_MS = 1000,
};

struct top {
    const struct args *args;
    const struct snapshot *snapshot;
    const char *state_dir;
    const struct zone *zone;
    enum report_by by;
    int64_t window_ms, every_ms;
    bool once, screen;
};

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
    (void)number;
    told_to_stop = 1;
}

/* One look, in memory of its own. */
static int look(const struct top *t)
{
    struct arena *a = arena_new();
    struct report *r = arena_alloc(a, sizeof(*r));
    int64_t now = clock_unix_ms();
    char error[ERROR_TEXT], at[TIME_TEXT], window[VALUE_TEXT];
    int rc;

    r->arena = a;
    r->snapshot = t->snapshot;
    r->by = t->by;
    r->zone = t->zone;
    report_begin(r);
    rc = ledger_report(t->state_dir,
                       (struct ledger_span){now - t->window_ms, INT64_MAX},
                       report_add, r, error, sizeof(error));
    if (rc >= 0) {
        report_end(r);
        report_sort(r);
        if (t->screen)
            fputs("\033[H\033[2J", stdout);
        printf("%s, the last %s\n", time_text(now, at),
               value_show(FIELD_DURATION, t->window_ms, window));
        report_table(r, stdout);
        fflush(stdout);
    } else {
        fprintf(stderr, "bijia top: %s\n", error);
    }
    arena_free(a);
    return rc < 0 ? 1 : 0;
}

static int watch(const struct top *t)
{
    const struct sigaction stop = {.sa_handler = on_signal};
    const struct timespec pause = {t->every_ms / SECOND_MS,
                                   t->every_ms % SECOND_MS * 1000000};
    int status;

    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    for (;;) {
        status = look(t);
        if (status != 0 || t->once || told_to_stop || ferror(stdout))
            return status;
        nanosleep(&pause, NULL);
        if (told_to_stop)
            return 0;
        if (!t->screen)
            putchar('\n');
    }
}

static bool read_span(const struct args *args, const char *name,
                      const char *preset, int64_t *out)
{
    const char *text = option_value(args, name);

    if (value_parse(out, FIELD_DURATION, text ? text : preset) && *out > 0)
        return true;
    (void)!usage_error(args, "%s wants a duration such as 5m, found \"%s\"",
                       name, text);
    return false;
}

static int run(const struct args *args)
{
    struct arena *a = arena_new();
    struct diag *diag = arena_alloc(a, sizeof(*diag));
    const char *by = option_value(args, "--by"), *why;
    struct top t = {.args = args,
                    .by = REPORT_TEAM,
                    .once = option_given(args, "--once"),
                    .zone = zone_load("UTC", a, &why)};
    struct snapshot *s = NULL;
    int status = EXIT_USAGE;

    t.screen = !t.once && isatty(STDOUT_FILENO);
    if (by && !report_by_parse(&t.by, by)) {
        (void)!usage_error(args,
                           "--by wants team, key, model, vendor or day, found "
                           "\"%s\"",
                           by);
    } else if (read_span(args, "--window", "5m", &t.window_ms) &&
               read_span(args, "--every", "2s", &t.every_ms)) {
        status = 1;
        if (snapshot_load(&s, option_conf_dir(args, NULL), 1,
                          &secrets_of_process, diag) == 0) {
            t.snapshot = s;
            t.state_dir = conf_path(s->conf, s->conf->server.state_dir, a);
            status = watch(&t);
        } else {
            diag_print(diag);
        }
    }
    snapshot_release(s);
    arena_free(a);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--by", "WHAT", "team (unless said), key, model, vendor or day"},
    {"--window", "TIME", "how far back; 5m unless said"},
    {"--every", "TIME", "between looks; 2s unless said"},
    {"--once", NULL, "one look, then end"},
};

extern const struct command command_top;
const struct command command_top = {
    .name = "top",
    .usage = "[--by WHAT] [--window TIME] [--every TIME] [--once]",
    .help = "show who spends now, dearest first",
    .more = "Counts answers that have ended, from the ledger; what is under\n"
            "way is shown by `bijia admin teams`.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
