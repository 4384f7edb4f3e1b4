#include "routing/prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/cpu.h"

enum {
    FIRST = 5000,
    SECOND = 700,
    SIZE = 8192,
};

static const uint64_t key[2] = {UINT64_C(0x0123456789abcdef),
                                UINT64_C(0xfedcba9876543210)};

static struct prefix prefix_of(const char *body, struct arena *a)
{
    struct chat chat;
    struct chat_error error;
    struct prefix out;

    if (chat_read(&chat, slice_of(body), a, &error))
        fail_msg("%s", error.message);
    prefix_of_chat(&out, &chat, 1000, key, a);
    return out;
}

/* Two messages, the first longer than two blocks. `first`, `second`: where
 * their texts begin. */
static void write_body(char body[SIZE], char **first, char **second)
{
    char *p = body;

    p += sprintf(p, "{\"model\":\"m\",\"messages\":[{\"role\":\"system\","
                    "\"content\":\"");
    *first = p;
    for (int i = 0; i < FIRST; i++)
        *p++ = (char)('a' + random() % 26);
    p += sprintf(p, "\"},{\"role\":\"user\",\"content\":\"");
    *second = p;
    for (int i = 0; i < SECOND; i++)
        *p++ = (char)('a' + random() % 26);
    sprintf(p, "\"}]}");
}

static uint32_t equal_names(const struct prefix *p, const struct prefix *q)
{
    uint32_t n = 0;

    while (n < p->n && n < q->n && p->names[n] == q->names[n])
        n++;
    return n;
}

/* The body with one byte changed or two bytes swapped. */
static uint32_t names_left(const struct prefix *p, const char *body, char *at,
                           size_t other, struct arena *a)
{
    char byte = *at, far = at[other];
    struct prefix q;

    *at = other ? far : '-';
    at[other] = other ? byte : '-';
    q = prefix_of(body, a);
    *at = byte;
    at[other] = far;
    return equal_names(p, &q);
}

static void a_name_stands_for_all_before_it(void **state)
{
    static char body[SIZE];
    struct arena *a = arena_new();
    char *first, *second;
    struct prefix p, q;

    (void)state;
    srandom(7);
    write_body(body, &first, &second);
    p = prefix_of(body, a);
    q = prefix_of(body, a);
    assert_int_equal(p.n, 4);
    assert_int_equal(equal_names(&p, &q), 4);
    for (uint32_t i = 1; i < p.n; i++)
        assert_true(p.ends[i] > p.ends[i - 1] && p.names[i] != p.names[i - 1]);
    for (size_t i = 0; i < FIRST; i += 7) {
        size_t object = i + strlen("{\"role\":\"system\",\"content\":\"");

        assert_int_equal(names_left(&p, body, first + i, 0, a),
                         object / PREFIX_BLOCK_BYTES);
    }
    for (size_t i = 0; i < SECOND; i++)
        assert_int_equal(names_left(&p, body, second + i, 0, a), 3);
    arena_free(a);
}

static void changed_places_are_told_apart(void **state)
{
    static const size_t far[] = {1, 8, 16, 24, 32, 48, 64, 128, 256};
    static char body[SIZE];
    struct arena *a = arena_new();
    char *first, *second;
    struct prefix p;

    (void)state;
    srandom(8);
    write_body(body, &first, &second);
    p = prefix_of(body, a);
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < ARRAY_LEN(far); k++)
            if (first[i] != first[i + far[k]])
                assert_int_equal(names_left(&p, body, first + i, far[k], a), 0);
    arena_free(a);
}

static void any_processor_gives_the_same_names(void **state)
{
    static char body[SIZE];
    enum cpu_level level = cpu_level;
    struct arena *a = arena_new();
    char *first, *second;
    struct prefix p, q;

    (void)state;
    srandom(9);
    for (int i = 0; i < 200; i++) {
        write_body(body, &first, &second);
        memcpy(second + 1 + random() % SECOND, "\"}]}", sizeof("\"}]}"));
        p = prefix_of(body, a);
        while (cpu_level > CPU_PLAIN) {
            cpu_level--;
            q = prefix_of(body, a);
            assert_int_equal(p.n, q.n);
            assert_int_equal(equal_names(&p, &q), p.n);
        }
        cpu_level = level;
    }
    arena_free(a);
}

static uint64_t hint_in(const char *fields, struct arena *a)
{
    char body[SIZE];

    snprintf(body, sizeof(body),
             "{\"model\":\"m\",%s\"messages\":[{\"role\":\"user\","
             "\"content\":\"x\"}]}",
             fields);
    return prefix_of(body, a).hint;
}

static void what_a_client_calls_its_conversation_is_a_hint(void **u)
{
    struct arena *a = arena_new();
    uint64_t mine = hint_in("\"prompt_cache_key\":\"s-1\",", a);

    (void)u;
    assert_int_equal(hint_in("", a), 0);
    assert_int_equal(hint_in("\"user\":\"\",", a), 0);
    assert_int_equal(hint_in("\"prompt_cache_key\":7,", a), 0);
    assert_int_not_equal(mine, 0);
    assert_int_equal(hint_in("\"user\":\"u\",\"prompt_cache_key\":\"s-1\",", a),
                     mine);
    assert_int_not_equal(hint_in("\"prompt_cache_key\":\"s-2\",", a), mine);
    assert_int_not_equal(hint_in("\"user\":\"s-1\",", a), mine);
    assert_int_not_equal(hint_in("\"user\":\"s-1\",", a), 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_stands_for_all_before_it),
        cmocka_unit_test(changed_places_are_told_apart),
        cmocka_unit_test(what_a_client_calls_its_conversation_is_a_hint),
        cmocka_unit_test(any_processor_gives_the_same_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
