#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/http.h"

static void an_errors_texts_are_escaped(void **state)
{
    static const struct {
        const char *message, *json;
    } rows[] = {
        {"plain", "plain"},
        {"a \"b\" \\ c", "a \\\"b\\\" \\\\ c"},
        {"\n\t\x01\x7f", "\\u000a\\u0009\\u0001\\u007f"},
        {"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80 \xc3\xa9",
         "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80 \xc3\xa9"},
        {"\xe4\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xafx", "\xef\xbf\xbd\xef\xbf\xbdx"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff", "\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *a = arena_new();
        struct http_error e = {400, "t", NULL, "p", rows[i].message};
        struct slice json = http_error_json(a, &e);
        const char *want =
            arena_printf(a,
                         "{\"error\":{\"message\":\"%s\",\"type\":\"t\","
                         "\"param\":\"p\",\"code\":null}}",
                         rows[i].json);

        assert_int_equal(json.len, strlen(want));
        assert_memory_equal(json.bytes, want, json.len);
        arena_free(a);
    }
}

static void addresses_are_checked(void **state)
{
    static const char *const bad[] = {"",        "8080",     "::1:80",
                                      "host",    "host:",    "127.0.0.1:x",
                                      "[::1:80", "1.2.3:9:9"};
    char error[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        error[0] = '\0';
        assert_int_equal(http_listen_open(bad[i], error, sizeof(error)), -1);
        assert_true(strlen(error) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_errors_texts_are_escaped),
        cmocka_unit_test(addresses_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
