#include "http/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#define CA    "ca.pem"
#define OTHER "other.pem"

/* Two ends of one connection, in this thread. */
struct pair {
    struct sock client, server;
    char error[200];
};

static char directory[] = "/tmp/tls_test_XXXXXX";
static struct tls_context *server, *client;

static int make_certificate(const char *name, const char *key)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt "
             "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
             "-addext subjectAltName=DNS:vendor.example,IP:127.0.0.1 "
             "-keyout %s -out %s 2>/dev/null",
             key, name);
    return system(command); // NOLINT(cert-env33-c)
}

static int set_up(void **state)
{
    char error[200];

    (void)state;
    if (!mkdtemp(directory) || chdir(directory) != 0 ||
        make_certificate(CA, "ca.key") != 0 ||
        make_certificate(OTHER, "other.key") != 0)
        return -1;
    server = tls_server_new(CA, "ca.key", error, sizeof(error));
    client = tls_client_new(CA, error, sizeof(error));
    return server && client ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const files[] = {CA, "ca.key", OTHER, "other.key"};

    (void)state;
    tls_context_free(server);
    tls_context_free(client);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(files[i]);
    return rmdir(directory);
}

/* 1: both are done; else what failed first, and its reason. */
static int shake(struct pair *p, struct tls_context *as, const char *host)
{
    int fds[2], ours = SOCK_AGAIN, theirs = SOCK_AGAIN;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    *p = (struct pair){.client = {.fd = fds[0]}, .server = {.fd = fds[1]}};
    assert_int_equal(tls_begin(&p->client, as, host, 443), 0);
    assert_int_equal(tls_begin(&p->server, server, NULL, 0), 0);
    for (int i = 0; i < 20 && (ours != 1 || theirs != 1); i++) {
        if (ours != 1)
            ours = tls_handshake(&p->client, p->error, sizeof(p->error));
        if (ours == SOCK_BROKEN)
            return SOCK_BROKEN;
        if (theirs != 1)
            theirs = tls_handshake(&p->server, p->error, sizeof(p->error));
        if (theirs == SOCK_BROKEN)
            return SOCK_BROKEN;
    }
    return ours == 1 && theirs == 1 ? 1 : SOCK_AGAIN;
}

static void end(struct pair *p)
{
    sock_close(&p->client, true);
    sock_close(&p->server, true);
}

static void a_vendor_is_believed_by_its_name_or_address_alone(void **state)
{
    static const struct {
        const char *host;
        int rc;
        const char *why;
    } rows[] = {
        {"vendor.example", 1, ""},
        {"127.0.0.1", 1, ""},
        {"other.example", SOCK_BROKEN, "hostname mismatch"},
        {"127.0.0.2", SOCK_BROKEN, "IP address mismatch"},
        {"::1", SOCK_BROKEN, "IP address mismatch"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pair p;

        assert_int_equal(shake(&p, client, rows[i].host), rows[i].rc);
        if (rows[i].rc != 1)
            assert_non_null(strstr(p.error, rows[i].why));
        end(&p);
    }
}

static void an_unknown_authority_is_refused(void **state)
{
    char error[200];
    struct tls_context *strange = tls_client_new(OTHER, error, sizeof(error));
    struct pair p;

    (void)state;
    assert_non_null(strange);
    assert_int_equal(shake(&p, strange, "vendor.example"), SOCK_BROKEN);
    assert_non_null(strstr(p.error, "certificate refused"));
    end(&p);
    tls_context_free(strange);
}

static void bad_files_are_told(void **state)
{
    char error[200];

    (void)state;
    assert_null(tls_server_new("none", "ca.key", error, sizeof(error)));
    assert_non_null(strstr(error, "certificate"));
    assert_null(tls_server_new(CA, "none", error, sizeof(error)));
    assert_non_null(strstr(error, "key"));
    assert_null(tls_server_new(CA, "other.key", error, sizeof(error)));
    assert_non_null(strstr(error, "key"));
    assert_null(tls_client_new("none", error, sizeof(error)));
    assert_non_null(strstr(error, "authorities"));
}

/* Moves what `text` says from one end to the other, in slices of `each`. */
static void pass(struct sock *from, struct sock *to, const char *text,
                 size_t len, size_t each)
{
    size_t sent = 0, got = 0;
    char *copy = malloc(len + 1);

    assert_non_null(copy);
    while (got < len) {
        struct slice parts[10];
        size_t n = 0;
        ssize_t rc;

        for (size_t at = sent; n < 10 && at < len; n++) {
            size_t some = len - at < each ? len - at : each;

            parts[n] = (struct slice){text + at, some};
            at += some;
        }
        rc = n ? sock_writev(from, parts, n) : SOCK_AGAIN;
        assert_true(rc > 0 || rc == SOCK_AGAIN);
        sent += rc > 0 ? (size_t)rc : 0;
        while ((rc = sock_read(to, copy + got, len + 1 - got)) > 0)
            got += (size_t)rc;
        assert_int_equal(rc, SOCK_AGAIN);
    }
    assert_int_equal(got, len);
    assert_memory_equal(copy, text, len);
    free(copy);
}

static void bytes_pass_whole_in_slices_of_any_size(void **state)
{
    static const size_t each[] = {1, 7, 1000, 16384, 16385, 100000, 1 << 20};
    size_t len = 1 << 20;
    char *text = malloc(len);
    struct pair p;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 2654435761U >> 13);
    assert_int_equal(shake(&p, client, "vendor.example"), 1);
    for (size_t i = 0; i < ARRAY_LEN(each); i++) {
        size_t some = each[i] < 100 ? 20000 : len;

        pass(&p.client, &p.server, text, some, each[i]);
        pass(&p.server, &p.client, text, some, each[i]);
    }
    end(&p);
    free(text);
}

static void a_write_that_had_to_wait_goes_on_where_it_was(void **state)
{
    size_t len = 4 << 20, sent = 0, got = 0;
    char *text = malloc(len), *copy = malloc(len);
    struct pair p;
    ssize_t rc;

    (void)state;
    assert_true(text && copy);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 2654435761U >> 17);
    assert_int_equal(shake(&p, client, "vendor.example"), 1);
    while (got < len) {
        while (sent < len) {
            char *moved = malloc(len - sent); /* the bytes have moved */

            assert_non_null(moved);
            memcpy(moved, text + sent, len - sent);
            rc = sock_writev(&p.client, &(struct slice){moved, len - sent}, 1);
            free(moved);
            if (rc == SOCK_AGAIN)
                break;
            assert_true(rc > 0);
            sent += (size_t)rc;
        }
        rc = sock_read(&p.server, copy + got, 50000);
        assert_true(rc > 0 || rc == SOCK_AGAIN);
        got += rc > 0 ? (size_t)rc : 0;
    }
    assert_memory_equal(copy, text, len);
    end(&p);
    free(text);
    free(copy);
}

static void many_slices_travel_as_one_record(void **state)
{
    struct slice parts[8];
    char bytes[64], raw[1024];
    struct pair p;
    ssize_t n;

    (void)state;
    assert_int_equal(shake(&p, client, "vendor.example"), 1);
    assert_int_equal(sock_read(&p.client, bytes, sizeof(bytes)), SOCK_AGAIN);
    for (size_t i = 0; i < 8; i++)
        parts[i] = (struct slice){"abcdef", 6};
    assert_int_equal(sock_writev(&p.server, parts, 8), 48);
    n = recv(p.client.fd, raw, sizeof(raw), MSG_PEEK);
    assert_int_equal(n,
                     5 + (unsigned char)raw[3] * 256 + (unsigned char)raw[4]);
    assert_int_equal(sock_read(&p.client, bytes, sizeof(bytes)), 48);
    end(&p);
}

static void only_a_goodbye_is_an_end(void **state)
{
    struct pair p;
    char byte;

    (void)state;
    assert_int_equal(shake(&p, client, "vendor.example"), 1);
    assert_int_equal(sock_read(&p.client, &byte, 1), SOCK_AGAIN);
    sock_shutdown(&p.server, true);
    assert_int_equal(sock_read(&p.client, &byte, 1), SOCK_EOF);
    end(&p);
    assert_int_equal(shake(&p, client, "vendor.example"), 1);
    assert_int_equal(sock_read(&p.client, &byte, 1), SOCK_AGAIN);
    sock_shutdown(&p.server, false);
    assert_int_equal(sock_read(&p.client, &byte, 1), SOCK_BROKEN);
    end(&p);
    assert_int_equal(shake(&p, client, "vendor.example"), 1);
    sock_close(&p.server, false);
    assert_int_equal(sock_read(&p.client, &byte, 1), SOCK_EOF);
    end(&p);
}

static void a_broken_handshake_is_told(void **state)
{
    struct pair p = {.client = {.fd = -1}};
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    p.client.fd = fds[0];
    assert_int_equal(tls_begin(&p.client, client, "vendor.example", 443), 0);
    assert_int_equal(tls_handshake(&p.client, p.error, sizeof(p.error)),
                     SOCK_AGAIN);
    assert_int_equal(write(fds[1], "HTTP/1.1 400 Bad\r\n\r\n", 20), 20);
    assert_int_equal(tls_handshake(&p.client, p.error, sizeof(p.error)),
                     SOCK_BROKEN);
    assert_non_null(strstr(p.error, "handshake failed"));
    sock_close(&p.client, false);
    close(fds[1]);
}

static bool is_resumed(const char *host, struct tls_context *as)
{
    struct pair p;
    char byte;
    bool resumed;

    assert_int_equal(shake(&p, as, host), 1);
    assert_int_equal(sock_read(&p.client, &byte, 1), SOCK_AGAIN); /* ticket */
    resumed = SSL_session_reused(p.client.ssl);
    end(&p);
    return resumed;
}

static void sessions_are_resumed_with_the_same_vendor_only(void **state)
{
    char error[200];
    struct tls_context *fresh = tls_client_new(CA, error, sizeof(error));

    (void)state;
    assert_non_null(fresh);
    assert_false(is_resumed("vendor.example", fresh));
    assert_false(is_resumed("127.0.0.1", fresh));
    assert_true(is_resumed("vendor.example", fresh));
    assert_true(is_resumed("127.0.0.1", fresh));
    tls_context_free(fresh);
}

static void the_oldest_sessions_are_given_up(void **state)
{
    char error[200], name[40];
    struct tls_context *fresh = tls_client_new(CA, error, sizeof(error));

    (void)state;
    assert_non_null(fresh);
    assert_false(is_resumed("vendor.example", fresh));
    for (int i = 0; i < 70; i++) {
        struct sock s = {.fd = -1};

        snprintf(name, sizeof(name), "v%d.example", i);
        assert_int_equal(tls_begin(&s, fresh, name, 443), 0);
        if (i == 40)
            assert_true(is_resumed("vendor.example", fresh));
        sock_close(&s, true);
    }
    assert_true(is_resumed("vendor.example", fresh));
    for (int i = 0; i < 70; i++) {
        struct sock s = {.fd = -1};

        snprintf(name, sizeof(name), "w%d.example", i);
        assert_int_equal(tls_begin(&s, fresh, name, 443), 0);
        sock_close(&s, true);
    }
    assert_false(is_resumed("vendor.example", fresh));
    tls_context_free(fresh);
}

static void a_connection_outlives_its_context(void **state)
{
    char error[200];
    struct tls_context *fresh = tls_client_new(CA, error, sizeof(error));
    struct pair p;

    (void)state;
    assert_non_null(fresh);
    assert_int_equal(shake(&p, fresh, "vendor.example"), 1);
    tls_context_free(fresh);
    pass(&p.server, &p.client, "hello", 5, 5); /* behind a ticket */
    pass(&p.client, &p.server, "hello", 5, 5);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vendor_is_believed_by_its_name_or_address_alone),
        cmocka_unit_test(an_unknown_authority_is_refused),
        cmocka_unit_test(bad_files_are_told),
        cmocka_unit_test(bytes_pass_whole_in_slices_of_any_size),
        cmocka_unit_test(a_write_that_had_to_wait_goes_on_where_it_was),
        cmocka_unit_test(many_slices_travel_as_one_record),
        cmocka_unit_test(only_a_goodbye_is_an_end),
        cmocka_unit_test(a_broken_handshake_is_told),
        cmocka_unit_test(sessions_are_resumed_with_the_same_vendor_only),
        cmocka_unit_test(the_oldest_sessions_are_given_up),
        cmocka_unit_test(a_connection_outlives_its_context),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
