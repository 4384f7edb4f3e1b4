#include "reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fatal.h"

#define DEFAULT_CHUNKS      20
#define DEFAULT_INTERVAL_US 20000
#define CHUNK_HEAD                                                           \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1760000000,\"model\":\"bench-model\",\"choices\":[{"        \
    "\"index\":0,\"delta\":{"

/* True if `"name"` is followed by `:true`; spaces may stand between. */
static bool is_true(const char *body, const char *name)
{
    const char *at = strstr(body, name);
    if (!at)
        return false;
    at += strlen(name);
    at += strspn(at, " \t\r\n");
    if (*at++ != ':')
        return false;
    at += strspn(at, " \t\r\n");
    return strncmp(at, "true", 4) == 0;
}

static long number_after(const char *body, const char *word, long otherwise)
{
    const char *at = strstr(body, word);
    return at ? strtol(at + strlen(word), NULL, 10) : otherwise;
}

struct ask ask_read(const char *body, size_t len)
{
    static char copy[64 * 1024];
    if (len >= sizeof(copy))
        return (struct ask){0};
    memcpy(copy, body, len);
    copy[len] = '\0';
    if (!is_true(copy, "\"stream\""))
        return (struct ask){0};
    struct ask ask = {
        .stream = true,
        .include_usage = is_true(copy, "\"include_usage\""),
        .chunks = number_after(copy, "chunks=", DEFAULT_CHUNKS),
        .interval_us = number_after(copy, "interval_us=", DEFAULT_INTERVAL_US),
    };
    if (ask.chunks < 1)
        ask.chunks = 1;
    if (ask.interval_us < 0)
        ask.interval_us = 0;
    return ask;
}

const struct text *reply_completion(void)
{
    static struct text all;
    if (all.len)
        return &all;
    struct text body = {0};
    text_addf(&body,
              "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\","
              "\"created\":1760000000,\"model\":\"bench-model\",\"choices\":[{"
              "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    while (body.len < 830)
        text_addf(&body, "The answer is \\\"forty-two\\\".\\n");
    text_addf(&body, "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"prompt_tokens\":250,"
                     "\"completion_tokens\":200,\"total_tokens\":450,"
                     "\"prompt_tokens_details\":{\"cached_tokens\":64}},"
                     "\"system_fingerprint\":\"fp_bench\"}");
    text_addf(&all,
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
              "Content-Length: %zu\r\n\r\n",
              body.len);
    text_add(&all, body.data, body.len);
    text_fini(&body);
    return &all;
}

void reply_stream_head(struct text *to)
{
    text_addf(to, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  "Cache-Control: no-cache\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
}

static void chunk_frame(struct text *to, const struct text *event)
{
    text_addf(to, "%zx\r\n", event->len);
    text_add(to, event->data, event->len);
    text_add(to, "\r\n", 2);
}

void reply_stream_chunk(struct text *to, long index)
{
    char event[512];
    int len =
        snprintf(event, sizeof(event),
                 CHUNK_HEAD "%s\"content\":\"t=%019" PRId64 " some words\"},"
                            "\"finish_reason\":null}]}\n\n",
                 index ? "" : "\"role\":\"assistant\",", now_ns());
    ENSURE(len > 0 && (size_t)len < sizeof(event));
    struct text framed = {.data = event, .len = (size_t)len};
    chunk_frame(to, &framed);
}

void reply_stream_end(struct text *to, const struct ask *ask)
{
    struct text event = {0};
    text_addf(&event, CHUNK_HEAD "},\"finish_reason\":\"stop\"}]}\n\n");
    chunk_frame(to, &event);
    if (ask->include_usage) {
        event.len = 0;
        text_addf(&event,
                  "data: {\"id\":\"chatcmpl-bench\",\"object\":"
                  "\"chat.completion.chunk\",\"created\":1760000000,"
                  "\"model\":\"bench-model\",\"choices\":[],\"usage\":{"
                  "\"prompt_tokens\":250,\"completion_tokens\":%ld,"
                  "\"total_tokens\":%ld}}\n\n",
                  ask->chunks, ask->chunks + 250);
        chunk_frame(to, &event);
    }
    event.len = 0;
    text_addf(&event, "data: [DONE]\n\n");
    chunk_frame(to, &event);
    text_addf(to, "0\r\n\r\n");
    text_fini(&event);
}

const char *reply_refusal(void)
{
    return "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n"
           "Connection: close\r\n\r\n";
}
