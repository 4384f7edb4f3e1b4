/*
 * openai_mend.c - chunks and answers as OpenAI's SDKs expect them.
 *
 *     openai_mend -> choices -> choice -> delta -> content, reasoning, calls
 *                                      -> finish
 *
 * One walk from front to back: what needs no change is copied from the last
 * change on, so that fields nobody knows stay as they are. Each repair has a
 * quirk of its own; a vendor without such a quirk never comes here.
 */
#include "vendors/openai_mend.h"

static const uint64_t repairs =
    UINT64_C(1) << QUIRK_REASONING_NAMES | UINT64_C(1) << QUIRK_CONTENT_PARTS |
    UINT64_C(1) << QUIRK_TOOL_CALL_SHAPE | UINT64_C(1) << QUIRK_FINISH_WORDS |
    UINT64_C(1) << QUIRK_THINK_TAGS | UINT64_C(1) << QUIRK_REASONING_SNAPSHOTS;

bool openai_mends(const struct manner *manner)
{
    return manner->quirks & repairs;
}

bool mend_has(const struct mend *m, enum quirk quirk)
{
    return quirk_has(m->in->reader.manner, quirk);
}

void mend_add(struct mend *m, struct slice bytes)
{
    intake_add(m->in, bytes);
}

void mend_put(struct mend *m, const char *at, const char *end,
              struct slice insert)
{
    mend_add(m, (struct slice){m->from, (size_t)(at - m->from)});
    mend_add(m, insert);
    m->from = end;
}

/* FNV-1a, 64 bits, never 0: tells texts apart, guards nothing. */
uint64_t mend_digest(struct slice bytes)
{
    uint64_t hash = 14695981039346656037ULL;

    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.bytes[i]) * 1099511628211ULL;
    return hash ? hash : 1;
}

static struct mend_choice *choice_find(struct mend *m, int index)
{
    struct mending *all = m->r->mending;
    struct mend_choice *c;

    for (c = all->choices; c; c = c->next)
        if (c->index == index)
            return c;
    c = arena_alloc(m->in->reader.arena, sizeof(*c));
    c->index = index;
    c->next = all->choices;
    all->choices = c;
    return c;
}

/* Finish words that are not OpenAI's, and what they mean there. */
static const struct {
    const char *word, *meaning;
} finishes[] = {
    {"sensitive", "content_filter"}, /* Zhipu */
    {"model_context_window_exceeded", "length"},
    {"max_tokens", "length"},
    {"MAX_TOKENS", "length"},
    {"end", "stop"},
    {"end_turn", "stop"},
    {"eos", "stop"},
    {"STOP", "stop"},
    {"SAFETY", "content_filter"},
    {"tool_use", "tool_calls"},
    {"tool_call", "tool_calls"},
    {"repetition_truncation", "length"},
    {"abort", "stop"}, /* SGLang */
};

/* The finish_reason at m->s. "" means that there is none yet, but at xAI with
 * tool calls that they end. */
static void finish(struct mend *m, bool called)
{
    struct json_text word;
    const char *at, *meaning = NULL;

    if (!mend_has(m, QUIRK_FINISH_WORDS) || json_peek(&m->s) != JSON_STRING) {
        json_skip(&m->s);
        return;
    }
    at = m->s.at;
    if (!json_text(&m->s, &word))
        return;
    for (size_t i = 0; i < ARRAY_LEN(finishes); i++)
        if (json_text_is(word, finishes[i].word))
            meaning = finishes[i].meaning;
    if (called && (json_text_is(word, "stop") || (!word.raw.len && m->quiet) ||
                   (meaning && strcmp(meaning, "stop") == 0)))
        meaning = "tool_calls";
    if (meaning) {
        mend_put(m, at, at, slice_of("\""));
        mend_add(m, slice_of(meaning));
        mend_put(m, at, m->s.at, slice_of("\""));
    } else if (!word.raw.len) {
        mend_put(m, at, m->s.at, slice_of("null"));
    }
}

/* reasoning -> reasoning_content, unless that stands there, too. */
static void reasoning(struct mend *m, struct json_text key)
{
    if (!m->has_reasoning_content && json_peek(&m->s) == JSON_STRING)
        mend_put(m, key.raw.bytes, key.raw.bytes + key.raw.len,
                 slice_of("reasoning_content"));
    json_skip(&m->s);
}

/* Each text holds all before it: only what is new is told. */
static void snapshot(struct mend *m)
{
    struct mend_choice *c = m->choice;
    const char *at;
    struct json_text text;
    struct slice old;

    if (json_peek(&m->s) != JSON_STRING) {
        json_skip(&m->s);
        return;
    }
    at = m->s.at + 1;
    if (!json_text(&m->s, &text))
        return;
    old = (struct slice){at, c->snapshot_len};
    if (text.raw.len >= old.len && mend_digest(old) == c->snapshot_digest)
        mend_put(m, at, at + old.len, slice_of(""));
    c->snapshot_len = text.raw.len;
    c->snapshot_digest = mend_digest(text.raw);
}

static void delta_member(struct mend *m, struct json_text key)
{
    if (json_text_is(key, "content"))
        mend_content(m);
    else if (json_text_is(key, "reasoning_content") && m->stream &&
             mend_has(m, QUIRK_REASONING_SNAPSHOTS))
        snapshot(m);
    else if (json_text_is(key, "reasoning") &&
             mend_has(m, QUIRK_REASONING_NAMES))
        reasoning(m, key);
    else if (json_text_is(key, "reasoning_details") &&
             mend_has(m, QUIRK_REASONING_NAMES))
        mend_details(m, key);
    else if (json_text_is(key, "tool_calls") &&
             mend_has(m, QUIRK_TOOL_CALL_SHAPE))
        mend_calls(m);
    else
        json_skip(&m->s);
}

/* What the delta has, before any of it is changed. */
static void delta_look(struct mend *m)
{
    struct json_scan s = m->s;
    struct json_text key;

    m->has_content = m->has_reasoning = m->has_reasoning_content = false;
    for (json_enter(&s); json_member(&s, &key);) {
        bool text = json_peek(&s) == JSON_STRING;

        m->has_content |= json_text_is(key, "content");
        m->has_reasoning |= text && json_text_is(key, "reasoning");
        m->has_reasoning_content |=
            text && json_text_is(key, "reasoning_content");
        json_skip(&s);
    }
}

static void delta(struct mend *m)
{
    struct json_text key;
    const char *before = "";

    if (json_peek(&m->s) != JSON_OBJECT) {
        json_skip(&m->s);
        return;
    }
    delta_look(m);
    for (json_enter(&m->s); json_member(&m->s, &key); before = ",")
        delta_member(m, key);
    if (m->ended && !m->has_content && !m->s.why)
        mend_held(m, before);
}

static bool is_quiet(struct json_scan *s)
{
    struct json_text key, text;
    bool quiet = true;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return true;
    }
    for (json_enter(s); json_member(s, &key);) {
        quiet &= json_peek(s) != JSON_ARRAY;
        if (json_peek(s) != JSON_STRING || json_text_is(key, "role"))
            json_skip(s);
        else if (json_text(s, &text))
            quiet &= !text.raw.len;
    }
    return quiet;
}

/* The choice's index, and whether it says something, before it is walked. */
static int64_t choice_look(struct mend *m, int64_t index)
{
    struct json_scan s = m->s;
    struct json_text key;

    m->quiet = true;
    for (json_enter(&s); json_member(&s, &key);) {
        if (json_text_is(key, "index") && json_peek(&s) == JSON_NUMBER)
            json_int(&s, &index);
        else if (json_text_is(key, "delta"))
            m->quiet = is_quiet(&s);
        else
            json_skip(&s);
    }
    return index;
}

static void choice(struct mend *m, int64_t place)
{
    const struct openai_choices *c = &m->r->choices;
    struct json_text key;
    int64_t index;
    bool called;

    if (json_peek(&m->s) != JSON_OBJECT) {
        json_skip(&m->s);
        return;
    }
    index = choice_look(m, place);
    if (index < 0 || index >= OPENAI_CHOICES_MAX) {
        json_skip(&m->s);
        return;
    }
    called = c->called[index / 64] >> index % 64 & 1;
    m->ended = !m->stream || c->ended[index / 64] >> index % 64 & 1;
    m->choice = choice_find(m, (int)index);
    for (json_enter(&m->s); json_member(&m->s, &key);) {
        if (json_text_is(key, "delta") || json_text_is(key, "message"))
            delta(m);
        else if (json_text_is(key, "finish_reason"))
            finish(m, called);
        else
            json_skip(&m->s);
    }
}

static void get_ready(struct openai_reader *r, struct slice json)
{
    struct arena *a = r->intake.reader.arena;
    size_t limit = r->intake.out.limit;

    if (r->mending)
        return;
    r->mending = arena_alloc(a, sizeof(*r->mending));
    intake_buf(&r->intake, &r->mending->text, limit);
    intake_buf(&r->intake, &r->mending->thought, limit);
    r->mending->seed = mend_digest(json);
}

void openai_mend(struct openai_reader *r, struct slice json)
{
    struct mend m = {.r = r,
                     .in = &r->intake,
                     .from = json.bytes,
                     .stream = r->intake.reader.stream};
    struct json_text key;
    int64_t n = 0;
    bool has_object = false, has_model = false;

    get_ready(r, json);
    json_scan_init(&m.s, json);
    m.s.any_bytes = true;
    for (json_enter(&m.s); json_member(&m.s, &key);) {
        has_object |= json_text_is(key, "object");
        has_model |= json_text_is(key, "model");
        if (!json_text_is(key, "choices") || json_peek(&m.s) != JSON_ARRAY) {
            json_skip(&m.s);
            continue;
        }
        for (json_enter(&m.s); json_element(&m.s);)
            choice(&m, n++);
    }
    mend_put(&m, m.s.at - 1, m.s.at - 1, slice_of("")); /* at its brace */
    if (!has_object)
        mend_add(&m, slice_of(m.stream ? ",\"object\":\"chat.completion.chunk\""
                                       : ",\"object\":\"chat.completion\""));
    if (!has_model && r->intake.reader.model) {
        mend_add(&m, slice_of(",\"model\":"));
        mend_add(&m, json_quote(r->intake.reader.arena,
                                slice_of(r->intake.reader.model)));
    }
    mend_put(&m, json.bytes + json.len, json.bytes + json.len, slice_of(""));
}
