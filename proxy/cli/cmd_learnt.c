#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

#include "cli/options.h"
#include "serve/memory.h"

static const char *const class_names[TOKEN_CLASSES] = {
    [TOKENS_HAN] = "han",       [TOKENS_KANA] = "kana",
    [TOKENS_HANGUL] = "hangul", [TOKENS_LATIN] = "latin",
    [TOKENS_DIGITS] = "digits", [TOKENS_PUNCT] = "punct",
    [TOKENS_OTHER] = "other",   [TOKENS_IMAGES] = "images",
    [TOKENS_FRAME] = "frame",
};

static void print_offer(void *to, const struct learnt_offer *o)
{
    (void)to;
    printf("%-44s %8" PRIu32 " %8.2f %7.0f%%  ", o->name, o->answers,
           o->verbosity, 100 * o->cache_believed);
    for (int k = 0; k < TOKEN_CLASSES; k++)
        if (o->weight[k] < .995 || o->weight[k] > 1.005)
            printf("%s %.2f ", class_names[k], o->weight[k]);
    printf("\n");
}

static int print(const char *dir, struct arena *a)
{
    const struct learnt *l = memory_read(dir, a);
    struct learnt_counts n;

    if (!l) {
        fprintf(stderr, "bijia learnt: nothing has been kept in %s yet\n", dir);
        return 1;
    }
    n = learnt_count(l);
    printf("%-44s %8s %8s %8s  %s\n", "offer", "answers", "length", "cache",
           "tokens, true to estimated");
    learnt_tell(l, print_offer, NULL);
    printf("%" PRIu32 " kinds of answers, %" PRIu32
           " kinds of traffic (%" PRIu32
           " follow the best single offer), %" PRIu32 " of %" PRIu32
           " blocks of prompts, %" PRIu64 " bytes\n",
           n.contexts, n.kinds, n.following, n.blocks, n.blocks_most, n.bytes);
    return 0;
}

static int reset(const char *dir, struct arena *a)
{
    const char *path = arena_printf(a, "%s/learnt", dir);

    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    fprintf(stderr, "bijia learnt: %s: %s\n", path, strerror(errno));
    return 1;
}

static int run(const struct args *args)
{
    const char *dir = option_conf_dir(args, NULL);
    const struct conf *conf;
    static struct diag diag;
    struct arena *a = arena_new();
    int status = 1;

    if (conf_load(&conf, dir, a, &diag) < 0) {
        diag_print(&diag);
    } else {
        const char *state = conf_path(conf, conf->server.state_dir, a);

        status =
            option_given(args, "--reset") ? reset(state, a) : print(state, a);
    }
    arena_free(a);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--reset", NULL, "forget it; to be said while bijia is not running"},
};

extern const struct command command_learnt;
const struct command command_learnt = {
    .name = "learnt",
    .usage = "[--reset]",
    .help = "show what answers have taught of each offer",
    .more = "Tokens as they were counted against the estimate, by class of\n"
            "text; the length of answers against the others'; how often its\n"
            "cache held what it was believed to hold. Saved every minute.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
