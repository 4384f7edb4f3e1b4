/* cmd_report.c - bijia report: what was spent, on what, and what it saved. */
#include <stdio.h>
#include <string.h>

#include "base/fatal.h"
#include "base/time.h"

#include "cli/options.h"
#include "cli/other_files.h"
#include "cli/report_show.h"

enum {
    ERROR_TEXT = 512,
};

struct report_call {
    const struct args *args;
    struct arena *arena;
    struct report report;
    struct report_told told;
    struct snapshot *other; /* the baseline's; NULL: none */
};

/* An instant, or a day of the report's zone: its first moment. */
static bool read_instant(const struct report_call *c, const char *name,
                         int64_t *out)
{
    const char *text = option_value(c->args, name);
    int64_t at;

    if (!text)
        return true;
    if (!time_parse(&at, text)) {
        (void)!usage_error(c->args,
                           "%s wants an instant or a day such as 2026-11-01, "
                           "found \"%s\"",
                           name, text);
        return false;
    }
    *out = strchr(text, 'T') ? at : zone_midnight(c->report.zone, at / DAY_MS);
    return true;
}

static bool read_zone(struct report_call *c)
{
    const char *name = option_value(c->args, "--zone"), *why;

    c->report.zone = zone_load(name ? name : "UTC", c->arena, &why);
    if (c->report.zone)
        return true;
    (void)!usage_error(c->args, "--zone: \"%s\" %s", name, why);
    return false;
}

static const char other_policy[] = "policy:";

/* The same vendors and prices under another policy.yaml. */
static bool read_policy(struct report_call *c, const char *path)
{
    const struct other_files others = {.policy = path};

    c->other =
        other_files_load(option_conf_dir(c->args, NULL), &others, "report");
    if (!c->other)
        return false;
    c->report.again = arena_alloc(c->arena, sizeof(*c->report.again));
    c->report.again->snapshot = c->other;
    again_begin(c->report.again, c->arena);
    return true;
}

static bool read_baseline(struct report_call *c)
{
    const char *name = option_value(c->args, "--baseline");
    struct offer_set set;

    c->told.baseline = name;
    if (!name)
        return true;
    if (strcmp(name, "runner-up") == 0) {
        c->report.runner_up = true;
        return true;
    }
    if (strncmp(name, other_policy, strlen(other_policy)) == 0)
        return read_policy(c, name + strlen(other_policy));
    set = snapshot_resolve(c->report.snapshot, NULL, name);
    if (set.n == 1) {
        c->report.baseline = set.offers[0];
        return true;
    }
    (void)!usage_error(
        c->args,
        "--baseline wants one vendor's model such as "
        "deepseek/deepseek-flash, runner-up, or policy:FILE, found "
        "\"%s\"%s",
        name, set.n ? ", which is several" : "");
    return false;
}

/* What no option says by itself, since it is about two of them. */
static bool check_pairs(const struct report_call *c)
{
    const char *wrong = NULL;

    if (c->told.from_unix_ms >= c->told.to_unix_ms)
        wrong = "--to wants an instant after --from";
    else if (option_given(c->args, "--csv") && option_given(c->args, "--json"))
        wrong = "either --csv or --json";
    if (wrong)
        (void)!usage_error(c->args, "%s", wrong);
    return !wrong;
}

static bool read_options(struct report_call *c)
{
    const char *by = option_value(c->args, "--by");

    c->told.from_unix_ms = INT64_MIN;
    c->told.to_unix_ms = INT64_MAX;
    c->told.by = by ? by : "all";
    if (by && !report_by_parse(&c->report.by, by)) {
        (void)!usage_error(c->args,
                           "--by wants team, key, model, vendor or day, found "
                           "\"%s\"",
                           by);
        return false;
    }
    return read_zone(c) && read_instant(c, "--from", &c->told.from_unix_ms) &&
           read_instant(c, "--to", &c->told.to_unix_ms) && check_pairs(c) &&
           read_baseline(c);
}

static int add_up(struct report_call *c)
{
    const struct conf *conf = c->report.snapshot->conf;
    const char *dir = conf_path(conf, conf->server.state_dir, c->arena);
    const struct ledger_span span = {c->told.from_unix_ms, c->told.to_unix_ms};
    char error[ERROR_TEXT];

    report_begin(&c->report);
    if (ledger_report(dir, span, report_add, &c->report, error, sizeof(error)) <
            0 ||
        ledger_report_limited(dir, span, report_add_limited, &c->report, error,
                              sizeof(error)) < 0 ||
        ledger_report_removed(dir, &c->report.removed_before_ms, error,
                              sizeof(error)) < 0) {
        fprintf(stderr, "bijia report: %s\n", error);
        return 1;
    }
    report_end(&c->report);
    report_sort(&c->report);
    if (c->report.removed_before_ms <= c->told.from_unix_ms)
        c->report.removed_before_ms = 0;
    return 0;
}

static int show(struct report_call *c)
{
    if (option_given(c->args, "--json"))
        report_json(&c->report, &c->told, stdout);
    else if (option_given(c->args, "--csv"))
        report_csv(&c->report, stdout);
    else
        report_table(&c->report, stdout);
    return ferror(stdout) ? 1 : 0;
}

static int run(const struct args *args)
{
    struct arena *a = arena_new();
    struct report_call *c = arena_alloc(a, sizeof(*c));
    struct diag *diag = arena_alloc(a, sizeof(*diag));
    struct snapshot *s;
    int status = EXIT_USAGE;

    c->args = args;
    c->arena = a;
    c->report.arena = a;
    if (snapshot_load(&s, option_conf_dir(args, NULL), 1, &secrets_of_process,
                      diag) != 0) {
        diag_print(diag);
        arena_free(a);
        return 1;
    }
    c->report.snapshot = s;
    if (read_options(c)) {
        status = add_up(c);
        if (status == 0)
            status = show(c);
    }
    snapshot_release(c->other);
    snapshot_release(s);
    arena_free(a);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--by", "WHAT", "team, key, model, vendor or day; else one line"},
    {"--from", "TIME", "an instant, or a day: from then on"},
    {"--to", "TIME", "up to then, exclusive"},
    {"--zone", "NAME", "whose days count, such as Asia/Shanghai; else UTC"},
    {"--baseline", "OFFER",
     "what it would have cost at that vendor/model, at each request's "
     "runner-up, or under another policy: policy:FILE"},
    {"--csv", NULL, "for spreadsheets"},
    {"--json", NULL, "for programs"},
};

extern const struct command command_report;
const struct command command_report = {
    .name = "report",
    .usage = "[--by WHAT] [--from TIME] [--to TIME] [--zone NAME] "
             "[--baseline OFFER] [--csv | --json]",
    .help = "add up the ledger: requests, tokens, costs, savings",
    .more =
        "Requests that limits refused (rpm, tpm, concurrency) stand in a\n"
        "column of their own, counted by the hour in which they came; those\n"
        "that a budget refused are requests without an answer, and beyond\n"
        "sixty a minute of a key counted there, too.\n"
        "Amounts are exact and summed apart for each currency. Failed tries\n"
        "are attempts that another vendor made good, or nobody; what they\n"
        "cost is part of the cost. The baseline prices the same usage (tokens\n"
        "counted alike, the same part of them cached, marked or not) by the\n"
        "book's prices of that instant, in the policy's currency; saved may\n"
        "be negative. With policy:FILE, yesterday's perhaps, each request is\n"
        "decided again by that file's aliases and rules; its budgets and\n"
        "limits are not played.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
