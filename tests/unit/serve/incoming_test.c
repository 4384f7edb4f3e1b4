#include "serve/incoming.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HEAD_LIMIT = 256,
};

/* What came of some bytes. */
struct outcome {
    enum fault fault; /* FAULT_COUNT: neither whole nor garbled yet */
    int status;
    size_t left_over;
    char body[256];
    const char *why;
};

static void take(struct incoming *a, struct slice in, struct outcome *out)
{
    /* A copy of the very size: a byte read beyond it shows. */
    char *copy = malloc(in.len ? in.len : 1);
    struct slice rest = {copy, in.len};
    struct incoming_piece piece;

    assert_non_null(copy);
    memcpy(copy, in.bytes, in.len);
    while (out->fault == FAULT_COUNT) {
        enum incoming_step step = incoming_next(a, &rest, &piece);

        if (step == INCOMING_WANTS)
            break;
        if (step == INCOMING_HEAD)
            out->status = piece.head.status;
        if (step == INCOMING_BODY)
            strncat(out->body, piece.body.bytes, piece.body.len);
        if (step == INCOMING_WHOLE)
            out->fault = FAULT_NONE;
        if (step != INCOMING_GARBLED)
            continue;
        out->fault = FAULT_GARBLED;
        out->why = piece.why;
    }
    out->left_over += rest.len;
    free(copy);
}

/* The bytes, cut at `first` and `second`, and then the end. */
static struct outcome outcome_of(struct slice all, size_t first, size_t second,
                                 bool clean)
{
    struct outcome out = {.fault = FAULT_COUNT};
    struct incoming a;

    incoming_init(&a, HEAD_LIMIT);
    take(&a, (struct slice){all.bytes, first}, &out);
    take(&a, (struct slice){all.bytes + first, second - first}, &out);
    take(&a, (struct slice){all.bytes + second, all.len - second}, &out);
    if (out.fault == FAULT_COUNT)
        out.fault = incoming_end(&a, clean, &out.why);
    incoming_fini(&a);
    return out;
}

static struct outcome outcome_of_bytes(struct slice all, bool clean)
{
    struct outcome out = {.fault = FAULT_COUNT};
    struct incoming a;

    incoming_init(&a, HEAD_LIMIT);
    for (size_t i = 0; i < all.len; i++)
        take(&a, (struct slice){all.bytes + i, 1}, &out);
    if (out.fault == FAULT_COUNT)
        out.fault = incoming_end(&a, clean, &out.why);
    incoming_fini(&a);
    return out;
}

static const struct canned {
    const char *bytes;
    enum fault fault;
    int status;
    size_t left_over;
    const char *body;
} cans[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", FAULT_NONE,
     200, 0, "hello world"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello stray", FAULT_NONE, 200,
     6, "hello"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
     FAULT_NONE, 200, 0, "hello world"},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world", FAULT_NONE, 200,
     0, "hello world"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nno",
     FAULT_NONE, 429, 0, "no"},
    {"HTTP/1.1 204 No Content\r\n\r\n", FAULT_NONE, 204, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAULT_NONE, 200, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
     "\r\n3\r\nabc\r\n0\r\n\r\n",
     FAULT_GARBLED, 0, 0, NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
     FAULT_GARBLED, 0, 0, NULL},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", FAULT_GARBLED, 0,
     0, NULL},
    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", FAULT_GARBLED, 0, 0, NULL},
    {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n", FAULT_GARBLED, 0, 0,
     NULL},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
     FAULT_GARBLED, 200, 0, NULL},
};

static void assert_as_canned(const struct canned *can, struct outcome got)
{
    assert_int_equal(got.fault, can->fault);
    assert_int_equal(got.status, can->status);
    if (can->body)
        assert_string_equal(got.body, can->body);
    if (can->fault == FAULT_NONE)
        assert_int_equal(got.left_over, can->left_over);
    if (got.fault != FAULT_NONE)
        assert_non_null(got.why);
}

static void an_answer_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cans); i++) {
        struct slice all = slice_of(cans[i].bytes);

        assert_as_canned(&cans[i], outcome_of_bytes(all, true));
        for (size_t first = 0; first <= all.len; first++)
            for (size_t second = first; second <= all.len; second++)
                assert_as_canned(&cans[i],
                                 outcome_of(all, first, second, true));
    }
}

/* No prefix of a good answer is taken for whole, but where the framing says
 * so: the close of the connection, if that was clean, or no body at all. */
static void an_answer_cut_short_is_never_taken_for_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cans); i++) {
        struct slice all = slice_of(cans[i].bytes);
        bool by_close = strstr(cans[i].bytes, "close") != NULL;

        if (cans[i].fault != FAULT_NONE || cans[i].left_over)
            continue;
        for (size_t len = 0; len < all.len; len++) {
            struct slice part = {all.bytes, len};

            for (int clean = 0; clean < 2; clean++) {
                struct outcome got = outcome_of(part, 0, len, clean);

                if (!got.status)
                    assert_int_equal(got.fault, FAULT_HUNG_UP);
                else
                    assert_int_equal(got.fault, by_close && clean
                                                    ? FAULT_NONE
                                                    : FAULT_CUT_SHORT);
            }
        }
    }
}

static void a_head_is_bounded_to_the_byte(void **state)
{
    char bytes[HEAD_LIMIT + 64];
    int len;

    (void)state;
    for (int over = 0; over < 2; over++) {
        struct outcome got;

        len = snprintf(bytes, sizeof(bytes),
                       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ");
        memset(bytes + len, 'x', sizeof(bytes) - (size_t)len);
        len = HEAD_LIMIT - 4 + over;
        memcpy(bytes + len, "\r\n\r\nok", sizeof("\r\n\r\nok"));
        got = outcome_of((struct slice){bytes, (size_t)len + 6}, 20, 21, true);
        assert_int_equal(got.fault, over ? FAULT_GARBLED : FAULT_NONE);
        got = outcome_of_bytes((struct slice){bytes, (size_t)len + 6}, true);
        assert_int_equal(got.fault, over ? FAULT_GARBLED : FAULT_NONE);
        got = outcome_of((struct slice){bytes, (size_t)len + 6}, 0, 0, true);
        assert_int_equal(got.fault, over ? FAULT_GARBLED : FAULT_NONE);
    }
}

static void interim_answers_are_counted(void **state)
{
    char bytes[1024];

    (void)state;
    for (int n = 8; n <= 9; n++) {
        struct outcome got;

        bytes[0] = '\0';
        for (int i = 0; i < n; i++)
            strcat(bytes, "HTTP/1.1 102 Processing\r\n\r\n");
        strcat(bytes, "HTTP/1.1 204 No Content\r\n\r\n");
        got = outcome_of_bytes(slice_of(bytes), true);
        assert_int_equal(got.fault, n == 8 ? FAULT_NONE : FAULT_GARBLED);
    }
}

static void only_an_answer_that_frames_itself_leaves_a_connection(void **state)
{
    static const struct {
        const char *bytes;
        bool keep;
    } heads[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
         false},
        {"HTTP/1.1 200 OK\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct outcome out = {.fault = FAULT_COUNT};
        struct incoming a;

        incoming_init(&a, HEAD_LIMIT);
        take(&a, slice_of(heads[i].bytes), &out);
        assert_int_equal(out.status, 200);
        assert_int_equal(a.keep_alive, heads[i].keep);
        incoming_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_the_same_however_it_is_cut),
        cmocka_unit_test(an_answer_cut_short_is_never_taken_for_whole),
        cmocka_unit_test(a_head_is_bounded_to_the_byte),
        cmocka_unit_test(interim_answers_are_counted),
        cmocka_unit_test(only_an_answer_that_frames_itself_leaves_a_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
