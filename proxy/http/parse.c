#include "http/parse.h"

#include <string.h>
#include <strings.h>

#include "http/fields.h"

/*
 * A head is read in one pass, line by line, then its framing is judged as a
 * whole.
 */
enum {
    REQUEST_LINE_MOST = 4096,
};

/* Known, so that a route may answer 405; any other is 501. */
static const char *const methods[] = {
    "POST",  "GET",   "HEAD",    "PUT",     "DELETE",
    "PATCH", "TRACE", "OPTIONS", "CONNECT",
};

static bool all(struct slice s, unsigned kind)
{
    for (size_t i = 0; i < s.len; i++)
        if (!char_is(s.bytes[i], kind))
            return false;
    return true;
}

static int judge_request(struct reader *r, const struct framing *f,
                         struct http_head *out)
{
    int status;

    if (f->hosts > 1)
        return reader_refuse(r, 400, "more than one Host");
    if (!f->hosts && !out->version_0)
        return reader_refuse(r, 400, "no Host");
    if (f->hosts && (!f->host.len || !all(f->host, HOST)))
        return reader_refuse(r, 400, "a bad Host");
    status = framing_judge(r, f, out, 0);
    if (status)
        return status;
    if (f->expects && (f->expects > 1 || !WORD_IS(f->expect, "100-continue")))
        return reader_refuse(r, 417, "an expectation other than 100-continue");
    out->expect_continue = f->expects && !out->version_0;
    out->keep_alive = !f->close && !out->version_0;
    return 0;
}

/* 0, 505 or 400; what follows the version is the caller's to read. */
static int read_version(struct reader *r, bool *version_0)
{
    const char *at = r->at;

    if (!reader_skip(r, "HTTP/", 5) || r->end - r->at < 5)
        return reader_refuse(r, 400, "not an HTTP/1.1 start line");
    *version_0 = memcmp(at, "HTTP/1.0", 8) == 0;
    r->at = at + 8;
    if (*version_0 || memcmp(at, "HTTP/1.1", 8) == 0)
        return 0;
    if (at[5] >= '0' && at[5] <= '9' && at[6] == '.' && at[7] >= '0' &&
        at[7] <= '9' && !char_is(at[8], TOKEN))
        return reader_refuse(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken");
    return reader_refuse(r, 400, "not an HTTP/1.1 start line");
}

static bool method_known(struct slice method)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_is(method, methods[i]))
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

    out->method = reader_take(r, TOKEN);
    if (!out->method.len || !reader_skip(r, " ", 1))
        return reader_refuse(r, 400, "not an HTTP/1.1 start line");
    target = reader_take(r, TARGET);
    if (r->at - from > REQUEST_LINE_MOST)
        return reader_refuse(r, 414, "the request line is too long");
    if (!target.len || target.bytes[0] != '/')
        return reader_refuse(r, 400, "the target must be a path");
    if (!reader_skip(r, " ", 1))
        return reader_refuse(r, 400, "a bad character in the path");
    status = read_version(r, &out->version_0);
    if (status)
        return status;
    if (!reader_skip(r, "\r\n", 2))
        return reader_refuse(r, 400, "not an HTTP/1.1 start line");
    if (!method_known(out->method))
        return reader_refuse(r, 501, "an unknown method");
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
        return reader_refuse(r, 400, "not a status line");
    for (int i = 1; i <= 3; i++) {
        if (r->at[i] < '0' || r->at[i] > '9')
            return reader_refuse(r, 400, "not a status line");
        out->status = out->status * 10 + (r->at[i] - '0');
    }
    r->at += 4;
    if (*r->at != ' ' && *r->at != '\r')
        return reader_refuse(r, 400, "not a status line");
    if (out->status < 100 || out->status > 599 || out->status == 101)
        return reader_refuse(r, 400, "an impossible status");
    return reader_text(r, &reason);
}

static int judge_answer(struct reader *r, const struct framing *f,
                        struct http_head *out)
{
    int status = framing_judge(r, f, out, HTTP_UNTIL_CLOSE);

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
        status = reader_fields(&r, out, headers_most, &f);
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
        status = reader_fields(&r, out, headers_most, &f);
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
