#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/other_files.h"
#include "cli/replay.h"

static void print_text(const struct replay *r)
{
    const struct replay_sums *sums = r->sums;
    const struct snapshot *s = r->snapshot;
    char text[MONEY_TEXT];

    printf("%" PRId64 " requests, %" PRId64 " attempts refused, %" PRId64
           " requests unserved\n",
           sums->requests, sums->refused, sums->unserved);
    printf("total %s %s (expected %+.2f%%), %.1f%% of the prompts cached\n",
           currency_name(s->currency), decimal_text(sums->total_nanos, text),
           sums->total_nanos ? 100.0 * (double)sums->expected_nanos /
                                       (double)sums->total_nanos -
                                   100
                             : 0,
           sums->prompt_tokens ? 100.0 * (double)sums->cached_tokens /
                                     (double)sums->prompt_tokens
                               : 0);
    if (r->market)
        printf("%" PRId64 " bills differ from the market's\n", sums->differ);
    for (size_t i = 0; i < s->n_offers; i++)
        if (sums->served[i] > 0)
            printf("  %-44s %8" PRId64 "  %s\n", s->offers[i].name,
                   sums->served[i], decimal_text(sums->paid_nanos[i], text));
    if (sums->requests > 0)
        printf("deciding took %.1f us a request\n",
               (double)sums->decided_ns / 1e3 / (double)sums->requests);
}

static void print_json(const struct replay *r)
{
    const struct replay_sums *sums = r->sums;
    const struct snapshot *s = r->snapshot;
    char text[MONEY_TEXT];
    const char *comma = "";

    printf("{\"total\":\"%s\",\"currency\":\"%s\",\"requests\":%" PRId64
           ",\"refused\":%" PRId64 ",\"unserved\":%" PRId64
           ",\"differ\":%" PRId64,
           decimal_text(sums->total_nanos, text), currency_name(s->currency),
           sums->requests, sums->refused, sums->unserved, sums->differ);
    printf(",\"expected\":\"%s\",\"decide_us\":%.1f,\"offers\":[",
           decimal_text(sums->expected_nanos, text),
           sums->requests
               ? (double)sums->decided_ns / 1e3 / (double)sums->requests
               : 0);
    for (size_t i = 0; i < s->n_offers; i++, comma = ",")
        printf("%s{\"offer\":\"%s\",\"served\":%" PRId64 ",\"paid\":\"%s\"}",
               comma, s->offers[i].name, sums->served[i],
               decimal_text(sums->paid_nanos[i], text));
    printf("]}\n");
}

static FILE *open_or_tell(const char *name, const char *mode)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, mode);

    if (!f)
        fprintf(stderr, "bijia replay: %s: %s\n", name, strerror(errno));
    return f;
}

static int replay(const struct args *args, const struct snapshot *s,
                  struct arena *a)
{
    const char *out = option_value(args, "--out");
    const char *command = option_value(args, "--market");
    struct replay_sums sums = {0};
    struct replay r = {.snapshot = s, .sums = &sums};
    FILE *trace = open_or_tell(option_value(args, "--trace"), "r");
    int status = 1;

    if (!trace)
        return 1;
    if (out && !(r.decisions = open_or_tell(out, "w")))
        return 1;
    if (command && !(r.market = market_open(command, a))) {
        fprintf(stderr, "bijia replay: the market cannot be started: %s\n",
                strerror(errno));
        return 1;
    }
    if (replay_trace(&r, trace, a) == 0) {
        status = sums.unserved > 0;
        option_given(args, "--json") ? print_json(&r) : print_text(&r);
    }
    fclose(trace);
    if (r.market && market_close(r.market) != 0) {
        fprintf(stderr, "bijia replay: the market failed\n");
        status = 1;
    }
    if (r.decisions && fclose(r.decisions) != 0) {
        fprintf(stderr, "bijia replay: %s: %s\n", out, strerror(errno));
        status = 1;
    }
    return status;
}

static int replay_of_log(const struct args *args, const struct snapshot *s,
                         struct arena *a)
{
    const struct replay_log_options o = {
        .without = option_value(args, "--without"),
        .json = option_given(args, "--json"),
    };
    FILE *log = open_or_tell(option_value(args, "--log"), "r");
    int status;

    if (!log)
        return 1;
    status = replay_log(s, log, &o, a) == 0 ? 0 : 1;
    fclose(log);
    return status;
}

static int run(const struct args *args)
{
    const char *dir = option_conf_dir(args, NULL);
    const struct other_files others = {option_value(args, "--policy"),
                                       option_value(args, "--prices")};
    struct snapshot *s;
    struct arena *a;
    int status;

    if (!option_value(args, "--trace") == !option_value(args, "--log"))
        return usage_error(args, "either --trace FILE or --log FILE is needed");
    s = other_files_load(dir, &others, "replay");
    if (!s)
        return 1;
    a = arena_new();
    status = option_value(args, "--log") ? replay_of_log(args, s, a)
                                         : replay(args, s, a);
    arena_free(a);
    snapshot_release(s);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--trace", "FILE", "requests of the past, one JSON object a line"},
    {"--market", "CMD", "a process that answers attempts, line by line"},
    {"--log", "FILE", "a routing log, decided again"},
    {"--policy", "FILE", "instead of the directory's policy.yaml"},
    {"--prices", "FILE", "instead of its prices.yaml"},
    {"--without", "VENDOR", "with --log: as if it were not there"},
    {"--out", "FILE", "write each decision there, one JSON object a line"},
    {"--json", NULL, "print one JSON object"},
};

extern const struct command command_replay;
const struct command command_replay = {
    .name = "replay",
    .usage = "--trace FILE [--market CMD] [--out FILE] [--json]\n"
             "             --log FILE [--policy FILE] [--prices FILE] "
             "[--without VENDOR] [--json]",
    .help = "decide requests of the past again, and say what they cost",
    .more =
        "Runs in virtual time, with the decisions, prices and learning of\n"
        "the proxy. With --market each attempt is answered by that process;\n"
        "without, answers are as long as the trace says. Exit status 1:\n"
        "something was not served.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
