#include "serve/incoming.h"

void incoming_init(struct incoming *a, size_t head_limit_bytes)
{
    *a = (struct incoming){.head_limit = head_limit_bytes};
    buf_init(&a->held, head_limit_bytes);
}

void incoming_fini(struct incoming *a)
{
    buf_fini(&a->held);
}

static enum incoming_step garbled(struct incoming_piece *out, const char *why)
{
    out->why = why;
    return INCOMING_GARBLED;
}

static struct slice cut(struct slice *in, size_t n)
{
    struct slice front = {in->bytes, n};

    in->bytes += n;
    in->len -= n;
    return front;
}

/* The whole head, wherever it lies, or len 0 and *in taken in: not yet. */
static struct slice collect_head(struct incoming *a, struct slice *in)
{
    size_t had = a->held.len;
    size_t room = a->head_limit - had;
    size_t take = in->len < room ? in->len : room;
    size_t end;

    if (!had) {
        end = http_head_end(in->bytes, take, &a->seen);
        if (end)
            return cut(in, end);
    }
    if (buf_add(&a->held, (struct slice){in->bytes, take}) != 0)
        return (struct slice){0};
    end = had ? http_head_end(a->held.bytes, a->held.len, &a->seen) : 0;
    (void)cut(in, end ? end - had : take);
    return (struct slice){a->held.bytes, end};
}

static enum incoming_step take_head(struct incoming *a, struct slice *in,
                                    struct incoming_piece *out)
{
    struct slice head = collect_head(a, in);

    if (!head.len)
        return a->held.len >= a->head_limit
                   ? garbled(out, "the answer's head is too long")
                   : INCOMING_WANTS;
    a->seen = 0;
    out->head.headers = out->headers;
    if (http_parse_answer(&out->head, head, INCOMING_HEADERS_MOST, &out->why))
        return INCOMING_GARBLED;
    if (out->head.status == 101)
        return garbled(out, "the vendor switched protocols unasked");
    if (out->head.status < 200) {
        buf_fini(&a->held);
        if (++a->n_interim > INCOMING_INTERIM_MOST)
            return garbled(out, "too many interim answers");
        return in->len ? take_head(a, in, out) : INCOMING_WANTS;
    }
    a->has_head = true;
    a->left = out->head.body_len;
    a->keep_alive = out->head.keep_alive && a->left != HTTP_UNTIL_CLOSE;
    return INCOMING_HEAD;
}

static enum incoming_step take_chunks(struct incoming *a, struct slice *in,
                                      struct incoming_piece *out)
{
    while (!a->chunks.done) {
        if (!in->len)
            return INCOMING_WANTS;
        out->body.len = 0;
        if (http_chunks_next(&a->chunks, in, &out->body) != 0)
            return garbled(out, "the answer's chunks are malformed");
        if (out->body.len)
            return INCOMING_BODY;
    }
    a->left = 0;
    return INCOMING_WHOLE;
}

enum incoming_step incoming_next(struct incoming *a, struct slice *in,
                                 struct incoming_piece *out)
{
    size_t n = in->len;

    a->any = a->any || n;
    if (!a->has_head)
        return n ? take_head(a, in, out) : INCOMING_WANTS;
    if (a->held.block)
        buf_fini(&a->held);
    if (a->left == HTTP_CHUNKED)
        return take_chunks(a, in, out);
    if (a->left == 0)
        return INCOMING_WHOLE;
    if (!n)
        return INCOMING_WANTS;
    if (a->left > 0) {
        n = (uint64_t)a->left < n ? (size_t)a->left : n;
        a->left -= (int64_t)n;
    }
    out->body = cut(in, n);
    return INCOMING_BODY;
}

enum fault incoming_end(const struct incoming *a, bool clean, const char **why)
{
    if (!a->has_head) {
        *why = a->any ? "the vendor hung up in the head of its answer"
                      : "the vendor hung up before it answered";
        return FAULT_HUNG_UP;
    }
    if (a->left == HTTP_UNTIL_CLOSE && clean) {
        *why = "";
        return FAULT_NONE;
    }
    *why = clean ? "the vendor ended its answer short of its length"
                 : "the connection broke in the answer";
    return FAULT_CUT_SHORT;
}
