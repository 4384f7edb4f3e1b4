#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/parse.h"

/* The first two bytes say where the body is cut; it must read the same as in
 * one piece, and byte by byte. */

struct result {
    int rc;
    bool done;
    size_t used, len;
    char *body;
};

static void ensure(int cond)
{
    if (!cond)
        abort();
}

static void feed(struct http_chunks *c, const char *bytes, size_t len,
                 struct result *r)
{
    struct slice in = {bytes, len}, out;

    while (in.len && !c->done && r->rc == 0) {
        size_t before = in.len;

        r->rc = http_chunks_next(c, &in, &out);
        if (r->rc != 0)
            return;
        ensure(in.len < before && out.len <= before - in.len);
        if (out.len)
            memcpy(r->body + r->len, out.bytes, out.len);
        r->len += out.len;
    }
    r->used += len - in.len;
    r->done = c->done;
}

static struct result read_all(const char *bytes, size_t len, size_t cut,
                              size_t step)
{
    struct result r = {.body = malloc(len + 1)};
    struct http_chunks c = {0};

    ensure(r.body != NULL);
    for (size_t at = 0; at < len;) {
        size_t to = at < cut ? cut : at + step;

        if (to > len)
            to = len;
        feed(&c, bytes + at, to - at, &r);
        at = to;
    }
    return r;
}

static void same(const struct result *a, const struct result *b)
{
    ensure((a->rc == 0) == (b->rc == 0));
    if (a->rc != 0)
        return;
    ensure(a->done == b->done && a->used == b->used && a->len == b->len);
    ensure(memcmp(a->body, b->body, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole, cut, drip;
    const char *bytes;
    size_t len;

    if (size < 3)
        return 0;
    bytes = (const char *)data + 2;
    len = size - 2;
    whole = read_all(bytes, len, 0, len);
    cut = read_all(bytes, len, (size_t)(data[0] << 8 | data[1]) % len, len);
    drip = read_all(bytes, len, 0, 1);
    same(&whole, &cut);
    same(&whole, &drip);
    free(whole.body);
    free(cut.body);
    free(drip.body);
    return 0;
}
