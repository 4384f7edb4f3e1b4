"""The two vendors with languages of their own: Anthropic's Messages and Gemini's generateContent."""
from __future__ import annotations

import json
from decimal import Decimal

import pytest

from client import post

SIGN = {"x-api-key": "sim-1", "anthropic-version": "2023-06-01"}
USER = {"role": "user", "content": "hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "get_weather", "input_schema": SCHEMA}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
G_USER = {"role": "user", "parts": [{"text": "hello"}]}
G_TOOL = {"functionDeclarations": [{"name": "get_weather", "parameters": {
    "type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}]}
G_CALL = {"functionCall": {"name": "f", "args": {}}}
G_SIGNED = {**G_CALL, "thoughtSignature": "skip_thought_signature_validator"}
G_RESULT = {"functionResponse": {"name": "f", "response": {"x": 1}}}


def claude(sim, headers=None, model="claude-sonnet-5-5", **fields):
    body = {"model": model, "max_tokens": 100, "messages": [USER], **fields}
    return post(sim, "/anthropic/v1/messages", {k: v for k, v in body.items() if v is not ...},
                SIGN if headers is None else headers)


def gemini(sim, key="sim-1", model="gemini-3.8-flash", stream=False, **fields):
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return post(sim, "/gemini/v1beta/models/%s:%s" % (model, verb), {"contents": [G_USER], **fields},
                {"x-goog-api-key": key} if key else {})


def named(response) -> list:
    """[(name of the event, data)] of a stream of Anthropic's."""
    out = []
    for block in response.body.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        out.append((name[7:], json.loads(data[6:])))
        assert name.startswith("event: ") and out[-1][1]["type"] == out[-1][0]
    return out


# -- Anthropic: answers -----------------------------------------------------------------------------

def test_claude_answers_in_blocks_and_streams_the_same(sim):
    whole, events = claude(sim).json(), named(claude(sim, stream=True))
    assert whole["content"][0]["text"].startswith("Here is") and whole["stop_reason"] == "end_turn"
    assert [name for name, _ in events[:3]] == ["message_start", "ping", "content_block_start"]
    assert [name for name, _ in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    said = "".join(e["delta"]["text"] for n, e in events if n == "content_block_delta")
    assert said == whole["content"][0]["text"]
    assert events[0][1]["message"]["usage"]["input_tokens"] == 9
    assert events[-2][1]["usage"] == {"output_tokens": 40,
                                      "output_tokens_details": {"thinking_tokens": 0}}
    first, second = sim.bills()
    assert first["amount"] == second["amount"] == "0.000418"        # (9 x 2 + 40 x 10) / 1e6


def test_claude_calls_tools_and_reads_their_results(sim):
    call = claude(sim, tools=[TOOL]).json()
    assert call["stop_reason"] == "tool_use"
    block = call["content"][0]
    assert (block["type"], block["input"]) == ("tool_use", {"city": "Beijing"})
    deltas = [e["delta"] for n, e in named(claude(sim, tools=[TOOL], stream=True))
              if n == "content_block_delta"]
    assert deltas[0] == {"type": "input_json_delta", "partial_json": ""}
    assert json.loads("".join(d["partial_json"] for d in deltas)) == {"city": "Beijing"}
    messages = [USER, {"role": "assistant", "content": [block]}, {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"}]}]
    after = claude(sim, tools=[TOOL], messages=messages).json()
    assert after["content"][0]["text"].startswith("Here is")
    both = [{"role": "user", "content": "both"}]
    assert len(claude(sim, tools=[TOOL], messages=both).json()["content"]) == 2
    one = claude(sim, tools=[TOOL], messages=both,
                 tool_choice={"type": "auto", "disable_parallel_tool_use": True}).json()
    assert len(one["content"]) == 1


def test_claude_thinks_when_told_and_opus_always(sim):
    assert claude(sim).json()["usage"]["output_tokens"] == 40
    told = claude(sim, thinking={"type": "adaptive"}, output_config={"effort": "high"}).json()
    assert told["content"][0]["thinking"].startswith("The user") and told["content"][0]["signature"]
    assert told["usage"]["output_tokens"] == 40 + 24
    opus = claude(sim, model="claude-opus-5-5").json()
    assert opus["content"][0]["thinking"] == "" and opus["content"][0]["signature"]
    assert opus["usage"]["output_tokens"] == 52
    assert opus["usage"]["output_tokens_details"] == {"thinking_tokens": 12}
    short = claude(sim, model="claude-opus-5-5", max_tokens=5).json()
    assert [b["type"] for b in short["content"]] == ["thinking"] and short["stop_reason"] == "max_tokens"


# -- Anthropic: refusals ----------------------------------------------------------------------------

@pytest.mark.parametrize("fields,text", [
    ({"max_tokens": ...}, "max_tokens: Field required"),
    ({"messages": [{"role": "system", "content": "x"}, USER]}, "top-level `system`"),
    ({"messages": [{"role": "assistant", "content": "x"}, USER]}, "first message"),
    ({"messages": [USER, USER]}, "alternate"),
    ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
    ({"messages": [USER, {"role": "assistant", "content": [USE]}, USER]}, "without `tool_result`"),
    ({"messages": [{"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "tag"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "name"),
    ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice"),
    ({"temperature": 1.5}, "temperature"),
    ({"frequency_penalty": 1}, "Extra inputs"),
    ({"stream_options": {"include_usage": True}}, "Extra inputs"),
    ({"model": "claude-opus-5-5", "thinking": {"type": "disabled"}}, "disabled"),
    ({"model": "claude-opus-5-5", "temperature": 0.5}, "temperature"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "max_tokens"),
    ({"thinking": {"type": "adaptive"}, "tools": [TOOL], "tool_choice": {"type": "any"}}, "forces"),
])
def test_claude_refuses_what_its_language_does_not_know(sim, fields, text):
    refused = claude(sim, **fields)
    told = refused.json()
    assert refused.status == 400 and told["type"] == "error" and told["request_id"]
    assert told["error"]["type"] == "invalid_request_error" and text in told["error"]["message"]
    assert sim.bills()[-1]["amount"] == "0"


def test_claude_wants_its_own_headers(sim):
    assert claude(sim, {"x-api-key": "sim-1"}).status == 400
    assert claude(sim, {**SIGN, "x-api-key": "sim-bad"}).json()["error"]["type"] == "authentication_error"
    assert claude(sim, {"anthropic-version": "2023-06-01"}).status == 401
    assert claude(sim, {"authorization": "Bearer sim-1", "anthropic-version": "2026-10-21"}).status == 200
    assert claude(sim, {**SIGN, "x-api-key": "sim-broke-1"}).status == 402


def test_claudes_errors(sim):
    for error_class, status, kind in (("overloaded", 529, "overloaded_error"), ("no_money", 402,
                                      "billing_error"), ("rate_limit", 429, "rate_limit_error"),
                                      ("unknown_model", 404, "not_found_error"), ("server_error", 500,
                                      "api_error"), ("timeout", 504, "timeout_error"),
                                      ("spend_limit", 400, "invalid_request_error")):
        sim.order("claude", error_class=error_class, times=1)
        refused = claude(sim)
        assert (refused.status, refused.json()["error"]["type"]) == (status, kind)
    cap = claude(sim, {**SIGN, "x-api-key": "sim-trial-1"})
    assert cap.status == 429 and "retry-after" not in cap.headers
    assert cap.json()["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}
    sim.order("claude", error_in_stream=4)
    events = named(claude(sim, stream=True))
    assert events[-1][0] == "error" and events[-1][1]["error"]["type"] == "overloaded_error"


def test_claude_answers_by_a_schema(sim):
    wanted = {"format": {"type": "json_schema", "schema": {
        "type": "object", "properties": {"age": {"type": "integer"}}}}}
    assert json.loads(claude(sim, output_config=wanted).json()["content"][0]["text"]) == {"age": 7}


def test_claudes_streams_break_as_ordered(sim):
    sim.order("claude", no_done=True, times=1)
    assert named(claude(sim, stream=True))[-1][0] == "message_delta"
    sim.order("claude", usage="missing", times=1)
    assert "usage" not in claude(sim, stream=True).body.decode()
    sim.order("claude", finish_reason="refusal", times=1)
    assert claude(sim).json()["stop_reason"] == "refusal"


# -- Anthropic: money -------------------------------------------------------------------------------

def test_claudes_cache_is_written_and_read_by_its_marks(sim):
    text = "stay " * 2000
    system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    first = claude(sim, system=system, max_tokens=1).json()["usage"]
    written = first["cache_creation_input_tokens"]
    assert written > 2500 and first["cache_creation"] == {
        "ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}
    bill = sim.bills()[-1]
    assert first["input_tokens"] == bill["prompt_tokens"] - written
    assert Decimal(bill["amount"]) == (first["input_tokens"] * 2 + written * Decimal("2.5")
                                       + 10) / 1_000_000
    second = claude(sim, system=system, max_tokens=1).json()["usage"]
    assert (second["cache_read_input_tokens"], second["cache_creation_input_tokens"]) == (written, 0)
    assert Decimal(sim.bills()[-1]["amount"]) == (second["input_tokens"] * 2 + written * Decimal("0.1")
                                                  + 10) / 1_000_000
    unmarked = claude(sim, system=text, max_tokens=1).json()["usage"]
    assert unmarked["cache_read_input_tokens"] == unmarked["cache_creation_input_tokens"] == 0


def test_claudes_cache_for_an_hour_costs_twice_the_input(sim):
    system = [{"type": "text", "text": "stay " * 2000,
               "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    usage = claude(sim, system=system, max_tokens=1).json()["usage"]
    written = usage["cache_creation"]["ephemeral_1h_input_tokens"]
    assert written == usage["cache_creation_input_tokens"] > 2500
    bill = sim.bills()[-1]
    assert bill["cache_write_1h_tokens"] == written
    assert Decimal(bill["amount"]) == (usage["input_tokens"] * 2 + written * 4 + 10) / Decimal(1_000_000)


def test_a_growing_conversation_reads_what_its_last_turn_wrote(sim):
    mark = {"cache_control": {"type": "ephemeral"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "stay " * 2000, **mark}]}]
    written = claude(sim, messages=messages).json()["usage"]["cache_creation_input_tokens"]
    messages[0]["content"][0].pop("cache_control")
    messages += [{"role": "assistant", "content": "well"},
                 {"role": "user", "content": [{"type": "text", "text": "more " * 500, **mark}]}]
    usage = claude(sim, messages=messages).json()["usage"]
    assert usage["cache_read_input_tokens"] == written and usage["cache_creation_input_tokens"] > 500


def test_haikus_price_jumps_above_100000_tokens_the_cached_ones_counted(sim):
    for words, price in ((60_000, "0.1"), (80_000, "0.5")):
        claude(sim, model="claude-haiku-5-5", system=[{
            "type": "text", "text": "word " * words, "cache_control": {"type": "ephemeral"}}])
        assert sim.bills()[-1]["price"]["input"] == price


def test_speed_and_place_are_paid_for(sim):
    claude(sim, model="claude-opus-5-5", max_tokens=1)
    claude(sim, model="claude-opus-5-5", max_tokens=1, speed="fast")
    claude(sim, model="claude-opus-5-5", max_tokens=1, inference_geo="us")
    plain, fast, us = (Decimal(b["amount"]) for b in sim.bills())
    assert fast == plain * 2 and us == plain * Decimal("1.1")


# -- Gemini -----------------------------------------------------------------------------------------

def test_gemini_answers_in_parts_and_its_stream_just_ends(sim):
    whole, stream = gemini(sim).json(), gemini(sim, stream=True)
    text = whole["candidates"][0]["content"]["parts"][0]["text"]
    assert text.startswith("Here is") and whole["candidates"][0]["finishReason"] == "STOP"
    events = stream.events()
    assert b"[DONE]" not in stream.body and b"\r\n\r\n" in stream.body
    assert "".join(p["text"] for e in events for p in e["candidates"][0]["content"]["parts"]) == text
    assert events[-1]["usageMetadata"] == whole["usageMetadata"]
    totals = [e["usageMetadata"]["totalTokenCount"] for e in events]
    assert totals == sorted(totals) and totals[0] < totals[-1]


def test_geminis_count_of_the_answer_leaves_its_thoughts_out(sim):
    usage = gemini(sim).json()["usageMetadata"]
    assert (usage["promptTokenCount"], usage["candidatesTokenCount"], usage["thoughtsTokenCount"],
            usage["totalTokenCount"]) == (9, 40, 12, 61)
    assert "cachedContentTokenCount" not in usage
    assert Decimal(sim.bills()[-1]["amount"]) == (9 * Decimal("0.75") + 52 * Decimal("3.75")) / 1_000_000
    shown = gemini(sim, generationConfig={"thinkingConfig": {"includeThoughts": True}}).json()
    first = shown["candidates"][0]["content"]["parts"][0]
    assert first["thought"] is True and first["text"].startswith("The user")
    off = gemini(sim, model="gemini-2.5-flash", generationConfig={"thinkingConfig": {"thinkingBudget": 0}})
    assert "thoughtsTokenCount" not in off.json()["usageMetadata"]


def test_gemini_calls_functions_and_wants_its_signature_back(sim):
    part = gemini(sim, tools=[G_TOOL]).json()["candidates"][0]["content"]["parts"][0]
    assert part["functionCall"] == {"name": "get_weather", "args": {"city": "Beijing"}}
    answer = {"role": "user", "parts": [{"functionResponse": {
        "name": "get_weather", "response": {"weather": "sunny"}}}]}
    good = gemini(sim, tools=[G_TOOL], contents=[G_USER, {"role": "model", "parts": [part]}, answer])
    assert good.json()["candidates"][0]["content"]["parts"][0]["text"].startswith("Here is")
    bare = {"functionCall": part["functionCall"]}
    refused = gemini(sim, tools=[G_TOOL], contents=[G_USER, {"role": "model", "parts": [bare]}, answer])
    assert refused.status == 400 and "thought_signature" in refused.json()["error"]["message"]
    older = gemini(sim, model="gemini-2.5-flash", tools=[G_TOOL],
                   contents=[G_USER, {"role": "model", "parts": [bare]}, answer])
    assert older.status == 200


@pytest.mark.parametrize("fields,text", [
    ({"messages": []}, "Unknown name \"messages\""),
    ({"store": True}, "store"),
    ({"contents": []}, "contents is not specified"),
    ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role"),
    ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
    ({"contents": [{"role": "user", "parts": [{"type": "text"}]}]}, "one initialized field"),
    ({"contents": [G_USER, {"role": "model", "parts": [G_SIGNED]}, G_USER]}, "number of function response"),
    ({"contents": [{"role": "user", "parts": [G_RESULT]}]}, "number of function response"),
    ({"generationConfig": {"max_tokens": 5}}, "Unknown name"),
    ({"generationConfig": {"temperature": 2.5}}, "temperature"),
    ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "minimal"}}}, "MINIMAL"),
    ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "low", "thinkingBudget": 5}}}, "only one"),
    ({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {
        "type": "object", "additionalProperties": False}}]}]}, "additionalProperties"),
])
def test_gemini_refuses_what_its_language_does_not_know(sim, fields, text):
    refused = gemini(sim, **fields)
    error = refused.json()["error"]
    assert (refused.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert text in error["message"]


def test_gemini_takes_names_with_underscores_and_its_own_system(sim):
    body = {"system_instruction": {"parts": [{"text": "be brief"}]},
            "generation_config": {"max_output_tokens": 14, "stop_sequences": ["x"]}}
    told = gemini(sim, **body).json()
    assert told["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert told["usageMetadata"]["candidatesTokenCount"] == 2


def test_geminis_errors(sim):
    for error_class, status, name in (("bad_key", 400, "INVALID_ARGUMENT"), ("no_money", 402,
                                      "RESOURCE_EXHAUSTED"), ("rate_limit", 429, "RESOURCE_EXHAUSTED"),
                                      ("overloaded", 503, "UNAVAILABLE"), ("region", 400,
                                      "FAILED_PRECONDITION"), ("timeout", 504, "DEADLINE_EXCEEDED"),
                                      ("unknown_model", 404, "NOT_FOUND")):
        sim.order("gemini", error_class=error_class, times=1)
        refused = gemini(sim)
        assert (refused.status, refused.json()["error"]["status"]) == (status, name)
    assert gemini(sim, key="sim-bad").json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert gemini(sim, key=None).status == 403
    daily = gemini(sim, key="sim-trial").json()["error"]["details"][0]["violations"][0]["quotaId"]
    assert "PerDay" in daily
    sim.order("gemini", error_class="filtered")
    for stream in (False, True):
        blocked = gemini(sim, stream=stream)
        told = blocked.events()[0] if stream else blocked.json()
        assert blocked.status == 200 and "candidates" not in told
        assert told["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"


def test_geminis_flash_doubles_its_price_with_the_year(sim):
    for clock, price in (("2026-12-31T23:59:00Z", "0.75"), ("2027-01-01T00:00:00Z", "1.5")):
        sim.settings(clock=clock)
        gemini(sim)
        assert sim.bills()[-1]["price"]["input"] == price


def test_gemini_answers_in_json_by_a_schema_of_its_own_spelling(sim):
    config = {"responseMimeType": "application/json", "responseSchema": {
        "type": "OBJECT", "properties": {"age": {"type": "INTEGER"}}}}
    told = gemini(sim, generationConfig=config).json()
    assert json.loads(told["candidates"][0]["content"]["parts"][0]["text"]) == {"age": 7}


def test_gemini_caches_unasked(sim):
    contents = [{"role": "user", "parts": [{"text": "stay " * 2000}]}]
    gemini(sim, contents=contents)
    usage = gemini(sim, contents=contents).json()["usageMetadata"]
    assert usage["cachedContentTokenCount"] == sim.bills()[-1]["cached_tokens"] > 2000
