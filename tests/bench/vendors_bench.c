/*
 * vendors_bench.c - what reading costs: microseconds per request and per chunk.
 *
 *     build/release/tests/bench/vendors_bench
 *
 * Run by hand, on a release build; it judges nothing. Each line is the best
 * of several rounds, since the machine's moods only ever add.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_scan.h"

#include "vendors/adapter.h"

enum {
    ROUNDS = 15,
    BYTES_PER_ROUND = 8 << 20,
};

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static const char english[] =
    "The proxy reads each request once, finds what matters, and sends the "
    "bytes on as they came; 42 vendors compete for it. ";
static const char chinese[] =
    "\xe4\xbb\xa3\xe7\x90\x86\xe5\x8f\xaa\xe8\xaf\xbb\xe4\xb8\x80\xe6\xac\xa1"
    "\xe8\xaf\xb7\xe6\xb1\x82\xef\xbc\x8c\xe6\x89\xbe\xe5\x87\xba\xe8\xa6\x81"
    "\xe7\xb4\xa7\xe7\x9a\x84\xe9\x83\xa8\xe5\x88\x86\xef\xbc\x8c\xe5\x85\xb6"
    "\xe4\xbd\x99\xe5\xad\x97\xe8\x8a\x82\xe5\x8e\x9f\xe6\xa0\xb7\xe8\xbd\xac"
    "\xe5\x8f\x91\xe3\x80\x82";
static const char escaped[] =
    "\\u4ee3\\u7406\\u53ea\\u8bfb\\u4e00\\u6b21\\u8bf7\\u6c42\\uff0c";
static const char tools[] =
    "{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"city\\\":{\\\"type"
    "\\\":\\\"string\\\"}}}\\n";

/* A chat body of about `size` bytes, most of it `text` again and again. */
static char *body_of(const char *text, size_t size, size_t *len)
{
    char *body = malloc(size + 4096), *to = body;

    to += sprintf(to, "{\"model\":\"chat\",\"temperature\":0.7,\"messages\":["
                      "{\"role\":\"system\",\"content\":\"You are terse.\"}");
    while ((size_t)(to - body) + 200 < size) {
        size_t room = size - (size_t)(to - body) - 150;
        size_t n = (room < 4000 ? room : 4000) / strlen(text);

        to += sprintf(to, ",{\"role\":\"user\",\"content\":\"");
        for (size_t i = 0; i < (n ? n : 1); i++)
            to += sprintf(to, "%s", text);
        to += sprintf(to, "\"}");
    }
    to += sprintf(to, "],\"stream\":true,\"max_tokens\":256}");
    *len = (size_t)(to - body);
    return body;
}

static void chat_time(const char *name, const char *text, size_t size)
{
    size_t len, turns;
    char *body = body_of(text, size, &len);
    struct slice bytes = {body, len};
    struct arena *a = arena_new();
    double scan = 1e9, read = 1e9, start;

    turns = BYTES_PER_ROUND / len;
    for (int round = 0; round < ROUNDS; round++) {
        start = now_us();
        for (size_t i = 0; i < turns; i++) {
            struct json_scan s;

            json_scan_init(&s, bytes);
            json_skip(&s);
            if (!json_end(&s))
                abort();
        }
        start = (now_us() - start) / (double)turns;
        scan = start < scan ? start : scan;
        start = now_us();
        for (size_t i = 0; i < turns; i++) {
            struct chat chat;
            struct chat_error error;

            if (chat_read(&chat, bytes, a, &error))
                abort();
            arena_reset(a);
        }
        start = (now_us() - start) / (double)turns;
        read = start < read ? start : read;
    }
    printf("%-8s %7zu B   scan %8.3f us  %6.2f GB/s   chat_read %8.3f us\n",
           name, len, scan, (double)len / scan / 1e3, read);
    arena_free(a);
    free(body);
}

static void count(void *listener, struct slice bytes)
{
    *(size_t *)listener += bytes.len;
}

static void chunk_time(const char *name, const char *text)
{
    enum {
        CHUNKS = 64,
        TURNS = 2000
    };

    static char chunk[512], all[512 * CHUNKS];
    struct manner manner = {.adapter = adapter_find("openai")};
    struct arena *a = arena_new();
    size_t said = 0, len;
    double one = 1e9, many = 1e9, start;

    len = (size_t)sprintf(
        chunk,
        "data: {\"id\":\"chatcmpl-0123456789\",\"object\":"
        "\"chat.completion.chunk\",\"created\":1795340000,\"model\":\"m\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
        "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
        text);
    for (size_t i = 0; i < CHUNKS; i++)
        memcpy(all + i * len, chunk, len);
    for (int round = 0; round < ROUNDS; round++) {
        struct reader *r = reader_new(&manner, a);

        r->status = 200;
        r->stream = true;
        r->event_limit = r->answer_limit = 1 << 20;
        r->say = count;
        r->listener = &said;
        start = now_us();
        for (int i = 0; i < TURNS * CHUNKS; i++)
            manner.adapter->body(r, (struct slice){chunk, len});
        start = (now_us() - start) / (TURNS * CHUNKS);
        one = start < one ? start : one;
        start = now_us();
        for (int i = 0; i < TURNS; i++)
            manner.adapter->body(r, (struct slice){all, len * CHUNKS});
        start = (now_us() - start) / (TURNS * CHUNKS);
        many = start < many ? start : many;
        arena_reset(a);
    }
    printf("%-8s %7zu B   SSE chunk alone %.3f us, of many %.3f us\n", name,
           len, one, many);
    arena_free(a);
}

int main(void)
{
    static const size_t sizes[] = {1 << 10, 32 << 10, 512 << 10};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        chat_time("english", english, sizes[i]);
        chat_time("chinese", chinese, sizes[i]);
        chat_time("escaped", escaped, sizes[i]);
        chat_time("quotes", tools, sizes[i]);
    }
    chunk_time("english", "Hello");
    chunk_time("chinese", "\xe4\xbd\xa0\xe5\xa5\xbd");
    return 0;
}
