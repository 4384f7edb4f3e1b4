#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/routing/fixture.h"

static char dir[] = "/tmp/bijia-secrets-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command); // NOLINT(cert-env33-c): a name of our own
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t len,
                       mode_t mode)
{
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
    assert_int_equal(chmod(path_of(name), mode), 0);
}

static const char *secret_in(struct arena *a, const char *env, const char *file)
{
    struct conf_key_source from = {{"vendors.yaml", 3, 7}, env, file};

    memset(&fixture_diag, 0, sizeof(fixture_diag));
    return secrets_of_process.read(secrets_of_process.self, &from, dir, a,
                                   &fixture_diag);
}

static void a_variable_is_read_and_an_empty_one_is_none(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    setenv("BIJIA_TEST_KEY", "sk-1,sk-2", 1);
    setenv("BIJIA_TEST_EMPTY", "", 1);
    assert_string_equal(secret_in(a, "BIJIA_TEST_KEY", NULL), "sk-1,sk-2");
    assert_null(secret_in(a, "BIJIA_TEST_EMPTY", NULL));
    assert_null(secret_in(a, "BIJIA_TEST_UNSET", NULL));
    assert_int_equal(fixture_diag.errors + fixture_diag.warnings, 0);
    arena_free(a);
}

static void a_private_file_is_read_wherever_it_is_named_from(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    write_file("key", "sk-1\n", 5, 0600);
    assert_string_equal(secret_in(a, NULL, "key"), "sk-1\n");
    assert_string_equal(secret_in(a, NULL, path_of("key")), "sk-1\n");
    write_file("key", "sk-1\n", 5, 0400);
    assert_string_equal(secret_in(a, NULL, "key"), "sk-1\n");
    write_file("empty", "", 0, 0600);
    assert_string_equal(secret_in(a, NULL, "empty"), "");
    assert_int_equal(fixture_diag.errors + fixture_diag.warnings, 0);
    arena_free(a);
}

static void a_file_that_is_not_there_is_the_callers_to_judge(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    assert_null(secret_in(a, NULL, "gone"));
    assert_int_equal(fixture_diag.errors, 0);
    arena_free(a);
}

static void a_file_open_to_others_is_refused_with_the_remedy(void **state)
{
    static const mode_t modes[] = {0644, 0640, 0604, 0620, 0602, 0666};
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        write_file("open", "sk-secret", 9, modes[i]);
        assert_null(secret_in(a, NULL, "open"));
        assert_int_equal(fixture_diag.errors, 1);
        assert_told("vendors.yaml:3:7: error: ");
        assert_told("chmod 600 /tmp/bijia-secrets-");
        assert_null(strstr(fixture_diag.text, "sk-secret"));
    }
    arena_free(a);
}

static void only_regular_files_of_a_sane_size_are_read(void **state)
{
    static char large[64 * 1024 + 1];
    struct arena *a = arena_new();

    (void)state;
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_null(secret_in(a, NULL, "pipe"));
    assert_told("is not a regular file");
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    assert_null(secret_in(a, NULL, "folder"));
    assert_told("is not a regular file");
    memset(large, 'x', sizeof(large));
    write_file("large", large, sizeof(large), 0600);
    assert_null(secret_in(a, NULL, "large"));
    assert_told("is larger than 65536 bytes");
    write_file("large", large, sizeof(large) - 1, 0600);
    assert_int_equal(strlen(secret_in(a, NULL, "large")), 64 * 1024);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_is_read_and_an_empty_one_is_none),
        cmocka_unit_test(a_private_file_is_read_wherever_it_is_named_from),
        cmocka_unit_test(a_file_that_is_not_there_is_the_callers_to_judge),
        cmocka_unit_test(a_file_open_to_others_is_refused_with_the_remedy),
        cmocka_unit_test(only_regular_files_of_a_sane_size_are_read),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
