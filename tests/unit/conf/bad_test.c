/*
 * Each tests/data/conf-bad/FILE.CASE.yaml is a FILE.yaml that somebody got
 * wrong; FILE.CASE.txt beside it holds what is said about it, to the letter.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

enum {
    FILE_BYTES = 64 * 1024,
    PATH_BYTES = 512,
};

static const char dir[] = TESTS_DIR "/data/conf-bad";

static size_t read_case(char *bytes, const char *name, const char *suffix)
{
    char path[PATH_BYTES];
    FILE *f;
    size_t len;

    snprintf(path, sizeof(path), "%s/%.*s%s", dir,
             (int)(strlen(name) - strlen(".yaml")), name, suffix);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    len = fread(bytes, 1, FILE_BYTES - 1, f);
    fclose(f);
    bytes[len] = '\0';
    return len;
}

static void say(struct diag *diag, const char *name, const char *yaml,
                size_t len)
{
    char file[64];
    const struct conf_file given = {file, yaml, len};
    struct arena *a = arena_new();
    const struct conf *conf;
    int rc;

    snprintf(file, sizeof(file), "%.*s.yaml", (int)strcspn(name, "."), name);
    *diag = (struct diag){0};
    rc = conf_read(&conf, &given, 1, a, diag);
    if (rc != (diag->errors ? -1 : 0))
        abort();
    arena_free(a);
}

/* Shown whole when it differs: the diff is what one wants to read. */
static void check_case(const char *name)
{
    static char yaml[FILE_BYTES], wanted[FILE_BYTES];
    static struct diag diag;
    size_t len = read_case(yaml, name, ".yaml");

    say(&diag, name, yaml, len);
    read_case(wanted, name, ".txt");
    if (strcmp(diag.text, wanted) != 0)
        fail_msg("%s\n--- wanted\n%s--- said\n%s", name, wanted, diag.text);
}

static int is_yaml(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0;
}

static void every_bad_file_gets_the_complaints_written_beside_it(void **state)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_yaml, alphasort);

    (void)state;
    assert_true(n > 20);
    for (int i = 0; i < n; i++) {
        check_case(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* For whoever adds a case: bad_test FILE.CASE.yaml prints what is said. */
static int print_case(const char *name)
{
    static char yaml[FILE_BYTES];
    static struct diag diag;

    say(&diag, name, yaml, read_case(yaml, name, ".yaml"));
    fputs(diag.text, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_file_gets_the_complaints_written_beside_it),
    };

    if (argc > 1)
        return print_case(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
