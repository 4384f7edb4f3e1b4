/* Usage that is believed must add up; refusals must come out printable. */
#include "vendors/usage.h"

#include <stdlib.h>

#include "vendors/complaint.h"

#include "fuzz/fuzz.h"

static void check(int good)
{
    if (!good)
        abort();
}

static void usage_check(struct slice text)
{
    struct usage_reading r;
    const struct usage *u = &r.usage;

    if (usage_read(&r, text) == USAGE_GOOD) {
        check(u->input_tokens >= 0 && u->output_tokens >= 0);
        check(u->cached_tokens >= 0 && u->cache_write_tokens >= 0);
        check(u->cached_tokens + u->cache_write_tokens <= u->input_tokens);
        check(u->thinking_tokens >= 0 &&
              u->thinking_tokens <= u->output_tokens);
    }
    check(!r.has_stated_cost || r.stated_cost_nanos >= 0);
}

static void refusal_check(struct slice text, int status)
{
    struct manner manner = {.adapter = adapter_find("openai")};
    struct arena *a = arena_new();
    struct reader *r = reader_new(&manner, a);
    struct slice e;

    r->status = status;
    manner.adapter->body(r, text);
    check(manner.adapter->end(r) != FAULT_NONE);
    e = r->answer.error;
    check(e.len <= COMPLAINT_TEXT_MAX);
    for (size_t i = 0; i < e.len; i++)
        check((unsigned char)e.bytes[i] >= 0x20 && e.bytes[i] != 0x7f);
    check(r->answer.retry_after_ms >= 0);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct json_scan s;

    json_scan_init(&s, text);
    s.any_bytes = true;
    json_skip(&s);
    if (json_end(&s) &&
        json_peek(&(struct json_scan){
            .at = text.bytes, .end = s.end, .begin = s.begin}) == JSON_OBJECT)
        usage_check(text);
    refusal_check(text, 429);
    refusal_check(text, 400);
    return 0;
}
