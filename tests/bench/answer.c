#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX 16384UL

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_SIZE,     /* hex digits of a chunk's size */
    PHASE_SIZE_END, /* the line feed after them */
    PHASE_CHUNK,
    PHASE_CHUNK_END, /* CR LF after a chunk */
    PHASE_TRAILER,   /* CR LF after the last chunk */
    PHASE_OVER,
    PHASE_BROKEN,
};

void answer_reset(struct answer *a)
{
    struct text head = a->head;
    head.len = 0;
    *a = (struct answer){.head = head, .sse = a->sse, .counts = a->counts};
    if (a->sse)
        a->sse->len = 0;
}

void answer_fini(struct answer *a)
{
    text_fini(&a->head);
}

static void sse_line(struct sse_counts *c, const char *line, size_t len)
{
    static const char stamp[] = "\"content\":\"t=";
    if (len == 0)
        return;
    if (!STARTS_WITH(line, len, "data: ") ||
        STARTS_WITH(line, len, "data: {\"error\"")) {
        c->bad++;
        return;
    }
    if (STARTS_WITH(line, len, "data: [DONE]")) {
        c->done++;
        return;
    }
    const char *at = memmem(line, len, stamp, sizeof(stamp) - 1);
    if (!at) {
        c->others++;
        return;
    }
    c->chunks++;
    int64_t wrote_ns = strtoll(at + sizeof(stamp) - 1, NULL, 10);
    samples_add(&c->delay_us, (double)(now_ns() - wrote_ns) / 1000);
}

static void sse_feed(struct answer *a, const char *data, size_t len)
{
    struct sse *s = a->sse;
    while (len) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        if (n > sizeof(s->line) - s->len) {
            a->counts->bad++;
            n = sizeof(s->line) - s->len;
            end = NULL;
        }
        if (s->len || !end) {
            memcpy(s->line + s->len, data, n);
            s->len += n;
        }
        if (end) {
            sse_line(a->counts, s->len ? s->line : data, s->len ? s->len : n);
            s->len = 0;
            n++;
        }
        if (n == 0) /* a line longer than we keep: drop it */
            s->len = 0;
        data += n;
        len -= n;
    }
}

static void body_feed(struct answer *a, const char *data, size_t len)
{
    a->body_bytes += len;
    if (len)
        a->last = data[len - 1];
    if (a->sse && a->status == 200)
        sse_feed(a, data, len);
}

static void head_line(struct answer *a, const char *line, size_t len)
{
    if (len > 12 && strncmp(line, "HTTP/1.1 ", 9) == 0)
        a->status = (int)strtol(line + 9, NULL, 10);
    else if (len > 15 && strncasecmp(line, "content-length:", 15) == 0)
        a->left = strtoul(line + 15, NULL, 10);
    else if (len > 18 && strncasecmp(line, "transfer-encoding:", 18) == 0)
        a->chunked = true;
    else if (len >= 17 && strncasecmp(line, "connection: close", 17) == 0)
        a->closes = true;
}

static enum phase head_read(struct answer *a, const char *head, size_t len)
{
    a->left = SIZE_MAX;
    for (const char *at = head, *end = head + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            break;
        head_line(a, at, (size_t)(stop - at));
        at = stop + 1;
    }
    if (a->status == 100)
        return PHASE_HEAD;
    if (a->chunked) {
        a->left = 0;
        return PHASE_SIZE;
    }
    if (a->left == SIZE_MAX || a->status == 0)
        return PHASE_BROKEN;
    return a->left ? PHASE_BODY : PHASE_OVER;
}

/* Takes the head from data, whole or with what came before. */
static size_t head_feed(struct answer *a, const char *data, size_t len)
{
    size_t had = a->head.len;
    const char *all = data;
    if (had) {
        text_add(&a->head, data, len);
        all = a->head.data;
    }
    const char *end = memmem(all, had + len, "\r\n\r\n", 4);
    if (end) {
        size_t head = (size_t)(end - all) + 4;
        a->phase = (int)head_read(a, all, head);
        a->head.len = 0;
        return head - had;
    }
    if (!had)
        text_add(&a->head, data, len);
    if (a->head.len > HEAD_MAX)
        a->phase = PHASE_BROKEN;
    return len;
}

static size_t data_feed(struct answer *a, const char *data, size_t len)
{
    size_t n = len < a->left ? len : a->left;
    body_feed(a, data, n);
    a->left -= n;
    if (a->left == 0)
        a->phase = a->phase == PHASE_BODY ? PHASE_OVER : PHASE_CHUNK_END;
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of what stands between chunks. */
static enum phase framing_feed(struct answer *a, char c)
{
    int digit = hex_digit(c);
    switch (a->phase) {
    case PHASE_SIZE:
        if (digit >= 0 && a->left < SIZE_MAX / 64) {
            a->left = a->left * 16 + (size_t)digit;
            return PHASE_SIZE;
        }
        return c == '\r' ? PHASE_SIZE_END : PHASE_BROKEN;
    case PHASE_SIZE_END:
        if (c != '\n')
            return PHASE_BROKEN;
        return a->left ? PHASE_CHUNK : PHASE_TRAILER;
    case PHASE_CHUNK_END:
        if (c == '\r')
            return PHASE_CHUNK_END;
        return c == '\n' ? PHASE_SIZE : PHASE_BROKEN;
    case PHASE_TRAILER:
        if (c == '\r')
            return PHASE_TRAILER;
        return c == '\n' ? PHASE_OVER : PHASE_BROKEN;
    default: return PHASE_BROKEN;
    }
}

enum answer_state answer_feed(struct answer *a, const char *data, size_t len)
{
    while (len && a->phase != PHASE_BROKEN) {
        size_t n = 1;
        if (a->phase == PHASE_OVER)
            a->phase = PHASE_BROKEN;
        else if (a->phase == PHASE_HEAD)
            n = head_feed(a, data, len);
        else if (a->phase == PHASE_BODY || a->phase == PHASE_CHUNK)
            n = data_feed(a, data, len);
        else
            a->phase = (int)framing_feed(a, *data);
        data += n;
        len -= n;
    }
    if (a->phase == PHASE_BROKEN)
        return ANSWER_BROKEN;
    return a->phase == PHASE_OVER ? ANSWER_DONE : ANSWER_MORE;
}
