/*
 * quirk.h - how vendors deviate from OpenAI, by name.
 *
 * vendors.yaml lists a vendor's quirks; each is one bit of manner.quirks. The
 * rows are the master copy: name and help are what `check --reference` shows.
 * What they do stands in the openai_*.c and in complaint.c; the few that the
 * other adapters heed, in theirs.
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
      "parallel_tool_calls is not sent; requests for one call go elsewhere") \
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
    X(NO_TOOL_CHOICE_NAMED, "no_tool_choice_named", \
      "no tool can be named as the one to call; such requests go elsewhere") \
    X(NO_TOOL_CHOICE_NONE, "no_tool_choice_none", \
      "tools cannot be told and forbidden; requests that do go elsewhere") \
    X(FUNCTIONS_ONLY, "functions_only", \
      "tools that are no functions are not taken; such requests go elsewhere") \
    X(TEMPERATURE_ONE, "temperature_one", \
      "temperature is not sent: only 1 is allowed") \
    X(TEMPERATURE_BELOW_TWO, "temperature_below_two", \
      "a temperature of 2 or more is sent as 1.99") \
    X(TOP_P_OPEN, "top_p_open", \
      "top_p of 1 is not sent, of 0 is sent as 0.001") \
    X(TOP_P_ONE, "top_p_one", \
      "top_p is not sent: only 1 is allowed") \
    X(NO_PENALTIES, "no_penalties", \
      "frequency_penalty and presence_penalty are not sent") \
    X(EFFORT_LOW_HIGH_MAX, "effort_low_high_max", \
      "reasoning_effort is sent as the nearest of low, high and max") \
    X(EFFORT_LOW_MEDIUM_HIGH, "effort_low_medium_high", \
      "reasoning_effort is sent as the nearest of low, medium and high") \
    X(EFFORT_LOW_HIGH, "effort_low_high", \
      "reasoning_effort is sent as the nearest of low and high") \
    X(EFFORT_DEFAULT, "effort_default", \
      "reasoning_effort is sent as none or default") \
    X(NO_EFFORT, "no_effort", \
      "reasoning_effort is not sent") \
    X(REASONING_OBJECT, "reasoning_object", \
      "reasoning_effort is sent as reasoning.effort") \
    X(TEMPLATE_THINKING, "template_thinking", \
      "thinking is switched by chat_template_kwargs.enable_thinking") \
    X(THINKS_IN_STREAMS, "thinks_in_streams", \
      "it thinks in streams only: else it is told not to, or passed over") \
    X(THINKING_BUDGET, "thinking_budget", \
      "thinking is switched by a number of tokens") \
    X(TOOLS_WITHOUT_THINKING, "tools_without_thinking", \
      "tools are taken only with thinking switched off") \
    X(RANDOM_SEED, "random_seed", \
      "seed is sent as random_seed") \
    X(MISTRAL_FIELDS, "mistral_fields", \
      "fields that Mistral does not know, and nulls, are not sent") \
    X(TOOL_CHOICE_ANY, "tool_choice_any", \
      "tool_choice required is sent as any") \
    X(NO_TOOL_CHOICE_AUTO, "no_tool_choice_auto", \
      "tool_choice auto is not sent: it is meant anyway") \
    X(TOOL_IDS_NINE, "tool_ids_nine", \
      "ids of tool calls are sent as nine letters and digits") \
    X(NO_MESSAGE_NAME, "no_message_name", \
      "name is not sent within messages") \
    X(ROLES_ALTERNATE, "roles_alternate", \
      "conversations where a role speaks twice in a row go elsewhere") \
    X(USER_FIRST, "user_first", \
      "conversations that the user does not begin go elsewhere") \
    X(USER_LAST, "user_last", \
      "conversations that end with an assistant's message go elsewhere") \
    X(NO_BLANKS, "no_blanks", \
      "conversations with a blank message go elsewhere") \
    X(ANSWER_AFTER_TOOL, "answer_after_tool", \
      "conversations where the user follows a tool's result go elsewhere") \
    X(TOOL_STREAM, "tool_stream", \
      "tool_stream is sent, so that arguments come as they are made") \
    X(REASONING_SPLIT, "reasoning_split", \
      "reasoning_split is sent, so that thinking comes apart from the text") \
    X(NO_STOP, "no_stop", \
      "stop is not taken; requests with it go elsewhere") \
    X(STOP_AT_MOST_FOUR, "stop_at_most_four", \
      "requests with more than four stop sequences go elsewhere") \
    X(STOP_AT_MOST_FIVE, "stop_at_most_five", \
      "the same with more than five, or one of more than 32 bytes") \
    X(TEMPERATURE_AT_MOST_ONE, "temperature_at_most_one", \
      "a temperature above 1 is sent as 1") \
    X(TEMPERATURE_ABOVE_ZERO, "temperature_above_zero", \
      "a temperature of 0 is sent as 0.01") \
    X(NO_SCHEMA_IN_STREAMS, "no_schema_in_streams", \
      "streams that want a JSON schema go elsewhere") \
    X(REASONING_NAMES, "reasoning_names", \
      "thinking under another name comes as reasoning_content") \
    X(REASONING_SNAPSHOTS, "reasoning_snapshots", \
      "reasoning_content that repeats all before it comes as what is new") \
    X(THINK_TAGS, "think_tags", \
      "a leading <think>...</think> of the text comes as reasoning_content") \
    X(CONTENT_PARTS, "content_parts", \
      "an answer's list of parts comes as one text") \
    X(TOOL_CALL_SHAPE, "tool_call_shape", \
      "tool calls come with index, id, and arguments as text") \
    X(FINISH_WORDS, "finish_words", \
      "a finish_reason that OpenAI does not know comes as one that it does") \
    X(QUOTA_IS_RATE_LIMIT, "quota_is_rate_limit", \
      "429 with insufficient_quota is a rate limit, not an empty account") \
    X(REFUSES_IN_200, "refuses_in_200", \
      "refusals come in HTTP 200: an error that begins a stream is one, and free")
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
