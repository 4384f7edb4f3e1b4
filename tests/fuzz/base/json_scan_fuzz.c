/* Skipping and walking must judge alike, on any processor, and texts must
 * survive quoting. */
#include "base/json_scan.h"

#include <stdlib.h>

#include "base/cpu.h"

#include "fuzz/fuzz.h"

static void check(int good)
{
    if (!good)
        abort();
}

static void text_check(struct json_text text, struct arena *a)
{
    size_t len = json_text_len(text);
    char *plain = arena_alloc(a, len + 1), *again = arena_alloc(a, len + 1);
    struct json_scan s;
    struct json_text back;

    check(json_text_decode(text, plain, len) == (int64_t)len);
    check(len == 0 || json_text_decode(text, plain, len - 1) == -1);
    json_scan_init(&s, json_quote(a, (struct slice){plain, len}));
    check(json_text(&s, &back) && json_end(&s));
    check(json_text_decode(back, again, len) == (int64_t)len);
    check(memcmp(plain, again, len) == 0);
}

/* At most JSON_DEPTH_MAX deep. */
static void walk(struct json_scan *s, struct arena *a)
{
    struct json_text text;
    int64_t number;
    struct json_scan copy;

    switch (json_peek(s)) {
    case JSON_OBJECT:
        for (json_enter(s); json_member(s, &text);) {
            text_check(text, a);
            walk(s, a);
        }
        break;
    case JSON_ARRAY:
        for (json_enter(s); json_element(s);)
            walk(s, a);
        break;
    case JSON_STRING:
        if (json_text(s, &text))
            text_check(text, a);
        break;
    case JSON_NUMBER:
        copy = *s;
        json_int(&copy, &number);
        json_skip(s);
        break;
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_TRUE:
    case JSON_FALSE: json_skip(s); break;
    }
}

/* The same on a processor that can do less. */
static void check_lower(struct slice text, const struct json_scan *best)
{
    enum cpu_level level = cpu_level;
    struct json_scan s;

    for (cpu_level = CPU_PLAIN; cpu_level < level; cpu_level++) {
        json_scan_init(&s, text);
        s.any_bytes = best->any_bytes;
        json_skip(&s);
        check(json_end(&s) == !best->why);
        check(json_offset(&s) == json_offset(best) && s.why == best->why);
    }
    cpu_level = level;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct arena *a = arena_new();
    struct json_scan skip, walked, any;
    bool good;

    json_scan_init(&skip, text);
    json_skip(&skip);
    good = json_end(&skip);
    check_lower(text, &skip);
    json_scan_init(&walked, text);
    walk(&walked, a);
    check(json_end(&walked) == good);
    check(json_offset(&skip) <= size);
    check(good || json_offset(&skip) == json_offset(&walked));
    json_scan_init(&any, text);
    any.any_bytes = true;
    json_skip(&any);
    check(json_end(&any) || !good);
    check_lower(text, &any);
    arena_free(a);
    return 0;
}
