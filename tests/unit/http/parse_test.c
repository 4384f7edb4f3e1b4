#include "http/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define H       "Host: a.example\r\n"
#define TEXT(s) s, sizeof(s) - 1

static struct http_header room[HTTP_HEADERS_MOST];
static struct http_head head;
static const char *why;

struct row {
    const char *bytes;
    size_t len;
    int status; /* 0: accepted */
    int64_t body_len;
};

/* Every head of reliability's table, and the good ones beside them. */
static const struct row requests[] = {
    {TEXT("GET / HTTP/1.1\r\n" H "\r\n"), 0, 0},
    {TEXT("POST /v1/x?a=b&c HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"), 0, 5},
    {TEXT("POST / HTTP/1.1\r\n" H "content-LENGTH:\t7 \t\r\n\r\n"), 0, 7},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 0000000003\r\n\r\n"), 0, 3},
    {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 0,
     HTTP_CHUNKED},
    {TEXT("POST / HTTP/1.1\r\n" H "transfer-encoding: CHUNKED\r\n\r\n"), 0,
     HTTP_CHUNKED},
    {TEXT("GET / HTTP/1.0\r\n\r\n"), 0, 0},
    {TEXT("GET / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n"), 0, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: caf\xc3\xa9\ttab\r\n\r\n"), 0, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "Empty:\r\nExpect: 100-Continue\r\n\r\n"), 0,
     0},
    {TEXT("OPTIONS / HTTP/1.1\r\n" H "\r\n"), 0, 0},

    /* lengths */
    {TEXT("POST / HTTP/1.1\r\n" H
          "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
     400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H
          "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
     400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length\t: 5\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 3 3\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 5abc\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 12345678901\r\n\r\n"), 400,
     0},
    /* codings */
    {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"), 501,
     0},
    {TEXT("POST / HTTP/1.1\r\n" H
          "Transfer-Encoding: identity, chunked\r\n\r\n"),
     501, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n"), 501,
     0},
    {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n"), 501, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"), 501, 0},
    {TEXT("POST / HTTP/1.1\r\n" H
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H
          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
     400, 0},
    {TEXT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 400,
     0},
    /* control characters, lines, names */
    {TEXT("GET / HTTP/1.1\r\n" H "\0X: y\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X\0: b\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: aaaaaaaaaaaaaaaa\rbbbbbbbb\r\n\r\n"), 400,
     0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: a\x1b[0m\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: a\r\n folded\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "X: a\r\n\tfolded\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n folded first\r\n" H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\n" H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\nHost: a\n\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H ": empty\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "a b: c\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "a(b): c\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "a\x01: c\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "caf\xc3\xa9: c\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n"), 400, 0},
    /* versions */
    {TEXT("GET / HTTP/1.9\r\n" H "\r\n"), 505, 0},
    {TEXT("GET / HTTP/2.0\r\n" H "\r\n"), 505, 0},
    {TEXT("GET / HTTP/4294967297.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.10\r\n" H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/01.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET / http/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1 \r\n" H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1x\r\n" H "\r\n"), 400, 0},
    {TEXT("GET /\r\n" H "\r\n"), 400, 0},
    {TEXT("PRI * HTTP/2.0\r\n\r\n"), 400, 0},
    /* hosts and targets */
    {TEXT("GET / HTTP/1.1\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\n" H H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.0\r\n" H H "\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400, 0},
    {TEXT("GET http://a.example/ HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("CONNECT a:443 HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET /a b HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET /a#b HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET /\x01 HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET  / HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("GET\t/ HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT(" GET / HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("\r\nGET / HTTP/1.1\r\n" H "\r\n"), 400, 0},
    /* methods and expectations */
    {TEXT("BREW / HTTP/1.1\r\n" H "\r\n"), 501, 0},
    {TEXT("get / HTTP/1.1\r\n" H "\r\n"), 501, 0},
    {TEXT("G\xc3\xa9T / HTTP/1.1\r\n" H "\r\n"), 400, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n"), 417, 0},
    {TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-continue, x\r\n\r\n"), 417, 0},
    {TEXT("POST / HTTP/1.1\r\n" H
          "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"),
     417, 0},
};

static int parse(const char *bytes, size_t len, size_t most)
{
    head.headers = room;
    return http_parse_request(&head, (struct slice){bytes, len}, most, &why);
}

static void requests_are_taken_or_refused_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct row *r = &requests[i];
        int status = parse(r->bytes, r->len, 64);

        if (status != r->status || (status == 0) != (why == NULL))
            fail_msg("%s: %d %s", r->bytes, status, why ? why : "");
        if (!status)
            assert_int_equal(head.body_len, r->body_len);
    }
}

/* What http_head_end() says of the first `have` bytes, called at each of two
 * cuts before. */
static size_t end_with_cuts(const struct row *r, size_t one, size_t two)
{
    size_t seen = 0, end = http_head_end(r->bytes, one, &seen);

    if (!end)
        end = http_head_end(r->bytes, two, &seen);
    if (!end)
        end = http_head_end(r->bytes, r->len, &seen);
    return end;
}

static void a_heads_end_does_not_depend_on_how_it_was_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct row *r = &requests[i];
        size_t seen = 0, end = http_head_end(r->bytes, r->len, &seen);

        assert_true(end > 0 && end <= r->len);
        if (r->status == 0)
            assert_int_equal(end, r->len);
        else /* if it ends early it is refused all the same */
            assert_int_not_equal(parse(r->bytes, end, 64), 0);
        for (size_t one = 0; one <= r->len; one++)
            for (size_t two = one; two <= r->len; two += 7)
                assert_int_equal(end_with_cuts(r, one, two), end);
    }
}

static void no_prefix_of_a_good_head_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        for (size_t len = 0; len < requests[i].len; len++)
            if (requests[i].status == 0)
                assert_int_not_equal(parse(requests[i].bytes, len, 64), 0);
}

static void the_parts_of_a_request_are_found(void **state)
{
    const char *text = "POST /v1/chat?x=1?y HTTP/1.1\r\nHost: h\r\n"
                       "AUTHORIZATION:  Bearer k \r\nExpect: 100-continue\r\n"
                       "Content-Length: 9\r\nConnection: foo, Close\r\n\r\n";
    struct slice value;

    (void)state;
    assert_int_equal(parse(text, strlen(text), 64), 0);
    assert_true(slice_is(head.method, "POST"));
    assert_true(slice_is(head.path, "/v1/chat"));
    assert_true(slice_is(head.query, "x=1?y"));
    assert_true(head.expect_continue);
    assert_false(head.keep_alive);
    assert_false(head.version_0);
    assert_int_equal(head.n_headers, 5);
    value = http_find(&head, "authorization");
    assert_true(slice_is(value, "Bearer k"));
    assert_int_equal(http_find(&head, "absent").len, 0);
}

static void http_1_0_is_never_kept_alive(void **state)
{
    const char *text = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n"
                       "Expect: 100-continue\r\n\r\n";

    (void)state;
    assert_int_equal(parse(text, strlen(text), 64), 0);
    assert_true(head.version_0);
    assert_false(head.keep_alive);
    assert_false(head.expect_continue);
}

static void header_fields_are_counted(void **state)
{
    char text[4096];
    int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H);

    (void)state;
    for (int i = 0; i < 63; i++)
        len += snprintf(text + len, sizeof(text) - len, "a%d: b\r\n", i);
    len += snprintf(text + len, sizeof(text) - len, "\r\n");
    assert_int_equal(parse(text, (size_t)len, 64), 0);
    assert_int_equal(head.n_headers, 64);
    assert_int_equal(parse(text, (size_t)len, 63), 431);
}

static void a_request_line_may_have_four_kibibytes(void **state)
{
    char text[8192];

    (void)state;
    for (int path = 4080; path < 4100; path++) {
        int len = snprintf(text, sizeof(text),
                           "GET /%0*d HTTP/1.1\r\n" H "\r\n", path, 0);
        int status = parse(text, (size_t)len, 64);

        assert_int_equal(status, 4 + 1 + path > 4096 ? 414 : 0);
    }
}

static const struct row answers[] = {
    {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), 0, 3},
    {TEXT("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n"), 0, 3},
    {TEXT("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n"), 0,
     HTTP_CHUNKED},
    {TEXT("HTTP/1.1 200 b\xc3\xa4h: \"no\"\r\n\r\n"), 0, HTTP_UNTIL_CLOSE},
    {TEXT("HTTP/1.0 200 OK\r\n\r\n"), 0, HTTP_UNTIL_CLOSE},
    {TEXT("HTTP/1.1 204 No\r\n\r\n"), 0, 0},
    {TEXT("HTTP/1.1 304 No\r\nContent-Length: 77\r\n\r\n"), 0, 0},
    {TEXT("HTTP/1.1 100 Continue\r\n\r\n"), 0, 0},
    {TEXT("HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n"), 0, 0},
    {TEXT("HTTP/1.1 429 Slow\r\nX: caf\xe9\r\nContent-Length: 0\r\n\r\n"), 0,
     0},
    {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
          "Transfer-Encoding: chunked\r\n\r\n"),
     1, 0},
    {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
     1, 0},
    {TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 200 OK\r\nX : y\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 200 OK\r\nX: y\0z\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 200 O\x01K\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 20 OK\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 2000 OK\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 600 OK\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 099 OK\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 101 Switching\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1  200 OK\r\n\r\n"), 1, 0},
    {TEXT("HTTP/2 200\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1 200 OK\nContent-Length: 3\n\n"), 1, 0},
    {TEXT("SSH-2.0-OpenSSH\r\n\r\n"), 1, 0},
    {TEXT("HTTP/1.1\r\n\r\n"), 1, 0},
    {TEXT("\r\n\r\n"), 1, 0},
    {TEXT(""), 1, 0},
};

static void answers_are_taken_or_called_nonsense(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const struct row *r = &answers[i];
        int status;

        head.headers = room;
        status = http_parse_answer(&head, (struct slice){r->bytes, r->len}, 64,
                                   &why);
        if ((status != 0) != (r->status != 0))
            fail_msg("%s: %d %s", r->bytes, status, why ? why : "");
        if (!status)
            assert_int_equal(head.body_len, r->body_len);
    }
}

static void an_answer_says_whether_its_connection_stays(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n",
         false},
        {"HTTP/1.1 200 OK\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false},
        {"HTTP/1.1 204 No\r\n\r\n", true},
        {"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", false},
        {"HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n", true},
        {"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        head.headers = room;
        assert_int_equal(
            http_parse_answer(&head, slice_of(rows[i].text), 64, &why), 0);
        assert_int_equal(head.keep_alive, rows[i].keep);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_taken_or_refused_as_the_table_says),
        cmocka_unit_test(a_heads_end_does_not_depend_on_how_it_was_cut),
        cmocka_unit_test(no_prefix_of_a_good_head_is_taken),
        cmocka_unit_test(the_parts_of_a_request_are_found),
        cmocka_unit_test(http_1_0_is_never_kept_alive),
        cmocka_unit_test(header_fields_are_counted),
        cmocka_unit_test(a_request_line_may_have_four_kibibytes),
        cmocka_unit_test(answers_are_taken_or_called_nonsense),
        cmocka_unit_test(an_answer_says_whether_its_connection_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
