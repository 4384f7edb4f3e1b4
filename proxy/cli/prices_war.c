/* prices_war.c - the price war of May 2024, or any book's days, replayed. */
#include "cli/war.h"

static const char war_dir[] = "conf/examples/price-war-2024";

static bool take_day(const struct args *args, const char *option,
                     const char *preset, int64_t *out_ms)
{
    const char *text = option_value(args, option);

    if (time_parse(out_ms, text ? text : preset) && *out_ms % DAY_MS == 0)
        return true;
    usage_error(args, "%s wants a day such as 2024-05-21, not \"%s\"", option,
                text ? text : preset);
    return false;
}

static int run(const struct args *args)
{
    struct prices_call call;
    struct war war = {.s = NULL};
    int64_t from, to;
    int status;

    if (!take_day(args, "--from", "2024-05-06", &from) ||
        !take_day(args, "--to", "2024-05-24", &to))
        return EXIT_USAGE;
    if (to < from || (to - from) / DAY_MS >= WAR_DAYS_MOST)
        return usage_error(args, "--from wants to be before --to, and within "
                                 "ten years");
    status =
        prices_open(&call, args, option_value(args, "--conf") ? NULL : war_dir);
    if (status != 0)
        return status;
    if (prices_currency(&call, &war.currency)) {
        war.s = call.s;
        war.arena = call.arena;
        war_replay(&war, from, to);
        if (option_given(args, "--json"))
            war_json(&war, stdout);
        else
            war_print(&war, stdout);
    } else {
        status = EXIT_USAGE;
    }
    prices_close(&call);
    return status;
}

static const struct option_row options[] = {
    {"--conf", "DIR", "the book; else conf/examples/price-war-2024"},
    {"--from", "DAY", "the first day; else 2024-05-06"},
    {"--to", "DAY", "the last day; else 2024-05-24"},
    {"--currency", "C", "compare in CNY or USD; else in the policy's"},
    {"--json", NULL, "print one JSON object"},
};

const struct command command_prices_war = {
    .name = "prices war",
    .usage = "[--conf DIR] [--from DAY] [--to DAY] [--currency C] [--json]",
    .help = "the price war of May 2024, day by day; or any book's days",
    .more = "Tells who changed what on which day, and what 1,000 short\n"
            "questions, long documents and long answers cost at the cheapest,\n"
            "the dearest, and each vendor's cheapest model.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
