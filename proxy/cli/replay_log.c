/*
 * The routing log decided again: what it would have cost under other rules.
 *
 * The log knows who asked for what, how many tokens it was and what it cost.
 * It does not know the text: prompts and answers are taken to be as long as
 * they were, whoever serves, and as much of a prompt to be cached. Requests
 * that failed are left out.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_scan.h"
#include "base/json_write.h"
#include "base/time.h"

#include "cli/again.h"
#include "cli/replay.h"

enum {
    TEAMS_MOST = 4096,
    NAME_BYTES = 192,
};

struct log_line {
    char at[64], team[NAME_BYTES], asked[NAME_BYTES], vendor[NAME_BYTES],
        model[NAME_BYTES];
    int64_t at_unix_ms, status, input, cached, output, thinking;
    struct money cost;
    bool has_cost, marked;
};

struct team_sums {
    char name[NAME_BYTES];
    int64_t requests, unserved, moved, before_nanos, after_nanos;
};

struct log_world {
    const struct snapshot *snapshot;
    struct again again;
    const struct log_line *line;
    struct team_sums *teams;
    size_t n_teams;
    int64_t left_out;
};

/* --- reading ---------------------------------------------------------------
 */

static void take_text(struct json_scan *s, char *to)
{
    struct json_text text;
    int64_t len;

    if (json_peek(s) != JSON_STRING) {
        json_skip(s);
        return;
    }
    json_text(s, &text);
    len = json_text_decode(text, to, NAME_BYTES - 1);
    to[len < 0 ? 0 : len] = '\0';
}

static void take_count(struct json_scan *s, int64_t *to)
{
    if (json_peek(s) != JSON_NUMBER)
        json_skip(s);
    else if (!json_int(s, to) || *to < 0)
        *to = 0;
}

static void take_yes(struct json_scan *s, bool *to)
{
    *to = json_peek(s) == JSON_TRUE;
    json_skip(s);
}

static void take_tokens(struct json_scan *s, struct log_line *l)
{
    struct json_text key;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);)
        if (json_text_is(key, "input"))
            take_count(s, &l->input);
        else if (json_text_is(key, "cached"))
            take_count(s, &l->cached);
        else if (json_text_is(key, "cache_marked"))
            take_yes(s, &l->marked);
        else if (json_text_is(key, "output"))
            take_count(s, &l->output);
        else if (json_text_is(key, "thinking"))
            take_count(s, &l->thinking);
        else
            json_skip(s);
}

static void take_cost(struct json_scan *s, struct log_line *l)
{
    char amount[NAME_BYTES] = "", currency[NAME_BYTES] = "";
    struct json_text key;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);)
        if (json_text_is(key, "amount"))
            take_text(s, amount);
        else if (json_text_is(key, "currency"))
            take_text(s, currency);
        else
            json_skip(s);
    l->has_cost = decimal_parse(&l->cost.nanos, amount) &&
                  currency_parse(&l->cost.currency, currency);
}

static bool read_line(struct log_line *l, struct slice text)
{
    static const struct {
        const char *name;
        size_t at;
    } texts[] = {
        {"team", offsetof(struct log_line, team)},
        {"asked", offsetof(struct log_line, asked)},
        {"vendor", offsetof(struct log_line, vendor)},
        {"model", offsetof(struct log_line, model)},
    };

    char at[NAME_BYTES] = "";
    struct json_text key;
    struct json_scan s;

    *l = (struct log_line){0};
    json_scan_init(&s, text);
    for (json_enter(&s); json_member(&s, &key);) {
        bool taken = false;

        for (size_t i = 0; i < ARRAY_LEN(texts) && !taken; i++)
            if (json_text_is(key, texts[i].name)) {
                take_text(&s, (char *)l + texts[i].at);
                taken = true;
            }
        if (taken)
            continue;
        if (json_text_is(key, "at"))
            take_text(&s, at);
        else if (json_text_is(key, "status"))
            take_count(&s, &l->status);
        else if (json_text_is(key, "tokens"))
            take_tokens(&s, l);
        else if (json_text_is(key, "cost"))
            take_cost(&s, l);
        else
            json_skip(&s);
    }
    return json_end(&s) && time_parse(&l->at_unix_ms, at) && l->asked[0];
}

/* --- deciding again ---------------------------------------------------------
 */

static struct team_sums *sums_of(struct log_world *w, const char *name)
{
    for (size_t i = 0; i < w->n_teams; i++)
        if (strcmp(w->teams[i].name, name) == 0)
            return &w->teams[i];
    if (w->n_teams < TEAMS_MOST - 1)
        memcpy(w->teams[w->n_teams++].name, name, strlen(name) + 1);
    else
        memcpy(w->teams[w->n_teams].name, "(others)", sizeof("(others)"));
    return &w->teams[w->n_teams < TEAMS_MOST - 1 ? w->n_teams - 1 : w->n_teams];
}

static int64_t nanos_of(const struct log_world *w, struct money m)
{
    struct money told = {0, w->snapshot->currency};

    return price_convert(&told, w->snapshot, m, w->snapshot->currency,
                         w->line->at_unix_ms)
               ? told.nanos
               : 0;
}

static void decide_again(struct log_world *w, struct arena *a)
{
    const struct log_line *l = w->line;
    const struct again_request request = {
        .team = l->team,
        .asked = l->asked,
        .at_unix_ms = l->at_unix_ms,
        .input = l->input,
        .cached = l->cached,
        .output = l->output,
        .thinking = l->thinking,
        .marked = l->marked,
    };
    struct team_sums *sums = sums_of(w, l->team);
    struct again_answer answer;

    again_decide(&w->again, &request, &answer, a);
    sums->requests++;
    if (l->has_cost)
        sums->before_nanos += nanos_of(w, l->cost);
    if (!answer.offer) {
        sums->unserved++;
        return;
    }
    sums->after_nanos += nanos_of(w, answer.cost);
    sums->moved += strcmp(answer.offer->vendor->name, l->vendor) != 0 ||
                   strcmp(answer.offer->model, l->model) != 0;
}

/* --- telling ----------------------------------------------------------------
 */

static void print_text(const struct log_world *w)
{
    const char *currency = currency_name(w->snapshot->currency);
    struct team_sums all = {.name = "all"};
    char before[MONEY_TEXT], after[MONEY_TEXT];

    printf("%-24s %10s %10s %10s %18s %18s %9s\n", "team", "requests", "moved",
           "unserved", "it cost", "it would cost", "");
    for (size_t i = 0; i <= w->n_teams; i++) {
        const struct team_sums *t = i < w->n_teams ? &w->teams[i] : &all;

        printf("%-24s %10" PRId64 " %10" PRId64 " %10" PRId64
               " %4s%14s %4s%14s %+8.2f%%\n",
               t->name, t->requests, t->moved, t->unserved, currency,
               decimal_text(t->before_nanos, before), currency,
               decimal_text(t->after_nanos, after),
               t->before_nanos
                   ? 100.0 *
                         ((double)t->after_nanos / (double)t->before_nanos - 1)
                   : 0);
        all.requests += t->requests;
        all.moved += t->moved;
        all.unserved += t->unserved;
        all.before_nanos += t->before_nanos;
        all.after_nanos += t->after_nanos;
    }
    printf("Tokens are taken as they were, cached ones too, whoever serves; "
           "%" PRId64 " requests that failed are left out.\n",
           w->left_out);
}

static void print_json(const struct log_world *w)
{
    char before[MONEY_TEXT], after[MONEY_TEXT];
    struct arena *a = arena_new();

    printf("{\"currency\":\"%s\",\"left_out\":%" PRId64 ",\"teams\":[",
           currency_name(w->snapshot->currency), w->left_out);
    for (size_t i = 0; i < w->n_teams; i++) {
        const struct team_sums *t = &w->teams[i];
        struct slice name = json_quote(a, slice_of(t->name));

        printf("%s{\"team\":%.*s,\"requests\":%" PRId64 ",\"moved\":%" PRId64
               ",\"unserved\":%" PRId64 ",\"before\":\"%s\",\"after\":\"%s\"}",
               i ? "," : "", (int)name.len, name.bytes, t->requests, t->moved,
               t->unserved, decimal_text(t->before_nanos, before),
               decimal_text(t->after_nanos, after));
    }
    printf("]}\n");
    arena_free(a);
}

int replay_log(const struct snapshot *s, FILE *log,
               const struct replay_log_options *options, struct arena *kept)
{
    struct log_line *l = arena_alloc(kept, sizeof(*l));
    struct log_world w = {
        .snapshot = s,
        .again = {.snapshot = s, .without = options->without},
        .line = l,
        .teams = arena_alloc(kept, TEAMS_MOST * sizeof(*w.teams)),
    };
    struct arena *a = arena_new();
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    again_begin(&w.again, kept);
    while ((len = getline(&line, &size, log)) > 0) {
        if (!read_line(l, (struct slice){line, (size_t)len}) ||
            l->status != 200 || !l->vendor[0]) {
            w.left_out++;
            continue;
        }
        decide_again(&w, a);
        arena_reset(a);
    }
    free(line);
    arena_free(a);
    options->json ? print_json(&w) : print_text(&w);
    return 0;
}
