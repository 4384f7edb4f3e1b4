#include "http/parse.h"

#include <string.h>
#include <strings.h>

/*
 * A head is read in one pass, line by line, then its framing is judged as a
 * whole. `at` never passes `end`: every head ends with CR LF CR LF, and none
 * of the classes below holds CR.
 */
enum {
    TOKEN = 1,
    TARGET = 2, /* of a path or query */
    HOST = 4,
    BLANK = 8,
    REQUEST_LINE_MOST = 4096,
    LENGTH_DIGITS_MOST = 10,
};

static const unsigned char KINDS[256] = {
    ['\t'] = BLANK,
    [' '] = BLANK,
    ['!'] = TOKEN | TARGET,
    ['#'] = TOKEN,
    ['$'] = TOKEN | TARGET,
    ['%'] = TOKEN | TARGET | HOST,
    ['&'] = TOKEN | TARGET,
    ['\''] = TOKEN | TARGET,
    ['('] = TARGET,
    [')'] = TARGET,
    ['*'] = TOKEN | TARGET,
    ['+'] = TOKEN | TARGET,
    [','] = TARGET,
    ['-'] = TOKEN | TARGET | HOST,
    ['.'] = TOKEN | TARGET | HOST,
    ['/'] = TARGET,
    ['0' ... '9'] = TOKEN | TARGET | HOST,
    [':'] = TARGET | HOST,
    [';'] = TARGET,
    ['='] = TARGET,
    ['?'] = TARGET,
    ['@'] = TARGET,
    ['A' ... 'Z'] = TOKEN | TARGET | HOST,
    ['['] = HOST,
    [']'] = HOST,
    ['^'] = TOKEN,
    ['_'] = TOKEN | TARGET | HOST,
    ['`'] = TOKEN,
    ['a' ... 'z'] = TOKEN | TARGET | HOST,
    ['|'] = TOKEN,
    ['~'] = TOKEN | TARGET | HOST,
};

/* Known, so that a route may answer 405; any other is 501. */
static const char *const METHODS[] = {
    "POST",  "GET",   "HEAD",    "PUT",     "DELETE",
    "PATCH", "TRACE", "OPTIONS", "CONNECT",
};

/* The fields that frame a message, and how often each came. */
struct framing {
    struct slice host, length, coding, expect;
    int hosts, lengths, codings, expects;
    bool close;
};

struct reader {
    const char *at, *end;
    const char *why;
};

static int refuse(struct reader *r, int status, const char *why)
{
    r->why = why;
    return status;
}

static bool is(char c, unsigned kind)
{
    return KINDS[(unsigned char)c] & kind;
}

static struct slice take(struct reader *r, unsigned kind)
{
    const char *from = r->at;

    while (is(*r->at, kind))
        r->at++;
    return (struct slice){from, (size_t)(r->at - from)};
}

static bool skip(struct reader *r, const char *text, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool all(struct slice s, unsigned kind)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.bytes[i], kind))
            return false;
    return true;
}

/* `lower` holds small letters, digits and '-' only. */
static bool same(struct slice s, const char *lower, size_t len)
{
    if (s.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((s.bytes[i] | 0x20) != lower[i])
            return false;
    return true;
}

#define SAME(s, lower) same(s, lower, sizeof(lower) - 1)

/* Eight bytes at a time: does any lie below `n`, or equal DEL? */
static uint64_t any_below(uint64_t x, uint64_t n)
{
    const uint64_t ones = 0x0101010101010101ULL;

    return (x - ones * n) & ~x & (ones << 7);
}

/* The first control character but tab, at the latest the head's last CR. */
static const char *text_end(const char *at, const char *end)
{
    while (at < end) {
        uint64_t x;

        if (end - at >= 8) {
            memcpy(&x, at, 8);
            if (!any_below(x, 0x20) &&
                !any_below(x ^ 0x7f7f7f7f7f7f7f7fULL, 1)) {
                at += 8;
                continue;
            }
        }
        for (int i = 0; i < 8 && at < end; i++, at++) {
            unsigned char c = (unsigned char)*at;

            if ((c < 0x20 && c != '\t') || c == 0x7f)
                return at;
        }
    }
    return at;
}

static int read_text(struct reader *r, struct slice *out)
{
    const char *from = r->at, *to = text_end(r->at, r->end);

    r->at = to;
    if (!skip(r, "\r\n", 2))
        return refuse(r, 400, "a control character in the head");
    while (from < to && is(*from, BLANK))
        from++;
    while (to > from && is(to[-1], BLANK))
        to--;
    *out = (struct slice){from, (size_t)(to - from)};
    return 0;
}

static bool lists_close(struct slice value)
{
    const char *at = value.bytes, *end = at + value.len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *to = comma ? comma : end;
        struct slice word;

        while (at < to && is(*at, BLANK))
            at++;
        word.bytes = at;
        word.len = (size_t)(to - at);
        while (word.len && is(word.bytes[word.len - 1], BLANK))
            word.len--;
        if (SAME(word, "close"))
            return true;
        at = comma ? comma + 1 : end;
    }
    return false;
}

static void note_field(struct framing *f, const struct http_header *h)
{
    switch (h->name.len) {
    case 4:
        if (SAME(h->name, "host")) {
            f->host = h->value;
            f->hosts++;
        }
        break;
    case 6:
        if (SAME(h->name, "expect")) {
            f->expect = h->value;
            f->expects++;
        }
        break;
    case 10:
        if (SAME(h->name, "connection"))
            f->close = f->close || lists_close(h->value);
        break;
    case 14:
        if (SAME(h->name, "content-length")) {
            f->length = h->value;
            f->lengths++;
        }
        break;
    case 17:
        if (SAME(h->name, "transfer-encoding")) {
            f->coding = h->value;
            f->codings++;
        }
        break;
    default: break;
    }
}

static int read_fields(struct reader *r, struct http_head *out, size_t most,
                       struct framing *f)
{
    while (*r->at != '\r') {
        struct http_header *h = &out->headers[out->n_headers];
        int status;

        if (is(*r->at, BLANK))
            return refuse(r, 400, "a folded header line");
        if (out->n_headers == most)
            return refuse(r, 431, "too many header fields");
        h->name = take(r, TOKEN);
        if (!h->name.len)
            return refuse(r, 400, "a header line without a name");
        if (is(*r->at, BLANK))
            return refuse(r, 400, "a blank in or after a header's name");
        if (*r->at++ != ':')
            return refuse(r, 400, "a bad character in a header's name");
        status = read_text(r, &h->value);
        if (status)
            return status;
        out->n_headers++;
        note_field(f, h);
    }
    if (!skip(r, "\r\n", 2) || r->at != r->end)
        return refuse(r, 400, "a control character in the head");
    return 0;
}

static int read_length(struct reader *r, struct slice value, int64_t *out)
{
    *out = 0;
    if (!value.len || value.len > LENGTH_DIGITS_MOST)
        return refuse(r, 400, "a bad Content-Length");
    for (size_t i = 0; i < value.len; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return refuse(r, 400, "a bad Content-Length");
        *out = *out * 10 + (value.bytes[i] - '0');
    }
    return 0;
}

/* One framing only: no second length, no length beside a coding. */
static int judge_framing(struct reader *r, const struct framing *f,
                         struct http_head *out, int64_t otherwise)
{
    out->body_len = otherwise;
    if (f->lengths > 1)
        return refuse(r, 400, "more than one Content-Length");
    if (f->codings > 1)
        return refuse(r, 400, "more than one Transfer-Encoding");
    if (f->lengths && f->codings)
        return refuse(r, 400, "both Content-Length and Transfer-Encoding");
    if (f->lengths)
        return read_length(r, f->length, &out->body_len);
    if (!f->codings)
        return 0;
    if (out->version_0)
        return refuse(r, 400, "Transfer-Encoding in HTTP/1.0");
    if (!SAME(f->coding, "chunked"))
        return refuse(r, 501, "a Transfer-Encoding other than chunked");
    out->body_len = HTTP_CHUNKED;
    return 0;
}

static int judge_request(struct reader *r, const struct framing *f,
                         struct http_head *out)
{
    int status;

    if (f->hosts > 1)
        return refuse(r, 400, "more than one Host");
    if (!f->hosts && !out->version_0)
        return refuse(r, 400, "no Host");
    if (f->hosts && (!f->host.len || !all(f->host, HOST)))
        return refuse(r, 400, "a bad Host");
    status = judge_framing(r, f, out, 0);
    if (status)
        return status;
    if (f->expects && (f->expects > 1 || !SAME(f->expect, "100-continue")))
        return refuse(r, 417, "an expectation other than 100-continue");
    out->expect_continue = f->expects && !out->version_0;
    out->keep_alive = !f->close && !out->version_0;
    return 0;
}

/* 0, 505 or 400; what follows the version is the caller's to read. */
static int read_version(struct reader *r, bool *version_0)
{
    const char *at = r->at;

    if (!skip(r, "HTTP/", 5) || r->end - r->at < 5)
        return refuse(r, 400, "not an HTTP/1.1 start line");
    *version_0 = memcmp(at, "HTTP/1.0", 8) == 0;
    r->at = at + 8;
    if (*version_0 || memcmp(at, "HTTP/1.1", 8) == 0)
        return 0;
    if (at[5] >= '0' && at[5] <= '9' && at[6] == '.' && at[7] >= '0' &&
        at[7] <= '9' && !is(at[8], TOKEN))
        return refuse(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken");
    return refuse(r, 400, "not an HTTP/1.1 start line");
}

static bool method_known(struct slice method)
{
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++)
        if (slice_is(method, METHODS[i]))
            return true;
    return false;
}

static void split_target(struct slice target, struct http_head *out)
{
    const char *mark = memchr(target.bytes, '?', target.len);

    out->path = target;
    if (!mark)
        return;
    out->path.len = (size_t)(mark - target.bytes);
    out->query.bytes = mark + 1;
    out->query.len = target.len - out->path.len - 1;
}

static int read_request_line(struct reader *r, struct http_head *out)
{
    const char *from = r->at;
    struct slice target;
    int status;

    out->method = take(r, TOKEN);
    if (!out->method.len || !skip(r, " ", 1))
        return refuse(r, 400, "not an HTTP/1.1 start line");
    target = take(r, TARGET);
    if (r->at - from > REQUEST_LINE_MOST)
        return refuse(r, 414, "the request line is too long");
    if (!target.len || target.bytes[0] != '/')
        return refuse(r, 400, "the target must be a path");
    if (!skip(r, " ", 1))
        return refuse(r, 400, "a bad character in the path");
    status = read_version(r, &out->version_0);
    if (status)
        return status;
    if (!skip(r, "\r\n", 2))
        return refuse(r, 400, "not an HTTP/1.1 start line");
    if (!method_known(out->method))
        return refuse(r, 501, "an unknown method");
    split_target(target, out);
    return 0;
}

static int read_status_line(struct reader *r, struct http_head *out)
{
    struct slice reason;
    int status = read_version(r, &out->version_0);

    if (status)
        return status;
    if (r->end - r->at < 6 || r->at[0] != ' ')
        return refuse(r, 400, "not a status line");
    for (int i = 1; i <= 3; i++) {
        if (r->at[i] < '0' || r->at[i] > '9')
            return refuse(r, 400, "not a status line");
        out->status = out->status * 10 + (r->at[i] - '0');
    }
    r->at += 4;
    if (*r->at != ' ' && *r->at != '\r')
        return refuse(r, 400, "not a status line");
    if (out->status < 100 || out->status > 599 || out->status == 101)
        return refuse(r, 400, "an impossible status");
    return read_text(r, &reason);
}

static int judge_answer(struct reader *r, const struct framing *f,
                        struct http_head *out)
{
    int status = judge_framing(r, f, out, HTTP_UNTIL_CLOSE);

    if (status)
        return status;
    out->keep_alive = !f->close && !out->version_0;
    if (out->status / 100 == 1 || out->status == 204 || out->status == 304) {
        /* What they announce is not sent: nothing may follow if we err. */
        if (out->body_len == HTTP_CHUNKED ||
            (out->body_len > 0 && out->status != 304))
            out->keep_alive = false;
        out->body_len = 0;
    }
    if (out->body_len == HTTP_UNTIL_CLOSE)
        out->keep_alive = false;
    return 0;
}

static bool begin(struct reader *r, struct http_head *out, struct slice bytes)
{
    struct http_header *room = out->headers;

    *out = (struct http_head){.headers = room};
    r->at = bytes.bytes;
    r->end = bytes.bytes + bytes.len;
    r->why = NULL;
    return bytes.len >= 4 && memcmp(r->end - 4, "\r\n\r\n", 4) == 0;
}

int http_parse_request(struct http_head *out, struct slice bytes,
                       size_t headers_most, const char **why)
{
    struct framing f = {0};
    struct reader r;
    int status = 400;

    if (begin(&r, out, bytes))
        status = read_request_line(&r, out);
    else
        r.why = "a line that does not end with CR LF";
    if (!status)
        status = read_fields(&r, out, headers_most, &f);
    if (!status)
        status = judge_request(&r, &f, out);
    *why = r.why;
    return status;
}

int http_parse_answer(struct http_head *out, struct slice bytes,
                      size_t headers_most, const char **why)
{
    struct framing f = {0};
    struct reader r;
    int status = 400;

    if (begin(&r, out, bytes))
        status = read_status_line(&r, out);
    else
        r.why = "a line that does not end with CR LF";
    if (!status)
        status = read_fields(&r, out, headers_most, &f);
    if (!status)
        status = judge_answer(&r, &f, out);
    *why = r.why;
    return status;
}

size_t http_head_end(const char *bytes, size_t len, size_t *seen)
{
    size_t at = *seen;

    while (at < len) {
        const char *lf = memchr(bytes + at, '\n', len - at);

        if (!lf)
            break;
        at = (size_t)(lf - bytes) + 1;
        if (at == 1 || bytes[at - 2] != '\r')
            return at; /* a bare LF: never a head, refused by the parser */
        if (at == 2 || bytes[at - 3] == '\n')
            return at;
    }
    *seen = len;
    return 0;
}

struct slice http_find(const struct http_head *head, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < head->n_headers; i++) {
        struct slice have = head->headers[i].name;

        if (have.len == len && strncasecmp(have.bytes, name, len) == 0)
            return head->headers[i].value;
    }
    return (struct slice){"", 0};
}
