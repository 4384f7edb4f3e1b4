#include "prompt.h"

#include <string.h>

static const char *const prose[] = {
    "The committee met again in the afternoon and went through the list of ",
    "open questions, one after another, without finding a better order. ",
    "She said \\\"we have been here before\\\" and closed the folder.\\n",
    "请把下面这段文字翻译成英文，并说明你的理由。",
    "Between 1998 and 2004 the share rose from 12.5% to 31%, then fell.\\n\\n",
    "for (i = 0; i < n; i++) { sum += a[i] * b[i]; }\\n",
};

/* Prose of exactly `bytes`; what no sentence fits into is dots. */
static void prose_add(struct text *to, size_t bytes)
{
    size_t end = to->len + bytes;
    for (size_t i = 0;; i = (i + 1) % ARRAY_LEN(prose)) {
        size_t len = strlen(prose[i]);
        if (to->len + len > end)
            break;
        text_add(to, prose[i], len);
    }
    while (to->len < end)
        text_add(to, ".", 1);
}

void prompt_request(struct text *to, const struct prompt *p)
{
    struct text body = {0}, tail = {0};
    text_addf(&body,
              "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\","
              "\"content\":\"You are a careful assistant.\"},"
              "{\"role\":\"user\",\"content\":\"",
              p->model);
    text_addf(&tail,
              "\"}],\"temperature\":0.7,\"max_tokens\":256,\"stream\":%s,"
              "\"user\":\"%s\"}",
              p->stream ? "true" : "false", p->user);
    size_t frame = body.len + tail.len;
    prose_add(&body, p->bytes > frame ? p->bytes - frame : 0);
    text_add(&body, tail.data, tail.len);
    text_addf(to, "POST /v1/chat/completions HTTP/1.1\r\n"
                  "Host: 127.0.0.1\r\n"
                  "User-Agent: bijia-bench/1\r\n"
                  "Accept: application/json\r\n"
                  "Content-Type: application/json\r\n");
    if (*p->key)
        text_addf(to, "Authorization: Bearer %s\r\n", p->key);
    text_addf(to, "Content-Length: %zu\r\n\r\n", body.len);
    text_add(to, body.data, body.len);
    text_fini(&body);
    text_fini(&tail);
}
