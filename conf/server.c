/* server.c - bijia.yaml: the program itself. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

#define KIB (1LL << 10)
#define MIB (1LL << 20)

#define MINUTE 60000LL /* in ms */
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define SIZE(word, member, preset, least, most, text)                      \
    FIELD(conf_server, word, member, .kind = FIELD_SIZE, .init = (preset), \
          .min = (least), .max = (most), .live = true, .help = (text))
#define COUNT(word, member, preset, most, text)                             \
    FIELD(conf_server, word, member, .kind = FIELD_COUNT, .init = (preset), \
          .min = 1, .max = (most), .live = true, .help = (text))
#define TIME(word, member, preset, least, most, text)                          \
    FIELD(conf_server, word, member, .kind = FIELD_DURATION, .init = (preset), \
          .min = (least), .max = (most), .live = true, .help = (text))

static const char *check_user(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits < 10 && !text[digits]
               ? NULL
               : "wants a user's number such as 1000";
}

static const struct field tls_rows[] = {
    FIELD(conf_server, "certificate", tls_certificate, .kind = FIELD_TEXT,
          .init = "",
          .help = "PEM file: the server's certificate, then its chain"),
    FIELD(conf_server, "key", tls_key, .kind = FIELD_TEXT, .init = "",
          .help = "PEM file: its private key"),
};

static const struct field limit_rows[] = {
    SIZE("head", head_bytes, "16KiB", 1 * KIB, 1 * MIB,
         "request line and headers together"),
    COUNT("headers", headers, "64", 1000, "headers of a request"),
    SIZE("body", body_bytes, "8MiB", 1 * KIB, 64 * MIB,
         "a request's body; images come as data URLs"),
    COUNT("connections", connections, "10000", 1000000,
          "of clients, over all workers; further ones are turned away"),
    SIZE("early", early_bytes, "64KiB", 1 * KIB, 1 * MIB,
         "what a client may send before its last answer is out"),
    SIZE("stream_buffer", stream_buffer_bytes, "256KiB", 16 * KIB, 16 * MIB,
         "kept for a client that reads slowly, then its vendor is paused"),
    SIZE("event", event_bytes, "1MiB", 4 * KIB, 16 * MIB,
         "one event of a vendor's stream"),
    SIZE("answer", answer_bytes, "64MiB", 64 * KIB, 1024 * MIB,
         "a vendor's unstreamed answer"),
    COUNT("requests", requests, "10000", 1000000000,
          "on one connection, then it is closed"),
};

static const struct field timeout_rows[] = {
    TIME("head", head_ms, "10s", 100, HOUR,
         "for a client to send the head of its request"),
    TIME("body", body_ms, "60s", 100, HOUR,
         "for a client to send the body of its request"),
    TIME("idle", idle_ms, "60s", 100, DAY,
         "a client's connection is kept open between requests"),
    TIME("write", write_ms, "60s", 100, HOUR,
         "for a client to take in anything of what is sent to it"),
    TIME("connect", connect_ms, "3s", 10, 10 * MINUTE,
         "to reach a vendor, TLS included"),
    TIME("first_byte", first_byte_ms, "60s", 10, HOUR,
         "for a vendor to begin a streamed answer"),
    TIME("answer", answer_ms, "10m", 10, DAY,
         "for a vendor to give an answer that is not streamed; nothing is seen "
         "of it before it is whole"),
    TIME("silence", silence_ms, "120s", 10, HOUR, "within a vendor's answer"),
    TIME("total", total_ms, "30m", 10, DAY, "for one answer, all in all"),
    TIME("drain", drain_ms, "30s", 0, HOUR,
         "after SIGTERM, for the answers under way"),
};

static const struct field attempt_rows[] = {
    COUNT("most", attempts_most, "3", 20, "vendors tried for one request"),
    TIME("budget", attempts_budget_ms, "60s", 10, HOUR,
         "after this no further vendor is tried"),
};

static const struct field breaker_rows[] = {
    COUNT("failures", breaker_failures, "5", 1000,
          "in a row that take an offer out"),
    TIME("open", breaker_open_ms, "30s", 10, DAY,
         "it stays out, then one request tries it"),
};

static const struct field admin_rows[] = {
    FIELD(conf_server, "socket", admin_socket, .kind = FIELD_TEXT, .init = "",
          .help = "unix socket of the admin plane; if absent, admin.sock in "
                  "state_dir"),
    FIELD(conf_server, "users", admin_users, .kind = FIELD_WORDS, .init = "",
          .max = 64, .check = check_user, .live = true,
          .help = "numbers of users who may use it besides root and bijia's "
                  "own; the socket's directory must let them in"),
};

static const struct field ledger_rows[] = {
    TIME("keep", ledger_keep_ms, "", LEDGER_KEEP_LEAST_DAYS *DAY, 36500 * DAY,
         "older rows are removed; budgets and seals remember them; absent: "
         "all stay"),
};

static const struct field_table admin = FIELD_TABLE(admin_rows);
static const struct field_table tls = FIELD_TABLE(tls_rows),
                                limits = FIELD_TABLE(limit_rows),
                                timeouts = FIELD_TABLE(timeout_rows),
                                attempts = FIELD_TABLE(attempt_rows),
                                breaker = FIELD_TABLE(breaker_rows),
                                ledger = FIELD_TABLE(ledger_rows);

static const struct field rows[] = {
    FIELD(conf_server, "listen", listen, .kind = FIELD_WORDS,
          .init = "127.0.0.1:8080", .min = 1, .max = 64, .check = check_listen,
          .help = "addresses that clients connect to"),
    FIELD(conf_server, "workers", workers, .kind = FIELD_COUNT, .init = "2",
          .min = 1, .max = 256, .help = "threads that serve requests"),
    FIELD(conf_server, "state_dir", state_dir, .kind = FIELD_TEXT,
          .init = "state",
          .help = "where ledger.db and routing.jsonl live; relative to this "
                  "directory"),
    FIELD(conf_server, "pepper_file", pepper_file, .kind = FIELD_TEXT,
          .init = "",
          .help = "the secret mixed into the digests of keys.yaml; if absent, "
                  "pepper in state_dir"),
    FIELD(conf_server, "log_level", log_level, .kind = FIELD_CHOICE,
          .init = "info", .choices = "error warn info debug", .live = true,
          .help = "what is logged to stderr"),
    SECTION("tls", &tls, "with it, `listen` speaks TLS only"),
    SECTION("admin", &admin, "who may look into it, and where"),
    SECTION("limits", &limits, "what a client or vendor may send"),
    SECTION("timeouts", &timeouts, "what is waited for, and how long"),
    SECTION("attempts", &attempts, "how often another vendor is tried"),
    SECTION("breaker", &breaker, "when an offer that fails is left alone"),
    SECTION("ledger", &ledger, "what is kept of what was spent"),
};

const struct field_table server_fields = FIELD_TABLE(rows);

/* What no row can say, since it is about two of them. */
static void check_pairs(const struct load *l, const struct node *root)
{
    const struct conf_server *s = &l->conf->server;
    const struct node *section = node_find(root, "tls");

    if (section)
        l->conf->server.tls_place = *node_head(section);
    if (section && (!s->tls_certificate || !s->tls_key))
        diag_error(l->diag, node_head(section),
                   "\"tls\" wants both \"certificate\" and \"key\"");
    section = node_find(root, "timeouts");
    if (section && s->total_ms && s->total_ms < s->first_byte_ms)
        diag_error(l->diag, node_head(section),
                   "\"total\" is shorter than \"first_byte\": no vendor could "
                   "use its time");
}

void server_read(const struct load *l, const struct node *root)
{
    fields_read(&server_fields, root, &l->conf->server, l->arena, l->diag);
    check_pairs(l, root);
}
