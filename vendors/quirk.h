/*
 * quirk.h - how vendors deviate from OpenAI, by name.
 *
 * vendors.yaml lists a vendor's quirks; each is one bit of manner.quirks. The
 * rows are the master copy: name and help are what `check --reference` shows.
 * What they do stands in openai_write.c, openai_messages.c and complaint.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vendors/adapter.h"

/* clang-format off */
#define QUIRKS(X) \
    X(MAX_TOKENS, "max_tokens", \
      "max_completion_tokens is sent as max_tokens") \
    X(MAX_COMPLETION_TOKENS, "max_completion_tokens", \
      "max_tokens is sent as max_completion_tokens") \
    X(NO_DEVELOPER_ROLE, "no_developer_role", \
      "the role developer is sent as system") \
    X(NO_STREAM_OPTIONS, "no_stream_options", \
      "stream_options is not sent; usage comes anyway, or is estimated") \
    X(DROP_STORE, "drop_store", \
      "store and metadata are not sent") \
    X(NO_PARALLEL_TOOL_CALLS, "no_parallel_tool_calls", \
      "parallel_tool_calls is not sent") \
    X(NO_N, "no_n", \
      "n is not sent; requests for several choices go elsewhere") \
    X(MERGE_SYSTEM, "merge_system", \
      "system messages become one, and lead") \
    X(FLATTEN_TEXT, "flatten_text", \
      "content that is a list of text parts is sent as one text") \
    X(NEEDS_REASONING_CONTENT, "needs_reasoning_content", \
      "assistant messages get a reasoning_content of one space if they lack it") \
    X(THINKING_TYPE, "thinking_type", \
      "thinking is switched by thinking.type, not by reasoning_effort") \
    X(ENABLE_THINKING, "enable_thinking", \
      "thinking is switched by enable_thinking, not by reasoning_effort") \
    X(NO_TOOL_CHOICE_REQUIRED, "no_tool_choice_required", \
      "no tool can be forced; requests that force one go elsewhere") \
    X(TEMPERATURE_ONE, "temperature_one", \
      "temperature is not sent: only 1 is allowed") \
    X(TEMPERATURE_BELOW_TWO, "temperature_below_two", \
      "a temperature of 2 or more is sent as 1.99") \
    X(TOP_P_OPEN, "top_p_open", \
      "top_p of 1 is not sent, of 0 is sent as 0.001") \
    X(NO_PENALTIES, "no_penalties", \
      "frequency_penalty and presence_penalty are not sent") \
    X(EFFORT_LOW_HIGH_MAX, "effort_low_high_max", \
      "reasoning_effort is sent as the nearest of low, high and max") \
    X(QUOTA_IS_RATE_LIMIT, "quota_is_rate_limit", \
      "429 with insufficient_quota is a rate limit, not an empty account")
/* clang-format on */

#define QUIRK_ROW(NAME, word, help) QUIRK_##NAME,

enum quirk {
    QUIRKS(QUIRK_ROW) QUIRK_COUNT
};

#undef QUIRK_ROW

static inline bool quirk_has(const struct manner *manner, enum quirk quirk)
{
    return manner->quirks >> quirk & 1;
}
