/*
 * stream_test.c - recorded streams, cut wherever they can be.
 *
 * tests/data/streams/NAME.sse is what a vendor sends, NAME.said what of it a
 * client is told that did not ask for usage, NAME.expect what is learnt,
 * by which adapter (openai, if it says nothing) and with which quirks. What an
 * adapter says in its own words does not follow the line ends of the vendor.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vendors/adapter.h"

enum {
    MAX = 1 << 16,
    ROWS = 16,
    WIDTH = 160,
};

static const char done_event[] = "data: [DONE]\n\n";

struct record {
    char name[64];
    char sse[MAX], said[MAX], expect[ROWS][WIDTH];
    size_t sse_len, said_len;
    int n_expect;
};

struct heard {
    char bytes[MAX];
    size_t len;
    int times;
};

static size_t slurp(const char *name, const char *suffix, char *to)
{
    char path[512];
    size_t len;
    FILE *f;

    snprintf(path, sizeof(path), TESTS_DIR "/data/streams/%s%s", name, suffix);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    len = fread(to, 1, MAX - 1, f);
    fclose(f);
    to[len] = '\0';
    return len;
}

static void expect_read(struct record *r)
{
    char text[MAX], *save = NULL;

    slurp(r->name, ".expect", text);
    r->n_expect = 0;
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        if (*line != '#')
            snprintf(r->expect[r->n_expect++], WIDTH, "%s", line);
}

static const char *row_of(const struct record *r, const char *word)
{
    size_t len = strlen(word);

    for (int i = 0; i < r->n_expect; i++)
        if (strncmp(r->expect[i], word, len) == 0 && r->expect[i][len] == ' ')
            return r->expect[i] + len + 1;
    return NULL;
}

static const char *expected(const struct record *r, const char *word)
{
    const char *row = row_of(r, word);

    if (!row)
        fail_msg("%s.expect says nothing of %s", r->name, word);
    return row;
}

/* Says the reader what the vendor says, byte for byte? */
static bool passes(const struct record *r)
{
    return !row_of(r, "adapter") && !row_of(r, "quirks");
}

static long number(const char *text)
{
    return strtol(text, NULL, 10);
}

/* LF becomes `eol` in both: the stream and what is said of it. */
static size_t with_eol(char *bytes, size_t len, const char *eol)
{
    static char out[2 * MAX];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '\n')
            out[n++] = bytes[i];
        else
            for (const char *e = eol; *e; e++)
                out[n++] = *e;
    }
    assert_true(n < MAX);
    memcpy(bytes, out, n);
    bytes[n] = '\0';
    return n;
}

static void hear(void *listener, struct slice bytes)
{
    struct heard *h = listener;

    assert_true(bytes.len > 0 && h->len + bytes.len < MAX);
    memcpy(h->bytes + h->len, bytes.bytes, bytes.len);
    h->len += bytes.len;
    h->times++;
}

static void manner_read(struct manner *m, const struct record *r)
{
    const char *adapter = r ? row_of(r, "adapter") : NULL;
    const char *quirks = r ? row_of(r, "quirks") : NULL;
    char words[WIDTH] = "", *save = NULL;

    *m = (struct manner){.adapter = adapter_find(adapter ? adapter : "openai")};
    assert_non_null(m->adapter);
    if (quirks)
        snprintf(words, sizeof(words), "%s", quirks);
    for (char *w = strtok_r(words, ",", &save); w;
         w = strtok_r(NULL, ",", &save)) {
        assert_true(quirk_find(w) != 0);
        m->quirks |= quirk_find(w);
    }
}

static struct reader *reader_of(struct arena *a, struct heard *h,
                                const struct record *record)
{
    static struct manner manner;
    struct reader *r;

    manner_read(&manner, record);
    r = reader_new(&manner, a);
    r->status = 200;
    r->stream = true;
    r->event_limit = r->answer_limit = MAX;
    r->say = hear;
    r->listener = h;
    h->len = 0;
    h->times = 0;
    return r;
}

/* Gives bytes in memory of their own, so that ASan sees what is kept. */
static void give(struct reader *r, const char *bytes, size_t len)
{
    char *copy;

    if (!len)
        return;
    copy = malloc(len);
    memcpy(copy, bytes, len);
    r->manner->adapter->body(r, (struct slice){copy, len});
    free(copy);
}

static void facts_check(const struct record *r, const struct answer *a)
{
    char usage[96] = "none", cost[32] = "none";

    if (a->has_usage)
        snprintf(usage, sizeof(usage), "%lld %lld %lld %lld %lld",
                 (long long)a->usage.input_tokens,
                 (long long)a->usage.cached_tokens,
                 (long long)a->usage.cache_write_tokens,
                 (long long)a->usage.output_tokens,
                 (long long)a->usage.thinking_tokens);
    if (a->has_stated_cost)
        snprintf(cost, sizeof(cost), "%lld", (long long)a->stated_cost_nanos);
    assert_string_equal(usage, expected(r, "usage"));
    assert_string_equal(cost, expected(r, "cost"));
    assert_string_equal(fault_traits(a->fault)->name, expected(r, "fault"));
    assert_int_equal(a->done, number(expected(r, "done")));
    assert_int_equal(a->finished, number(expected(r, "finished")));
    assert_int_equal(a->shown_bytes, number(expected(r, "shown")));
}

static void said_check(const struct record *r, const struct heard *h)
{
    size_t len = r->said_len;

    assert_true(h->len >= len);
    assert_memory_equal(h->bytes, r->said, len);
    if (number(expected(r, "adds_done"))) {
        assert_int_equal(h->len, len + sizeof(done_event) - 1);
        assert_memory_equal(h->bytes + len, done_event, sizeof(done_event) - 1);
    } else {
        assert_int_equal(h->len, len);
    }
}

static void whole_and_in_two_and_by_bytes(const struct record *r)
{
    static struct heard h;
    struct arena *a = arena_new();

    for (size_t split = 0; split <= r->sse_len; split++) {
        struct reader *reader = reader_of(a, &h, r);

        give(reader, r->sse, split);
        give(reader, r->sse + split, r->sse_len - split);
        reader->manner->adapter->end(reader);
        facts_check(r, &reader->answer);
        said_check(r, &h);
        arena_reset(a);
    }
    {
        struct reader *reader = reader_of(a, &h, r);

        for (size_t i = 0; i < r->sse_len; i++)
            give(reader, r->sse + i, 1);
        reader->manner->adapter->end(reader);
        facts_check(r, &reader->answer);
        said_check(r, &h);
    }
    arena_free(a);
}

/* However the transfer breaks off, nothing is said that did not come, and
 * [DONE] only if it came or, closed in good order, all choices had ended. */
static void cut_everywhere(const struct record *r)
{
    static struct heard h;
    struct arena *a = arena_new();

    for (size_t len = 0; len < r->sse_len; len++) {
        for (int cut = 0; cut < 2; cut++) {
            struct reader *reader = reader_of(a, &h, r);
            bool came, ended;

            give(reader, r->sse, len);
            came = reader->answer.done;
            reader->cut = cut;
            reader->manner->adapter->end(reader);
            ended = reader->answer.finished;
            if (cut || !ended)
                assert_true(h.len <= r->said_len + 2);
            if (cut) {
                assert_memory_equal(h.bytes, r->said, h.len);
                assert_int_equal(reader->answer.done, came);
            }
            if (reader->answer.done)
                assert_true(came || ended || memmem(r->sse, len, "[DONE]", 6));
            assert_int_equal(reader->answer.done,
                             reader->answer.fault == FAULT_NONE);
            if (h.len && memmem(h.bytes, h.len, "[DONE]", 6))
                assert_true(reader->answer.done);
            arena_reset(a);
        }
    }
    arena_free(a);
}

static void recorded_streams_read_alike_however_cut(void **state)
{
    static const char *const eols[] = {"\n", "\r\n", "\r"};
    static struct record r;
    DIR *d = opendir(TESTS_DIR "/data/streams");
    int n = 0;

    (void)state;
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        const char *dot = strrchr(e->d_name, '.');

        if (!dot || strcmp(dot, ".sse") != 0)
            continue;
        snprintf(r.name, sizeof(r.name), "%.*s", (int)(dot - e->d_name),
                 e->d_name);
        print_message("%s\n", r.name);
        expect_read(&r);
        for (size_t i = 0; i < (row_of(&r, "quirks") ? 1 : 3); i++) {
            r.sse_len = with_eol(r.sse, slurp(r.name, ".sse", r.sse), eols[i]);
            r.said_len = slurp(r.name, ".said", r.said);
            if (passes(&r))
                r.said_len = with_eol(r.said, r.said_len, eols[i]);
            whole_and_in_two_and_by_bytes(&r);
            cut_everywhere(&r);
        }
        n++;
    }
    closedir(d);
    assert_true(n >= 12);
}

static struct heard heard;

static struct answer read_all(const char *stream, bool show_usage)
{
    struct arena *a = arena_new();
    struct reader *r = reader_of(a, &heard, NULL);
    struct answer answer;

    r->show_usage = show_usage;
    give(r, stream, strlen(stream));
    r->manner->adapter->end(r);
    answer = r->answer;
    arena_free(a);
    heard.bytes[heard.len] = '\0';
    return answer;
}

#define CHUNK(text, finish)                                           \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text \
    "\"},\"finish_reason\":" finish "}]}\n\n"
#define USAGE                                               \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1," \
    "\"completion_tokens\":2}}\n\n"

static void a_client_that_asked_for_usage_sees_its_chunk(void **state)
{
    static const char stream[] =
        CHUNK("a", "null") CHUNK("b", "\"stop\"") USAGE "data: [DONE]\n\n";

    (void)state;
    assert_true(read_all(stream, true).has_usage);
    assert_string_equal(heard.bytes, stream);
    assert_int_equal(heard.times, 1); /* all in one piece */
    assert_true(read_all(stream, false).has_usage);
    assert_string_equal(heard.bytes, CHUNK("a", "null") CHUNK(
                                         "b", "\"stop\"") "data: [DONE]\n\n");
    assert_int_equal(heard.times, 2);
}

static void comments_are_no_beginning(void **state)
{
    struct arena *a = arena_new();
    struct reader *r = reader_of(a, &heard, NULL);

    (void)state;
    give(r, ": wait\n\n", 8);
    assert_false(r->answer.began);
    give(r, CHUNK("", "null"), sizeof(CHUNK("", "null")) - 1);
    assert_true(r->answer.began);
    assert_false(r->answer.finished);
    arena_free(a);
}

static void a_byte_order_mark_is_no_part_of_the_stream(void **state)
{
    (void)state;
    assert_true(
        read_all("\xef\xbb\xbf" CHUNK("a", "\"stop\"") "data: [DONE]\n\n",
                 false)
            .done);
    assert_string_equal(heard.bytes, CHUNK("a", "\"stop\"") "data: [DONE]\n\n");
}

static void the_last_event_may_lack_its_blank_line(void **state)
{
    (void)state;
    assert_true(read_all(CHUNK("a", "\"stop\"") "data: [DONE]", false).done);
    assert_string_equal(heard.bytes, CHUNK("a", "\"stop\"") "data: [DONE]\n\n");
    assert_false(read_all(CHUNK("a", "null") "data: [DON", false).done);
    assert_string_equal(heard.bytes, CHUNK("a", "null"));
    assert_int_equal(
        read_all(CHUNK("a", "\"stop\"") "data: {\"cho", false).fault,
        FAULT_CUT_SHORT);
}

static void an_event_beyond_the_limit_is_garbled(void **state)
{
    for (int pieces = 1; pieces <= 2; pieces++) {
        struct arena *a = arena_new();
        struct reader *r = reader_of(a, &heard, NULL);
        char chunk[300];

        (void)state;
        r->event_limit = 200;
        memset(chunk, 'x', sizeof(chunk));
        memcpy(chunk, "data: ", 6);
        memcpy(chunk + sizeof(chunk) - 2, "\n\n", 2);
        for (int i = 0; i < pieces; i++)
            give(r, chunk + i * (int)sizeof(chunk) / pieces,
                 sizeof(chunk) / (size_t)pieces);
        assert_int_equal(r->answer.fault, FAULT_GARBLED);
        assert_int_equal(heard.len, 0);
        assert_int_equal(r->manner->adapter->end(r), FAULT_GARBLED);
        arena_free(a);
    }
}

static void a_nul_in_an_event_is_garbled_not_cut_off(void **state)
{
    static const char stream[] = "data: {\"choices\":[]\0}\n\n";
    struct arena *a = arena_new();
    struct reader *r = reader_of(a, &heard, NULL);

    (void)state;
    give(r, stream, sizeof(stream) - 1);
    assert_int_equal(r->answer.fault, FAULT_GARBLED);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_streams_read_alike_however_cut),
        cmocka_unit_test(a_client_that_asked_for_usage_sees_its_chunk),
        cmocka_unit_test(comments_are_no_beginning),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_stream),
        cmocka_unit_test(the_last_event_may_lack_its_blank_line),
        cmocka_unit_test(an_event_beyond_the_limit_is_garbled),
        cmocka_unit_test(a_nul_in_an_event_is_garbled_not_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
