#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json_scan.h"

#include "cli/replay.h"

struct market {
    pid_t pid;
    FILE *to, *from;
    char *line;
    size_t size;
};

static _Noreturn void become(const char *command, const int *in, const int *out)
{
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

struct market *market_open(const char *command, struct arena *a)
{
    struct market *m = arena_alloc(a, sizeof(*m));
    int in[2], out[2];

    if (pipe(in) != 0)
        return NULL;
    if (pipe(out) != 0) {
        close(in[0]);
        close(in[1]);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    m->pid = fork();
    if (m->pid == 0)
        become(command, in, out);
    close(in[0]);
    close(out[1]);
    m->to = fdopen(in[1], "w");
    m->from = fdopen(out[0], "r");
    return m->pid > 0 && m->to && m->from ? m : NULL;
}

int market_close(struct market *m)
{
    int status = 0;

    fclose(m->to);
    fclose(m->from);
    free(m->line);
    while (waitpid(m->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void read_cost(struct json_scan *s, struct slice *out)
{
    struct json_text key, amount;

    for (json_enter(s); json_member(s, &key);)
        if (json_text_is(key, "amount") && json_peek(s) == JSON_STRING) {
            json_text(s, &amount);
            *out = amount.raw;
        } else {
            json_skip(s);
        }
}

static int64_t read_seconds(struct json_scan *s)
{
    struct slice value;
    char digits[32] = "";

    if (json_peek(s) != JSON_NUMBER) {
        json_skip(s);
        return 0;
    }
    if (!json_value(s, &value) || value.len >= sizeof(digits))
        return 0;
    memcpy(digits, value.bytes, value.len);
    return (int64_t)(strtod(digits, NULL) * 1000 + .999);
}

static void read_answer(struct market_answer *out, struct slice text)
{
    struct usage_reading reading = {0};
    struct json_text key;
    struct json_scan s;
    struct slice usage;
    int64_t status = 0;

    json_scan_init(&s, text);
    for (json_enter(&s); json_member(&s, &key);) {
        if (json_text_is(key, "status"))
            json_int(&s, &status);
        else if (json_text_is(key, "retry_after_s"))
            out->retry_after_ms = read_seconds(&s);
        else if (json_text_is(key, "cost") && json_peek(&s) == JSON_OBJECT)
            read_cost(&s, &out->cost);
        else if (json_text_is(key, "usage") && json_value(&s, &usage)) {
            if (usage_read(&reading, usage) == USAGE_GOOD)
                out->usage = reading.usage;
        } else
            json_skip(&s);
    }
    out->status = json_end(&s) ? (int)status : 0;
}

void market_ask(struct market *m, struct slice line, const struct offer *offer,
                struct market_answer *out)
{
    ssize_t len;

    *out = (struct market_answer){0};
    while (line.len > 0 && line.bytes[line.len - 1] != '}')
        line.len--;
    if (line.len == 0)
        return;
    /* what stands last in an object counts */
    fwrite(line.bytes, 1, line.len - 1, m->to);
    fprintf(m->to, ",\"vendor\":\"%s\",\"model\":\"%s\"}\n",
            offer->vendor->name, offer->model);
    if (fflush(m->to) != 0)
        return;
    len = getline(&m->line, &m->size, m->from);
    if (len > 0)
        read_answer(out, (struct slice){m->line, (size_t)len});
}
