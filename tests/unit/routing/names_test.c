#include "routing/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_name_is_found_in_its_own_scope_only(void **state)
{
    struct arena *a = arena_new();
    struct names *n = names_new(3, a);
    static const int one = 1, two = 2, three = 3;

    (void)state;
    assert_true(names_add(n, NAMES_ALIAS, "chat", &one));
    assert_true(names_add(n, NAMES_TEAM_ALIAS + 7, "chat", &two));
    assert_false(names_add(n, NAMES_ALIAS, "chat", &three));
    assert_true(names_add(n, NAMES_ALIAS, "", &three));
    assert_ptr_equal(names_find(n, NAMES_ALIAS, slice_of("chat")), &one);
    assert_ptr_equal(names_find(n, NAMES_TEAM_ALIAS + 7, slice_of("chat")),
                     &two);
    assert_null(names_find(n, NAMES_TEAM_ALIAS + 8, slice_of("chat")));
    assert_null(names_find(n, NAMES_ALIAS, slice_of("cha")));
    assert_null(names_find(n, NAMES_ALIAS, slice_of("chats")));
    assert_ptr_equal(names_find(n, NAMES_ALIAS, slice_of("")), &three);
    arena_free(a);
}

static void thousands_of_names_are_all_found(void **state)
{
    enum {
        N = 30000,
    };
    struct arena *a = arena_new();
    struct names *n = names_new(N, a);

    (void)state;
    for (int i = 0; i < N; i++) {
        char *name = arena_printf(a, "k%d", i);

        assert_true(names_add(n, NAMES_KEY, name, name));
    }
    for (int i = 0; i < N; i++) {
        char name[16];

        snprintf(name, sizeof(name), "k%d", i);
        assert_string_equal(names_find(n, NAMES_KEY, slice_of(name)), name);
        name[0] = 'x';
        assert_null(names_find(n, NAMES_KEY, slice_of(name)));
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_in_its_own_scope_only),
        cmocka_unit_test(thousands_of_names_are_all_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
