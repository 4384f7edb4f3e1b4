/* Eight bytes of quirks, then a body. What is taken must be sayable, and be a
 * chat request still, whatever the quirks. */
#include "vendors/chat.h"

#include <stdlib.h>

#include "vendors/adapter.h"

#include "fuzz/fuzz.h"

static void check(int good)
{
    if (!good)
        abort();
}

static struct slice join(const struct wire *wire, struct arena *a)
{
    char *text = arena_alloc(a, wire->body_len), *to = text;

    for (size_t i = 0; i < wire->n_body; i++) {
        memcpy(to, wire->body[i].bytes, wire->body[i].len);
        to += wire->body[i].len;
    }
    check((size_t)(to - text) == wire->body_len);
    return (struct slice){text, wire->body_len};
}

static void say_it(const struct chat *chat, uint64_t quirks, struct arena *a)
{
    const struct manner manner = {
        .adapter = adapter_find("openai"), .chat_path = "/x", .quirks = quirks};
    struct chat said;
    struct chat_error error;
    struct wire wire;
    const char *why;

    if (manner.adapter->refuses(&manner, chat)) {
        check(manner.adapter->write(&wire, &manner, "v", chat, a, &why) !=
              FAULT_NONE);
        return;
    }
    check(manner.adapter->write(&wire, &manner, "v", chat, a, &why) ==
          FAULT_NONE);
    check(chat_read(&said, join(&wire, a), a, &error) == 0);
    check(strcmp(said.model, "v") == 0);
    check(said.stream == chat->stream);
    check(said.max_tokens == chat->max_tokens);
    check(said.n_messages <= chat->n_messages + 1);
    if (!quirks) {
        check(said.n_messages == chat->n_messages);
        check(said.n == chat->n && said.needs == chat->needs);
        check(!said.stream || said.include_usage);
    }
}

/* In another language: JSON, whatever came in. Arguments of a tool call are
 * looked into only when they are written. */
static void translate(const struct chat *chat, const char *adapter,
                      uint64_t quirks, struct arena *a)
{
    const struct manner manner = {
        .adapter = adapter_find(adapter), .chat_path = "/x", .quirks = quirks};
    struct json_scan s;
    struct wire wire;
    const char *why = NULL;
    bool refused = manner.adapter->refuses(&manner, chat) != NULL;

    if (manner.adapter->write(&wire, &manner, "v", chat, a, &why)) {
        check(why != NULL);
        return;
    }
    check(!refused);
    json_scan_init(&s, join(&wire, a));
    s.any_bytes = true;
    json_skip(&s);
    check(json_end(&s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t quirks = 0;
    struct arena *a;
    struct chat chat;
    struct chat_error error;

    if (size < sizeof(quirks))
        return 0;
    memcpy(&quirks, data, sizeof(quirks));
    a = arena_new();
    if (chat_read(&chat, (struct slice){(const char *)data + 8, size - 8}, a,
                  &error) == 0) {
        check(*chat.model && chat.n_messages > 0 && chat.n >= 1);
        say_it(&chat, 0, a);
        say_it(&chat, quirks, a);
        translate(&chat, "anthropic", quirks, a);
        translate(&chat, "gemini", quirks, a);
        tokenizer_estimate(0, &chat.text, chat.n_messages, chat.n_images,
                           chat.image_bytes);
    } else {
        check(*error.message);
    }
    arena_free(a);
    return 0;
}
