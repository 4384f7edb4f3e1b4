#include "vendors/teller.h"

#include <inttypes.h>
#include <stdio.h>

static void add(struct teller *t, const char *text)
{
    intake_add(t->in, slice_of(text));
}

/* Of an answer that is not a stream. Its limit is the intake's. */
static void keep(struct teller *t, struct buf *b, struct slice bytes)
{
    if (buf_add(b, bytes))
        intake_fail(t->in, FAULT_GARBLED);
}

static void keep_text(struct teller *t, struct buf *b, const char *text)
{
    keep(t, b, slice_of(text));
}

static bool is_stream(const struct teller *t)
{
    return t->in->reader.stream;
}

static struct slice copy_of(struct arena *a, struct slice s)
{
    return (struct slice){s.len ? arena_strndup(a, s.bytes, s.len) : "", s.len};
}

void teller_begin(struct teller *t, struct intake *in, struct slice id,
                  struct slice model)
{
    size_t limit = in->out.limit;

    *t = (struct teller){.in = in};
    t->id = copy_of(in->reader.arena, id);
    t->model = copy_of(in->reader.arena, model);
    if (is_stream(t))
        return;
    intake_buf(in, &t->text, limit);
    intake_buf(in, &t->thought, limit);
    intake_buf(in, &t->calls, limit);
}

static void head_add(struct teller *t, const char *object)
{
    char created[48];

    snprintf(created, sizeof(created), "\",\"created\":%" PRId64,
             t->in->reader.created_s);
    add(t, "{\"id\":\"");
    intake_add(t->in, t->id);
    add(t, "\",\"object\":\"");
    add(t, object);
    add(t, created);
    add(t, ",\"model\":\"");
    intake_add(t->in, t->model);
    add(t, "\",\"choices\":[");
}

/* Up to the delta's first member. */
static void chunk_begin(struct teller *t)
{
    add(t, "data: ");
    head_add(t, "chat.completion.chunk");
    add(t, "{\"index\":0,\"delta\":{");
    if (!t->begun)
        add(t, "\"role\":\"assistant\",");
    t->begun = true;
}

static void chunk_end(struct teller *t)
{
    add(t, "},\"finish_reason\":null}]}\n\n");
}

/* Something that a client can use. */
static void shown(struct teller *t, size_t bytes)
{
    t->in->reader.answer.began = true;
    t->in->reader.answer.shown_bytes += (int64_t)bytes;
}

static void string_chunk(struct teller *t, const char *member,
                         struct json_text text)
{
    shown(t, json_text_len(text));
    chunk_begin(t);
    add(t, member);
    intake_add(t->in, text.raw);
    add(t, "\"");
    chunk_end(t);
}

void teller_text(struct teller *t, struct json_text text)
{
    if (!text.raw.len)
        return;
    if (is_stream(t)) {
        string_chunk(t, "\"content\":\"", text);
        return;
    }
    shown(t, text.raw.len);
    keep(t, &t->text, text.raw);
}

void teller_thought(struct teller *t, struct json_text text)
{
    if (!text.raw.len)
        return;
    if (is_stream(t)) {
        string_chunk(t, "\"reasoning_content\":\"", text);
        return;
    }
    shown(t, text.raw.len);
    keep(t, &t->thought, text.raw);
}

/* To where the call at hand is told. */
static void call_add(struct teller *t, struct slice bytes)
{
    if (is_stream(t))
        intake_add(t->in, bytes);
    else
        keep(t, &t->calls, bytes);
}

void teller_call(struct teller *t, struct slice id, struct slice name,
                 struct slice extra)
{
    char text[32];

    if (t->n_calls == TELLER_CALLS_MAX) {
        intake_fail(t->in, FAULT_GARBLED);
        return;
    }
    shown(t, name.len);
    if (is_stream(t)) {
        chunk_begin(t);
        snprintf(text, sizeof(text), "\"tool_calls\":[{\"index\":%d,",
                 t->n_calls);
        add(t, text);
    } else {
        keep_text(t, &t->calls, t->in_call ? "\"}},{" : "{");
    }
    t->in_call = true;
    call_add(t, slice_of("\"id\":\""));
    if (!id.len) {
        snprintf(text, sizeof(text), "call_%d_", t->n_calls);
        call_add(t, slice_of(text));
    }
    t->n_calls++;
    call_add(t, id.len ? id : t->id);
    call_add(t, slice_of("\",\"type\":\"function\""));
    call_add(t, extra);
    call_add(t, slice_of(",\"function\":{\"name\":\""));
    call_add(t, name);
    call_add(t, slice_of("\",\"arguments\":\""));
    if (is_stream(t)) {
        add(t, "\"}}]");
        chunk_end(t);
    }
}

void teller_arguments(struct teller *t, struct slice raw)
{
    char index[48];

    if (!raw.len || !t->in_call)
        return;
    shown(t, raw.len);
    if (!is_stream(t)) {
        keep(t, &t->calls, raw);
        return;
    }
    snprintf(index, sizeof(index), "{\"index\":%d,\"function\":{",
             t->n_calls - 1);
    chunk_begin(t);
    add(t, "\"tool_calls\":[");
    add(t, index);
    add(t, "\"arguments\":\"");
    intake_add(t->in, raw);
    add(t, "\"}}]");
    chunk_end(t);
}

struct slice teller_quoted(const struct teller *t, struct slice json)
{
    struct slice quoted;

    if (!json.len)
        return slice_of("{}");
    quoted = json_quote(t->in->reader.arena, json);
    return (struct slice){quoted.bytes + 1, quoted.len - 2};
}

/* {"prompt_tokens":...}, and what it is made of. */
static void usage_add(struct teller *t)
{
    const struct usage *u = &t->in->reader.answer.usage;
    char text[400];

    snprintf(
        text, sizeof(text),
        "{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
        ",\"total_tokens\":%" PRId64
        ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRId64
        ",\"cache_write_tokens\":%" PRId64
        "},\"completion_tokens_details\":{\"reasoning_tokens\":%" PRId64 "}}",
        u->input_tokens, u->output_tokens, u->input_tokens + u->output_tokens,
        u->cached_tokens, u->cache_write_tokens, u->thinking_tokens);
    add(t, text);
}

/* {"role":...}: what was kept. */
static void message_add(struct teller *t)
{
    const struct slice text = {t->text.bytes, t->text.len},
                       thought = {t->thought.bytes, t->thought.len},
                       calls = {t->calls.bytes, t->calls.len};

    add(t, "{\"role\":\"assistant\",\"content\":");
    if (text.len || !t->in_call) {
        add(t, "\"");
        intake_add(t->in, text);
        add(t, "\"");
    } else {
        add(t, "null");
    }
    if (thought.len) {
        add(t, ",\"reasoning_content\":\"");
        intake_add(t->in, thought);
        add(t, "\"");
    }
    if (t->in_call) {
        add(t, ",\"tool_calls\":[");
        intake_add(t->in, calls);
        add(t, "\"}}]");
    }
    add(t, "}");
}

void teller_end(struct teller *t, const char *finish)
{
    struct answer *answer = &t->in->reader.answer;

    if (answer->finished)
        return;
    if (t->n_calls && strcmp(finish, "stop") == 0)
        finish = "tool_calls";
    answer->finished = answer->began = true;
    if (is_stream(t)) {
        if (!t->begun) { /* an answer of nothing is one */
            chunk_begin(t);
            add(t, "\"content\":\"\"");
            chunk_end(t);
        }
        chunk_begin(t);
        add(t, "},\"finish_reason\":\"");
        add(t, finish);
        add(t, "\"}]}\n\n");
        return;
    }
    head_add(t, "chat.completion");
    add(t, "{\"index\":0,\"message\":");
    message_add(t);
    add(t, ",\"logprobs\":null,\"finish_reason\":\"");
    add(t, finish);
    add(t, "\"}]");
    if (answer->has_usage) {
        add(t, ",\"usage\":");
        usage_add(t);
    }
    add(t, "}");
    answer->done = true;
}

void teller_done(struct teller *t)
{
    struct answer *answer = &t->in->reader.answer;

    if (answer->has_usage && t->in->reader.show_usage) {
        add(t, "data: ");
        head_add(t, "chat.completion.chunk");
        add(t, "],\"usage\":");
        usage_add(t);
        add(t, "}\n\n");
    }
    add(t, "data: [DONE]\n\n");
    answer->done = true;
}
