/* A byte for the adapter, one for the way of cutting, eight of quirks, then an
 * answer. However it is cut, an adapter says the same, and its end is one. */
#include <stdlib.h>

#include "vendors/adapter.h"

#include "fuzz/fuzz.h"

enum {
    HEAD = 10,
    SAID_MAX = 1 << 20,
    LIMIT = 1 << 14,
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

    check(h->len + bytes.len <= SAID_MAX);
    memcpy(h->bytes + h->len, bytes.bytes, bytes.len);
    h->len += bytes.len;
}

static void read_it(struct heard *h, struct answer *answer, uint8_t kind,
                    uint64_t quirks, struct slice body, size_t step)
{
    static const char *const names[] = {"openai", "anthropic", "gemini"};
    const struct manner manner = {.adapter = adapter_find(names[kind % 3]),
                                  .quirks = quirks};
    struct arena *a = arena_new();
    struct reader *r = reader_new(&manner, a);

    h->len = 0;
    r->status = kind & 128 ? 429 : 200;
    r->stream = !(kind & 64);
    r->event_limit = r->answer_limit = LIMIT;
    r->say = hear;
    r->listener = h;
    for (size_t at = 0; at < body.len; at += step) {
        size_t n = body.len - at < step ? body.len - at : step;
        char *copy = malloc(n);

        memcpy(copy, body.bytes + at, n);
        manner.adapter->body(r, (struct slice){copy, n});
        free(copy);
    }
    manner.adapter->end(r);
    *answer = r->answer;
    answer->error = (struct slice){"", 0};
    check(r->status >= 300 || answer->done == (answer->fault == FAULT_NONE));
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char room[2][SAID_MAX];
    struct heard one = {room[0], 0}, other = {room[1], 0};
    struct answer whole, cut;
    struct slice body;
    uint64_t quirks;

    if (size < HEAD || size > LIMIT)
        return 0;
    memcpy(&quirks, data + 2, sizeof(quirks));
    body = (struct slice){(const char *)data + HEAD, size - HEAD};
    read_it(&one, &whole, data[0], quirks, body, body.len + 1);
    read_it(&other, &cut, data[0], quirks, body, data[1] % 32 + 1);
    check(whole.fault == cut.fault && whole.done == cut.done);
    check(one.len == other.len && memcmp(one.bytes, other.bytes, one.len) == 0);
    check(whole.has_usage == cut.has_usage &&
          whole.usage.output_tokens == cut.usage.output_tokens);
    return 0;
}
