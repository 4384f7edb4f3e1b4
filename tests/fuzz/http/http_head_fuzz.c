#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/parse.h"

/* The first byte says how the head arrives (a cut at its value), then come
 * the head's bytes; both grammars read them. */

static struct http_header rooms[2][HTTP_HEADERS_MOST];

static void ensure(int cond)
{
    if (!cond)
        abort();
}

static size_t find_end(const char *bytes, size_t len, size_t cut)
{
    size_t seen = 0, end = 0;

    if (cut < len)
        end = http_head_end(bytes, cut, &seen);
    return end ? end : http_head_end(bytes, len, &seen);
}

static void inside(struct slice s, const char *bytes, size_t len)
{
    if (s.bytes)
        ensure(s.bytes >= bytes && s.bytes + s.len <= bytes + len);
}

static void check_fields(const struct http_head *h, const char *bytes,
                         size_t len)
{
    ensure(h->n_headers <= HTTP_HEADERS_MOST);
    for (size_t i = 0; i < h->n_headers; i++) {
        struct slice v = h->headers[i].value;

        ensure(h->headers[i].name.len > 0);
        inside(h->headers[i].name, bytes, len);
        inside(v, bytes, len);
        for (size_t at = 0; at < v.len; at++)
            ensure(v.bytes[at] == '\t' || (unsigned char)v.bytes[at] >= 0x20);
    }
}

/* What a request that was taken must look like to any other reader. */
static void check_request(const struct http_head *h)
{
    struct slice length = http_find(h, "content-length");
    struct slice coding = http_find(h, "transfer-encoding");

    ensure(h->path.len > 0 && h->path.bytes[0] == '/');
    ensure(h->body_len >= 0 || h->body_len == HTTP_CHUNKED);
    ensure((h->body_len == HTTP_CHUNKED) == (coding.len > 0));
    ensure(!(coding.len && length.len));
    if (length.len) {
        char text[16] = {0};

        ensure(length.len < sizeof(text));
        memcpy(text, length.bytes, length.len);
        ensure(h->body_len == strtoll(text, NULL, 10));
    } else if (!coding.len) {
        ensure(h->body_len == 0);
    }
    ensure(h->version_0 || http_find(h, "host").len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head head = {.headers = rooms[0]};
    const char *why;
    char *copy;
    size_t end;

    if (size < 1 || !(copy = malloc(size)))
        return 0;
    memcpy(copy, data + 1, size - 1); /* so that overreads are seen */
    end = find_end(copy, size - 1, data[0]);
    ensure(end == find_end(copy, size - 1, 0) && end <= size - 1);
    if (end) {
        struct slice bytes = {copy, end};

        if (http_parse_request(&head, bytes, 64, &why) == 0) {
            check_fields(&head, copy, end);
            check_request(&head);
        } else {
            ensure(why != NULL);
        }
        head.headers = rooms[1];
        if (http_parse_answer(&head, bytes, 128, &why) == 0)
            check_fields(&head, copy, end);
    }
    free(copy);
    return 0;
}
