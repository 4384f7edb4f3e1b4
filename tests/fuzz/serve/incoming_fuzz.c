#include "serve/incoming.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

/*
 * The first byte seeds the cuts. The answer is taken whole and in pieces: both
 * must end alike, with the same body and as many bytes not taken.
 */
enum {
    HEAD_LIMIT = 1024,
};

struct outcome {
    enum incoming_step end;
    int status;
    size_t taken, body_len;
    uint32_t body_sum;
};

static void take(struct incoming *a, struct slice in, struct outcome *out)
{
    struct incoming_piece piece;
    size_t len = in.len;

    while (out->end != INCOMING_WHOLE && out->end != INCOMING_GARBLED) {
        out->end = incoming_next(a, &in, &piece);
        if (out->end == INCOMING_WANTS)
            break;
        if (out->end == INCOMING_HEAD)
            out->status = piece.head.status;
        for (size_t i = 0; out->end == INCOMING_BODY && i < piece.body.len; i++)
            out->body_sum = out->body_sum * 31 + (uint8_t)piece.body.bytes[i];
        if (out->end == INCOMING_BODY)
            out->body_len += piece.body.len;
    }
    out->taken += len - in.len;
}

static struct outcome outcome_of(struct slice all, uint32_t seed)
{
    struct outcome out = {.end = INCOMING_WANTS};
    struct incoming a;

    incoming_init(&a, HEAD_LIMIT);
    while (all.len) {
        size_t n = seed ? seed % 61 + 1 : all.len;
        char *copy;

        if (n > all.len)
            n = all.len;
        copy = malloc(n);
        if (!copy)
            abort();
        memcpy(copy, all.bytes, n);
        take(&a, (struct slice){copy, n}, &out);
        free(copy);
        all.bytes += n;
        all.len -= n;
        seed = seed ? seed * 1103515245U + 12345U : 0;
    }
    incoming_fini(&a);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;
    struct slice all = {(const char *)data + 1, size - 1};

    if (!size)
        return 0;
    whole = outcome_of(all, 0);
    cut = outcome_of(all, data[0] + 1U);
    if (whole.end != cut.end || whole.status != cut.status ||
        whole.body_len < cut.body_len)
        abort();
    if (whole.end != INCOMING_GARBLED &&
        (whole.taken != cut.taken || whole.body_len != cut.body_len ||
         whole.body_sum != cut.body_sum))
        abort();
    return 0;
}
