/*
 * decide_bench.c - what the parts of a decision cost, in nanoseconds.
 *
 *     decide_bench [OFFERS [ROUNDS]]
 *
 * One vendor in two bills in USD, prices have four rows each, one of them with
 * a window where clocks change, one with lengths, and the team has rules and a
 * cap: nothing is left out that a busy proxy would do.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/fatal.h"

#include "routing/decide.h"
#include "routing/learn.h"
#include "routing/names.h"
#include "routing/team_key.h"

enum {
    VENDORS = 20,
    ROUNDS = 5000,
    KEY_ROUNDS = 500000,
    TEXT_BYTES = 256 * 1024,
    TURNS = 6,
};

static char *secret(void *self, const struct conf_key_source *from,
                    const char *dir, struct arena *a, struct diag *diag)
{
    (void)self;
    (void)dir;
    (void)diag;
    return arena_printf(a, "%s-0123456789abcdef0123456789abcdef",
                        from->env ? from->env : "pepper");
}

static const struct secret_source secrets = {.read = secret};

struct text {
    char bytes[TEXT_BYTES];
    size_t len;
};

PRINTF_LIKE(2, 3)

static void add(struct text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    t->len +=
        (size_t)vsnprintf(t->bytes + t->len, TEXT_BYTES - t->len, fmt, args);
    va_end(args);
    ENSURE(t->len < TEXT_BYTES);
}

static void write_market(struct text files[3], int n_offers)
{
    add(&files[0], "vendors:\n");
    add(&files[1], "windows:\n  peak: {zone: America/New_York, days: Mon-Fri, "
                   "hours: [09:00-12:00, 14:00-18:00]}\nexchange_rates:\n  - "
                   "{pair: USD/CNY, from: 2026-01-01, "
                   "rate: 7.1, source: x}\nprices:\n");
    add(&files[2], "currency: CNY\nteams:\n  team:\n    vendors: {deny: "
                   "[v0]}\n    price_cap: {input: 100, output: 100}\n"
                   "aliases:\n  chat: ['*']\n");
    for (int v = 0; v < VENDORS && v < n_offers; v++) {
        add(&files[0],
            "  v%d:\n    base_url: https://v.example\n    currency: %s\n"
            "    keys: [{env: KEY}]\n    models:\n",
            v, v % 2 ? "USD" : "CNY");
        add(&files[1], "  v%d:\n", v);
        for (int m = 0; m * VENDORS + v < n_offers; m++) {
            add(&files[0],
                "      m%d: {context: 128000, max_output: 8000, tools: yes}\n",
                m);
            add(&files[1],
                "    m%d:\n"
                "      - {from: 2030-01-01, input: 1, output: 1}\n"
                "      - {when: peak, input: 9, output: 9}\n"
                "      - {input_at_most: 2000, output_at_most: 200, input: 1, "
                "output: 1}\n"
                "      - {input: %d.%d, output: %d}\n",
                m, 1 + m % 7, v, 2 + (m + v) % 11);
        }
    }
}

static int rounds = ROUNDS;

static struct snapshot *market(int n_offers)
{
    static struct text files[3];
    static struct diag diag;
    struct arena *a = arena_new();
    const struct conf *conf;
    struct snapshot *s;

    write_market(files, n_offers);
    const struct conf_file given[] = {
        {"bijia.yaml", "{}", 2},
        {"vendors.yaml", files[0].bytes, files[0].len},
        {"prices.yaml", files[1].bytes, files[1].len},
        {"policy.yaml", files[2].bytes, files[2].len},
    };
    if (conf_read(&conf, given, ARRAY_LEN(given), a, &diag) < 0 ||
        snapshot_compile(&s, conf, a, 1, &secrets, &diag) < 0)
        fatal("%s", diag.text);
    return s;
}

static void look(const void *self, const struct offer *offer,
                 struct offer_state *out)
{
    (void)self;
    *out = (struct offer_state){
        .available = true,
        .key_ready = true,
        .latency_ms = 100 + (int32_t)offer->index,
        .input_ppm = 1010000,
        .output_tokens = 250,
    };
}

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void bench_decide(const struct snapshot *s)
{
    const struct query q = {
        .asked = "chat",
        .team = snapshot_find_team(s, "team"),
        .needs = NEED_TOOLS,
        .text = {.han = 2000, .latin = 3000, .words = 600, .punct = 300},
        .n_messages = 8,
        .n = 1,
    };
    const struct conditions c = {.now_unix_ms = 1795000000000, .look = look};
    struct arena *a = arena_new();
    struct decision d = {0};
    double begin = cpu_ns();

    for (int i = 0; i < rounds; i++) {
        arena_reset(a);
        decide(&d, s, &q, &c, a);
    }
    printf("decide, %u offers, %u listed: %.0f ns\n", d.n_verdicts, d.n_listed,
           (cpu_ns() - begin) / rounds);
    arena_free(a);
}

/* --- with all that is learnt ---------------------------------------------- */

struct lore {
    struct learnt *learnt;
    const uint16_t *numbers;
    struct outlook *outlook;
};

static void look_learnt(const void *self, const struct offer *offer,
                        struct offer_state *out)
{
    const struct lore *w = self;

    look(NULL, offer, out);
    learnt_look(w->outlook, offer, out);
}

static void weigh_learnt(const void *self, const struct snapshot *s,
                         struct verdict *const *listed, uint32_t n)
{
    const struct lore *w = self;

    learnt_weigh(w->outlook, s, listed, n);
}

/* The turn-th request of a conversation: each is three blocks longer. */
static struct query turn_of(const struct snapshot *s, int conversation,
                            int turn)
{
    static uint64_t names[3 * TURNS];
    static int32_t ends[3 * TURNS];
    uint32_t n = 3 * (uint32_t)(turn + 1);

    for (uint32_t i = 0; i < n; i++) {
        names[i] = i == 0 ? 7 : 1000 * (uint64_t)(conversation + 1) + i;
        ends[i] = 500 * (int32_t)(i + 1);
    }
    return (struct query){
        .asked = "chat",
        .team = snapshot_find_team(s, "team"),
        .needs = NEED_TOOLS,
        .text = {.latin = 1600 * (int64_t)n,
                 .words = 500 * (int64_t)n,
                 .han = 200 * (int64_t)n},
        .n_messages = 2 * n,
        .n = 1,
        .prefix = {.names = names, .ends = ends, .n = n},
    };
}

static double converse(const struct snapshot *s, struct lore *w, int64_t now,
                       int turns, bool answers)
{
    struct conditions c = {.now_unix_ms = now,
                           .look = look_learnt,
                           .weigh = weigh_learnt,
                           .self = w};
    struct arena *a = arena_new();
    struct decision d;
    double begin = cpu_ns();

    for (int i = 0; i < turns; i++) {
        struct query q = turn_of(s, i / TURNS, answers ? i % TURNS : 3);

        arena_reset(a);
        w->outlook =
            learnt_prepare(w->learnt, w->numbers, &q, c.now_unix_ms, a);
        decide(&d, s, &q, &c, a);
        if (answers) {
            struct usage u = d.verdicts[0].expected;
            struct lesson *x =
                learnt_sent(w->learnt, w->outlook, s, &d, &d.verdicts[0], a);

            u.estimated = false;
            u.output_tokens = 100 + 10 * (i % 30);
            learnt_answered(w->learnt, x, &u, d.verdicts[0].compared.nanos);
            c.now_unix_ms += 1000;
        }
    }
    begin = cpu_ns() - begin;
    arena_free(a);
    return begin / turns;
}

static void bench_learnt(const struct snapshot *s)
{
    const int64_t now = 1795000000000;
    const uint64_t key[2] = {1, 2};
    size_t bytes = learnt_bytes(learnt_limits_small);
    struct arena *a = arena_new();
    struct lore w;
    char *memory = arena_alloc(a, bytes + 64);
    double taught;

    w.learnt = learnt_init(memory + (-(uintptr_t)memory % 64),
                           learnt_limits_small, key);
    w.numbers = learnt_bind(w.learnt, s, a);
    taught = converse(s, &w, now, 300, true);
    printf("all that is learnt looked up, decide, weighed: %.0f ns; "
           "with the answer's lesson: %.0f ns\n",
           converse(s, &w, now + 305000, rounds, false), taught);
    arena_free(a);
}

static void bench_keys(void)
{
    static const struct team team = {.name = "t"};
    struct arena *a = arena_new();
    char text[TEAM_KEY_LEN + 1];
    struct slice id, secret_part;
    struct team_key key = {.team = &team};
    struct names *names = names_new(1, a);
    struct snapshot s = {.names = names};
    double begin;
    size_t found = 0;

    team_key_make(text);
    ENSURE(team_key_parse(slice_of(text), &id, &secret_part));
    hmac_key_init(&s.pepper, slice_of("0123456789abcdef0123456789abcdef"));
    hmac_sha256(key.digest, &s.pepper, secret_part);
    key.id = arena_strndup(a, id.bytes, id.len);
    ENSURE(names_add(names, NAMES_KEY, key.id, &key));
    begin = cpu_ns();
    for (int i = 0; i < KEY_ROUNDS; i++)
        found += team_key_check(&s, slice_of(text)) == &key;
    ENSURE(found == KEY_ROUNDS);
    printf("team_key_check: %.0f ns\n", (cpu_ns() - begin) / KEY_ROUNDS);
    arena_free(a);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    struct snapshot *s = market(n < 2 || n > 1000 ? 200 : (int)n);

    if (argc > 2)
        rounds = (int)strtol(argv[2], NULL, 10);
    bench_decide(s);
    bench_learnt(s);
    if (argc < 3)
        bench_keys();
    snapshot_release(s);
    return 0;
}
