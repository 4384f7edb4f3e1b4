/*
 * openai_thinking.c - one knob, reasoning_effort, in each vendor's spelling.
 * The client's own use of a vendor's spelling stays as it is.
 */
#include "vendors/openai_write.h"

static const uint64_t switches = UINT64_C(1) << QUIRK_THINKING_TYPE |
                                 UINT64_C(1) << QUIRK_ENABLE_THINKING |
                                 UINT64_C(1) << QUIRK_TEMPLATE_THINKING;

/* Efforts that a vendor knows: the nearest of each of OpenAI's. */
enum scale {
    LOW_HIGH_MAX,
    LOW_MEDIUM_HIGH,
    LOW_HIGH,
    DEFAULT,
    OBJECT,
    SCALES,
};

static const enum quirk scale_quirks[SCALES] = {
    [LOW_HIGH_MAX] = QUIRK_EFFORT_LOW_HIGH_MAX,
    [LOW_MEDIUM_HIGH] = QUIRK_EFFORT_LOW_MEDIUM_HIGH,
    [LOW_HIGH] = QUIRK_EFFORT_LOW_HIGH,
    [DEFAULT] = QUIRK_EFFORT_DEFAULT,
    [OBJECT] = QUIRK_REASONING_OBJECT,
};

/* clang-format off */
static const struct {
    const char *word, *nearest[SCALES];
} efforts[] = {
    {"none",    {"low",  "low",    "low",  "none",    NULL}},
    {"minimal", {"low",  "low",    "low",  "none",    "minimal"}},
    {"low",     {"low",  "low",    "low",  "default", "low"}},
    {"medium",  {"high", "medium", "high", "default", "medium"}},
    {"high",    {"high", "high",   "high", "default", "high"}},
    {"xhigh",   {"high", "high",   "high", "default", "xhigh"}},
    {"ultra",   {"max",  "high",   "high", "default", "xhigh"}},
    {"max",     {"max",  "high",   "high", "default", "xhigh"}},
};

/* clang-format on */

static int scale_of(const struct writer *w)
{
    for (int i = 0; i < SCALES; i++)
        if (writer_has(w, scale_quirks[i]))
            return i;
    return SCALES;
}

/* OpenRouter: {"effort":...}, or off. */
static void object(struct writer *w, const char *effort)
{
    writer_drop(w, CHAT_REASONING_EFFORT);
    writer_add(w, effort ? arena_printf(w->arena,
                                        "\"reasoning\":{\"effort\":\"%s\"}",
                                        effort)
                         : "\"reasoning\":{\"enabled\":false}");
}

static void effort(struct writer *w, bool off)
{
    bool elsewhere = w->manner->quirks & switches;
    int scale = scale_of(w);

    if (writer_has(w, QUIRK_NO_EFFORT) || (off && elsewhere) ||
        (scale == SCALES && elsewhere)) {
        writer_drop(w, CHAT_REASONING_EFFORT);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(efforts) && scale < SCALES; i++) {
        const char *nearest = efforts[i].nearest[scale];

        if (!chat_is(w->chat, CHAT_REASONING_EFFORT, efforts[i].word))
            continue;
        if (scale == OBJECT)
            object(w, nearest);
        else
            writer_replace(w, w->chat->field[CHAT_REASONING_EFFORT].value,
                           json_quote(w->arena, slice_of(nearest)));
    }
}

static void switch_it(struct writer *w, bool on, bool off)
{
    if (writer_has(w, QUIRK_THINKING_TYPE)) {
        writer_drop(w, CHAT_ENABLE_THINKING);
        if (!writer_is_there(w, CHAT_THINKING) && (on || off))
            writer_add(w, off ? "\"thinking\":{\"type\":\"disabled\"}"
                              : "\"thinking\":{\"type\":\"enabled\"}");
    }
    if (writer_has(w, QUIRK_ENABLE_THINKING)) {
        writer_drop(w, CHAT_THINKING);
        if (!writer_is_there(w, CHAT_ENABLE_THINKING) && (on || off))
            writer_add(w, off ? "\"enable_thinking\":false"
                              : "\"enable_thinking\":true");
    }
    if (writer_has(w, QUIRK_TEMPLATE_THINKING)) {
        writer_drop(w, CHAT_THINKING);
        writer_drop(w, CHAT_ENABLE_THINKING);
        if (on || off)
            writer_add(w, off ? "\"chat_template_kwargs\":{"
                                "\"enable_thinking\":false}"
                              : "\"chat_template_kwargs\":{"
                                "\"enable_thinking\":true}");
    }
}

void writer_thinking(struct writer *w)
{
    bool on = w->chat->needs & NEED_THINKING;
    bool off = w->chat->needs & NEED_NO_THINKING;

    if (writer_has(w, QUIRK_TOOLS_WITHOUT_THINKING) &&
        (w->chat->needs & NEED_TOOLS) && !on &&
        !writer_is_there(w, CHAT_REASONING_EFFORT))
        writer_add(w, "\"reasoning_effort\":\"none\"");
    if (writer_has(w, QUIRK_THINKS_IN_STREAMS) && !w->chat->stream)
        off = true;
    if (!(w->manner->quirks & switches) && scale_of(w) == SCALES &&
        !writer_has(w, QUIRK_NO_EFFORT))
        return;
    if (chat_is(w->chat, CHAT_REASONING_EFFORT, "minimal") &&
        scale_of(w) == SCALES)
        off = true;
    switch_it(w, on, off);
    effort(w, off);
}
