/* cmd_ledger.c - bijia ledger backup|verify|export: beside a running proxy. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/time.h"

#include "conf/conf.h"

#include "cli/options.h"
#include "cli/prune.h"
#include "record/ledger_tool.h"

static int backup(struct ledger_tool *t, const struct args *args,
                  char problem[LEDGER_PROBLEM])
{
    if (args->n_words < 2)
        return usage_error(args, "backup wants a FILE that is not there yet");
    return ledger_backup(t, args->words[1], problem) ? 0 : 1;
}

static void tell(void *to, const char *problem)
{
    fprintf(to, "%s\n", problem);
}

static int verify(struct ledger_tool *t, const struct args *args,
                  char problem[LEDGER_PROBLEM])
{
    struct ledger_verdict v;
    char at[TIME_TEXT];

    (void)args;
    if (!ledger_verify(t, &v, tell, stderr, problem))
        return 1;
    printf("%lld exchanges, %lld attempts, %lld accounts, %lld seals: %s\n",
           (long long)v.n_exchanges, (long long)v.n_attempts,
           (long long)v.n_accounts, (long long)v.n_seals,
           v.n_problems ? "NOT whole" : "whole");
    if (v.n_removed_attempts)
        printf("before %s %lld attempts were removed; the chain begins at seal "
               "%lld\n",
               time_text(v.removed_before_ms, at),
               (long long)v.n_removed_attempts, (long long)v.first_seal);
    if (v.head[0])
        printf("last seal %s\n", v.head);
    return v.n_problems ? 1 : 0;
}

static bool instant(int64_t *out, const struct args *args, const char *option)
{
    const char *text = option_value(args, option);

    return !text || time_parse(out, text);
}

static int tell_all(struct ledger_tool *t, const struct args *args,
                    char problem[LEDGER_PROBLEM])
{
    int64_t from = INT64_MIN, to = INT64_MAX;

    if (!instant(&from, args, "--from") || !instant(&to, args, "--to"))
        return usage_error(args, "--from and --to want an instant such as "
                                 "2026-11-22 or 2026-11-22T09:00:00+08:00");
    return ledger_export(t, option_given(args, "--jsonl"), from, to, stdout,
                         problem)
               ? 0
               : 1;
}

static const struct {
    const char *word;
    int (*run)(struct ledger_tool *t, const struct args *args,
               char problem[LEDGER_PROBLEM]);
} verbs[] = {{"backup", backup}, {"verify", verify}, {"export", tell_all}};

static int with_ledger(const char *path, size_t verb, const struct args *args)
{
    char problem[LEDGER_PROBLEM] = "";
    struct ledger_tool *t = ledger_tool_open(path, problem);
    int status = t ? verbs[verb].run(t, args, problem) : 1;

    ledger_tool_close(t);
    if (problem[0])
        fprintf(stderr, "bijia ledger: %s\n", problem);
    return status;
}

/* The ledger that the configuration names. NULL: told. */
static const char *find_ledger(const struct args *args, struct arena *a)
{
    static struct diag diag;
    const struct conf *conf;

    if (option_value(args, "--file"))
        return option_value(args, "--file");
    if (conf_load(&conf, option_conf_dir(args, NULL), a, &diag) != 0) {
        diag_print(&diag);
        return NULL;
    }
    return arena_printf(a, "%s/ledger.db",
                        conf_path(conf, conf->server.state_dir, a));
}

static int run(const struct args *args)
{
    struct arena *a = arena_new();
    const char *path, *word = args->n_words > 0 ? args->words[0] : "";
    size_t verb = 0;
    int status = 1;

    if (strcmp(word, "prune") == 0) {
        status = prune_run(args, a);
        arena_free(a);
        return status;
    }
    while (verb < ARRAY_LEN(verbs) && strcmp(verbs[verb].word, word) != 0)
        verb++;
    if (verb == ARRAY_LEN(verbs))
        status = usage_error(args, "wants backup, verify, export or prune");
    else if ((path = find_ledger(args, a)))
        status = with_ledger(path, verb, args);
    arena_free(a);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--file", "FILE", "this ledger, a backup perhaps; else the running one"},
    {"--csv", NULL, "export: a table with a head (it is without being asked)"},
    {"--jsonl", NULL, "export: one JSON object a line"},
    {"--from", "TIME", "export: requests that came then or later"},
    {"--to", "TIME", "export: and before this"},
    {"--before", "TIME", "prune: requests that came before it"},
};

extern const struct command command_ledger;
const struct command command_ledger = {
    .name = "ledger",
    .usage = "backup FILE | verify | export [--csv | --jsonl] [--from TIME] "
             "[--to TIME] | prune --before TIME",
    .help = "copy, check, tell or shorten what was spent",
    .more =
        "All work beside a running proxy and do not hold it up.\n\n"
        "backup: a whole copy as of one instant.\n"
        "verify: is the file whole, is each team's account the sum of its\n"
        "requests, does the chain of seals hold. Prints the last seal: who\n"
        "keeps it elsewhere can prove later that nothing before it was\n"
        "changed. Exit status 1 if anything is wrong.\n"
        "export: one line for each attempt.\n"
        "prune: removes old rows for good, in small pieces; export them\n"
        "before, if you want them. What budgets have spent stays, and a\n"
        "checkpoint stands for the rows in the chain of seals. `ledger: "
        "{keep:\n"
        "400d}` in bijia.yaml does it by itself. The file keeps its size, and\n"
        "uses the room for new rows.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 2,
    .run = run,
};
