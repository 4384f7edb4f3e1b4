#include "routing/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"

static void a_base_url_is_taken_apart(void **state)
{
    static const struct {
        const char *text, *host, *path;
        int port;
        bool tls;
    } rows[] = {
        {"https://api.example.com", "api.example.com", "", 443, true},
        {"https://api.example.com/", "api.example.com", "", 443, true},
        {"https://API.Example.com/V1", "api.example.com", "/V1", 443, true},
        {"http://localhost:11434/v1/", "localhost", "/v1", 11434, false},
        {"http://10.0.0.7/a/b//", "10.0.0.7", "/a/b", 80, false},
        {"https://[::1]", "::1", "", 443, true},
        {"https://[fe80::1]:8443/x", "fe80::1", "/x", 8443, true},
        {"http://my_gpu-box:1", "my_gpu-box", "", 1, false},
        {"http://h:65535/%20/~a;b=c", "h", "/%20/~a;b=c", 65535, false},
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url url;

        assert_null(url_read(&url, rows[i].text, a));
        assert_int_equal(url.tls, rows[i].tls);
        assert_string_equal(url.host, rows[i].host);
        assert_int_equal(url.port, rows[i].port);
        assert_string_equal(url.path, rows[i].path);
    }
    arena_free(a);
}

static void what_is_no_base_url_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "api.example.com",
        "ftp://example.com",
        "HTTPS://example.com",
        "https://",
        "https:///v1",
        "https://user@example.com",
        "https://user:pass@example.com",
        "https://example.com:0",
        "https://example.com:",
        "https://example.com:65536",
        "https://example.com:123456",
        "https://example.com:8o",
        "https://example.com:-1",
        "https://exam ple.com",
        "https://example.com\r\nhost: evil",
        "https://ex%61mple.com",
        "https://\xe4\xbd\xa0.example",
        "https://.example.com",
        "https://-x",
        "https://[::1",
        "https://[::g]",
        "https://[127.0.0.1]",
        "https://[::1]x",
        "https://::1/",
        "https://example.com?x=1",
        "https://example.com/v1?x=1",
        "https://example.com/v1#x",
        "https://example.com#x",
        "https://example.com/v 1",
        "https://example.com/\x7f",
        "https://example.com/v\\1",
    };
    struct arena *a = arena_new();
    char long_url[1100] = "https://example.com/";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url url;

        if (!url_read(&url, rows[i], a))
            fail_msg("taken: %s", rows[i]);
    }
    for (size_t len = strlen(long_url); len < 1025; len++) {
        struct url url;

        assert_int_equal(url_read(&url, long_url, a) != NULL, len > 1024);
        long_url[len] = 'x';
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_url_is_taken_apart),
        cmocka_unit_test(what_is_no_base_url_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
