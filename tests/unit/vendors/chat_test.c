#include "vendors/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]"

static struct arena *arena;

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

static struct chat good(const char *body)
{
    struct chat chat;
    struct chat_error error;

    if (chat_read(&chat, slice_of(body), arena, &error))
        fail_msg("%s: %s", error.message, body);
    return chat;
}

static const struct {
    const char *body, *param, *message;
} refused[] = {
    {"", "", "not valid JSON: a value is missing, at byte 0"},
    {"{", "", "at byte 1"},
    {"{\"model\":\"m\"," USER "} x", "", "something follows the end"},
    {"{\"model\":\"m\"," USER ",}", "", "not valid JSON"},
    {"{\"a\":\"\xff\"}", "", "not UTF-8, at byte 6"},
    {"[]", "", "must be a JSON object"},
    {"\"x\"", "", "must be a JSON object"},
    {"null", "", "must be a JSON object"},
    {"{" USER "}", "model", "'model' is missing"},
    {"{\"model\":1," USER "}", "model", "must be a text"},
    {"{\"model\":null," USER "}", "model", "must be a text"},
    {"{\"model\":\"\"," USER "}", "model", "is empty"},
    {"{\"model\":\"a\\u0000b\"," USER "}", "model", "NUL"},
    {"{\"model\":\"0123456789012345678901234567890123456789"
     "01234567890123456789012345678901234567890123456789"
     "0123456789012345678901234567890\"," USER "}",
     "model", "longer than 120"},
    {"{\"model\":\"m\"}", "messages", "is missing"},
    {"{\"model\":\"m\",\"messages\":{}}", "messages", "must be a list"},
    {"{\"model\":\"m\",\"messages\":null}", "messages", "must be a list"},
    {"{\"model\":\"m\",\"messages\":[]}", "messages", "is empty"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"},"
     "\"x\"]}",
     "messages[1]", "must be an object"},
    {"{\"model\":\"m\",\"messages\":[{\"content\":\"\"}]}", "messages[0].role",
     "is missing"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":1}]}", "messages[0].role",
     "must be a text"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":1}]}",
     "messages[0].content", "must be a text or a list"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[1]}]}",
     "messages[0].content", "must list objects"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"tool_calls\":1}]"
     "}",
     "messages[0].tool_calls", "must be a list"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"Role\":\"x\"}]}",
     "role", "must be spelt"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"role\":\"tool\"}]}",
     "role", "twice"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":null}]}", "messages[0].role",
     "must be a text"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"},"
     "{\"role\":\"critic\",\"content\":\"\"}]}",
     "messages[1].role", "must be one of system, developer, user, assistant"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"\"}]}", "messages[0].role",
     "must be one of"},
    {"{\"model\":\"m\",\"messages\":[{\"role\":\"User\"}]}", "messages[0].role",
     "must be one of"},
    {"{\"model\":\"m\"," USER ",\"user\":7}", "user", "must be a text"},
    {"{\"model\":\"m\"," USER ",\"user\":{\"id\":\"u\"}}", "user",
     "must be a text"},
    {"{\"model\":\"m\"," USER ",\"stream\":\"yes\"}", "stream",
     "true or false"},
    {"{\"model\":\"m\"," USER ",\"stream_options\":1}", "stream_options",
     "an object"},
    {"{\"model\":\"m\"," USER ",\"stream_options\":{\"include_usage\":1}}",
     "stream_options.include_usage", "true or false"},
    {"{\"model\":\"m\"," USER ",\"max_tokens\":1.5}", "max_tokens",
     "whole number from 1"},
    {"{\"model\":\"m\"," USER ",\"max_tokens\":0}", "max_tokens",
     "whole number from 1"},
    {"{\"model\":\"m\"," USER ",\"max_completion_tokens\":99999999999}",
     "max_completion_tokens", "whole number from 1 to 2147483647"},
    {"{\"model\":\"m\"," USER ",\"max_tokens\":\"9\"}", "max_tokens",
     "a whole number"},
    {"{\"model\":\"m\"," USER ",\"n\":129}", "n", "from 1 to 128"},
    {"{\"model\":\"m\"," USER ",\"temperature\":\"hot\"}", "temperature",
     "a number"},
    {"{\"model\":\"m\"," USER ",\"tools\":{}}", "tools", "list of tools"},
    {"{\"model\":\"m\"," USER ",\"tools\":[1]}", "tools", "an object"},
    {"{\"model\":\"m\"," USER ",\"response_format\":\"json\"}",
     "response_format", "an object"},
    {"{\"model\":\"m\"," USER ",\"response_format\":{}}", "response_format",
     "'type'"},
    {"{\"model\":\"m\",\"model\":\"m\"," USER "}", "model", "twice"},
    {"{\"model\":\"m\",\"mod\\u0065l\":\"m\"," USER "}", "model", "twice"},
    {"{\"model\":\"m\",\"Model\":\"x\"," USER "}", "model", "spelt"},
    {"{\"model\":\"m\"," USER ",\"MAX_TOKENS\":1}", "max_tokens", "spelt"},
    {"{\"model\":\"m\"," USER ",\"\\u0053tream\":true}", "stream", "spelt"},
};

static void what_is_no_chat_request_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct chat chat;
        struct chat_error error;

        if (!chat_read(&chat, slice_of(refused[i].body), arena, &error))
            fail_msg("taken: %s", refused[i].body);
        assert_string_equal(error.param, refused[i].param);
        if (!strstr(error.message, refused[i].message))
            fail_msg("%s: %s", refused[i].body, error.message);
    }
}

static void unknown_fields_and_nulls_pass(void **state)
{
    struct chat chat = good(
        "{\"model\":\"m\"," USER ",\"stream\":null,\"n\":null,\"tools\":null,"
        "\"stream_options\":null,\"max_tokens\":null,\"response_format\":null,"
        "\"user\":null,"
        "\"x\":{\"model\":1,\"Model\":2},\"x\":[[1e400]],\"seed\":1.5}");

    (void)state;
    assert_string_equal(chat.model, "m");
    assert_false(chat.stream);
    assert_int_equal(chat.n, 1);
    assert_int_equal(chat.needs, 0);
    assert_int_equal(chat.field[CHAT_N].kind, JSON_NULL);
    assert_int_equal(chat.field[CHAT_STOP].kind, JSON_ABSENT);
}

static void fields_are_found_where_they_lie(void **state)
{
    static const char body[] =
        " { \"max_tokens\" : 7 , \"mod\\u0065l\" : \"a\\u002fb\" ,"
        " \"stream\":true,\"stream_options\" : {\"a\":1, \"include_usage\" : "
        "true } , " USER " } ";
    struct chat chat = good(body);
    struct span s;

    (void)state;
    assert_string_equal(chat.model, "a/b");
    assert_true(chat.stream && chat.include_usage);
    assert_int_equal(chat.max_tokens, 7);
    s = chat.field[CHAT_MODEL].key;
    assert_memory_equal(body + s.at, "\"mod\\u0065l\"", s.len);
    s = chat.field[CHAT_MODEL].value;
    assert_memory_equal(body + s.at, "\"a\\u002fb\"", s.len);
    s = chat.stream_options_usage;
    assert_memory_equal(body + s.at, "true", s.len);
    s = chat.messages[0].object;
    assert_int_equal(body[s.at], '{');
    assert_int_equal(body[s.at + s.len], ']');
    s = chat.messages[0].content;
    assert_memory_equal(body + s.at, "\"q\"", s.len);
}

static void of_two_limits_the_newer_counts(void **state)
{
    (void)state;
    assert_int_equal(good("{\"model\":\"m\"," USER ",\"max_tokens\":7,"
                          "\"max_completion_tokens\":9}")
                         .max_tokens,
                     9);
    assert_int_equal(good("{\"model\":\"m\",\"max_completion_tokens\":9," USER
                          ",\"max_tokens\":7}")
                         .max_tokens,
                     9);
}

static void needs_are_seen(void **state)
{
    static const struct {
        const char *field;
        uint32_t needs;
    } rows[] = {
        {"\"tools\":[]", 0},
        {"\"tools\":[{\"type\":\"function\"}]", NEED_TOOLS},
        {"\"response_format\":{\"type\":\"text\"}", 0},
        {"\"response_format\":{\"type\":\"json_object\"}", NEED_JSON_OBJECT},
        {"\"response_format\":{\"json_schema\":{},\"type\":\"json_schema\"}",
         NEED_JSON_SCHEMA},
        {"\"reasoning_effort\":\"none\"", NEED_NO_THINKING},
        {"\"reasoning_effort\":\"minimal\"", 0},
        {"\"reasoning_effort\":\"low\"", NEED_THINKING},
        {"\"thinking\":{\"type\":\"enabled\"}", NEED_THINKING},
        {"\"thinking\":{\"type\":\"disabled\"}", NEED_NO_THINKING},
        {"\"enable_thinking\":true", NEED_THINKING},
        {"\"enable_thinking\":false", NEED_NO_THINKING},
        {"\"enable_thinking\":false,\"reasoning_effort\":\"high\"",
         NEED_THINKING},
        {"\"reasoning_effort\":\"none\",\"thinking\":{\"type\":\"enabled\"}",
         NEED_NO_THINKING},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *body =
            arena_printf(arena, "{\"model\":\"m\",%s," USER "}", rows[i].field);

        if (good(body).needs != rows[i].needs)
            fail_msg("%s: %x", rows[i].field, good(body).needs);
    }
}

static void messages_are_told_apart(void **state)
{
    struct chat chat = good(
        "{\"model\":\"m\",\"messages\":["
        "{\"role\":\"developer\",\"content\":\"ab\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"cd\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"detail\":\"low\",\"url\":"
        "\"data:image/png;base64,AAAAAAAA\"}}]},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
        "\"zz\",\"function\":{\"name\":\"ef\",\"arguments\":\"{\\\"g\\\":1}\"}"
        "}],\"reasoning_content\":\"hi\"},"
        "{\"tool_call_id\":\"zz\",\"role\":\"tool\",\"content\":\"jk\"},"
        "{\"role\":\"func\\u0074ion\",\"content\":\"\",\"reasoning_content\":"
        "\"\"}]}");

    (void)state;
    assert_int_equal(chat.n_messages, 5);
    assert_int_equal(chat.messages[0].role_word, 'd');
    assert_int_equal(chat.messages[1].role_word, 'u');
    assert_int_equal(chat.messages[1].content_kind, JSON_ARRAY);
    assert_true(chat.messages[1].image);
    assert_true(chat.messages[2].tool_calls);
    assert_true(chat.messages[2].reasoning_content);
    assert_int_equal(chat.messages[2].content_kind, JSON_NULL);
    assert_int_equal(chat.messages[3].role_word, 't');
    assert_int_equal(chat.messages[4].role_word, 'f');
    assert_false(chat.messages[4].reasoning_content);
    assert_int_equal(chat.needs, NEED_VISION);
    assert_int_equal(chat.n_images, 1);
    assert_int_equal(chat.image_bytes, 6);
    assert_int_equal(chat.text.latin, 11); /* abcdefghijk */
    assert_int_equal(chat.text.digits, 1);
}

static void an_image_is_not_counted_as_text(void **state)
{
    struct chat chat =
        good("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{"
             "\"type\":\"image_url\",\"image_url\":\"https://x/y.png\"}]}]}");

    (void)state;
    assert_int_equal(chat.text.latin, 0);
    assert_int_equal(chat.n_images, 1);
    assert_int_equal(chat.image_bytes, 0);
}

static void too_many_messages_are_refused(void **state)
{
    enum {
        N = CHAT_MESSAGES_MAX + 1
    };

    static const char one[] = "{\"role\":\"user\"},";
    char *body = malloc(N * sizeof(one) + 64), *to = body;
    struct chat chat;
    struct chat_error error;

    (void)state;
    to += sprintf(to, "{\"model\":\"m\",\"messages\":[");
    for (int i = 0; i < N; i++)
        to += sprintf(to, "%s", one);
    sprintf(to - 1, "]}");
    assert_int_equal(chat_read(&chat, slice_of(body), arena, &error), -1);
    assert_string_equal(error.param, "messages");
    free(body);
}

/* No prefix of a request is one, and none is read past its end. */
static void a_request_cut_short_is_refused(void **state)
{
    static const char body[] =
        "{\"model\":\"m\",\"tools\":[{\"a\":\"\\n\"}],\"n\":2,\"messages\":[{"
        "\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"\xe4\xbd\xa0\\u4f60\"},{\"image_url\":{\"url\":\"data:,x\"}}]},{"
        "\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":"
        "\"{}\"}}]}],\"response_format\":{\"type\":\"json_object\"},"
        "\"stream_options\":{\"include_usage\":true},\"max_tokens\":5}";

    (void)state;
    for (size_t len = 0; len < sizeof(body); len++) {
        char *copy = malloc(len ? len : 1);
        struct chat chat;
        struct chat_error error;

        memcpy(copy, body, len);
        assert_int_equal(
            chat_read(&chat, (struct slice){copy, len}, arena, &error),
            len == sizeof(body) - 1 ? 0 : -1);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_no_chat_request_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_fields_and_nulls_pass, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fields_are_found_where_they_lie, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(of_two_limits_the_newer_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(needs_are_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_told_apart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_image_is_not_counted_as_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(too_many_messages_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_request_cut_short_is_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
