#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"

#include "routing/decide.h"
#include "routing/suggest.h"

#include "cli/explain.h"
#include "cli/options.h"
#include "serve/memory.h"

enum {
    REQUEST_BYTES_MOST = 64 << 20,
};

/* All offers are up; what answers have taught is known if a proxy has kept
 * it. */
static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    struct outlook *const *outlook = self;

    *out = (struct offer_state){.available = true, .key_ready = true};
    if (*outlook)
        learnt_look(*outlook, offer, out);
}

static void weigh(const void *self, const struct snapshot *s,
                  struct verdict *const *listed, uint32_t n)
{
    struct outlook *const *outlook = self;

    if (*outlook)
        learnt_weigh(*outlook, s, listed, n);
}

/* What the proxy of this directory has kept; the file is not touched. */
static struct outlook *recall(const struct snapshot *s, struct query *q,
                              int64_t at, struct arena *a)
{
    struct learnt *l =
        memory_read(conf_path(s->conf, s->conf->server.state_dir, a), a);

    if (!l)
        return NULL;
    prefix_of_chat(&q->prefix, q->chat, learnt_reference_tokens(q),
                   learnt_key(l), a);
    return learnt_prepare(l, learnt_bind(l, s, a), q, at, a);
}

static bool find_team(const struct snapshot *s, const char *name,
                      const struct team **out)
{
    struct suggestion meant = {.word = name ? name : ""};
    char near[SUGGESTION_TEXT];

    *out = name ? snapshot_find_team(s, name) : NULL;
    if (!name || *out)
        return true;
    for (size_t i = 0; i < s->n_teams; i++)
        suggest(&meant, s->teams[i].name);
    fprintf(stderr, "bijia explain: policy.yaml has no team \"%s\"%s\n", name,
            suggestion_text(&meant, near));
    return false;
}

static bool read_request(struct chat *out, struct arena *a)
{
    struct chat_error error;
    size_t len;
    char *body = stdin_read(&len, REQUEST_BYTES_MOST, a);

    if (!body) {
        fprintf(stderr, "bijia explain: the request cannot be read: %s\n",
                strerror(errno));
        return false;
    }
    if (chat_read(out, (struct slice){body, len}, a, &error) == 0)
        return true;
    fprintf(stderr, "bijia explain: the request is none: %s%s%s%s\n",
            error.message, error.param[0] ? " (" : "", error.param,
            error.param[0] ? ")" : "");
    return false;
}

static int explain(const struct args *args, const struct snapshot *s,
                   int64_t at, struct arena *a)
{
    struct outlook *outlook = NULL;
    struct conditions world = {
        .now_unix_ms = at, .look = look, .weigh = weigh, .self = &outlook};
    struct explanation e = {.snapshot = s, .at_unix_ms = at};
    struct query query;
    struct chat chat;

    if (!find_team(s, option_value(args, "--team"), &e.team) ||
        !read_request(&chat, a))
        return 1;
    query_of_chat(&query, &chat, e.team);
    e.query = &query;
    e.outlook = outlook = recall(s, &query, at, a);
    decide(&e.decision, s, &query, &world, a);
    if (e.decision.n_verdicts == 0) {
        fprintf(stderr,
                "bijia explain: no alias, offer or model is called \"%s\"\n",
                query.asked);
        return 1;
    }
    if (option_given(args, "--json"))
        explain_json(stdout, &e);
    else
        explain_table(stdout, &e, a);
    return e.decision.n_listed > 0 ? 0 : 1;
}

static int run(const struct args *args)
{
    const char *dir = option_conf_dir(args, NULL);
    const char *when = option_value(args, "--at");
    const struct secret_source *secrets = option_given(args, "--assume-keys")
                                              ? &secrets_assumed
                                              : &secrets_of_process;
    int64_t at = clock_unix_ms();
    struct snapshot *s = NULL;
    struct arena *a;
    static struct diag diag;
    int status;

    if (when && !time_parse(&at, when))
        return usage_error(args,
                           "--at wants an instant such as "
                           "2026-11-22T09:00:00Z, not \"%s\"",
                           when);
    if (snapshot_load(&s, dir, 1, secrets, &diag) < 0) {
        diag_print(&diag);
        return 1;
    }
    a = arena_new();
    status = explain(args, s, at, a);
    arena_free(a);
    snapshot_release(s);
    return status;
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--team", "TEAM", "as this team would be served; else without rules"},
    {"--at", "TIME", "by the prices of this instant; else of now"},
    {"--assume-keys", NULL, "as if every vendor had a key"},
    {"--json", NULL, "print one JSON object"},
};

extern const struct command command_explain;
const struct command command_explain = {
    .name = "explain",
    .usage = "[--team TEAM] [--at TIME] [--assume-keys] [--json] "
             "< request.json",
    .help = "show what a request would cost at each offer, and why",
    .more =
        "Reads a chat-completion request and prints the offers in the\n"
        "order they would be tried, what each is expected to cost, and why\n"
        "the others are out. Nothing is sent anywhere. Exit status 1: none\n"
        "can serve it.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run,
};
