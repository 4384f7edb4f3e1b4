/*
 * whole_test.c - answers in one piece, of each adapter, however they come:
 * the counterpart of stream_test.c. What is said and learnt does not follow
 * the pieces, and of an answer that breaks off nothing is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vendors/adapter.h"

enum {
    MAX = 1 << 13,
};

/* clang-format off */
static const struct whole {
    const char *adapter, *quirks;
    int status;
    enum fault fault;
    int64_t input, output; /* -1: no usage */
    const char *says;      /* within what is said; "" : nothing is */
    const char *body;
} wholes[] = {
    {"openai", "", 200, FAULT_NONE, 3, 2, "\\u4f60x",
     "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\\u4f60x\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"},
    {"openai", "think_tags,finish_words,tool_call_shape,content_parts,reasoning_names", 200, FAULT_NONE, 3, 9,
     "\"reasoning_content\":\"why\"",
     "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"<think>why</think>so\"},\"finish_reason\":\"end\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}}"},
    {"openai", "tool_call_shape,finish_words", 200, FAULT_NONE, 3, 9, "\"arguments\":\"{\\\"a\\\":1}\"",
     "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"finish_reason\":\"\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}}"},
    {"openai", "", 200, FAULT_VENDOR_KEY, -1, -1, "", /* Spark */
     "{\"code\":11200,\"message\":\"AppIdNoAuthError\",\"sid\":\"s\"}"},
    {"openai", "", 200, FAULT_VENDOR_MONEY, -1, -1, "", /* MiniMax */
     "{\"base_resp\":{\"status_code\":1008,\"status_msg\":\"insufficient balance\"}}"},
    {"openai", "", 200, FAULT_RATE_LIMITED, -1, -1, "", /* OpenRouter */
     "{\"error\":{\"code\":429,\"message\":\"slow down\"}}"},
    {"anthropic", "", 200, FAULT_NONE, 60, 42, "\"reasoning_content\":\"hm\"",
     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":\"\\u4f60\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":[1,2]}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":20,\"cache_read_input_tokens\":30,\"output_tokens\":42}}"},
    {"anthropic", "", 529, FAULT_OVERLOADED, -1, -1, "",
     "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"r\"}"},
    {"gemini", "", 200, FAULT_NONE, 50, 14, "\"arguments\":\"{\\\"a\\\":1}\"",
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":\"so\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":50,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":9,\"totalTokenCount\":64},\"modelVersion\":\"gemini\"}"},
    {"gemini", "", 429, FAULT_RATE_LIMITED, -1, -1, "",
     "[{\"error\":{\"code\":429,\"message\":\"Resource exhausted\",\"status\":\"RESOURCE_EXHAUSTED\"}}]"},
};

/* clang-format on */

struct heard {
    char bytes[MAX];
    size_t len;
};

static void hear(void *listener, struct slice bytes)
{
    struct heard *h = listener;

    assert_true(h->len + bytes.len < MAX);
    memcpy(h->bytes + h->len, bytes.bytes, bytes.len);
    h->len += bytes.len;
    h->bytes[h->len] = '\0';
}

/* Reads the first `len` bytes, `first` of them in one piece and the rest by
 * pieces of `step`; each in memory of its own, so that ASan sees what is
 * kept. */
static struct answer read_in(const struct whole *w, struct heard *h,
                             const size_t pieces[3], bool cut)
{
    struct manner m = {.adapter = adapter_find(w->adapter)};
    struct arena *a = arena_new();
    char words[128], *save = NULL;
    struct answer answer;
    struct reader *r;

    snprintf(words, sizeof(words), "%s", w->quirks);
    for (const char *q = strtok_r(words, ",", &save); q;
         q = strtok_r(NULL, ",", &save))
        m.quirks |= quirk_find(q);
    r = reader_new(&m, a);
    r->status = w->status;
    r->event_limit = r->answer_limit = MAX;
    r->say = hear;
    r->listener = h;
    h->len = 0;
    for (size_t at = 0, n; at < pieces[0]; at += n) {
        char *copy;

        n = at == 0 && pieces[1] ? pieces[1] : pieces[2];
        n = n < pieces[0] - at ? n : pieces[0] - at;
        copy = malloc(n);
        memcpy(copy, w->body + at, n);
        m.adapter->body(r, (struct slice){copy, n});
        free(copy);
    }
    r->cut = cut;
    m.adapter->end(r);
    answer = r->answer;
    arena_free(a);
    return answer;
}

static void check(const struct whole *w, const struct answer *a,
                  const struct heard *h)
{
    if (a->fault != w->fault)
        fail_msg("%s: %s", w->body, fault_traits(a->fault)->name);
    assert_int_equal(a->has_usage, w->input >= 0);
    if (a->has_usage) {
        assert_int_equal(a->usage.input_tokens, w->input);
        assert_int_equal(a->usage.output_tokens, w->output);
    }
    assert_int_equal(h->len > 0, *w->says != '\0');
    if (h->len > 0 && !strstr(h->bytes, w->says))
        fail_msg("%s\nis not in %s", w->says, h->bytes);
}

static void an_answer_reads_alike_however_it_comes(void **state)
{
    static struct heard first, other;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wholes); i++) {
        const struct whole *w = &wholes[i];
        size_t len = strlen(w->body);
        struct answer a = read_in(w, &first, (size_t[]){len, 0, len}, false);

        check(w, &a, &first);
        for (size_t split = 0; split <= len; split++) {
            /* in two pieces; the last time byte by byte */
            size_t step = split < len ? len : 1;

            a = read_in(w, &other,
                        (size_t[]){len, split < len ? split : 0, step}, false);
            check(w, &a, &other);
            assert_int_equal(other.len, first.len);
            assert_memory_equal(other.bytes, first.bytes, first.len);
        }
    }
}

static void of_an_answer_that_breaks_off_nothing_is_said(void **state)
{
    static struct heard h;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wholes); i++) {
        const struct whole *w = &wholes[i];

        for (size_t len = 0; len < strlen(w->body); len++)
            for (int cut = 0; cut < 2; cut++) {
                struct answer a = read_in(w, &h, (size_t[]){len, 0, MAX}, cut);

                assert_int_not_equal(a.fault, FAULT_NONE);
                assert_false(a.done);
                assert_int_equal(h.len, 0);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_reads_alike_however_it_comes),
        cmocka_unit_test(of_an_answer_that_breaks_off_nothing_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
