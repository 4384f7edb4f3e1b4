/*
 * translate_test.c - requests as adapters and quirks say them.
 *
 * tests/data/requests/NAME.json is a client's request; each NAME.WHOSE beside
 * it says what becomes of it: a line with the path and one with the body, or
 * one with "refused: " and why. WHOSE is a row of `manners`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vendors/adapter.h"

enum {
    MAX = 1 << 16,
};

/* clang-format off */
static const struct {
    const char *name, *adapter, *quirks;
} manners[] = {
    {"anthropic", "anthropic", ""},
    {"anthropic-budget", "anthropic", "thinking_budget"},
    {"anthropic-always", "anthropic", "temperature_one,no_tool_choice_required"},
    {"gemini", "gemini", ""},
    {"gemini-budget", "gemini", "thinking_budget"},
    {"mistral", "openai", "max_tokens,no_developer_role,no_stream_options,mistral_fields,random_seed,"
                          "tool_choice_any,tool_ids_nine,answer_after_tool,temperature_at_most_one"},
    {"xai", "openai", "max_tokens,no_developer_role,no_message_name,no_penalties,no_stop,drop_store,"
                      "effort_low_medium_high"},
    {"groq-qwen", "openai", "effort_default,no_schema_in_streams"},
    {"openrouter", "openai", "reasoning_object"},
    {"template", "openai", "template_thinking"},
    {"open-weights", "openai", "enable_thinking,thinks_in_streams"},
    {"glm", "openai", "thinking_type,effort_low_high_max,tool_stream,no_parallel_tool_calls"},
};

/* clang-format on */

static const char *const requests[] = {
    "plain",   "tools",           "thinking", "not_thinking", "link",
    "several", "assistant_first", "sound",    "schema",
};

static bool slurp(const char *name, const char *suffix, char *to)
{
    char path[512];
    size_t len;
    FILE *f;

    snprintf(path, sizeof(path), TESTS_DIR "/data/requests/%s.%s", name,
             suffix);
    f = fopen(path, "rb");
    if (!f)
        return false;
    len = fread(to, 1, MAX - 1, f);
    fclose(f);
    while (len && to[len - 1] == '\n')
        len--;
    to[len] = '\0';
    return true;
}

static void manner_of(struct manner *m, size_t row)
{
    char words[300], *save = NULL;

    *m = (struct manner){.adapter = adapter_find(manners[row].adapter),
                         .max_output_tokens = 4096};
    m->chat_path = m->adapter->chat_path;
    m->stream_path = m->adapter->stream_path;
    snprintf(words, sizeof(words), "%s", manners[row].quirks);
    for (char *w = strtok_r(words, ",", &save); w;
         w = strtok_r(NULL, ",", &save)) {
        assert_true(quirk_find(w) != 0);
        m->quirks |= quirk_find(w);
    }
}

static void say(char *out, size_t row, const char *json)
{
    struct arena *a = arena_new();
    struct chat_error error;
    struct manner manner;
    struct chat chat;
    struct wire wire;
    const char *why = NULL;
    size_t n;

    manner_of(&manner, row);
    assert_int_equal(chat_read(&chat, slice_of(json), a, &error), 0);
    if (manner.adapter->write(&wire, &manner, "the-model", &chat, a, &why)) {
        snprintf(out, MAX, "refused: %s", why);
        assert_string_equal(why, manner.adapter->refuses(&manner, &chat));
        arena_free(a);
        return;
    }
    assert_null(manner.adapter->refuses(&manner, &chat));
    n = (size_t)snprintf(out, MAX, "%s\n", wire.path);
    for (size_t i = 0; i < wire.n_body; i++) {
        assert_true(n + wire.body[i].len < MAX);
        memcpy(out + n, wire.body[i].bytes, wire.body[i].len);
        n += wire.body[i].len;
    }
    out[n] = '\0';
    arena_free(a);
}

static void requests_are_said_as_written_beside_them(void **state)
{
    static char json[MAX], wanted[MAX], said[MAX];
    int n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        assert_true(slurp(requests[i], "json", json));
        for (size_t row = 0; row < ARRAY_LEN(manners); row++) {
            if (!slurp(requests[i], manners[row].name, wanted))
                continue;
            say(said, row, json);
            if (strcmp(said, wanted) != 0)
                print_error("%s.%s\n%s\n", requests[i], manners[row].name,
                            said);
            assert_string_equal(said, wanted);
            n++;
        }
    }
    assert_true(n >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_said_as_written_beside_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
