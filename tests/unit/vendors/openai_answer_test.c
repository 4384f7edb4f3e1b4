/* openai_answer_test.c - answers in one piece, and refusals: through the
 * adapter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vendors/adapter.h"

struct heard {
    char bytes[4096];
    size_t len;
    int times;
};

static struct heard heard;
static struct arena *arena;

static void hear(void *listener, struct slice bytes)
{
    struct heard *h = listener;

    assert_true(h->len + bytes.len < sizeof(h->bytes));
    memcpy(h->bytes + h->len, bytes.bytes, bytes.len);
    h->len += bytes.len;
    h->bytes[h->len] = '\0';
    h->times++;
}

static struct reader *reader_of(int status, const char *quirk)
{
    static struct manner manner;
    struct reader *r;

    manner.adapter = adapter_find("openai");
    manner.quirks = quirk_find(quirk);
    r = reader_new(&manner, arena);
    r->status = status;
    r->event_limit = 1024;
    r->answer_limit = sizeof(heard.bytes) - 1;
    r->say = hear;
    r->listener = &heard;
    heard = (struct heard){0};
    return r;
}

static struct answer *answer(int status, const char *quirk, const char *body)
{
    struct reader *r = reader_of(status, quirk);
    size_t len = strlen(body);
    enum fault fault;

    for (size_t at = 0; at < len; at += 7) {
        size_t n = len - at < 7 ? len - at : 7;
        char *copy = malloc(n);

        memcpy(copy, body + at, n);
        r->manner->adapter->body(r, (struct slice){copy, n});
        free(copy);
    }
    fault = r->manner->adapter->end(r);
    assert_int_equal(fault, r->answer.fault);
    return &r->answer;
}

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

#define ANSWER                                                           \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","    \
    "\"content\":\"\\u4f60x\"},\"finish_reason\":\"stop\"}],\"usage\":{" \
    "\"prompt_tokens\":3,\"completion_tokens\":2}}"

static void an_answer_is_said_whole_and_unchanged(void **state)
{
    const struct answer *a = answer(200, "", ANSWER);

    (void)state;
    assert_int_equal(a->fault, FAULT_NONE);
    assert_true(a->began && a->finished && a->done && a->has_usage);
    assert_int_equal(a->usage.output_tokens, 2);
    assert_int_equal(a->shown_bytes, 7); /* as it is spelled */
    assert_string_equal(heard.bytes, ANSWER);
    assert_int_equal(heard.times, 1);
}

static void blank_lines_before_an_answer_are_dropped(void **state)
{
    (void)state;
    assert_int_equal(answer(200, "", "\n\n \n" ANSWER "\n")->fault, FAULT_NONE);
    assert_string_equal(heard.bytes, ANSWER);
}

static void what_is_no_answer_is_not_said(void **state)
{
    static const struct {
        const char *body;
        enum fault fault;
    } rows[] = {
        {"", FAULT_HUNG_UP},
        {" \n", FAULT_HUNG_UP},
        {"{\"choices\":[{\"message\":{}", FAULT_GARBLED},
        {ANSWER "x", FAULT_GARBLED},
        {"<html>", FAULT_GARBLED},
        {"[]", FAULT_GARBLED},
        {"{}", FAULT_GARBLED},
        {"{\"choices\":[]}", FAULT_GARBLED},
        {"data: {\"choices\":[]}\n\n", FAULT_GARBLED},
        {"{\"error\":{\"message\":\"x\",\"code\":429}}", FAULT_RATE_LIMITED},
        {"{\"error\":{\"message\":\"x\"}}", FAULT_OVERLOADED},
        {"{\"error\":\"no balance\"}", FAULT_OVERLOADED},
        {"{\"code\":\"InvalidParameter\",\"message\":\"x\"}", FAULT_OVERLOADED},
        {"{\"error\":null,\"choices\":[]}", FAULT_GARBLED},
        {"{\"base_resp\":{\"status_code\":1004,\"status_msg\":\"login\"}}",
         FAULT_VENDOR_KEY},
        {"{\"error_code\":17,\"error_msg\":\"limit\"}", FAULT_OVERLOADED},
        {"{\"choices\":[{\"message\":{},\"finish_reason\":\"error\"}]}",
         FAULT_OVERLOADED},
        {"{\"choices\":[{\"message\":{},\"finish_reason\":"
         "\"network_error\"}]}",
         FAULT_OVERLOADED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum fault fault = answer(200, "", rows[i].body)->fault;

        if (fault != rows[i].fault)
            fail_msg("%s: %s", rows[i].body, fault_traits(fault)->name);
        assert_int_equal(heard.len, 0);
    }
}

static void a_broken_transfer_is_no_answer(void **state)
{
    struct reader *r = reader_of(200, "");

    (void)state;
    r->manner->adapter->body(r, slice_of(ANSWER));
    r->cut = true;
    assert_int_equal(r->manner->adapter->end(r), FAULT_CUT_SHORT);
    assert_int_equal(heard.len, 0);
}

static void a_whole_answer_to_a_stream_request_is_garbled(void **state)
{
    struct reader *r = reader_of(200, "");

    (void)state;
    r->stream_asked = true;
    r->manner->adapter->body(r, slice_of(ANSWER));
    assert_int_equal(r->manner->adapter->end(r), FAULT_GARBLED);
    assert_int_equal(heard.len, 0);
    r = reader_of(200, "");
    r->stream_asked = true;
    r->manner->adapter->body(r, slice_of("{\"error\":{\"code\":429}}"));
    assert_int_equal(r->manner->adapter->end(r), FAULT_RATE_LIMITED);
}

static void an_answer_beyond_the_limit_is_garbled(void **state)
{
    char big[5000];

    (void)state;
    memset(big, ' ', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(answer(200, "", big)->fault, FAULT_GARBLED);
}

static void a_length_that_lies_does_no_harm(void **state)
{
    static const size_t hints[] = {1, sizeof(ANSWER) - 1, 4000, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
        struct reader *r = reader_of(200, "");

        r->length_hint = hints[i];
        r->manner->adapter->body(r, slice_of(ANSWER));
        assert_int_equal(r->manner->adapter->end(r), FAULT_NONE);
        assert_string_equal(heard.bytes, ANSWER);
    }
}

#define E(code, type, message)                       \
    "{\"error\":{\"code\":" code ",\"type\":\"" type \
    "\",\"message\":\"" message "\"}}"

/* Vendors' errors as their documents give them (facts: vendors.md, 1.5). */
/* clang-format off */
    static const struct {
        int status;
        const char *quirk, *body;
        enum fault fault;
    } refusals[] = {
        /* bad key */
        {401, "", E("\"invalid_api_key\"", "invalid_request_error", "Incorrect API key provided"), FAULT_VENDOR_KEY},
        {401, "", "", FAULT_VENDOR_KEY},
        {400, "", "{\"code\":\"Client specified an invalid argument\",\"error\":\"Incorrect API key provided: xa***ef.\"}", FAULT_VENDOR_KEY},
        {401, "", E("\"1002\"", "", "token"), FAULT_VENDOR_KEY}, /* Zhipu */
        {429, "", E("\"1002\"", "", "limit"), FAULT_RATE_LIMITED}, /* MiniMax */
        {401, "", E("\"1001\"", "", "Authorization"), FAULT_VENDOR_KEY},
        {401, "", E("\"AuthenticationError\"", "Unauthorized", "The API key doesn't exist"), FAULT_VENDOR_KEY},
        {403, "", E("\"AccessDenied\"", "", "no"), FAULT_VENDOR_KEY},
        {200, "", E("\"11200\"", "", "AppIdNoAuthError"), FAULT_VENDOR_KEY},
        /* no money */
        {402, "", E("\"invalid_request_error\"", "unknown_error", "Insufficient Balance"), FAULT_VENDOR_MONEY},
        {402, "", "<html>pay</html>", FAULT_VENDOR_MONEY},
        {429, "", E("\"1113\"", "", "\\u60a8\\u7684\\u8d26\\u6237\\u5df2\\u6b20\\u8d39"), FAULT_VENDOR_MONEY},
        {429, "", E("1113", "", "number"), FAULT_VENDOR_MONEY},
        {429, "", E("null", "exceeded_current_quota_error", "check your plan"), FAULT_VENDOR_MONEY},
        {403, "", E("\"AccountOverdueError\"", "Forbidden", "overdue"), FAULT_VENDOR_MONEY},
        {400, "", E("\"Arrearage\"", "Arrearage", "overdue-payment"), FAULT_VENDOR_MONEY},
        {429, "", E("\"insufficient_quota\"", "insufficient_quota", "You exceeded your current quota"), FAULT_VENDOR_MONEY},
        {429, "", E("\"QuotaExceeded\"", "TooManyRequests", "trial"), FAULT_VENDOR_MONEY},
        {429, "", E("\"SetLimitExceeded\"", "TooManyRequests", "cap"), FAULT_VENDOR_MONEY},
        {403, "", E("\"AllocationQuota.FreeTierOnly\"", "", "x"), FAULT_VENDOR_MONEY},
        {429, "", "{\"code\":\"Throttling.AllocationQuota\",\"message\":\"Free allocated quota exceeded.\"}", FAULT_VENDOR_MONEY},
        {403, "", "{\"code\":\"x\",\"error\":\"Your team has run out of credits\"}", FAULT_VENDOR_MONEY},
        {429, "", "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\",\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}", FAULT_VENDOR_MONEY},
        /* rate limits; DashScope says insufficient_quota for one */
        {429, "quota_is_rate_limit", E("\"insufficient_quota\"", "insufficient_quota", "You exceeded your current quota"), FAULT_RATE_LIMITED},
        {429, "", E("\"rate_limit_exceeded\"", "tokens", "Rate limit reached"), FAULT_RATE_LIMITED},
        {429, "", E("\"RateLimitExceeded.EndpointTPMExceeded\"", "TooManyRequests", "x"), FAULT_RATE_LIMITED},
        {429, "", E("\"1302\"", "", "x"), FAULT_RATE_LIMITED},
        {429, "", E("null", "rate_limit_reached_error", "x"), FAULT_RATE_LIMITED},
        {429, "", "{\"code\":\"Throttling.RateQuota\",\"message\":\"x\"}", FAULT_RATE_LIMITED},
        {429, "", "", FAULT_RATE_LIMITED},
        /* overloaded */
        {429, "", E("\"ServerOverloaded\"", "TooManyRequests", "x"), FAULT_OVERLOADED},
        {429, "", E("null", "engine_overloaded_error", "x"), FAULT_OVERLOADED},
        {429, "", E("\"1305\"", "", "x"), FAULT_OVERLOADED},
        {529, "", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}", FAULT_OVERLOADED},
        {498, "", "", FAULT_OVERLOADED},
        {500, "", "oops", FAULT_OVERLOADED},
        {503, "", E("null", "server_error", "x"), FAULT_OVERLOADED},
        {502, "", "<html>", FAULT_OVERLOADED},
        /* too long */
        {400, "", E("\"context_length_exceeded\"", "invalid_request_error", "x"), FAULT_TOO_LONG},
        {400, "", E("\"1261\"", "", "Prompt exceeds max length"), FAULT_TOO_LONG},
        {400, "", E("\"tokens_too_long\"", "invalid_request_error", "x"), FAULT_TOO_LONG},
        {400, "", E("400", "exceed_context_size_error", "x"), FAULT_TOO_LONG},
        {400, "", E("null", "invalid_request_error", "Invalid request: Input token length too long"), FAULT_TOO_LONG},
        {400, "", "{\"object\":\"error\",\"message\":\"This model's maximum context length is 8192 tokens.\",\"code\":400}", FAULT_TOO_LONG},
        {413, "", "", FAULT_TOO_LONG},
        /* filtered */
        {400, "", E("\"1301\"", "", "x"), FAULT_FILTERED},
        {451, "", "", FAULT_FILTERED},
        {422, "", "{\"base_resp\":{\"status_code\":1026,\"status_msg\":\"x\"}}", FAULT_FILTERED},
        {400, "", E("\"InputTextSensitiveContentDetected\"", "BadRequest", "x"), FAULT_FILTERED},
        {400, "", E("\"OutputTextRiskDetection\"", "BadRequest", "x"), FAULT_FILTERED},
        {400, "", E("\"content_filter\"", "", "x"), FAULT_FILTERED},
        {400, "", E("\"data_inspection_failed\"", "", "x"), FAULT_FILTERED},
        /* no such model */
        {404, "", E("\"model_not_found\"", "invalid_request_error", "x"), FAULT_NO_MODEL},
        {404, "", E("\"ModelNotOpen\"", "NotFound", "x"), FAULT_NO_MODEL},
        {400, "", E("\"invalid_request_error\"", "invalid_request_error", "Model Not Exist"), FAULT_NO_MODEL},
        {400, "", E("\"1211\"", "", "x"), FAULT_NO_MODEL},
        {404, "", "404 page not found", FAULT_NO_MODEL},
        /* the client's own */
        {400, "", E("\"invalid_request_error\"", "invalid_request_error", "temperature"), FAULT_BAD_REQUEST},
        {422, "", "{\"detail\":[{\"msg\":\"extra_forbidden\"}]}", FAULT_BAD_REQUEST},
        {400, "", "", FAULT_BAD_REQUEST},
        {415, "", "", FAULT_BAD_REQUEST},
        /* neither */
        {302, "", "", FAULT_GARBLED},
        {429, "", "[{\"error\":{\"code\":429,\"message\":\"x\",\"status\":\"RESOURCE_EXHAUSTED\"}}]", FAULT_RATE_LIMITED},
    };

/* clang-format on */

static void refusals_are_sorted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        enum fault fault =
            answer(refusals[i].status, refusals[i].quirk, refusals[i].body)
                ->fault;

        if (fault != refusals[i].fault)
            fail_msg("%d %s: %s", refusals[i].status, refusals[i].body,
                     fault_traits(fault)->name);
        assert_int_equal(heard.len, 0);
    }
}

static void the_vendors_words_are_shown_without_keys(void **state)
{
    static const struct {
        const char *said, *shown;
    } rows[] = {
        {"temperature must be below 2", "temperature must be below 2"},
        {"a\\nb\\u0000c\\u007f", "a b c "},
        {"Incorrect API key provided: sk-proj-12ab. You can",
         "Incorrect API key provided: [redacted] You can"},
        {"Incorrect API key provided: sk-12ab***********cd34",
         "Incorrect API key provided: [redacted]"},
        {"header was Bearer abc here", "header was Bearer [redacted] here"},
        {"key 01234567-89ab-cdef-0123-456789abcdef is bad",
         "key [redacted] is bad"},
        {"key 0123456789abcdef0123456789abcdef.AbCdEfGh1234 is bad",
         "key [redacted] is bad"},
        {"bce-v3/ALTAK-abc/def expired", "[redacted] expired"},
        {"the model doubao-seed-2-1-pro-260915 is not open",
         "the model doubao-seed-2-1-pro-260915 is not open"},
        {"see https://platform.openai.com/account/api-keys.",
         "see https://platform.openai.com/account/api-keys."},
        {"\\u4f59\\u989d\xe4\xb8\x8d\xe8\xb6\xb3",
         "\xe4\xbd\x99\xe9\xa2\x9d\xe4\xb8\x8d\xe8\xb6\xb3"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[512];
        const struct answer *a;

        snprintf(body, sizeof(body), E("null", "", "%s"), rows[i].said);
        a = answer(400, "", body);
        if (!slice_is(a->error, rows[i].shown))
            fail_msg("%.*s", (int)a->error.len, a->error.bytes);
    }
}

static void a_long_message_is_cut_at_a_character(void **state)
{
    char body[4000];
    size_t len = (size_t)snprintf(body, sizeof(body), "{\"error\":\"");

    (void)state;
    for (int i = 0; i < 1000; i++, len += 3)
        memcpy(body + len, "\xe4\xbd\xa0", 3);
    snprintf(body + len, sizeof(body) - len, "\"}");
    assert_int_equal(answer(400, "", body)->error.len, 300);
    /* five bytes more before it: the limit falls within a character */
    memcpy(body + 10, "\\nabcd", 6);
    assert_int_equal(answer(400, "", body)->error.len, 299);
    assert_int_equal(
        answer(400, "", "{\"error\":\"a\xe4\xbd\xa0\"}")->error.len, 4);
}

static void a_wait_in_the_message_is_heard(void **state)
{
    static const struct {
        const char *message;
        int64_t ms;
    } rows[] = {
        {"Please try again in 1.25s. Visit", 1250},
        {"Please try again in 350ms.", 350},
        {"Please try again in 6m0s.", 360000},
        {"Please try again in 1h2m3s", 3600000},
        {"Try again in 20 s", 0},
        {"try again in ", 0},
        {"try again in 0.0000000000000000001s", 0},
        {"try again in 99999999999999999999s", 0},
        {"wait", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[256];

        snprintf(body, sizeof(body), E("null", "", "%s"), rows[i].message);
        assert_int_equal(answer(429, "", body)->retry_after_ms, rows[i].ms);
    }
}

static void faults_quirks_and_tokenizers_have_rows(void **state)
{
    struct text_count words = {.latin = 4700, .words = 1000, .space = 1000};
    struct text_count han = {.han = 1000};
    int deepseek = tokenizer_find("deepseek");

    (void)state;
    for (int i = 0; i < FAULT_COUNT; i++) {
        const struct fault_traits *t = fault_traits((enum fault)i);

        assert_true(*t->name && t->status >= 200);
        assert_true(t->blame != BLAME_KEY || t->cool_ms > 0);
    }
    assert_int_equal(quirk_find("no_such_quirk"), 0);
    assert_int_equal(tokenizer_find("no_such_family"), -1);
    assert_true(tokenizer_estimate(deepseek, &han, 0, 0, 0) >= 560);
    assert_true(tokenizer_estimate(deepseek, &han, 0, 0, 0) < 610);
    for (int i = 0; i < 10; i++) { /* about a token a word, in any family */
        int64_t n = tokenizer_estimate(i, &words, 0, 0, 0);

        assert_true(n > 1000 && n < 1500);
        assert_int_equal(tokenizer_estimate(i, &words, 5, 0, 0) - n, 20);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_said_whole_and_unchanged),
        TEST(blank_lines_before_an_answer_are_dropped),
        TEST(what_is_no_answer_is_not_said),
        TEST(a_broken_transfer_is_no_answer),
        TEST(a_whole_answer_to_a_stream_request_is_garbled),
        TEST(an_answer_beyond_the_limit_is_garbled),
        TEST(a_length_that_lies_does_no_harm),
        TEST(refusals_are_sorted),
        TEST(the_vendors_words_are_shown_without_keys),
        TEST(a_long_message_is_cut_at_a_character),
        TEST(a_wait_in_the_message_is_heard),
        TEST(faults_quirks_and_tokenizers_have_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
