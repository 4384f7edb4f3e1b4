#include "routing/snapshot.h"

#include <pthread.h>

#include "base/clock.h"

#include "unit/routing/fixture.h"

static const char vendors[] =
    "vendors:\n"
    "  deepseek:\n"
    "    base_url: https://api.deepseek.example/v1/\n"
    "    currency: CNY\n"
    "    keys: [{env: FIRST}, {env: SECOND}, {env: FIRST}]\n"
    "    models: {flash: {}, glm-5: {}}\n"
    "  zhipu:\n"
    "    base_url: http://127.0.0.1:9000\n"
    "    currency: CNY\n"
    "    keys: [{env: NONE}]\n"
    "    first_byte: 7s\n"
    "    models: {glm-5: {}, glm-5-air: {}}\n"
    "  router:\n"
    "    base_url: https://router.example/api/v1\n"
    "    currency: CNY\n"
    "    keys: [{env: KEY}]\n"
    "    models: {deepseek/pro: {}, deepseek/flash: {}, glm-5: {}}\n"
    "  home:\n"
    "    base_url: https://[2001:DB8::1]:8443/\n"
    "    currency: CNY\n"
    "    auth: none\n"
    "    models: {llama: {}}\n";

static const char prices[] =
    "prices:\n"
    "  deepseek: {flash: {input: 1, output: 2}, glm-5: {input: 1, output: 2}}\n"
    "  zhipu: {glm-5: {input: 1, output: 2}, glm-5-air: {input: 1, output: "
    "2}}\n"
    "  router:\n"
    "    deepseek/pro: {input: 1, output: 2}\n"
    "    deepseek/flash: {input: 1, output: 2}\n"
    "    glm-5: {input: 1, output: 2}\n"
    "  home: {llama: {input: 1, output: 2}}\n";

static const char policy[] =
    "currency: CNY\n"
    "aliases:\n"
    "  chat: [deepseek/flash, glm-5, deepseek/flash]\n"
    "  all-of-deepseek: deepseek/*\n"
    "  glms: [glm-*]\n"
    "  glm-5-air: [home/llama]\n"
    "teams:\n"
    "  plain: {}\n"
    "  own:\n"
    "    aliases: {chat: [home/llama], mine: [router/*]}\n"
    "  no-router: {vendors: {deny: [router]}}\n"
    "  only: {vendors: {allow: [deep*, zhipu]}, models: {deny: [glm-5]}}\n"
    "  few: {models: {allow: [deepseek/flash, zhipu/glm-*]}}\n"
    "  none: {vendors: {deny: ['*']}}\n";

static struct snapshot *market(void)
{
    struct yaml y = {vendors, prices, policy, NULL};

    return snapshot_of(&y);
}

static void a_vendor_is_taken_apart_once(void **state)
{
    struct snapshot *s = market();
    const struct vendor *v = s->vendors;

    (void)state;
    assert_int_equal(s->n_vendors, 4);
    assert_true(v[0].tls);
    assert_string_equal(v[0].host, "api.deepseek.example");
    assert_int_equal(v[0].port, 443);
    assert_string_equal(v[0].base_path, "/v1");
    assert_string_equal(v[0].manner.chat_path, "/chat/completions");
    assert_string_equal(v[0].manner.adapter->name, "openai");
    assert_int_equal(v[0].auth, AUTH_BEARER);
    assert_false(v[1].tls);
    assert_string_equal(v[1].host, "127.0.0.1");
    assert_int_equal(v[1].port, 9000);
    assert_string_equal(v[1].base_path, "");
    assert_int_equal(v[1].first_byte_ms, 7000);
    assert_int_equal(v[0].first_byte_ms, s->conf->server.first_byte_ms);
    assert_int_equal(v[0].silence_ms, s->conf->server.silence_ms);
    assert_string_equal(v[3].host, "2001:db8::1");
    assert_int_equal(v[3].port, 8443);
    assert_int_equal(v[3].auth, AUTH_NONE);
    assert_int_equal(v[2].first_offer, 4);
    assert_int_equal(v[2].n_offers, 3);
    snapshot_release(s);
}

static void keys_are_gathered_from_all_their_sources(void **state)
{
    struct snapshot *s = market();
    const struct vendor *v = s->vendors;

    (void)state;
    assert_int_equal(v[0].n_keys, 4); /* FIRST stands there twice */
    assert_string_equal(v[0].keys[0].text, "FIRST-1");
    assert_string_equal(v[0].keys[1].text, "FIRST-2");
    assert_string_equal(v[0].keys[3].text, "SECOND-2");
    assert_true(v[0].keys[0].id != v[0].keys[1].id);
    assert_int_equal(v[1].n_keys, 0);
    assert_int_equal(v[3].n_keys, 0);
    assert_int_equal(fixture_diag.warnings, 1); /* team "none" */
    snapshot_release(s);
}

static void a_key_has_the_same_id_in_each_edition(void **state)
{
    struct snapshot *one = market(), *two = market();

    (void)state;
    assert_true(one->vendors[0].keys[2].id == two->vendors[0].keys[2].id);
    snapshot_release(one);
    snapshot_release(two);
}

/* "a b": the names of a set, in its order. */
static const char *names_of(struct offer_set set)
{
    static char text[512];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < set.n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
                                i ? " " : "", set.offers[i]->name);
    return text;
}

static void a_name_is_an_alias_then_an_offer_then_a_model(void **state)
{
    struct snapshot *s = market();
    const struct team *own = snapshot_find_team(s, "own");

    static const struct {
        bool own;
        const char *asked, *means;
    } rows[] = {
        {false, "chat",
         "deepseek/flash deepseek/glm-5 zhipu/glm-5 router/glm-5"},
        {true, "chat", "home/llama"},
        {true, "mine",
         "router/deepseek/pro router/deepseek/flash router/glm-5"},
        {false, "mine", ""},
        {true, "glms",
         "deepseek/glm-5 zhipu/glm-5 zhipu/glm-5-air router/glm-5"},
        {false, "all-of-deepseek", "deepseek/flash deepseek/glm-5"},
        {false, "zhipu/glm-5", "zhipu/glm-5"},
        {false, "glm-5", "deepseek/glm-5 zhipu/glm-5 router/glm-5"},
        {false, "glm-5-air", "home/llama"}, /* the alias hides the model */
        {false, "zhipu/glm-5-air", "zhipu/glm-5-air"},
        {false, "deepseek/pro", "router/deepseek/pro"},
        {false, "deepseek/flash", "deepseek/flash"}, /* the vendor's own */
        {false, "router/deepseek/flash", "router/deepseek/flash"},
        {false, "flash", "deepseek/flash"},
        {false, "deepseek", ""},
        {false, "deepseek/*", ""},
        {false, "glm-*", ""},
        {false, "", ""},
        {false, "FLASH", ""},
        {false, "a-name-that-is-longer-than-any-other-in-the-table", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(names_of(snapshot_resolve(
                                s, rows[i].own ? own : NULL, rows[i].asked)),
                            rows[i].means);
    assert_null(snapshot_find_team(s, "nobody"));
    snapshot_release(s);
}

/* A letter for each offer in order, '.' where the team may not use it. */
static const char *allowed_to(const struct snapshot *s, const char *team)
{
    static const char letters[] = "abcdefgh", dots[] = "........";
    static char text[16];
    const struct team *t = team ? snapshot_find_team(s, team) : NULL;

    for (size_t i = 0; i < s->n_offers; i++)
        text[i] = (team_allows(s, t, &s->offers[i]) ? letters : dots)[i];
    text[s->n_offers] = '\0';
    return text;
}

static void rules_leave_what_is_allowed_and_not_denied(void **state)
{
    struct snapshot *s = market();

    (void)state;
    assert_string_equal(allowed_to(s, NULL), "abcdefgh");
    assert_string_equal(allowed_to(s, "plain"), "abcdefgh");
    assert_string_equal(allowed_to(s, "no-router"), "abcd...h");
    assert_string_equal(allowed_to(s, "only"), "a..d....");
    assert_string_equal(allowed_to(s, "few"), "a.cd....");
    assert_string_equal(allowed_to(s, "none"), "........");
    assert_told("leave it no model at all");
    snapshot_release(s);
}

struct listed {
    char text[512];
    size_t len;
};

static void list_name(void *to, const char *id, const char *owner)
{
    struct listed *l = to;

    l->len +=
        (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s ",
                         id, strcmp(owner, "bijia") == 0 ? "!" : "");
}

static void the_list_of_models_is_what_a_team_may_ask_for(void **state)
{
    struct snapshot *s = market();

    static const struct {
        const char *team, *list;
    } rows[] = {
        {"few", "chat! all-of-deepseek! deepseek/flash "},
        {"own", "chat! mine! all-of-deepseek! glms! glm-5-air! deepseek/flash "
                "deepseek/glm-5 router/deepseek/pro router/deepseek/flash "
                "router/glm-5 home/llama "},
        {"none", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct listed list = {0};

        snapshot_list_models(s, snapshot_find_team(s, rows[i].team), list_name,
                             &list);
        assert_string_equal(list.text, rows[i].list);
    }
    snapshot_release(s);
}

static void a_model_has_an_owner_where_the_team_may_ask_for_it(void **state)
{
    struct snapshot *s = market();

    static const struct {
        const char *team, *asked, *owner;
    } rows[] = {
        {"few", "deepseek/flash", "deepseek"},
        {"few", "chat", "bijia"},
        {"few", "deepseek/glm-5", NULL},
        {"few", "glms", NULL},
        {"few", "mine", NULL},
        {"own", "mine", "bijia"},
        {"own", "glm-5", "bijia"}, /* whoever sells it */
        {"own", "router/deepseek/pro", "router"},
        {"own", "no-such-model", NULL},
        {"own", "", NULL},
        {"none", "chat", NULL},
        {"none", "deepseek/flash", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *owner = snapshot_model_owner(
            s, snapshot_find_team(s, rows[i].team), rows[i].asked);

        if (!owner != !rows[i].owner || (owner && strcmp(owner, rows[i].owner)))
            fail_msg("%s: %s: %s", rows[i].team, rows[i].asked, owner);
    }
    snapshot_release(s);
}

struct complaint {
    const char *vendors, *prices, *policy, *keys;
    const char *told;
    bool fatal;
};

static const char small_vendors[] = "vendors:\n"
                                    "  one:\n"
                                    "    base_url: https://one.example\n"
                                    "    currency: CNY\n"
                                    "    keys: [{env: KEY}]\n"
                                    "    models: {mm: {}}\n";
static const char small_prices[] =
    "prices: {one: {mm: {input: 1, output: 1}}}\n";
static const char small_policy[] = "currency: CNY\n";

static const struct complaint complaints[] = {
    {"vendors:\n"
     "  one:\n"
     "    base_url: https://one.example\n"
     "    currency: CNY\n"
     "    adapter: klingon\n"
     "    keys: [{env: KEY}]\n"
     "    models: {mm: {}}\n",
     small_prices, small_policy, NULL,
     "\"klingon\", which no adapter knows; known: openai", true},
    {"vendors:\n"
     "  one:\n"
     "    base_url: https://one.example\n"
     "    currency: CNY\n"
     "    quirks: [max_tokenz]\n"
     "    keys: [{env: KEY}]\n"
     "    models: {mm: {}}\n",
     small_prices, small_policy, NULL,
     "vendors.yaml:5:14: error: no quirk is called \"max_tokenz\"; did "
     "you mean \"max_tokens\"?",
     true},
    {"vendors:\n"
     "  one:\n"
     "    base_url: https://one.example\n"
     "    currency: CNY\n"
     "    tokenizer: nonesuch\n"
     "    keys: [{env: KEY}]\n"
     "    models: {mm: {}}\n",
     small_prices, small_policy, NULL,
     "no tokenizer family is called \"nonesuch\"", true},
    {"vendors:\n"
     "  one:\n"
     "    base_url: https://one.example\n"
     "    currency: CNY\n"
     "    keys: [{env: 'K'}, {file: gone}]\n"
     "    models: {mm: {}}\n",
     small_prices, small_policy, NULL,
     "vendors.yaml:5:24: warning: there is no file gone", false},
    {small_vendors, small_prices, "currency: CNY\naliases: {chat: [one/mn]}\n",
     NULL,
     "policy.yaml:2:18: error: no vendor sells \"one/mn\"; did you mean "
     "\"one/mm\"?",
     true},
    {small_vendors, small_prices,
     "currency: CNY\nteams: {t: {aliases: {chat: [zz]}}}\n", NULL,
     "policy.yaml:2:30: error: no vendor sells \"zz\"\n", true},
    {small_vendors, small_prices,
     "currency: CNY\nteams: {t: {vendors: {deny: [onne]}}}\n", NULL,
     "error: no vendor is called \"onne\"; did you mean \"one\"?", true},
    {small_vendors, small_prices,
     "currency: CNY\nteams: {t: {models: {allow: ['q*', mm]}}}\n", NULL,
     "warning: \"q*\" matches nothing", false},
    {small_vendors, "prices: {two: {mm: {input: 1, output: 1}}}\n",
     small_policy, NULL,
     "warning: a price of \"two\", but no vendor is so called", false},
    {small_vendors, "prices: {one: {mn: {input: 1, output: 1}}}\n",
     small_policy, NULL,
     "warning: a price of \"mn\", but \"one\" has no such model; did you "
     "mean \"mm\"?",
     false},
    {small_vendors,
     "prices: {one: {mm: {currency: USD, input: 1, output: 1}}}\n",
     small_policy, NULL,
     "warning: prices in USD, but no exchange rate leads to CNY", false},
    {small_vendors,
     "prices:\n"
     "  one:\n"
     "    mm:\n"
     "      - {input: 1, output: 1}\n"
     "      - {from: 2026-01-01, input: 2, output: 2}\n",
     small_policy, NULL,
     "prices.yaml:5:9: warning: this price of \"one/mm\" is never used: "
     "the one in line 4 holds",
     false},
    {small_vendors, "prices: {}\n", small_policy, NULL,
     "vendors.yaml:2:3: warning: 1 of 1 models of \"one\" have no price",
     false},
    {small_vendors, small_prices, small_policy,
     "- {id: abcdefgh, team: gone, digest: "
     "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
     "\"}\n",
     "warning: key abcdefgh is of team \"gone\"", false},
    {small_vendors, small_prices, "currency: CNY\nteams: {t: {}}\n",
     "- {id: short, team: t, digest: "
     "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
     "\"}\n",
     "error: a key's id is 8 letters and digits, not \"short\"", true},
};

static void complaints_point_at_the_guilty_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(complaints); i++) {
        struct yaml y = {complaints[i].vendors, complaints[i].prices,
                         complaints[i].policy, complaints[i].keys};
        struct snapshot *s = snapshot_try(&y, &fixture_secrets);

        assert_told(complaints[i].told);
        assert_int_equal(s == NULL, complaints[i].fatal);
        snapshot_release(s);
    }
}

static const char *odd_text; /* what odd_secret gives */

static char *odd_secret(void *self, const struct conf_key_source *from,
                        const char *dir, struct arena *a, struct diag *diag)
{
    (void)self;
    (void)dir;
    (void)diag;
    (void)from;
    return arena_strndup(a, odd_text, strlen(odd_text));
}

static void keys_that_no_header_could_carry_are_refused_unshown(void **state)
{
    static const struct secret_source odd = {.read = odd_secret};
    static char long_key[514];

    static const struct {
        const char *text;
        int n_keys; /* -1: refused */
    } rows[] = {
        {"sk-1", 1},
        {"  sk-1  \r\n", 1},
        {"sk-1\nsk-2\n", 2},
        {"sk-1,sk-2,,\n\n,sk-3", 3},
        {"sk-1,sk-1", 1},
        {"", 0},
        {" \n , \n", 0},
        {"sk secret", -1},
        {"sk-1\tsecret", -1},
        {"sk-\x01secret", -1},
        {"sk-\xe4\xbd\xa0secret", -1},
        {long_key, -1},
        {long_key + 1, 1},
    };

    static const char v[] = "vendors:\n"
                            "  one:\n"
                            "    base_url: https://one.example\n"
                            "    currency: CNY\n"
                            "    keys: [{env: KEY}]\n"
                            "    models: {mm: {}}\n";
    struct yaml y = {v, "prices: {}\n", "currency: CNY\n", NULL};

    (void)state;
    memset(long_key, 'x', 513);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct snapshot *s;

        odd_text = rows[i].text;
        s = snapshot_try(&y, &odd);
        assert_int_equal(s ? (int)s->vendors[0].n_keys : -1, rows[i].n_keys);
        assert_null(strstr(fixture_diag.text, "secret"));
        assert_null(strstr(fixture_diag.text, "xxx"));
        snapshot_release(s);
    }
}

static void *hold_and_release(void *snapshot)
{
    for (int i = 0; i < 10000; i++)
        snapshot_release(snapshot_retain(snapshot));
    snapshot_release(snapshot);
    return NULL;
}

/* Under the sanitizers this is where a lost or doubled release shows. */
static void the_last_release_ends_it_whoever_does_it(void **state)
{
    struct snapshot *s = market();
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release,
                                        snapshot_retain(s)),
                         0);
    snapshot_release(s);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    snapshot_release(NULL);
}

enum {
    MANY_TEAMS = 5000,
    MANY_KEYS = 20000,
};

static struct conf *large_conf(struct arena *a)
{
    struct conf *c = arena_alloc(a, sizeof(*c));
    struct conf_team *teams = arena_alloc(a, MANY_TEAMS * sizeof(*teams));
    struct conf_key *keys = arena_alloc(a, MANY_KEYS * sizeof(*keys));
    struct conf_vendor *v = arena_alloc(a, 20 * sizeof(*v));
    struct conf_word *deny = arena_alloc(a, 2 * sizeof(*deny));
    struct conf_word *target = arena_alloc(a, sizeof(*target));
    struct conf_alias *alias = arena_alloc(a, sizeof(*alias));
    static const struct place place = {"x.yaml", 1, 1};
    static const struct conf_key_source source = {.env = "KEY"};

    for (int i = 0; i < 20; i++) {
        struct conf_model *models = arena_alloc(a, 10 * sizeof(*models));

        for (int j = 0; j < 10; j++)
            models[j] =
                (struct conf_model){.name = arena_printf(a, "model-%d", j)};
        v[i] = (struct conf_vendor){.place = place,
                                    .name = arena_printf(a, "vendor-%d", i),
                                    .adapter = "openai",
                                    .base_url = "https://v.example",
                                    .chat_path = "/chat/completions",
                                    .auth = "bearer",
                                    .tokenizer = "generic",
                                    .keys = &source,
                                    .n_keys = 1,
                                    .models = models,
                                    .n_models = 10};
    }
    deny[0] = (struct conf_word){place, "vendor-3"};
    deny[1] = (struct conf_word){place, "vendor-1*"};
    *target = (struct conf_word){place, "model-7"};
    *alias = (struct conf_alias){place, "chat", {target, 1}};
    for (int i = 0; i < MANY_TEAMS; i++)
        teams[i] = (struct conf_team){
            .place = place,
            .name = arena_printf(a, "team-%d", i),
            .rules = {.deny_vendors = {deny, 2}, .deny_models = {target, 1}},
            .aliases = alias,
            .n_aliases = 1};
    for (int i = 0; i < MANY_KEYS; i++)
        keys[i] =
            (struct conf_key){.place = place,
                              .id = arena_printf(a, "k%07d", i),
                              .team = teams[i % MANY_TEAMS].name,
                              .digest = "0123456789abcdef0123456789abcdef"
                                        "0123456789abcdef0123456789abcdef"};
    *c = (struct conf){.dir = ".",
                       .server = {.pepper_file = "pepper"},
                       .vendors = v,
                       .n_vendors = 20,
                       .teams = teams,
                       .n_teams = MANY_TEAMS,
                       .keys = keys,
                       .n_keys = MANY_KEYS};
    return c;
}

static void five_thousand_teams_compile_in_a_blink(void **state)
{
    struct arena *a = arena_new();
    const struct conf *c = large_conf(a);
    struct snapshot *s;
    int64_t begin = clock_mono_ms(), took;

    (void)state;
    memset(&fixture_diag, 0, sizeof(fixture_diag));
    if (snapshot_compile(&s, c, a, 1, &fixture_secrets, &fixture_diag) < 0)
        fail_msg("%s", fixture_diag.text);
    took = clock_mono_ms() - begin;
    print_message("5,000 teams, 20,000 keys: %d ms\n", (int)took);
    assert_true(took < 2000); /* 200 is the aim; sanitizers take their time */
    assert_int_equal(s->n_keys, MANY_KEYS);
    assert_string_equal(snapshot_find_key(s, slice_of("k0012345"))->team->name,
                        "team-2345");
    assert_null(snapshot_find_key(s, slice_of("k9999999")));
    assert_false(team_allows(s, &s->teams[77],
                             offer_called(s, "vendor-12/"
                                             "model-1")));
    assert_true(team_allows(s, &s->teams[77],
                            offer_called(s, "vendor-2/"
                                            "model-1")));
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vendor_is_taken_apart_once),
        cmocka_unit_test(keys_are_gathered_from_all_their_sources),
        cmocka_unit_test(a_key_has_the_same_id_in_each_edition),
        cmocka_unit_test(a_name_is_an_alias_then_an_offer_then_a_model),
        cmocka_unit_test(rules_leave_what_is_allowed_and_not_denied),
        cmocka_unit_test(the_list_of_models_is_what_a_team_may_ask_for),
        cmocka_unit_test(a_model_has_an_owner_where_the_team_may_ask_for_it),
        cmocka_unit_test(complaints_point_at_the_guilty_line),
        cmocka_unit_test(keys_that_no_header_could_carry_are_refused_unshown),
        cmocka_unit_test(the_last_release_ends_it_whoever_does_it),
        cmocka_unit_test(five_thousand_teams_compile_in_a_blink),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
