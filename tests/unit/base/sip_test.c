#include "base/sip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"

/* The key 00 .. 0f and the text 00 01 02 ... of the reference's vectors; they
 * agree with OpenSSL's SIPHASH. */
static void it_gives_the_references_answers(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash[2];
    } known[] = {
        {0, {UINT64_C(0xe6a825ba047f81a3), UINT64_C(0x930255c71472f66d)}},
        {1, {UINT64_C(0x44af996bd8c187da), UINT64_C(0x45fc229b11597634)}},
        {15, {UINT64_C(0x11a8b03399e99354), UINT64_C(0xd9c3cf970fec087e)}},
        {61, {UINT64_C(0xfe1d836a9a009776), UINT64_C(0x7a0f6793591ca9cc)}},
    };

    static const uint64_t key[2] = {UINT64_C(0x0706050403020100),
                                    UINT64_C(0x0f0e0d0c0b0a0908)};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        uint64_t hash[2];

        sip_hash(hash, key, (struct slice){text, known[i].len});
        assert_int_equal(hash[0], known[i].hash[0]);
        assert_int_equal(hash[1], known[i].hash[1]);
    }
}

static void each_bit_of_text_and_key_counts(void **state)
{
    uint64_t key[2] = {1, 2}, hash[2], other[2];
    char text[61] = "";

    (void)state;
    sip_hash(hash, key, (struct slice){text, sizeof(text)});
    for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        sip_hash(other, key, (struct slice){text, sizeof(text)});
        assert_true(other[0] != hash[0] && other[1] != hash[1]);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 128; bit++) {
        key[bit / 64] ^= UINT64_C(1) << bit % 64;
        sip_hash(other, key, (struct slice){text, sizeof(text)});
        assert_true(other[0] != hash[0] && other[1] != hash[1]);
        key[bit / 64] ^= UINT64_C(1) << bit % 64;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_the_references_answers),
        cmocka_unit_test(each_bit_of_text_and_key_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
