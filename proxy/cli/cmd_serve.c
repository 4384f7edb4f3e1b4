#include "admin/plane.h"
#include "cli/options.h"
#include "serve/serve.h"

static const struct option_row options[] = {
    OPTION_CONF,
};

static int run(const struct args *args)
{
    const char *word = args->n_words ? args->words[0] : NULL;

    return serve_run(option_conf_dir(args, word), &admin_plane);
}

extern const struct command command_serve;
const struct command command_serve = {
    .name = "serve",
    .usage = "[DIR]",
    .help = "serve requests until SIGTERM; SIGHUP reads the files again",
    .more = "Clients reach it at the `listen` address of bijia.yaml, as they\n"
            "would reach OpenAI: base URL http://ADDRESS/v1 and a key made by\n"
            "`bijia keys new TEAM`.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 1,
    .run = run,
};
