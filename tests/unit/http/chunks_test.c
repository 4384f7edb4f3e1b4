#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/parse.h"

#define TEXT(s) s, sizeof(s) - 1
#define TEN     "0123456789"
#define SIXTY   TEN TEN TEN TEN TEN TEN

struct row {
    const char *bytes;
    size_t len;
    const char *body; /* NULL: refused */
    size_t rest;      /* bytes behind the body, left alone */
};

static const struct row table[] = {
    {TEXT("0\r\n\r\n"), "", 0},
    {TEXT("5\r\nhello\r\n0\r\n\r\n"), "hello", 0},
    {TEXT("5\r\nhello\r\n0\r\n\r\nGET /"), "hello", 5},
    {TEXT("00000005\r\nhello\r\n00000000\r\n\r\n"), "hello", 0},
    {TEXT("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), TEN TEN, 0},
    {TEXT("1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n"), "\r\n", 0},
    {TEXT("5;a=b\r\nhello\r\n0;last\r\n\r\n"), "hello", 0},
    {TEXT("5;a=\"b c\"\r\nhello\r\n0\r\n\r\n"), "hello", 0},
    {TEXT("5\r\nhello\r\n0\r\nX: y\r\nZ: w\r\n\r\n"), "hello", 0},
    {TEXT("1;" SIXTY "\r\nx\r\n0\r\n\r\n"), "x", 0},

    {TEXT("\r\n"), NULL, 0},
    {TEXT("0x3\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("+3\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("-3\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT(" 3\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3 \r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("g\r\n"), NULL, 0},
    {TEXT("000000003\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3\r\rabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3\r\nabc\n0\r\n\r\n"), NULL, 0},
    {TEXT("3\r\nabc0\r\n\r\n"), NULL, 0},
    {TEXT("3\r\nabcd\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3\r\nabc\r\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3;\0\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3;a\nb\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("3;a\rb\r\nabc\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("1;" SIXTY "01234\r\nx\r\n0\r\n\r\n"), NULL, 0},
    {TEXT("0\r\n\n"), NULL, 0},
    {TEXT("0\r\n\r\r\n"), NULL, 0},
    {TEXT("0\r\nX: y\n\r\n"), NULL, 0},
    {TEXT("0\r\n folded\r\n\r\n"), NULL, 0},
    {TEXT("0\r\n: y\r\n\r\n"), NULL, 0},
    {TEXT("0\r\n\x80: y\r\n\r\n"), NULL, 0},
    {TEXT("0\r\nX : y\r\n\r\n"), NULL, 0},
    {TEXT("0\r\nX\r\n\r\n"), NULL, 0},
    {TEXT("0\r\nX: \x01\r\n\r\n"), NULL, 0},
};

struct result {
    int rc;
    bool done;
    size_t rest, len;
    char body[256];
};

static void feed(struct http_chunks *c, struct slice in, struct result *r)
{
    while (in.len && !c->done && r->rc == 0) {
        struct slice out;

        r->rc = http_chunks_next(c, &in, &out);
        if (r->rc == 0 && out.len) {
            assert_true(r->len + out.len <= sizeof(r->body));
            memcpy(r->body + r->len, out.bytes, out.len);
            r->len += out.len;
        }
    }
    r->rest += in.len;
    r->done = c->done;
}

static struct result read_cut(const struct row *row, size_t cut)
{
    struct http_chunks c = {0};
    struct result r = {0};

    feed(&c, (struct slice){row->bytes, cut}, &r);
    feed(&c, (struct slice){row->bytes + cut, row->len - cut}, &r);
    return r;
}

static void check(const struct row *row, const struct result *r)
{
    if (!row->body) {
        if (r->rc == 0)
            fail_msg("taken: %s", row->bytes);
        return;
    }
    if (r->rc != 0 || !r->done)
        fail_msg("refused: %s", row->bytes);
    assert_int_equal(r->len, strlen(row->body));
    assert_memory_equal(r->body, row->body, r->len);
    assert_int_equal(r->rest, row->rest);
}

static void chunked_bodies_are_read_or_refused_however_they_are_cut(void **s)
{
    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        for (size_t cut = 0; cut <= table[i].len; cut++) {
            struct result r = read_cut(&table[i], cut);

            check(&table[i], &r);
        }
}

static void chunked_bodies_may_come_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct http_chunks c = {0};
        struct result r = {0};

        for (size_t at = 0; at < table[i].len; at++)
            feed(&c, (struct slice){table[i].bytes + at, 1}, &r);
        check(&table[i], &r);
    }
}

static void a_body_is_not_done_before_its_last_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table) && table[i].body; i++)
        for (size_t len = 0; len < table[i].len - table[i].rest; len++) {
            struct http_chunks c = {0};
            struct result r = {0};

            feed(&c, (struct slice){table[i].bytes, len}, &r);
            assert_int_equal(r.rc, 0);
            assert_false(r.done);
        }
}

/* Repeats `unit` until it is refused; how many bytes were taken? */
static size_t taken_of(const char *start, const char *unit, size_t most)
{
    struct http_chunks c = {0};
    struct result r = {0};
    size_t n = 0;

    feed(&c, slice_of(start), &r);
    while (n < most && r.rc == 0) {
        r.len = 0;
        feed(&c, slice_of(unit), &r);
        n += strlen(unit);
    }
    return n;
}

static void extensions_and_trailers_are_bounded(void **state)
{
    (void)state;
    assert_in_range(taken_of("0\r\n", "a: b\r\n", 1 << 20), 1000, 2000);
    assert_in_range(taken_of("0\r\na:", "aaaaaaaaaa", 1 << 20), 1000, 1100);
    assert_in_range(taken_of("", "1;" SIXTY "\r\nx\r\n", 1 << 20), 1000, 1400);
    assert_in_range(taken_of("5;a", "aaaaaaaaaa", 1 << 20), 60, 80);
    assert_in_range(taken_of("", "0", 1 << 20), 8, 9);
    assert_int_equal(taken_of("", "1\r\nx\r\n", 1 << 20) >> 20, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            chunked_bodies_are_read_or_refused_however_they_are_cut),
        cmocka_unit_test(chunked_bodies_may_come_byte_by_byte),
        cmocka_unit_test(a_body_is_not_done_before_its_last_byte),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
