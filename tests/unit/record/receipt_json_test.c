#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "unit/record/world.h"

static void read_golden(char *text, size_t size, const char *name)
{
    char path[512];
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/unit/record/golden/%s", TESTS_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
}

static void assert_golden(const struct receipt *r, const char *name)
{
    char want[RECEIPT_JSON_MOST + 1], found[RECEIPT_JSON_MOST + 1];

    read_golden(want, sizeof(want), name);
    found[receipt_json(r, found, RECEIPT_JSON_MOST)] = '\0';
    assert_string_equal(found, want);
}

static void set_id(char id[RECEIPT_ID], const char *text)
{
    snprintf(id, RECEIPT_ID, "%s", text);
}

static void set_ids(struct receipt *r)
{
    set_id(r->id, "01a2046b2b0b082ab58d96b280677649");
    set_id(r->attempts[0].id, "01a2046b2b0b000000000000000000a1");
    set_id(r->attempts[1].id, "01a2046b2b0b000000000000000000a2");
}

static void a_receipt_is_told_as_decided(void **state)
{
    struct snapshot *world = world_new(1);
    struct receipt r;

    (void)state;
    world_receipt(&r, world);
    set_ids(&r);
    assert_golden(&r, "answered.jsonl");
    snapshot_release(r.snapshot);
    snapshot_release(world);
}

static void one_refused_early_says_null(void **state)
{
    struct receipt r = {.at_unix_ms = 1795338000000,
                        .status = 401,
                        .chosen = -1,
                        .first_byte_ms = -1,
                        .total_ms = 1};

    (void)state;
    set_ids(&r);
    assert_golden(&r, "refused.jsonl");
}

static void what_may_be_billed_is_marked(void **state)
{
    struct snapshot *world = world_new(1);
    struct receipt r;

    (void)state;
    world_receipt(&r, world);
    set_ids(&r);
    r.fault = FAULT_CUT_SHORT;
    r.attempts[1].fault = FAULT_CUT_SHORT;
    r.attempts[1].maybe_billed = true;
    r.attempts[1].estimated = true;
    r.attempts[1].stated.nanos = 0;
    r.has_runner_up = false;
    r.others[0].why = WHY_LISTED;
    r.others[0].compared = (struct money){-5000000000, CURRENCY_USD};
    r.others_omitted = 3;
    assert_golden(&r, "cut.jsonl");
    snapshot_release(r.snapshot);
    snapshot_release(world);
}

/* Each says what it must become; all of it must come back from a reader. */
static void hostile_texts_stay_inside_their_quotes(void **state)
{
    static const struct {
        const char *asked, *json;
    } rows[] = {
        {"\"},{\"x\":\"", "\\\"},{\\\"x\\\":\\\""},
        {"a\nb\r\tc", "a\\u000ab\\u000d\\u0009c"},
        {"\x1b[2J\x7f", "\\u001b[2J\\u007f"},
        {"back\\slash", "back\\\\slash"},
        {"\xe9\x80\x9a\xe4\xb9\x89", "\xe9\x80\x9a\xe4\xb9\x89"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31m",
         "\\u009b31m"},
        {"\xff\xfe", "\\ufffd\\ufffd"},
        {"\xe9\x80", "\\ufffd\\ufffd"},
        {"\xc0\xaf", "\\ufffd\\ufffd"},
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"", ""},
    };

    char line[RECEIPT_JSON_MOST + 1], want[256];
    struct receipt r = {.chosen = -1};
    cJSON *json;

    (void)state;
    receipt_id_new(r.id);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(r.asked, sizeof(r.asked), "%s", rows[i].asked);
        line[receipt_json(&r, line, RECEIPT_JSON_MOST)] = '\0';
        snprintf(want, sizeof(want), ",\"asked\":\"%s\",", rows[i].json);
        assert_non_null(strstr(line, want));
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
        json = cJSON_Parse(line);
        assert_non_null(json);
        cJSON_Delete(json);
    }
}

static void the_longest_line_has_room(void **state)
{
    struct snapshot *world = world_new(1);
    char line[RECEIPT_JSON_MOST + 1];
    struct receipt r;
    size_t most, least;
    cJSON *json;

    (void)state;
    world_receipt(&r, world);
    r.at_unix_ms = INT64_MAX;
    memset(r.asked, '\x01', sizeof(r.asked) - 1);
    memset(r.key_id, '\x02', sizeof(r.key_id) - 1);
    r.n_attempts = RECEIPT_ATTEMPTS;
    r.n_others = RECEIPT_OTHERS;
    r.others_omitted = UINT32_MAX - RECEIPT_OTHERS;
    r.expected.nanos = r.cost.nanos = r.runner_up_cost.nanos = INT64_MIN;
    for (int i = 0; i < RECEIPT_ATTEMPTS; i++)
        r.attempts[i] =
            (struct receipt_attempt){.fault = FAULT_CUT_SHORT,
                                     .maybe_billed = true,
                                     .estimated = true,
                                     .status = INT32_MIN,
                                     .first_byte_ms = INT32_MAX,
                                     .total_ms = INT32_MAX,
                                     .usage = {.input_tokens = INT64_MIN,
                                               .cached_tokens = INT64_MIN,
                                               .cache_write_tokens = INT64_MIN,
                                               .output_tokens = INT64_MIN,
                                               .thinking_tokens = INT64_MIN,
                                               .estimated = true},
                                     .cost = {INT64_MIN, CURRENCY_CNY},
                                     .stated = {INT64_MIN, CURRENCY_USD}};
    for (int i = 0; i < RECEIPT_OTHERS; i++)
        r.others[i].compared.nanos = INT64_MIN;
    most = receipt_json(&r, line, RECEIPT_JSON_MOST);
    line[most] = '\0';
    json = cJSON_Parse(line);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "others")),
                     RECEIPT_OTHERS);
    cJSON_Delete(json);
    least = receipt_json(&r, line, RECEIPT_JSON_LEAST);
    line[least] = '\0';
    assert_true(least <= RECEIPT_JSON_LEAST);
    json = cJSON_Parse(line);
    assert_non_null(json);
    assert_non_null(cJSON_GetObjectItem(json, "others_omitted"));
    cJSON_Delete(json);
    snapshot_release(r.snapshot);
    snapshot_release(world);
}

static void ids_are_their_own_and_in_order_of_time(void **state)
{
    char a[RECEIPT_ID], b[RECEIPT_ID];

    (void)state;
    receipt_id_new(a);
    for (int i = 0; i < 1000; i++) {
        receipt_id_new(b);
        assert_int_equal(strspn(b, "0123456789abcdef"), RECEIPT_ID - 1);
        assert_string_not_equal(a, b);
        assert_true(strncmp(a, b, 12) <= 0);
        memcpy(a, b, sizeof(a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_is_told_as_decided),
        cmocka_unit_test(one_refused_early_says_null),
        cmocka_unit_test(what_may_be_billed_is_marked),
        cmocka_unit_test(hostile_texts_stay_inside_their_quotes),
        cmocka_unit_test(the_longest_line_has_room),
        cmocka_unit_test(ids_are_their_own_and_in_order_of_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
