#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"

/* stderr is a pipe whose reading end is `from`. */
struct capture {
    int from, saved;
};

static struct capture begin(void)
{
    struct capture c;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    c.from = ends[0];
    c.saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return c;
}

/* All that was written, after which stderr is as it was. */
static const char *end(struct capture c, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;

    dup2(c.saved, STDERR_FILENO);
    close(c.saved);
    while (len < size - 1 && (n = read(c.from, text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(c.from);
    return text;
}

static void a_line_has_time_level_and_event(void **state)
{
    struct capture c = begin();
    char text[4096];

    (void)state;
    log_line(LOG_INFO, "started", "workers=%d", 2);
    log_line(LOG_WARN, "quiet", "%s", "");
    end(c, text, sizeof(text));
    assert_memory_equal(text, "20", 2);
    assert_string_equal(strchr(strchr(text, '\n') + 1, ' '),
                        " level=warn event=quiet\n");
    *strchr(text, '\n') = '\0';
    assert_string_equal(strchr(text, ' '),
                        " level=info event=started workers=2");
}

static void levels_below_the_set_one_are_silent(void **state)
{
    struct capture c = begin();
    char text[4096];

    (void)state;
    log_line(LOG_DEBUG, "unheard", "%s", "");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "unheard", "%s", "");
    log_line(LOG_ERROR, "heard", "%s", "");
    log_set_level(LOG_INFO);
    end(c, text, sizeof(text));
    assert_null(strstr(text, "unheard"));
    assert_non_null(strstr(text, "event=heard\n"));
}

static void nothing_can_forge_a_second_line(void **state)
{
    static const struct {
        const char *value, *shown;
    } rows[] = {
        {"a\nlevel=error event=forged", "v=a\\x0alevel=error event=forged\n"},
        {"\r\x1b[2J\x07", "v=\\x0d\\x1b[2J\\x07\n"},
        {"\x7f", "v=\\x7f\n"},
        {"\xc2\x9b"
         "31m",
         "v=\\xc2\\x9b31m\n"},
        {"back\\slash", "v=back\\\\slash\n"},
        {"\xe4\xbd\xa0", "v=\xe4\xbd\xa0\n"},
    };

    char text[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct capture c = begin();

        log_line(LOG_INFO, "x", "v=%s", rows[i].value);
        end(c, text, sizeof(text));
        assert_string_equal(strstr(text, "v="), rows[i].shown);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    }
}

static void a_long_line_is_cut_and_says_so(void **state)
{
    struct capture c = begin();
    char text[8192], value[5000];

    (void)state;
    memset(value, '\n', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_line(LOG_INFO, "x", "%s", value);
    memset(value, 'a', sizeof(value) - 1);
    log_line(LOG_INFO, "x", "%s", value);
    end(c, text, sizeof(text));
    assert_true(strchr(text, '\n') - text < 2048);
    assert_string_equal(text + strlen(text) - 4, "...\n");
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_stuck_reader_costs_lines_and_no_time(void **state)
{
    static char text[1 << 20];
    struct capture c = begin();
    double begun = seconds();
    ssize_t n;

    (void)state;
    for (int i = 0; i < 5000; i++)
        log_line(LOG_INFO, "flood", "number=%d", i);
    assert_true(seconds() - begun < 5);
    n = read(c.from, text, 65536);
    assert_true(n > 0);
    log_line(LOG_INFO, "after", "%s", "");
    end(c, text, sizeof(text));
    assert_non_null(strstr(text, "event=log_dropped lines="));
    assert_non_null(strstr(text, "event=after\n"));
}

static void a_text_is_told_line_by_line_and_never_waits(void **state)
{
    static char text[1 << 20], lines[3 * 1024 + 16];
    struct capture c = begin();
    double begun = seconds();

    (void)state;
    log_text("");
    log_text("first\nsecond\n\tthird");
    memset(lines, 'x', sizeof(lines) - 1);
    log_text(lines);
    end(c, text, sizeof(text));
    assert_int_equal(strncmp(text, "first\nsecond\n\tthirdxxx", 22), 0);
    assert_int_equal(strlen(text), 19 + sizeof(lines) - 1);
    c = begin();
    for (int i = 0; i < 200; i++)
        log_text(lines);
    assert_true(seconds() - begun < 5);
    end(c, text, sizeof(text));
    assert_true(strlen(text) < 200 * sizeof(lines));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_and_event),
        cmocka_unit_test(levels_below_the_set_one_are_silent),
        cmocka_unit_test(nothing_can_forge_a_second_line),
        cmocka_unit_test(a_long_line_is_cut_and_says_so),
        cmocka_unit_test(a_stuck_reader_costs_lines_and_no_time),
        cmocka_unit_test(a_text_is_told_line_by_line_and_never_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
