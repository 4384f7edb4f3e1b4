#include "vendors/sse.h"

#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum {
    KEEP_BYTES = 4096, /* a tail block larger than this is given back */
};

static void fini(void *arg)
{
    struct sse *s = arg;

    buf_fini(&s->tail);
    buf_fini(&s->joined);
}

void sse_init(struct sse *s, size_t limit, struct arena *a)
{
    *s = (struct sse){0};
    buf_init(&s->tail, limit);
    buf_init(&s->joined, limit);
    arena_defer(a, fini, s);
}

/* The first LF or CR at or after p, or `end`. */
static const char *eol(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int mask = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
                         _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'))));

        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    return p;
}

/* Past the blank line that ends the event at p, or NULL: not within. */
static const char *event_end(struct sse *s, const char *p, const char *end)
{
    while (p < end) {
        if (s->after_cr && *p == '\n') { /* of the same line's end */
            s->after_cr = false;
            p++;
            continue;
        }
        s->after_cr = false;
        if (!s->in_line && *p == '\n')
            return p + 1;
        if (!s->in_line && *p == '\r') {
            s->owed_lf = ++p == end;
            return p < end && *p == '\n' ? p + 1 : p;
        }
        p = eol(p, end);
        s->in_line = p == end;
        if (p < end)
            s->after_cr = *p++ == '\r';
    }
    return NULL;
}

/* Adds a data: line's value; the first one is not copied. */
static void data_add(struct sse *s, struct sse_event *e, struct slice value)
{
    int rc = 0;

    if (!e->has_data) {
        e->has_data = true;
        e->data = value;
        return;
    }
    if (!s->joined.len)
        rc = buf_add(&s->joined, e->data);
    /* never: the parts are shorter than the event they come from */
    if (rc || buf_add(&s->joined, (struct slice){"\n", 1}) ||
        buf_add(&s->joined, value))
        return;
    e->data = (struct slice){s->joined.bytes, s->joined.len};
}

static void line_read(struct sse *s, struct sse_event *e, struct slice line)
{
    const char *colon = memchr(line.bytes, ':', line.len);
    struct slice name = line, value = {"", 0};

    if (colon) {
        name.len = (size_t)(colon - line.bytes);
        value = (struct slice){colon + 1, line.len - name.len - 1};
        if (value.len && *value.bytes == ' ')
            value = (struct slice){value.bytes + 1, value.len - 1};
    }
    if (slice_is(name, "data"))
        data_add(s, e, value);
    else if (slice_is(name, "event"))
        e->name = value;
}

static void event_read(struct sse *s, struct sse_event *e, struct slice raw)
{
    const char *p, *end;

    if (!s->begun && raw.len >= 3 && memcmp(raw.bytes, "\xef\xbb\xbf", 3) == 0)
        raw = (struct slice){raw.bytes + 3, raw.len - 3};
    s->begun = true;
    *e = (struct sse_event){.raw = raw};
    buf_drop(&s->joined, s->joined.len);
    end = raw.bytes + raw.len;
    for (p = raw.bytes; p < end;) {
        const char *q = eol(p, end);

        if (q > p)
            line_read(s, e, (struct slice){p, (size_t)(q - p)});
        p = q + 1; /* CRLF: an empty line more, which says nothing */
    }
}

/* The tail was handed out and is of no more use. */
static void tail_drop(struct sse *s)
{
    buf_drop(&s->tail, s->tail.len);
    if (s->tail.size > KEEP_BYTES)
        buf_fini(&s->tail);
    if (s->joined.size > KEEP_BYTES)
        buf_fini(&s->joined);
    s->used = false;
}

static struct slice take(struct slice *bytes, size_t n)
{
    struct slice taken = {bytes->bytes, n};

    *bytes = (struct slice){bytes->bytes + n, bytes->len - n};
    return taken;
}

int sse_next(struct sse *s, struct slice *bytes, struct sse_event *out)
{
    const char *end;
    struct slice part;

    if (s->used)
        tail_drop(s);
    if (!bytes->len)
        return 0;
    if (s->owed_lf) {
        s->owed_lf = false;
        if (*bytes->bytes == '\n') {
            *out = (struct sse_event){.raw = take(bytes, 1), .rest = true};
            return 1;
        }
    }
    end = event_end(s, bytes->bytes, bytes->bytes + bytes->len);
    part = take(bytes, end ? (size_t)(end - bytes->bytes) : bytes->len);
    if (end && !s->tail.len && part.len <= s->tail.limit) {
        event_read(s, out, part);
        return 1;
    }
    if (buf_add(&s->tail, part))
        return -1;
    if (!end)
        return 0;
    event_read(s, out, (struct slice){s->tail.bytes, s->tail.len});
    out->kept = s->used = true;
    return 1;
}

int sse_last(struct sse *s, struct sse_event *out)
{
    if (s->used || !s->tail.len)
        return 0;
    event_read(s, out, (struct slice){s->tail.bytes, s->tail.len});
    out->kept = s->used = true;
    return 1;
}
