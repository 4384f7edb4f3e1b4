#include "http/fields.h"

#include <endian.h>
#include <string.h>

enum {
    LENGTH_DIGITS_MOST = 10,
};

static const unsigned char kinds[256] = {
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

int reader_refuse(struct reader *r, int status, const char *why)
{
    r->why = why;
    return status;
}

bool char_is(char c, unsigned kind)
{
    return kinds[(unsigned char)c] & kind;
}

struct slice reader_take(struct reader *r, unsigned kind)
{
    const char *from = r->at;

    while (char_is(*r->at, kind))
        r->at++;
    return (struct slice){from, (size_t)(r->at - from)};
}

bool reader_skip(struct reader *r, const char *text, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    return true;
}

bool word_is(struct slice s, const char *lower, size_t len)
{
    if (s.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((s.bytes[i] | 0x20) != lower[i])
            return false;
    return true;
}

/* The high bit of each byte that is below `n`; of those above one that is, it
 * may be set wrongly. */
static uint64_t below(uint64_t x, uint64_t n)
{
    const uint64_t ones = 0x0101010101010101ULL;

    return (x - ones * n) & ~x & (ones << 7);
}

/* The first control character, or `end`. Eight bytes at a time. */
static const char *control(const char *at, const char *end)
{
    const uint64_t dels = 0x7f7f7f7f7f7f7f7fULL;
    uint64_t x, odd;

    for (; end - at >= 8; at += 8) {
        memcpy(&x, at, 8);
        x = le64toh(x);
        odd = below(x, 0x20) | below(x ^ dels, 1);
        if (odd)
            return at + __builtin_ctzll(odd) / 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && *at != 0x7f)
        at++;
    return at;
}

const char *text_end(const char *at, const char *end)
{
    at = control(at, end);
    while (at < end && *at == '\t')
        at = control(at + 1, end);
    return at;
}

int reader_text(struct reader *r, struct slice *out)
{
    /* at the latest at the head's last CR */
    const char *from = r->at, *to = text_end(r->at, r->end);

    r->at = to;
    if (!reader_skip(r, "\r\n", 2))
        return reader_refuse(r, 400, "a control character in the head");
    while (from < to && char_is(*from, BLANK))
        from++;
    while (to > from && char_is(to[-1], BLANK))
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

        while (at < to && char_is(*at, BLANK))
            at++;
        word.bytes = at;
        word.len = (size_t)(to - at);
        while (word.len && char_is(word.bytes[word.len - 1], BLANK))
            word.len--;
        if (WORD_IS(word, "close"))
            return true;
        at = comma ? comma + 1 : end;
    }
    return false;
}

static void note_field(struct framing *f, const struct http_header *h)
{
    switch (h->name.len) {
    case 4:
        if (WORD_IS(h->name, "host")) {
            f->host = h->value;
            f->hosts++;
        }
        break;
    case 6:
        if (WORD_IS(h->name, "expect")) {
            f->expect = h->value;
            f->expects++;
        }
        break;
    case 10:
        if (WORD_IS(h->name, "connection"))
            f->close = f->close || lists_close(h->value);
        break;
    case 14:
        if (WORD_IS(h->name, "content-length")) {
            f->length = h->value;
            f->lengths++;
        }
        break;
    case 17:
        if (WORD_IS(h->name, "transfer-encoding")) {
            f->coding = h->value;
            f->codings++;
        }
        break;
    default: break;
    }
}

int reader_fields(struct reader *r, struct http_head *out, size_t most,
                  struct framing *f)
{
    while (*r->at != '\r') {
        struct http_header *h = &out->headers[out->n_headers];
        int status;

        if (char_is(*r->at, BLANK))
            return reader_refuse(r, 400, "a folded header line");
        if (out->n_headers == most)
            return reader_refuse(r, 431, "too many header fields");
        h->name = reader_take(r, TOKEN);
        if (!h->name.len)
            return reader_refuse(r, 400, "a header line without a name");
        if (char_is(*r->at, BLANK))
            return reader_refuse(r, 400, "a blank in or after a header's name");
        if (*r->at++ != ':')
            return reader_refuse(r, 400, "a bad character in a header's name");
        status = reader_text(r, &h->value);
        if (status)
            return status;
        out->n_headers++;
        note_field(f, h);
    }
    if (!reader_skip(r, "\r\n", 2) || r->at != r->end)
        return reader_refuse(r, 400, "a control character in the head");
    return 0;
}

static int read_length(struct reader *r, struct slice value, int64_t *out)
{
    *out = 0;
    if (!value.len || value.len > LENGTH_DIGITS_MOST)
        return reader_refuse(r, 400, "a bad Content-Length");
    for (size_t i = 0; i < value.len; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return reader_refuse(r, 400, "a bad Content-Length");
        *out = *out * 10 + (value.bytes[i] - '0');
    }
    return 0;
}

/* One framing only: no second length, no length beside a coding. */
int framing_judge(struct reader *r, const struct framing *f,
                  struct http_head *out, int64_t otherwise)
{
    out->body_len = otherwise;
    if (f->lengths > 1)
        return reader_refuse(r, 400, "more than one Content-Length");
    if (f->codings > 1)
        return reader_refuse(r, 400, "more than one Transfer-Encoding");
    if (f->lengths && f->codings)
        return reader_refuse(r, 400,
                             "both Content-Length and Transfer-Encoding");
    if (f->lengths)
        return read_length(r, f->length, &out->body_len);
    if (!f->codings)
        return 0;
    if (out->version_0)
        return reader_refuse(r, 400, "Transfer-Encoding in HTTP/1.0");
    if (!WORD_IS(f->coding, "chunked"))
        return reader_refuse(r, 501, "a Transfer-Encoding other than chunked");
    out->body_len = HTTP_CHUNKED;
    return 0;
}
