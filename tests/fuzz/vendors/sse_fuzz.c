/* One byte of settings, one of a seed, then a vendor's stream. However it is
 * cut, the same is said and learnt of it; and what is said came. */
#include "vendors/sse.h"

#include <stdlib.h>

#include "vendors/adapter.h"

#include "fuzz/fuzz.h"

enum {
    EVENT_LIMIT = 4096,
};

struct heard {
    char *bytes;
    size_t len;
};

static void check(int good)
{
    if (!good)
        abort();
}

static void hear(void *listener, struct slice bytes)
{
    struct heard *h = listener;

    check(bytes.len > 0);
    memcpy(h->bytes + h->len, bytes.bytes, bytes.len);
    h->len += bytes.len;
}

/* `seed` 0: in one piece. */
static struct answer read_in_pieces(struct heard *h, const uint8_t *data,
                                    size_t size, uint8_t flags, uint8_t seed)
{
    struct manner manner = {.adapter = adapter_find("openai")};
    struct arena *a = arena_new();
    struct reader *r = reader_new(&manner, a);
    uint32_t random = seed;
    struct answer answer;
    enum fault fault;

    r->status = 200;
    r->stream = true;
    r->show_usage = flags & 1;
    r->event_limit = EVENT_LIMIT;
    r->say = hear;
    r->listener = h;
    for (size_t at = 0, n; at < size; at += n) {
        char *copy;

        random = random * 1103515245 + 12345;
        n = seed ? 1 + (random >> 16) % (seed < 32 ? 3 : 64) : size;
        n = n < size - at ? n : size - at;
        copy = malloc(n);
        memcpy(copy, data + at, n);
        manner.adapter->body(r, (struct slice){copy, n});
        free(copy);
    }
    r->cut = flags & 2;
    fault = manner.adapter->end(r);
    check(fault == r->answer.fault);
    answer = r->answer;
    answer.error.bytes = NULL;
    check((fault == FAULT_NONE) == answer.done);
    arena_free(a);
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard one, many;
    struct answer a, b;

    if (size < 2)
        return 0;
    one = (struct heard){malloc(size + 64), 0};
    many = (struct heard){malloc(size + 64), 0};
    a = read_in_pieces(&one, data + 2, size - 2, data[0], 0);
    b = read_in_pieces(&many, data + 2, size - 2, data[0], data[1] | 1);
    check(a.fault == b.fault && a.done == b.done && a.began == b.began);
    check(a.finished == b.finished && a.has_usage == b.has_usage);
    check(a.usage.input_tokens == b.usage.input_tokens);
    check(a.usage.cached_tokens == b.usage.cached_tokens);
    check(a.usage.output_tokens == b.usage.output_tokens);
    check(a.usage.thinking_tokens == b.usage.thinking_tokens);
    check(a.shown_bytes == b.shown_bytes);
    check(one.len == many.len && memcmp(one.bytes, many.bytes, one.len) == 0);
    check(one.len <= size + 16);
    free(one.bytes);
    free(many.bytes);
    return 0;
}
