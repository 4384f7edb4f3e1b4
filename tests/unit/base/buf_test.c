#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_buffer_keeps_order_over_adds_and_drops(void **state)
{
    unsigned char next_in = 0, next_out = 0;
    struct buf b;

    (void)state;
    buf_init(&b, 5000);
    srand(7);
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)rand() % 300;
        char bytes[300];

        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(next_in + k);
        if (buf_add(&b, (struct slice){bytes, n}) == 0)
            next_in = (unsigned char)(next_in + n);
        else
            assert_true(b.len + n > 5000);
        n = (size_t)rand() % (b.len + 1);
        for (size_t k = 0; k < n; k++)
            assert_int_equal((unsigned char)b.bytes[k], next_out++);
        buf_drop(&b, n);
    }
    buf_fini(&b);
    assert_null(b.block);
}

static void the_limit_holds_to_the_byte(void **state)
{
    char bytes[1024] = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_int_equal(buf_add(&b, (struct slice){bytes, 1000}), 0);
    assert_int_equal(buf_add(&b, (struct slice){bytes, 1}), -1);
    assert_int_equal(b.len, 1000);
    buf_drop(&b, 1);
    assert_int_equal(buf_add(&b, (struct slice){bytes, 1}), 0);
    assert_null(buf_room(&b, 1));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_keeps_order_over_adds_and_drops),
        cmocka_unit_test(the_limit_holds_to_the_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
