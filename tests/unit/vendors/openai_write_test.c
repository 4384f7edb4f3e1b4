#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vendors/adapter.h"

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]"

/* The vendor's model is `vm` everywhere. */
struct row {
    const char *quirks; /* one or two names */
    const char *client, *vendor;
};

/* clang-format off */
static const struct row rows[] = {
    {"", "{\"model\":\"m\"," USER "}", "{\"model\":\"vm\"," USER "}"},
    {"", " { \"x\" : 9223372036854775807.0 , \"model\" : \"m\" , " USER " } ",
         " { \"x\" : 9223372036854775807.0 , \"model\" : \"vm\" , " USER " } "},

    /* usage is always asked for */
    {"", "{\"model\":\"m\"," USER ",\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"vm\"," USER ",\"stream\":true}"},
    {"", "{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":{\"a\":1}}",
         "{\"model\":\"vm\"," USER ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"a\":1}}"},
    {"", "{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":{ }}",
         "{\"model\":\"vm\"," USER ",\"stream\":true,\"stream_options\":{\"include_usage\":true }}"},
    {"", "{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\": false}}",
         "{\"model\":\"vm\"," USER ",\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\": true}}"},
    {"", "{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":null}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"vm\"," USER ",\"stream\":true}"},
    {"no_stream_options", "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true}," USER ",\"stream\":true}",
         "{\"model\":\"vm\"," USER ",\"stream\":true}"},

    /* renamed */
    {"max_tokens", "{\"model\":\"m\",\"max_completion_tokens\": 5," USER "}",
         "{\"model\":\"vm\",\"max_tokens\": 5," USER "}"},
    {"max_tokens", "{\"model\":\"m\",\"max_completion_tokens\":5," USER ",\"max_tokens\":7}",
         "{\"model\":\"vm\",\"max_tokens\":5," USER "}"},
    {"max_tokens", "{\"model\":\"m\",\"max_completion_tokens\":null," USER ",\"max_tokens\":7}",
         "{\"model\":\"vm\"," USER ",\"max_tokens\":7}"},
    {"max_completion_tokens", "{\"model\":\"m\",\"max_tokens\":5," USER "}",
         "{\"model\":\"vm\",\"max_completion_tokens\":5," USER "}"},
    {"max_completion_tokens", "{\"max_tokens\":5,\"model\":\"m\",\"max_completion_tokens\":6," USER "}",
         "{\"model\":\"vm\",\"max_completion_tokens\":6," USER "}"},

    {"max_completion_tokens", "{\"max_tokens\":5,\"model\":\"m\"," USER ",\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true},\"max_completion_tokens\":5,\"model\":\"vm\"," USER ",\"stream\":true}"},

    /* dropped: first, last, in the middle, neighbours */
    {"drop_store", "{\"store\":true,\"model\":\"m\",\"metadata\":{\"a\":1}," USER "}",
         "{\"model\":\"vm\"," USER "}"},
    {"drop_store", "{ \"store\" : true , \"metadata\" : {} , \"model\":\"m\"," USER "}",
         "{   \"model\":\"vm\"," USER "}"},
    {"drop_store", "{\"model\":\"m\"," USER " , \"store\":true , \"metadata\":{}}",
         "{\"model\":\"vm\"," USER "  }"},
    {"drop_store", "{\"store\":1,\"model\":\"m\"," USER ",\"stream\":true,\"metadata\":{}}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"vm\"," USER ",\"stream\":true}"},
    {"no_parallel_tool_calls", "{\"model\":\"m\",\"parallel_tool_calls\":false," USER "}",
         "{\"model\":\"vm\"," USER "}"},
    {"no_n", "{\"model\":\"m\",\"n\":1," USER "}", "{\"model\":\"vm\"," USER "}"},
    {"no_penalties", "{\"model\":\"m\",\"presence_penalty\":1,\"frequency_penalty\":0.5," USER "}",
         "{\"model\":\"vm\"," USER "}"},

    /* sampling */
    {"temperature_one", "{\"model\":\"m\",\"temperature\":0.7," USER "}", "{\"model\":\"vm\"," USER "}"},
    {"temperature_one temperature_below_two", "{\"model\":\"m\",\"temperature\":2," USER "}", "{\"model\":\"vm\"," USER "}"},
    {"temperature_below_two", "{\"model\":\"m\",\"temperature\":2.0," USER "}", "{\"model\":\"vm\",\"temperature\":1.99," USER "}"},
    {"temperature_below_two", "{\"model\":\"m\",\"temperature\":1.9999," USER "}", "{\"model\":\"vm\",\"temperature\":1.9999," USER "}"},
    {"top_p_open", "{\"model\":\"m\",\"top_p\":1," USER "}", "{\"model\":\"vm\"," USER "}"},
    {"top_p_open", "{\"model\":\"m\",\"top_p\":0.0," USER "}", "{\"model\":\"vm\",\"top_p\":0.001," USER "}"},
    {"top_p_open", "{\"model\":\"m\",\"top_p\":0.9," USER "}", "{\"model\":\"vm\",\"top_p\":0.9," USER "}"},

    /* thinking */
    {"thinking_type", "{\"model\":\"m\",\"reasoning_effort\":\"none\"," USER "}",
         "{\"thinking\":{\"type\":\"disabled\"},\"model\":\"vm\"," USER "}"},
    {"thinking_type", "{\"model\":\"m\",\"reasoning_effort\":\"minimal\"," USER "}",
         "{\"thinking\":{\"type\":\"disabled\"},\"model\":\"vm\"," USER "}"},
    {"thinking_type", "{\"model\":\"m\",\"reasoning_effort\":\"high\"," USER "}",
         "{\"thinking\":{\"type\":\"enabled\"},\"model\":\"vm\"," USER "}"},
    {"thinking_type", "{\"model\":\"m\",\"thinking\":{\"type\":\"auto\"}," USER "}",
         "{\"model\":\"vm\",\"thinking\":{\"type\":\"auto\"}," USER "}"},
    {"thinking_type", "{\"model\":\"m\",\"enable_thinking\":false," USER "}",
         "{\"thinking\":{\"type\":\"disabled\"},\"model\":\"vm\"," USER "}"},
    {"enable_thinking", "{\"model\":\"m\",\"reasoning_effort\":\"low\"," USER "}",
         "{\"enable_thinking\":true,\"model\":\"vm\"," USER "}"},
    {"enable_thinking", "{\"model\":\"m\",\"thinking\":{\"type\":\"disabled\"}," USER "}",
         "{\"enable_thinking\":false,\"model\":\"vm\"," USER "}"},
    {"effort_low_high_max", "{\"model\":\"m\",\"reasoning_effort\":\"medium\"," USER "}",
         "{\"model\":\"vm\",\"reasoning_effort\":\"high\"," USER "}"},
    {"effort_low_high_max", "{\"model\":\"m\",\"reasoning_effort\":\"none\"," USER "}",
         "{\"model\":\"vm\",\"reasoning_effort\":\"low\"," USER "}"},
    {"effort_low_high_max thinking_type", "{\"model\":\"m\",\"reasoning_effort\":\"ultra\"," USER "}",
         "{\"thinking\":{\"type\":\"enabled\"},\"model\":\"vm\",\"reasoning_effort\":\"max\"," USER "}"},
    {"effort_low_high_max thinking_type", "{\"model\":\"m\",\"reasoning_effort\":\"none\"," USER "}",
         "{\"thinking\":{\"type\":\"disabled\"},\"model\":\"vm\"," USER "}"},

    /* the conversation */
    {"no_developer_role", "{\"model\":\"m\",\"messages\":[{\"content\":\"a\",\"role\":\"developer\"}]}",
         "{\"model\":\"vm\",\"messages\":[{\"content\":\"a\",\"role\":\"system\"}]}"},
    {"merge_system", "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"q\"}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"q\"}]}"},
    {"merge_system", "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a\\u4f60\"} , {\"role\":\"developer\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"q\"}, {\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"c\"},{\"text\":\"d\",\"type\":\"text\"}]}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"system\",\"content\":\"a\\u4f60\\n\\nb\\n\\ncd\"},{\"role\":\"user\",\"content\":\"q\"}]}"},
    {"merge_system", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"system\",\"content\":\"a\"}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"q\"}]}"},
    {"merge_system flatten_text", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]},{\"role\":\"system\",\"content\":\"a\"}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"x\"}]}"},
    {"flatten_text", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[ {\"type\":\"text\",\"text\":\"x\\n\"} , {\"type\":\"text\",\"text\":\"\\u4f60\"} ]}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"user\",\"content\":\"x\\n\\u4f60\"}]}"},
    {"flatten_text", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[]}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}"},
    {"flatten_text", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}"},
    {"needs_reasoning_content", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"assistant\",\"reasoning_content\":\"r\",\"content\":\"a\"},{\"role\":\"assistant\",\"reasoning_content\":null,\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"\"}]}",
         "{\"model\":\"vm\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"reasoning_content\":\" \",\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"assistant\",\"reasoning_content\":\"r\",\"content\":\"a\"},{\"role\":\"assistant\",\"reasoning_content\":\" \",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\" \"}]}"},

    /* at the edge of what is refused */
    {"top_p_one", "{\"model\":\"m\",\"top_p\":0.5," USER "}", "{\"model\":\"vm\"," USER "}"},
    {"stop_at_most_four", "{\"model\":\"m\",\"stop\":[\"1\",\"2\",\"3\",\"4\"]," USER "}", "{\"model\":\"vm\",\"stop\":[\"1\",\"2\",\"3\",\"4\"]," USER "}"},
    {"stop_at_most_four", "{\"model\":\"m\",\"stop\":\"1\"," USER "}", "{\"model\":\"vm\",\"stop\":\"1\"," USER "}"},
    {"stop_at_most_five", "{\"model\":\"m\",\"stop\":[\"12345678901234567890123456789012\",\"2\",\"3\",\"4\",\"5\"]," USER "}", "{\"model\":\"vm\",\"stop\":[\"12345678901234567890123456789012\",\"2\",\"3\",\"4\",\"5\"]," USER "}"},
    {"functions_only", "{\"model\":\"m\",\"tools\":[{\"type\":\"function\"}]," USER "}", "{\"model\":\"vm\",\"tools\":[{\"type\":\"function\"}]," USER "}"},
    {"no_tool_choice_none", "{\"model\":\"m\",\"tool_choice\":\"none\"," USER "}", "{\"model\":\"vm\",\"tool_choice\":\"none\"," USER "}"},
    {"roles_alternate user_first user_last no_blanks", "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]},{\"role\":\"tool\",\"content\":\"1\"},{\"role\":\"tool\",\"content\":\"2\"}]}", "{\"model\":\"vm\",\"messages\":[{\"role\":\"system\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]},{\"role\":\"tool\",\"content\":\"1\"},{\"role\":\"tool\",\"content\":\"2\"}]}"},
};

static const struct row refused[] = {
    {"no_n", "{\"model\":\"m\",\"n\":2," USER "}", "it gives one choice only"},
    {"no_tool_choice_required", "{\"model\":\"m\",\"tool_choice\":\"required\"," USER "}", "it cannot be made to call a tool"},
    {"no_tool_choice_required", "{\"model\":\"m\",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}," USER "}", "it cannot be made to call a tool"},
    {"no_tool_choice_named", "{\"model\":\"m\",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
        USER "}", "no tool can be named as the one to call"},
    {"no_tool_choice_none", "{\"model\":\"m\",\"tools\":[{\"type\":\"function\"}],\"tool_choice\":\"none\"," USER "}", "it cannot be told tools and kept from calling them"},
    {"functions_only", "{\"model\":\"m\",\"tools\":[{\"type\":\"function\"},{\"type\":\"custom\"}]," USER "}", "its tools are functions only"},
    {"stop_at_most_four", "{\"model\":\"m\",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\"]," USER "}", "it takes four stop sequences at most"},
    {"stop_at_most_five", "{\"model\":\"m\",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]," USER "}", "it takes five stop sequences of 32 bytes at most"},
    {"stop_at_most_five", "{\"model\":\"m\",\"stop\":[\"123456789012345678901234567890123\"]," USER "}", "it takes five stop sequences of 32 bytes at most"},
    {"roles_alternate", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"system\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"}]}", "it wants user and assistant to speak by turns"},
    {"roles_alternate", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"}]}", "it wants user and assistant to speak by turns"},
    {"user_first", "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"q\"},{\"role\":\"user\",\"content\":\"q\"}]}", "it wants the user to begin"},
    {"user_first", "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"q\"}]}", "it wants the user to begin"},
    {"user_last", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"q\"},{\"role\":\"system\",\"content\":\"q\"}]}", "it does not go on for the assistant"},
    {"no_blanks", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"  \"}]}", "it takes no blank messages"},
    {"no_blanks", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":null}]}", "it takes no blank messages"},
    {"merge_system", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"system\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}",
         "it takes one system message, of text only"},
};

/* clang-format on */

static struct manner manner_of(const char *quirks)
{
    struct manner m = {.adapter = adapter_find("openai"),
                       .chat_path = "/chat/completions"};
    char names[128], *save = NULL;

    snprintf(names, sizeof(names), "%s", quirks);
    for (char *name = strtok_r(names, " ", &save); name;
         name = strtok_r(NULL, " ", &save)) {
        uint64_t quirk = quirk_find(name);

        assert_true(quirk != 0);
        m.quirks |= quirk;
    }
    return m;
}

static struct chat chat_of(const char *body, struct arena *a)
{
    struct chat chat;
    struct chat_error error;

    if (chat_read(&chat, slice_of(body), a, &error))
        fail_msg("%s: %s", error.message, body);
    return chat;
}

static const char *join(const struct wire *wire, struct arena *a)
{
    char *text = arena_alloc(a, wire->body_len + 1), *to = text;

    for (size_t i = 0; i < wire->n_body; i++) {
        memcpy(to, wire->body[i].bytes, wire->body[i].len);
        to += wire->body[i].len;
    }
    assert_int_equal(to - text, wire->body_len);
    return text;
}

static void a_request_changes_only_where_a_quirk_asks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *a = arena_new();
        struct manner m = manner_of(rows[i].quirks);
        struct chat chat = chat_of(rows[i].client, a);
        struct wire wire;
        const char *why;

        assert_null(m.adapter->refuses(&m, &chat));
        assert_int_equal(m.adapter->write(&wire, &m, "vm", &chat, a, &why),
                         FAULT_NONE);
        assert_string_equal(join(&wire, a), rows[i].vendor);
        assert_string_equal(wire.path, "/chat/completions");
        chat_of(join(&wire, a), a); /* still a chat request */
        arena_free(a);
    }
}

static void what_no_edit_can_say_is_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct arena *a = arena_new();
        struct manner m = manner_of(refused[i].quirks);
        struct chat chat = chat_of(refused[i].client, a);
        struct wire wire;
        const char *why;

        assert_string_equal(m.adapter->refuses(&m, &chat), refused[i].vendor);
        assert_int_equal(m.adapter->write(&wire, &m, "vm", &chat, a, &why),
                         FAULT_BAD_REQUEST);
        assert_string_equal(why, refused[i].vendor);
        arena_free(a);
    }
}

static void a_model_name_is_escaped(void **state)
{
    struct arena *a = arena_new();
    struct manner m = manner_of("");
    struct chat chat = chat_of("{\"model\":\"m\"," USER "}", a);
    struct wire wire;
    const char *why;

    (void)state;
    m.adapter->write(&wire, &m, "a\"b\\\xff\n", &chat, a, &why);
    assert_string_equal(join(&wire, a), "{\"model\":\"a\\\"b\\\\\xef\xbf\xbd\\n"
                                        "\"," USER "}");
    arena_free(a);
}

/* Every combination of quirks leaves a valid request, and thousands of edits
 * do not make thousands of pieces. */
static void any_quirks_together_leave_a_chat_request(void **state)
{
    struct arena *a = arena_new();
    struct chat chat = chat_of(
        "{\"store\":1,\"metadata\":{},\"temperature\":2,\"n\":1,"
        "\"model\":\"m\",\"max_tokens\":1,\"max_completion_tokens\":2,"
        "\"top_p\":1,\"reasoning_effort\":\"low\",\"thinking\":null,"
        "\"enable_thinking\":true,\"parallel_tool_calls\":true,"
        "\"presence_penalty\":1,\"frequency_penalty\":1,\"stream\":true,"
        "\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"d\"}]},{\"role\":\"user\",\"content\":[{"
        "\"type\":\"text\",\"text\":\"u\"}]},{\"role\":\"assistant\","
        "\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":"
        "\"system\",\"content\":\"s\"}],\"stream_options\":{}}",
        a);
    struct manner m = manner_of("");
    struct arena *each = arena_new();

    (void)state;
    for (m.quirks = 0; m.quirks < 1 << 19; m.quirks += 7) {
        struct wire wire;
        const char *why;

        assert_int_equal(m.adapter->write(&wire, &m, "vm", &chat, each, &why),
                         FAULT_NONE);
        assert_string_equal(chat_of(join(&wire, each), each).model, "vm");
        arena_reset(each);
    }
    arena_free(each);
    arena_free(a);
}

static void thousands_of_edits_go_out_in_few_pieces(void **state)
{
    enum {
        N = 5000
    };

    static const char one[] = "{\"role\":\"developer\",\"content\":\"x\"},";
    struct arena *a = arena_new();
    char *body = malloc(N * sizeof(one) + 100), *to = body;
    struct manner m = manner_of("no_developer_role");
    struct chat chat;
    struct wire wire;
    const char *why;

    (void)state;
    to += sprintf(to, "{\"model\":\"m\",\"messages\":[");
    for (int i = 0; i < N; i++)
        to += sprintf(to, "%s", one);
    sprintf(to - 1, "]}");
    chat = chat_of(body, a);
    m.adapter->write(&wire, &m, "vm", &chat, a, &why);
    assert_true(wire.n_body <= 256);
    chat = chat_of(join(&wire, a), a);
    for (size_t i = 0; i < chat.n_messages; i++)
        assert_int_equal(chat.messages[i].role_word, 's');
    free(body);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_changes_only_where_a_quirk_asks),
        cmocka_unit_test(what_no_edit_can_say_is_refused_with_the_reason),
        cmocka_unit_test(a_model_name_is_escaped),
        cmocka_unit_test(any_quirks_together_leave_a_chat_request),
        cmocka_unit_test(thousands_of_edits_go_out_in_few_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
