#include "http/tls.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/fatal.h"

#include "http/tls_io.h"

/*
 * Sessions of a client context: a small table, the one used longest ago given
 * up first. A connection keeps its key (as the SSL's app data), so that a
 * late ticket never lands under another vendor's name.
 */
enum {
    SESSIONS = 64,
    NAME_BYTES = 256,
    KEY_BYTES = NAME_BYTES + 8, /* host:port */
    RECORD_BYTES = 16 * 1024,
};

struct session {
    char key[KEY_BYTES];
    SSL_SESSION *session;
    uint64_t used; /* by the context's `uses` */
};

struct tls_context {
    SSL_CTX *ssl;
    bool server;
    uint64_t uses;
    struct session *sessions; /* a client's */
};

/* What the library says, or the system through it. */
static const char *reason_of(unsigned long code)
{
    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    return code ? ERR_reason_error_string(code) : NULL;
}

static void say(char *error, size_t size, const char *what, const char *file)
{
    const char *reason = reason_of(ERR_get_error());

    snprintf(error, size, "%s%s%s%s", what, file, reason ? ": " : "",
             reason ? reason : "");
    ERR_clear_error();
}

static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *context_new(const SSL_METHOD *method, bool server)
{
    struct tls_context *t = calloc(1, sizeof(*t));
    SSL_CTX *ssl = SSL_CTX_new(method);

    if (!t || !ssl)
        fatal("out of memory making a TLS context");
    t->ssl = ssl;
    t->server = server;
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1);
    return t;
}

struct tls_context *tls_server_new(const char *certificate_file,
                                   const char *key_file, char *error,
                                   size_t error_size)
{
    struct tls_context *t = context_new(TLS_server_method(), true);
    static const unsigned char name[] = "bijia";

    ERR_clear_error();
    SSL_CTX_set_session_id_context(t->ssl, name, sizeof(name) - 1);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(t->ssl, 1);
    SSL_CTX_set_alpn_select_cb(t->ssl, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(t->ssl, certificate_file) != 1)
        say(error, error_size, "cannot use the certificate ", certificate_file);
    else if (SSL_CTX_use_PrivateKey_file(t->ssl, key_file, SSL_FILETYPE_PEM) !=
             1)
        say(error, error_size, "cannot use the private key ", key_file);
    else if (SSL_CTX_check_private_key(t->ssl) != 1)
        say(error, error_size, "the certificate does not belong to ", key_file);
    else
        return t;
    tls_context_free(t);
    return NULL;
}

static struct session *find_session(struct tls_context *t, const char *key)
{
    for (int i = 0; i < SESSIONS; i++)
        if (strcmp(t->sessions[i].key, key) == 0)
            return &t->sessions[i];
    return NULL;
}

/* Called when a ticket came; 1: the session is ours to keep. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *key = SSL_get_app_data(ssl);
    struct session *s = t && key ? find_session(t, key) : NULL;

    if (!s)
        return 0;
    SSL_SESSION_free(s->session);
    s->session = session;
    return 1;
}

struct tls_context *tls_client_new(const char *ca_file, char *error,
                                   size_t error_size)
{
    struct tls_context *t = context_new(TLS_client_method(), false);
    static const unsigned char ours[] = "\x08http/1.1";
    int ok;

    ERR_clear_error();
    t->sessions = calloc(SESSIONS, sizeof(*t->sessions));
    if (!t->sessions || SSL_CTX_set_alpn_protos(t->ssl, ours, 9) != 0)
        fatal("out of memory making a TLS context");
    SSL_CTX_set_app_data(t->ssl, t);
    SSL_CTX_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_CLIENT |
                                               SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->ssl, keep_session);
    ok = ca_file ? SSL_CTX_load_verify_file(t->ssl, ca_file)
                 : SSL_CTX_set_default_verify_paths(t->ssl);
    if (ok == 1)
        return t;
    say(error, error_size, "cannot read the certificates of authorities", "");
    tls_context_free(t);
    return NULL;
}

void tls_context_free(struct tls_context *t)
{
    if (!t)
        return;
    for (int i = 0; t->sessions && i < SESSIONS; i++)
        SSL_SESSION_free(t->sessions[i].session);
    free(t->sessions);
    SSL_CTX_set_app_data(t->ssl, NULL); /* connections may outlive us */
    SSL_CTX_free(t->ssl);
    free(t);
}

/* The row of `key`, maybe one given up for it. */
static struct session *use_session(struct tls_context *t, const char *key)
{
    struct session *s = find_session(t, key);

    if (!s) {
        s = &t->sessions[0];
        for (int i = 1; i < SESSIONS; i++)
            if (t->sessions[i].used < s->used)
                s = &t->sessions[i];
        SSL_SESSION_free(s->session);
        s->session = NULL;
        snprintf(s->key, sizeof(s->key), "%s", key);
    }
    s->used = ++t->uses;
    return s;
}

static bool is_address(const char *host)
{
    unsigned char into[16];

    return inet_pton(AF_INET, host, into) == 1 ||
           inet_pton(AF_INET6, host, into) == 1;
}

static int begin_client(SSL *ssl, struct tls_context *t, const char *host,
                        int port)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    char name[NAME_BYTES], key[KEY_BYTES], *own_key;
    struct session *s;

    if ((size_t)snprintf(name, sizeof(name), "%s", host) >= sizeof(name))
        return -1;
    snprintf(key, sizeof(key), "%s:%d", name, port & 0xffff);
    SSL_set_connect_state(ssl);
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(host)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
            return -1;
    } else if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1 ||
               SSL_set_tlsext_host_name(ssl, name) != 1) {
        return -1;
    }
    own_key = strdup(key); /* freed by tls_end() */
    if (!own_key)
        return -1;
    SSL_set_app_data(ssl, own_key);
    s = use_session(t, key);
    if (s->session)
        SSL_set_session(ssl, s->session);
    return 0;
}

int tls_begin(struct sock *s, struct tls_context *t, const char *host, int port)
{
    SSL *ssl = SSL_new(t->ssl);

    if (!ssl)
        return -1;
    if (SSL_set_fd(ssl, s->fd) != 1 ||
        (!t->server && begin_client(ssl, t, host, port) != 0)) {
        free(SSL_get_app_data(ssl));
        SSL_free(ssl);
        return -1;
    }
    if (t->server)
        SSL_set_accept_state(ssl);
    s->ssl = ssl;
    return 0;
}

/* What a call that moved nothing means. */
static int outcome(struct sock *s, int rc)
{
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ: s->wants_write = false; return SOCK_AGAIN;
    case SSL_ERROR_WANT_WRITE: s->wants_write = true; return SOCK_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return SOCK_EOF;
    default: return SOCK_BROKEN;
    }
}

int tls_handshake(struct sock *s, char *error, size_t error_size)
{
    long verdict;
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(s->ssl);
    if (rc == 1)
        return 1;
    rc = outcome(s, rc);
    if (rc == SOCK_AGAIN)
        return SOCK_AGAIN;
    verdict = SSL_get_verify_result(s->ssl);
    if (verdict != X509_V_OK)
        snprintf(error, error_size, "certificate refused: %s",
                 X509_verify_cert_error_string(verdict));
    else
        say(error, error_size, "TLS handshake failed", "");
    return SOCK_BROKEN;
}

ssize_t tls_read(struct sock *s, void *into, size_t size)
{
    size_t n = 0;
    int rc;

    ERR_clear_error();
    rc = SSL_read_ex(s->ssl, into, size, &n);
    return rc == 1 ? (ssize_t)n : outcome(s, rc);
}

/* Up to a record's worth from the front of the slices, in one piece. */
static struct slice one_piece(const struct slice *from, size_t n, size_t skip,
                              char *room)
{
    size_t filled = 0, i = 0;

    while (i < n && skip >= from[i].len)
        skip -= from[i++].len;
    if (i < n && from[i].len - skip >= RECORD_BYTES)
        return (struct slice){from[i].bytes + skip, RECORD_BYTES};
    for (; i < n && filled < RECORD_BYTES; i++, skip = 0) {
        size_t some = from[i].len - skip;

        if (some > RECORD_BYTES - filled)
            some = RECORD_BYTES - filled;
        if (some)
            memcpy(room + filled, from[i].bytes + skip, some);
        filled += some;
    }
    return (struct slice){room, filled};
}

/* After SOCK_AGAIN the caller comes again with at least the same bytes. */
ssize_t tls_writev(struct sock *s, const struct slice *from, size_t n)
{
    char room[RECORD_BYTES];
    size_t moved = 0;

    ERR_clear_error();
    for (;;) {
        struct slice piece = one_piece(from, n, moved, room);
        size_t sent = 0;
        int rc;

        if (!piece.len)
            return (ssize_t)moved;
        rc = SSL_write_ex(s->ssl, piece.bytes, piece.len, &sent);
        if (rc != 1)
            return moved ? (ssize_t)moved : outcome(s, rc);
        moved += sent;
    }
}

bool tls_pending(const struct sock *s)
{
    return SSL_has_pending(s->ssl);
}

void tls_goodbye(struct sock *s)
{
    ERR_clear_error();
    if (SSL_is_init_finished(s->ssl))
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void tls_end(struct sock *s)
{
    /* Cancelling an answer does not make its session bad. */
    if (SSL_is_init_finished(s->ssl))
        SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    free(SSL_get_app_data(s->ssl));
    SSL_set_app_data(s->ssl, NULL);
    SSL_free(s->ssl);
    s->ssl = NULL;
}
