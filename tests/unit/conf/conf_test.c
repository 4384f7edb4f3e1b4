#include "conf/conf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"

static struct arena *arena;
static struct diag diag;

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    diag = (struct diag){0};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* The conf of one file's text, the others empty; NULL: it has complaints. */
static const struct conf *read_one(const char *name, const char *text)
{
    const struct conf_file file = {name, text, strlen(text)};
    const struct conf *conf;
    int rc = conf_read(&conf, &file, 1, arena, &diag);

    assert_int_equal(rc, conf ? 0 : -1);
    return conf;
}

static const struct conf *read_good(const char *name, const char *text)
{
    const struct conf *conf = read_one(name, text);

    if (!conf)
        fail_msg("%s", diag.text);
    return conf;
}

static void no_file_at_all_means_all_defaults(void **state)
{
    const struct conf *conf;

    (void)state;
    assert_int_equal(conf_read(&conf, NULL, 0, arena, &diag), 0);
    assert_string_equal(conf->server.listen.items[0].text, "127.0.0.1:8080");
    assert_int_equal(conf->server.workers, 2);
    assert_string_equal(conf->server.state_dir, "state");
    assert_null(conf->server.pepper_file);
    assert_null(conf->server.tls_key);
    assert_int_equal(conf->server.head_bytes, 16384);
    assert_int_equal(conf->server.connect_ms, 3000);
    assert_int_equal(conf->server.attempts_most, 3);
    assert_int_equal(conf->server.breaker_failures, 5);
    assert_string_equal(conf->server.log_level, "info");
    assert_int_equal(conf->currency, CURRENCY_CNY);
    assert_int_equal(conf->n_vendors + conf->n_prices + conf->n_teams +
                         conf->n_keys + conf->n_aliases,
                     0);
}

static void a_section_with_nothing_below_it_is_an_empty_one(void **state)
{
    (void)state;
    read_good("bijia.yaml", "limits:\ntimeouts: ~\n");
    read_good("vendors.yaml", "vendors:\n");
    read_good("prices.yaml", "prices:\nexchange_rates: null\n");
    read_good("policy.yaml", "aliases:\nteams:\n");
    read_good("keys.yaml", "# none yet\n");
    read_good("keys.yaml", "--- \n...\n");
    assert_int_equal(read_good("policy.yaml", "teams: {a: , b: {}}")->n_teams,
                     2);
}

static void every_word_of_a_vendor_arrives(void **state)
{
    const struct conf_vendor *v;

    (void)state;
    v = read_good("vendors.yaml",
                  "vendors:\n"
                  "  own:\n"
                  "    {base_url: 'http://[::1]:80/v1', chat_path: /chat,\n"
                  "     adapter: openai, currency: USD, region: us,\n"
                  "     auth: api-key, keys: [{env: A}, {file: b/c}],\n"
                  "     quirks: [max_tokens, no_n], tokenizer: llama,\n"
                  "     ca_file: ca.pem, forward_proxy: 'socks5h://p:1080',\n"
                  "     idle: 5s, first_byte: 2s, silence: 3s,\n"
                  "     cancel_stops_billing: true,\n"
                  "     models: {m/1: {context: 8, max_output: 4, tools: yes,\n"
                  "       vision: Yes, json_object: no, json_schema: TRUE,\n"
                  "       thinking: yes, always_thinks: yes,\n"
                  "       first_byte: 90s}, m2: }}\n")
            ->vendors;
    assert_string_equal(v->name, "own");
    assert_int_equal(v->place.line, 2);
    assert_string_equal(v->base_url, "http://[::1]:80/v1");
    assert_string_equal(v->chat_path, "/chat");
    assert_string_equal(v->auth, "api-key");
    assert_int_equal(v->currency, CURRENCY_USD);
    assert_int_equal(v->n_keys, 2);
    assert_string_equal(v->keys[0].env, "A");
    assert_null(v->keys[0].file);
    assert_string_equal(v->keys[1].file, "b/c");
    assert_int_equal(v->quirks.n, 2);
    assert_string_equal(v->quirks.items[1].text, "no_n");
    assert_int_equal(v->quirks.items[1].place.column, 27);
    assert_string_equal(v->forward_proxy, "socks5h://p:1080");
    assert_int_equal(v->idle_ms, 5000);
    assert_true(v->cancel_stops_billing);
    assert_int_equal(v->n_models, 2);
    assert_string_equal(v->models[0].name, "m/1");
    assert_int_equal(v->models[0].context_tokens, 8);
    assert_true(v->models[0].tools && v->models[0].vision);
    assert_true(v->models[0].json_schema && !v->models[0].json_object);
    assert_true(v->models[0].always_thinks);
    assert_int_equal(v->models[0].first_byte_ms, 90000);
    assert_int_equal(v->models[1].context_tokens, 0);
    assert_false(v->models[1].tools);
}

static void a_price_takes_its_vendors_currency_unless_it_has_its_own(
    void **state)
{
    static const char vendors[] = "vendors: {a: {base_url: https://a.example, "
                                  "currency: USD, auth: none}}";
    static const char prices[] =
        "prices:\n"
        "  a:\n"
        "    m: {input: 2, output: 8, free: no}\n"
        "    n:\n"
        "      - {input: 1, cached_input: 0.1, cache_write: 1.25, output: 4,\n"
        "         thinking_output: 5, currency: CNY, from: 2026-01-01,\n"
        "         until: 2026-02-01, source: here, as_of: 2026-01}\n"
        "      - {input: 0, output: 0, free: yes}\n";
    const struct conf_file files[] = {
        {"prices.yaml", prices, strlen(prices)},
        {"vendors.yaml", vendors, strlen(vendors)},
    };
    const struct conf *conf;

    (void)state;
    assert_int_equal(conf_read(&conf, files, 2, arena, &diag), 0);
    assert_int_equal(conf->n_prices, 3);
    assert_int_equal(conf->prices[0].currency, CURRENCY_USD);
    assert_int_equal(conf->prices[0].from_ms, INT64_MIN);
    assert_false(conf->prices[0].has_cached);
    assert_int_equal(conf->prices[0].cached.nanos_per_mtok, 2000000000);
    assert_int_equal(conf->prices[0].thinking.nanos_per_mtok, 8000000000);
    assert_int_equal(conf->prices[1].currency, CURRENCY_CNY);
    assert_true(conf->prices[1].has_cached && conf->prices[1].has_thinking);
    assert_int_equal(conf->prices[1].cache_write.nanos_per_mtok, 1250000000);
    assert_int_equal(conf->prices[1].until_ms - conf->prices[1].from_ms,
                     INT64_C(31) * 86400000);
    assert_string_equal(conf->prices[1].as_of, "2026-01");
    assert_true(conf->prices[2].free);
    assert_string_equal(conf->prices[2].model, "n");
}

static void every_rule_of_a_team_arrives(void **state)
{
    const struct conf *conf;
    const struct conf_team *t;

    (void)state;
    conf = read_good("policy.yaml", "currency: USD\n"
                                    "aliases: {chat: [a/b, c], one: 'a/*'}\n"
                                    "teams:\n"
                                    "  研发:\n"
                                    "    vendors: {allow: [a, b*], deny: c}\n"
                                    "    models: {allow: m, deny: []}\n"
                                    "    price_cap: {input: 10, output: 0.5}\n"
                                    "    aliases: {chat: x}\n");
    t = conf->teams;
    assert_int_equal(conf->currency, CURRENCY_USD);
    assert_int_equal(conf->n_aliases, 2);
    assert_int_equal(conf->aliases[0].targets.n, 2);
    assert_string_equal(conf->aliases[1].name, "one");
    assert_string_equal(t->name, "研发");
    assert_int_equal(t->rules.allow_vendors.n, 2);
    assert_string_equal(t->rules.deny_vendors.items[0].text, "c");
    assert_int_equal(t->rules.deny_models.n, 0);
    assert_int_equal(t->rules.cap_input.nanos_per_mtok, 10000000000);
    assert_int_equal(t->rules.cap_output.nanos_per_mtok, 500000000);
    assert_string_equal(t->aliases[0].targets.items[0].text, "x");
}

static void words_that_look_like_other_things_stay_words(void **state)
{
    const struct conf *conf;

    (void)state;
    conf = read_good("policy.yaml",
                     "teams: {no: {}, 1.10: {}, 2026-01-01: {}, 0x1f: {}}\n"
                     "aliases: {yes: [on, 1e3, 12:30:45]}\n");
    assert_string_equal(conf->teams[0].name, "no");
    assert_string_equal(conf->teams[1].name, "1.10");
    assert_string_equal(conf->teams[2].name, "2026-01-01");
    assert_string_equal(conf->teams[3].name, "0x1f");
    assert_string_equal(conf->aliases[0].name, "yes");
    assert_string_equal(conf->aliases[0].targets.items[1].text, "1e3");
    assert_string_equal(conf->aliases[0].targets.items[2].text, "12:30:45");
}

static void complaints_of_all_files_come_together(void **state)
{
    static const struct conf_file files[] = {
        {"bijia.yaml", "workers: x\n", 11},
        {"policy.yaml", "curency: USD\n", 13},
        {"keys.yaml", "- {}\n", 5},
    };
    const struct conf *conf;

    (void)state;
    assert_int_equal(conf_read(&conf, files, 3, arena, &diag), -1);
    assert_null(conf);
    assert_non_null(strstr(diag.text, "bijia.yaml:1:10: error: \"workers\""));
    assert_non_null(strstr(diag.text, "did you mean \"currency\"?"));
    assert_non_null(strstr(diag.text, "keys.yaml:1:3: error: \"digest\" is"));
    assert_int_equal(diag.errors, 5);
}

static void rooms_above_can_quote_any_place_later(void **state)
{
    const struct conf *conf =
        read_good("vendors.yaml", "vendors:\n  a: {base_url: https://a.b, "
                                  "currency: CNY, auth: none, quirks: [x]}\n");

    (void)state;
    diag_error(&diag, &conf->vendors[0].quirks.items[0].place, "no such quirk");
    assert_non_null(strstr(diag.text, "vendors.yaml:2:66: error: no such"));
    assert_non_null(strstr(diag.text, "quirks: [x]}\n"));
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_directory_needs_all_files_but_keys(void **state)
{
    static const char *const names[] = {"bijia.yaml", "vendors.yaml",
                                        "prices.yaml", "policy.yaml"};
    char dir[] = "/tmp/conf_test_XXXXXX", path[64];
    const struct conf *conf;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(conf_load(&conf, dir, arena, &diag), -1);
    assert_int_equal(diag.errors, 4);
    assert_non_null(strstr(diag.text, "/policy.yaml:1:1: error: cannot be "
                                      "read: No such file or directory\n"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        write_file(dir, names[i], "");
    snprintf(path, sizeof(path), "%s//", dir);
    diag = (struct diag){0};
    assert_int_equal(conf_load(&conf, path, arena, &diag), 0);
    assert_string_equal(conf->dir, dir);
    write_file(dir, "policy.yaml", "teams: {a: 5}\n");
    assert_int_equal(conf_load(&conf, dir, arena, &diag), -1);
    snprintf(path, sizeof(path), "%s/policy.yaml:1:12: error:", dir);
    assert_non_null(strstr(diag.text, path));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/policy.yaml", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    diag = (struct diag){0};
    assert_int_equal(conf_load(&conf, dir, arena, &diag), -1);
    assert_non_null(strstr(diag.text, "Is a directory"));
    rmdir(path);
    rmdir(dir);
}

static void a_file_may_have_4_mib_and_no_more(void **state)
{
    size_t len = (4 << 20) + 1;
    char *text = arena_alloc(arena, len);
    struct conf_file file = {"bijia.yaml", text, len - 1};
    const struct conf *conf;

    (void)state;
    memset(text, '#', len);
    assert_int_equal(conf_read(&conf, &file, 1, arena, &diag), 0);
    file.len = len;
    diag = (struct diag){0};
    assert_int_equal(conf_read(&conf, &file, 1, arena, &diag), -1);
    assert_string_equal(diag.text, "bijia.yaml:1:1: error: larger than 4 "
                                   "MiB\n");
}

/* Generous, for slow builds: quadratic would take minutes. */
static void twenty_thousand_keys_and_5000_teams_load_quickly(void **state)
{
    enum {
        KEYS = 20000,
        TEAMS = 5000,
        ROOM = 4 << 20
    };

    char *keys = arena_alloc(arena, ROOM), *policy = arena_alloc(arena, ROOM);
    size_t n_keys = 0, n_policy = 0;
    struct conf_file files[2];
    const struct conf *conf;
    int64_t began;

    (void)state;
    for (int i = 0; i < KEYS; i++)
        n_keys += (size_t)snprintf(
            keys + n_keys, ROOM - n_keys,
            "- {id: k%06d, team: t%04d, name: laptop, digest: %064d,"
            " created: 2026-11-22T09:00:00Z}\n",
            i, i % TEAMS, i);
    n_policy += (size_t)snprintf(policy, ROOM, "teams:\n");
    for (int i = 0; i < TEAMS; i++)
        n_policy += (size_t)snprintf(
            policy + n_policy, ROOM - n_policy,
            "  t%04d: {vendors: {allow: [a, b]}, price_cap: {input: 1}}\n", i);
    files[0] = (struct conf_file){"keys.yaml", keys, n_keys};
    files[1] = (struct conf_file){"policy.yaml", policy, n_policy};
    began = clock_mono_ms();
    assert_int_equal(conf_read(&conf, files, 2, arena, &diag), 0);
    assert_in_range(clock_mono_ms() - began, 0, 10000);
    assert_int_equal(conf->n_keys, KEYS);
    assert_int_equal(conf->n_teams, TEAMS);
    assert_string_equal(conf->keys[KEYS - 1].id, "k019999");
}

struct told {
    size_t len;
    char text[64 * 1024];
};

static void add_told(struct told *t, const char *text, const char *end)
{
    size_t room = sizeof(t->text) - t->len;
    int n = snprintf(t->text + t->len, room, "%s%s", text, end);

    assert_in_range(n, 0, room - 1);
    t->len += (size_t)n;
}

static void add_word(void *to, const char *word)
{
    add_told(to, word, " ");
}

static void a_reload_is_told_which_words_want_a_restart(void **state)
{
    const struct conf *a, *b;
    static struct told words;

    (void)state;
    a = read_good("bijia.yaml", "listen: [127.0.0.1:1, 127.0.0.1:2]\n"
                                "limits: {head: 16KiB}\n");
    b = read_good("bijia.yaml", "listen: [127.0.0.1:1, 127.0.0.1:3]\n"
                                "workers: 3\n"
                                "pepper_file: p\n"
                                "tls: {certificate: c, key: k}\n"
                                "limits: {head: 8KiB}\n"
                                "log_level: debug\n");
    conf_compare(a, a, add_word, &words);
    assert_string_equal(words.text, "");
    conf_compare(a, b, add_word, &words);
    assert_string_equal(words.text,
                        "listen workers pepper_file tls.certificate tls.key ");
}

static void add_line(void *to, const char *line)
{
    assert_true(strlen(line) <= 120);
    add_told(to, line, "\n");
}

static void the_reference_tells_of_every_word(void **state)
{
    static const char *const words[] = {
        "bijia.yaml\n",
        "vendors.yaml\n",
        "prices.yaml\n",
        "policy.yaml\n",
        "keys.yaml\n",
        "stream_buffer ",
        "256KiB",
        "16KiB..16MiB",
        "restart",
        "live",
        "one of: error warn info debug",
        "cancel_stops_billing",
        "thinking_output",
        "exchange_rates",
        "price_cap",
        "required",
        "digest",
    };
    static struct told all;

    (void)state;
    conf_reference(add_line, &all);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strstr(all.text, words[i]))
            fail_msg("\"%s\" is not told", words[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_file_at_all_means_all_defaults),
        TEST(a_section_with_nothing_below_it_is_an_empty_one),
        TEST(every_word_of_a_vendor_arrives),
        TEST(a_price_takes_its_vendors_currency_unless_it_has_its_own),
        TEST(every_rule_of_a_team_arrives),
        TEST(words_that_look_like_other_things_stay_words),
        TEST(complaints_of_all_files_come_together),
        TEST(rooms_above_can_quote_any_place_later),
        TEST(a_directory_needs_all_files_but_keys),
        TEST(a_file_may_have_4_mib_and_no_more),
        TEST(twenty_thousand_keys_and_5000_teams_load_quickly),
        TEST(a_reload_is_told_which_words_want_a_restart),
        TEST(the_reference_tells_of_every_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
