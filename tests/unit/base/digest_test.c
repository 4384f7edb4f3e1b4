#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void sha256_gives_the_standards_answers(void **state)
{
    unsigned char digest[DIGEST_BYTES];
    char text[DIGEST_HEX];

    (void)state;
    digest_sha256(digest, slice_of("abc"));
    assert_string_equal(
        digest_text(digest, text),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256(digest, slice_of(""));
    assert_string_equal(
        digest_text(digest, text),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 2 and 6. */
static void pieces_hash_as_the_whole_does(void **state)
{
    unsigned char whole[DIGEST_BYTES], pieces[DIGEST_BYTES];
    char text[200];
    struct sha256 s;

    (void)state;
    memset(text, 'x', sizeof(text));
    digest_sha256(whole, (struct slice){text, sizeof(text)});
    sha256_begin(&s);
    sha256_add(&s, (struct slice){text, 3});
    sha256_add(&s, (struct slice){text, 0});
    sha256_add(&s, (struct slice){text, sizeof(text) - 3});
    sha256_end(&s, pieces);
    assert_true(digest_equal(whole, pieces));
}

static void hmac_gives_the_standards_answers(void **state)
{
    unsigned char digest[DIGEST_BYTES];
    char text[DIGEST_HEX], long_key[131];
    struct hmac_key key;

    (void)state;
    hmac_key_init(&key, slice_of("Jefe"));
    for (int again = 0; again < 2; again++) {
        hmac_sha256(digest, &key, slice_of("what do ya want for nothing?"));
        assert_string_equal(digest_text(digest, text),
                            "5bdcc146bf60754e6a042426089575c7"
                            "5a003f089d2739839dec58b964ec3843");
    }
    memset(long_key, 0xaa, sizeof(long_key));
    hmac_key_init(&key, (struct slice){long_key, sizeof(long_key)});
    hmac_sha256(digest, &key,
                slice_of("Test Using Larger Than Block-Size Key - "
                         "Hash Key First"));
    assert_string_equal(
        digest_text(digest, text),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void crc32_gives_the_standards_answer(void **state)
{
    (void)state;
    assert_int_equal(digest_crc32(slice_of("123456789")), 0xcbf43926);
    assert_int_equal(digest_crc32(slice_of("")), 0);
}

/* Steps of eight bytes come to the same as bit by bit. */
static void crc32_agrees_with_its_definition(void **state)
{
    unsigned char bytes[64];

    (void)state;
    random_bytes(bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint32_t crc = 0xffffffff;

        for (size_t i = 0; i < 8 * len; i++) {
            uint32_t bit = (crc ^ bytes[i / 8] >> i % 8) & 1;

            crc = crc >> 1 ^ (bit ? 0xedb88320 : 0);
        }
        assert_int_equal(digest_crc32((struct slice){(const char *)bytes, len}),
                         ~crc);
    }
}

static void a_digest_is_read_only_as_it_is_written(void **state)
{
    unsigned char digest[DIGEST_BYTES], back[DIGEST_BYTES];
    char text[DIGEST_HEX];

    (void)state;
    random_bytes(digest, sizeof(digest));
    digest_text(digest, text);
    assert_true(digest_parse(back, text));
    assert_true(digest_equal(digest, back));
    back[31] ^= 1;
    assert_false(digest_equal(digest, back));
    text[0] = 'G';
    assert_false(digest_parse(back, text));
    text[0] = 'A';
    assert_false(digest_parse(back, text));
    assert_false(digest_parse(back, ""));
    assert_false(digest_parse(back, "abcd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_standards_answers),
        cmocka_unit_test(pieces_hash_as_the_whole_does),
        cmocka_unit_test(hmac_gives_the_standards_answers),
        cmocka_unit_test(crc32_gives_the_standards_answer),
        cmocka_unit_test(crc32_agrees_with_its_definition),
        cmocka_unit_test(a_digest_is_read_only_as_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
