#include "conf/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/check.h"
#include "conf/near.h"

enum {
    NO = -1, /* not so written */
};

static const struct {
    enum field_kind kind;
    const char *text;
    int64_t value;
} numbers[] = {
    {FIELD_COUNT, "0", 0},
    {FIELD_COUNT, "128000", 128000},
    {FIELD_COUNT, "9223372036854775807", INT64_MAX},
    {FIELD_COUNT, "9223372036854775808", NO},
    {FIELD_COUNT, "", NO},
    {FIELD_COUNT, "-1", NO},
    {FIELD_COUNT, "+1", NO},
    {FIELD_COUNT, " 1", NO},
    {FIELD_COUNT, "1 ", NO},
    {FIELD_COUNT, "010", NO},
    {FIELD_COUNT, "0x10", NO},
    {FIELD_COUNT, "1_000", NO},
    {FIELD_COUNT, "1.0", NO},
    {FIELD_COUNT, "128k", NO},
    {FIELD_SIZE, "512", 512},
    {FIELD_SIZE, "512B", 512},
    {FIELD_SIZE, "16KiB", 16384},
    {FIELD_SIZE, "8MiB", 8388608},
    {FIELD_SIZE, "1GiB", 1073741824},
    {FIELD_SIZE, "16KB", NO},
    {FIELD_SIZE, "16K", NO},
    {FIELD_SIZE, "1.5MiB", NO},
    {FIELD_SIZE, "KiB", NO},
    {FIELD_SIZE, "9007199254740993KiB", NO},
    {FIELD_DURATION, "250ms", 250},
    {FIELD_DURATION, "30s", 30000},
    {FIELD_DURATION, "5m", 300000},
    {FIELD_DURATION, "1h", 3600000},
    {FIELD_DURATION, "0s", 0},
    {FIELD_DURATION, "30", NO},
    {FIELD_DURATION, "1m30s", NO},
    {FIELD_DURATION, "soon", NO},
    {FIELD_DURATION, "9223372036854775807h", NO},
    {FIELD_RATE, "2.50", 2500000000},
    {FIELD_RATE, "0.02", 20000000},
    {FIELD_RATE, "0.0375", 37500000},
    {FIELD_RATE, "4", 4000000000},
    {FIELD_RATE, ".5", NO},
    {FIELD_RATE, "5.", NO},
    {FIELD_RATE, "1e-6", NO},
    {FIELD_RATE, "-1", NO},
    {FIELD_RATE, "0.0000000001", NO},
    {FIELD_DECIMAL, "6.7195", 6719500000},
    {FIELD_INSTANT, "2026-09-10T04:00:00Z", 1789012800000},
    {FIELD_INSTANT, "2026-09-10T12:00:00+08:00", 1789012800000},
    {FIELD_INSTANT, "2026-09-10", 1788998400000},
    {FIELD_INSTANT, "2026-09-10T12:00:00", NO},
    {FIELD_INSTANT, "2026-02-29", NO},
    {FIELD_INSTANT, "today", NO},
};

static void every_kind_reads_what_is_so_written_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t value = NO;
        bool read = value_parse(&value, numbers[i].kind, numbers[i].text);

        if (read != (numbers[i].value != NO))
            fail_msg("\"%s\" was %s", numbers[i].text,
                     read ? "read" : "refused");
        if (read)
            assert_int_equal(value, numbers[i].value);
    }
}

static void a_value_is_shown_the_shortest_way_and_reads_back(void **state)
{
    static const struct {
        enum field_kind kind;
        int64_t value;
        const char *text;
    } cases[] = {
        {FIELD_COUNT, 0, "0"},          {FIELD_COUNT, 64, "64"},
        {FIELD_SIZE, 0, "0"},           {FIELD_SIZE, 1000, "1000"},
        {FIELD_SIZE, 16384, "16KiB"},   {FIELD_SIZE, 64 << 20, "64MiB"},
        {FIELD_DURATION, 0, "0ms"},     {FIELD_DURATION, 1500, "1500ms"},
        {FIELD_DURATION, 90000, "90s"}, {FIELD_DURATION, 1800000, "30m"},
        {FIELD_RATE, 20000000, "0.02"}, {FIELD_RATE, 1000000000, "1.00"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[VALUE_TEXT];
        int64_t back = -1;

        assert_string_equal(value_show(cases[i].kind, cases[i].value, text),
                            cases[i].text);
        assert_true(value_parse(&back, cases[i].kind, text));
        assert_int_equal(back, cases[i].value);
    }
}

static void yes_and_no_have_four_words_in_any_case(void **state)
{
    bool yes = false;

    (void)state;
    assert_true(yes_no_parse(&yes, "yes") && yes);
    assert_true(yes_no_parse(&yes, "No") && !yes);
    assert_true(yes_no_parse(&yes, "TRUE") && yes);
    assert_true(yes_no_parse(&yes, "false") && !yes);
    assert_false(yes_no_parse(&yes, "on"));
    assert_false(yes_no_parse(&yes, "1"));
    assert_false(yes_no_parse(&yes, ""));
}

static void a_slip_of_the_hand_is_near(void **state)
{
    (void)state;
    assert_int_equal(near_distance("timeout", "timeouts", 3), 1);
    assert_int_equal(near_distance("wokers", "workers", 3), 1);
    assert_int_equal(near_distance("lsiten", "listen", 3), 1); /* swapped */
    assert_int_equal(near_distance("head", "body", 3), 4);
    assert_int_equal(near_distance("", "abc", 3), 3);
    assert_int_equal(near_distance("", "abcdef", 3), 4);
    assert_true(near_rank("tokeniser", "tokenizer") > 0);
    assert_true(near_rank("x", "tls") == 0);
    assert_true(near_rank("completely", "timeouts") == 0);
}

static void a_url_is_a_host_and_a_path(void **state)
{
    static const char *const good[] = {
        "https://api.deepseek.com",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "http://127.0.0.1:8000/v1",
        "http://[::1]:11434/v1/",
        "https://my_host:65535",
        "http://vllm",
    };
    static const char *const bad[] = {
        "api.deepseek.com",   "HTTPS://api.deepseek.com",
        "https://",           "https:///v1",
        "https://:443",       "https://a:0",
        "https://a:65536",    "https://a:",
        "https://a:8a",       "https://a b",
        "https://a/ b",       "https://a//b",
        "https://a/%0d\r\nb", "https://u:p@a",
        "https://a?b",        "https://a#b",
        "https://a/../b",     "https://a/.",
        "https://[::1",       "https://[::1]x",
        "https://[zz]",       "https://模型.example",
        "https://.a",         "https://a/\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_null(check_url(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!check_url(bad[i]))
            fail_msg("%s passed", bad[i]);
}

static void http_is_exposed_unless_the_host_looks_private(void **state)
{
    static const char *const kept[] = {
        "https://api.example.com", "http://localhost:8000",
        "http://127.0.0.1",        "http://10.1.2.3/v1",
        "http://192.168.0.9",      "http://172.16.0.1",
        "http://172.31.0.1",       "http://[::1]:80",
        "http://[fd00::1]",        "http://vllm:8000",
        "http://gpu.internal",     "http://gpu.local:1",
    };
    static const char *const exposed[] = {
        "http://api.example.com", "http://172.32.0.1", "http://11.0.0.1",
        "http://[2001:db8::1]",   "http://8.8.8.8:80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_false(url_is_exposed(kept[i]));
    for (size_t i = 0; i < ARRAY_LEN(exposed); i++)
        assert_true(url_is_exposed(exposed[i]));
}

static void addresses_to_listen_at_have_a_port(void **state)
{
    (void)state;
    assert_null(check_listen("127.0.0.1:8080"));
    assert_null(check_listen("[::1]:8080"));
    assert_null(check_listen(":8080"));
    assert_null(check_listen("localhost:1"));
    assert_non_null(check_listen("127.0.0.1"));
    assert_non_null(check_listen("8080"));
    assert_non_null(check_listen("::1:8080"));
    assert_non_null(check_listen("127.0.0.1:0"));
    assert_non_null(check_listen("127.0.0.1:65536"));
    assert_non_null(check_listen("*:8080"));
}

static void names_have_no_blanks_and_patterns_one_star_at_the_end(void **state)
{
    (void)state;
    assert_null(check_vendor("qwen-intl_2.x"));
    assert_non_null(check_vendor("a/b"));
    assert_non_null(check_vendor("-a"));
    assert_null(check_model("meta-llama/llama-3.3-70b-instruct:free"));
    assert_non_null(check_model("two words"));
    assert_non_null(check_model("a*"));
    assert_null(check_name("研发"));
    assert_non_null(check_name("研 发"));
    assert_non_null(check_name("研\u3000发"));
    assert_null(check_pattern("qwen/*"));
    assert_null(check_pattern("*"));
    assert_non_null(check_pattern("*-max"));
    assert_null(check_env("DEEPSEEK_API_KEY"));
    assert_non_null(check_env("sk-abc"));
    assert_non_null(check_env("1A"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_reads_what_is_so_written_and_nothing_else),
        cmocka_unit_test(a_value_is_shown_the_shortest_way_and_reads_back),
        cmocka_unit_test(yes_and_no_have_four_words_in_any_case),
        cmocka_unit_test(a_slip_of_the_hand_is_near),
        cmocka_unit_test(a_url_is_a_host_and_a_path),
        cmocka_unit_test(http_is_exposed_unless_the_host_looks_private),
        cmocka_unit_test(addresses_to_listen_at_have_a_port),
        cmocka_unit_test(names_have_no_blanks_and_patterns_one_star_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
