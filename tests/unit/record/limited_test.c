/* What limits refuse is counted by key, and told once a minute. */
#include "record/limited.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void a_key_is_told_soon_and_then_once_a_minute(void **state)
{
    const struct limited_table *t;
    struct limited l;
    int64_t now_ms = clock_mono_ms();

    (void)state;
    limited_init(&l);
    assert_int_equal(limited_wait_ms(&l, now_ms), -1);
    assert_null(limited_take(&l, now_ms, true));
    assert_true(limited_add(&l, "demo", "k1", LIMITED_REQUESTS));
    for (int i = 0; i < 1000; i++)
        assert_false(limited_add(&l, "demo", i % 2 ? "k1" : "k2",
                                 i % 4 ? LIMITED_TOKENS : LIMITED_AT_ONCE));
    assert_in_range(limited_wait_ms(&l, now_ms), 900, 1100);
    assert_null(limited_take(&l, now_ms, false));
    t = limited_take(&l, now_ms + 1100, false);
    assert_non_null(t);
    assert_int_equal(t->n, 2);
    assert_int_equal(limited_sum(&t->counts[0]), 501);
    assert_int_equal(limited_sum(&t->counts[1]), 500);
    assert_true(limited_add(&l, "demo", "k1", LIMITED_REQUESTS));
    assert_int_equal(limited_wait_ms(&l, now_ms + 1100), 60000);
    assert_null(limited_take(&l, now_ms + 60000, false));
    t = limited_take(&l, now_ms + 61100, false);
    assert_non_null(t);
    assert_int_equal(limited_sum(&t->counts[0]), 1);
    assert_null(limited_take(&l, now_ms + 130000, false));
    limited_fini(&l);
}

static void more_keys_than_there_is_room_for_are_one(void **state)
{
    const struct limited_table *t;
    struct limited l;
    uint64_t sum = 0;
    char key[16];

    (void)state;
    limited_init(&l);
    for (int i = 0; i < 3 * LIMITED_MOST; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        (void)limited_add(&l, "demo", key, LIMITED_REQUESTS);
    }
    t = limited_take(&l, 0, true);
    assert_non_null(t);
    assert_int_equal(t->n, LIMITED_MOST);
    assert_string_equal(t->counts[LIMITED_MOST - 1].key_id, "");
    for (size_t i = 0; i < t->n; i++)
        sum += limited_sum(&t->counts[i]);
    assert_int_equal(sum, 3 * LIMITED_MOST);
    limited_fini(&l);
}

static void a_line_says_how_many_and_why(void **state)
{
    struct limited_count c = {
        .team = "d\"emo", .from_unix_ms = 1795338000000, .n = {0, 7, 0, 2}};
    struct buf line;

    (void)state;
    buf_init(&line, 4096);
    limited_line(&line, &c, 1795338001123);
    assert_null(memchr(line.bytes, '\n', line.len - 1));
    line.bytes[line.len - 1] = '\0';
    assert_non_null(strstr(line.bytes, "{\"at\":\"2026-11-22T09:00:01.123Z\""));
    assert_non_null(strstr(line.bytes, "\"team\":\"d\\\"emo\",\"key\":null"));
    assert_non_null(strstr(line.bytes,
                           "\"limited\":{\"since\":\"2026-11-22T09:00:00.000Z\""
                           ",\"count\":9,\"tokens\":7,\"too_large\":2}}"));
    buf_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_told_soon_and_then_once_a_minute),
        cmocka_unit_test(more_keys_than_there_is_room_for_are_one),
        cmocka_unit_test(a_line_says_how_many_and_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
