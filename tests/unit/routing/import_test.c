#include "routing/import.h"

#include "unit/routing/fixture.h"

enum {
    PER_MTOK = 9,
    PER_TOKEN = 15,
};

static void numbers_are_exact_to_the_nano(void **state)
{
    static const struct {
        const char *text;
        int power;
        int64_t nanos; /* -1: refused */
    } rows[] = {
        {"0", PER_MTOK, 0},
        {"2", PER_MTOK, 2000000000},
        {"0.003625", PER_MTOK, 3625000},
        {"2.5e-07", PER_TOKEN, 250000000},
        {"2.5E-7", PER_TOKEN, 250000000},
        {"0.00000025", PER_TOKEN, 250000000},
        {"1e-06", PER_TOKEN, 1000000000},
        /* what a float makes of 6e-08 */
        {"5.9999999999999995e-08", PER_TOKEN, 60000000},
        {"0.0000000004999999", PER_MTOK, 0},
        {"0.0000000005", PER_MTOK, 1},
        {"12345678901234567890e-14", PER_MTOK, 123456789012346},
        {"1e-400", PER_TOKEN, 0},
        {"0e400", PER_TOKEN, 0},
        {"1000000", PER_MTOK, 1000000000000000},
        {"1000000.1", PER_MTOK, -1},
        {"1e400", PER_TOKEN, -1},
        {"1e99999999999", PER_TOKEN, -1},
        {"-1", PER_TOKEN, -1},
        {"", PER_TOKEN, -1},
        {".", PER_TOKEN, -1},
        {"1.2.3", PER_TOKEN, -1},
        {"1e5x", PER_TOKEN, -1},
        {"NaN", PER_TOKEN, -1},
        {"0x10", PER_TOKEN, -1},
        {"1 ", PER_TOKEN, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t nanos = -1;

        if (!import_number(&nanos, rows[i].text, rows[i].power))
            nanos = -1;
        if (nanos != rows[i].nanos)
            fail_msg("\"%s\": %lld", rows[i].text, (long long)nanos);
    }
}

static const struct node *tree_of(const char *text, struct arena *a)
{
    memset(&fixture_diag, 0, sizeof(fixture_diag));
    return yaml_read(text, strlen(text), "catalogue", a, &fixture_diag);
}

static void tiers_of_single_figures_make_whole_rows(void **state)
{
    static const char text[] =
        "[{id: p, models: [{id: m, prices: {input_mtok: {base: 1, tiers: "
        "[{start: 200, price: 3}, {start: 100, price: 2}]}, output_mtok: "
        "{base: 5, tiers: [{start: 100, price: 7}]}}}]}]";
    static const int64_t most[] = {100, 200, 0}, input[] = {1, 2, 3},
                         output[] = {5, 7, 7};
    struct arena *a = arena_new();
    struct import import;

    (void)state;
    assert_true(
        import_read(&import, IMPORT_GENAI_PRICES, tree_of(text, a), 0, a));
    assert_int_equal(import.n, 1);
    assert_null(import.first->why);
    assert_int_equal(import.first->n_rows, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct conf_price *row = &import.first->rows[i];

        assert_int_equal(row->input_at_most, most[i]);
        assert_int_equal(row->input.nanos_per_mtok, input[i] * 1000000000);
        assert_int_equal(row->output.nanos_per_mtok, output[i] * 1000000000);
    }
    arena_free(a);
}

static void other_shapes_are_no_catalogues(void **state)
{
    static const char *const texts[] = {
        "", "[]", "{}", "hello", "[1, [2]]", "{data: 1}", "{a: {models: []}}"};
    struct arena *a = arena_new();
    struct import import;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (int f = 0; f < IMPORT_FORMATS; f++)
            assert_false(import_read(&import, (enum import_format)f,
                                     tree_of(texts[i], a), 0, a));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_exact_to_the_nano),
        cmocka_unit_test(tiers_of_single_figures_make_whole_rows),
        cmocka_unit_test(other_shapes_are_no_catalogues),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
