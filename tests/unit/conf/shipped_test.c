/* The files of conf/ as they are shipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

struct loaded {
    struct arena *arena;
    struct diag diag;
    const struct conf *conf;
};

static int load(void **state)
{
    static struct loaded l;

    l = (struct loaded){.arena = arena_new()};
    if (conf_load(&l.conf, SOURCE_DIR "/conf", l.arena, &l.diag) != 0)
        fputs(l.diag.text, stderr);
    *state = &l;
    return l.conf ? 0 : -1;
}

static int unload(void **state)
{
    arena_free(((struct loaded *)*state)->arena);
    return 0;
}

static const struct conf_model *find_model(const struct conf *c,
                                           const char *vendor,
                                           const char *model)
{
    for (size_t i = 0; i < c->n_vendors; i++)
        for (size_t k = 0; k < c->vendors[i].n_models; k++)
            if (strcmp(c->vendors[i].name, vendor) == 0 &&
                strcmp(c->vendors[i].models[k].name, model) == 0)
                return &c->vendors[i].models[k];
    return NULL;
}

static bool is_priced(const struct conf *c, const char *vendor,
                      const char *model)
{
    for (size_t i = 0; i < c->n_prices; i++)
        if (strcmp(c->prices[i].list, vendor) == 0 &&
            strcmp(c->prices[i].model, model) == 0)
            return true;
    return false;
}

static void the_shipped_files_load_without_a_complaint(void **state)
{
    struct loaded *l = *state;

    assert_string_equal(l->diag.text, "");
    assert_int_equal(l->diag.errors + l->diag.warnings, 0);
    assert_int_equal(l->conf->n_vendors, 27);
    assert_int_equal(l->conf->n_keys, 0);
}

static const char *list_of(const struct conf_vendor *v)
{
    return v->price_list ? v->price_list : v->name;
}

static void every_shipped_model_has_a_price_and_every_price_a_model(
    void **state)
{
    const struct conf *c = ((struct loaded *)*state)->conf;

    for (size_t i = 0; i < c->n_vendors; i++)
        for (size_t k = 0; k < c->vendors[i].n_models; k++)
            assert_true(is_priced(c, list_of(&c->vendors[i]),
                                  c->vendors[i].models[k].name));
    for (size_t i = 0; i < c->n_prices; i++)
        assert_non_null(find_model(c, c->prices[i].list, c->prices[i].model));
}

static void every_shipped_price_says_where_and_when_it_was_read(void **state)
{
    const struct conf *c = ((struct loaded *)*state)->conf;

    for (size_t i = 0; i < c->n_prices; i++) {
        const struct conf_price *p = &c->prices[i];

        if (!p->source || !*p->source || p->as_of_ms == INT64_MIN)
            fail_msg("%s/%s, line %d", p->list, p->model, p->place.line);
    }
    for (size_t i = 0; i < c->n_exchange_rates; i++)
        assert_non_null(c->exchange_rates[i].source);
}

static void every_shipped_alias_names_models_that_exist(void **state)
{
    const struct conf *c = ((struct loaded *)*state)->conf;

    for (size_t i = 0; i < c->n_aliases; i++)
        for (size_t k = 0; k < c->aliases[i].targets.n; k++) {
            const char *target = c->aliases[i].targets.items[k].text;
            const char *slash = strchr(target, '/');
            char vendor[64] = "";

            assert_non_null(slash);
            memcpy(vendor, target, (size_t)(slash - target));
            assert_non_null(find_model(c, vendor, slash + 1));
        }
}

static void the_shipped_values_are_what_they_say(void **state)
{
    const struct conf *c = ((struct loaded *)*state)->conf;

    assert_string_equal(c->server.listen.items[0].text, "127.0.0.1:8080");
    assert_int_equal(c->server.body_bytes, 8 << 20);
    assert_int_equal(c->server.total_ms, 30 * 60 * 1000);
    assert_int_equal(c->server.early_bytes, 64 << 10);
    assert_int_equal(c->currency, CURRENCY_CNY);
    assert_string_equal(c->vendors[0].name, "deepseek");
    assert_string_equal(c->vendors[0].keys[0].env, "DEEPSEEK_API_KEY");
    assert_null(c->vendors[0].chat_path); /* the adapter knows it */
    assert_int_equal(c->vendors[0].silence_ms, 300000);
    assert_int_equal(c->vendors[0].models[0].context_tokens, 1000000);
    assert_int_equal(c->prices[1].input.nanos_per_mtok, 1000000000);
    assert_int_equal(c->prices[1].cached.nanos_per_mtok, 20000000);
    assert_null(c->prices[1].when);
    assert_string_equal(c->prices[0].when->name, "deepseek-peak");
    assert_string_equal(c->prices[0].when->zone->name, "Asia/Shanghai");
    assert_int_equal(c->prices[0].when->weekdays, 0x1f);
    assert_int_equal(c->prices[0].when->n_spans, 2);
    assert_int_equal(c->prices[0].when->except->n_days, 33);
    assert_int_equal(c->prices[0].input.nanos_per_mtok, 2000000000);
    assert_int_equal(c->prices[0].from_ms, INT64_C(1789012800000));
    assert_int_equal(c->prices[0].until_ms, INT64_MAX);
    assert_int_equal(c->exchange_rates[0].rate_nanos, INT64_C(6719500000));
    assert_int_equal(c->exchange_rates[0].base, CURRENCY_USD);
    assert_string_equal(c->teams[0].name, "demo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_shipped_files_load_without_a_complaint, load, unload),
        cmocka_unit_test_setup_teardown(
            every_shipped_model_has_a_price_and_every_price_a_model, load,
            unload),
        cmocka_unit_test_setup_teardown(
            every_shipped_price_says_where_and_when_it_was_read, load, unload),
        cmocka_unit_test_setup_teardown(
            every_shipped_alias_names_models_that_exist, load, unload),
        cmocka_unit_test_setup_teardown(the_shipped_values_are_what_they_say,
                                        load, unload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
