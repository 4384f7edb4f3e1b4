"""The vendors that speak OpenAI's language each in their own way: what is odd about them."""
from __future__ import annotations

import json
from decimal import Decimal

import pytest

from client import (PLAYED, Wire, arguments_of, ask, ask_body, chunks_of, error_words, is_refused, join,
                    post, wire_request)

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}
USER = {"role": "user", "content": "hello"}
NULL_CALL = {"role": "assistant", "content": "a", "function_call": None}
TWO_SYSTEMS = [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, USER]
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ROOT_ANY = {"type": "function", "function": {"name": "f", "parameters": {"anyOf": [{"type": "object"}]}}}


# -- refusals ---------------------------------------------------------------------------------------

REFUSED = [
    ("mistral", {"seed": 7}, 422, "extra_forbidden"),
    ("mistral", {"max_completion_tokens": 7}, 422, "extra_forbidden"),
    ("mistral", {"stream_options": {}}, 422, "extra_forbidden"),
    ("mistral", {"stop": None}, 422, "Null"),
    ("mistral", {"messages": [{**USER, "name": "x"}]}, 422, "extra_forbidden"),
    ("mistral", {"messages": [{"role": "developer", "content": "x"}, USER]}, 422, "union_tag"),
    ("mistral", {"temperature": 1.5}, 422, "less_than_equal"),
    ("mistral", {"tool_choice": "some", "tools": [WEATHER]}, 422, "enum"),
    ("mistral", {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]},
                              {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}, 400, "3280"),
    ("mistral", {"messages": [USER, {"role": "assistant", "content": "",
                                     "tool_calls": [{**CALL, "id": "abcdef123"}]},
                              {"role": "tool", "tool_call_id": "abcdef123", "content": "x"}, USER]},
     400, "after role 'tool'"),
    ("mistral", {"model": "mistral-large-4", "reasoning_effort": "high"}, 400, "reasoning_effort"),
    ("xai", {"stop": ["x"]}, 400, "stop"),
    ("xai", {"presence_penalty": 0.5}, 400, "presence_penalty"),
    ("xai", {"model": "grok-4.20-0309-reasoning", "reasoning_effort": "low"}, 400, "reasoningEffort"),
    ("xai", {"reasoning_effort": "none"}, 400, "reasoningEffort"),
    ("xai", {"messages": [{**USER, "name": "x"}]}, 400, "name"),
    ("xai", {"tools": [ROOT_ANY]}, 400, "anyOf"),
    ("xai", {"messages": [{"role": "developer", "content": "x"}, USER]}, 400, "developer"),
    ("groq", {"messages": [NULL_CALL, USER]}, 400, "function_call"),
    ("groq", {"stream": True, "response_format": {"type": "json_schema", "json_schema": {}}}, 400,
     "tool_use_failed"),
    ("groq", {"reasoning_effort": "none"}, 400, "reasoning_effort"),
    ("spark", {"temperature": 0}, 200, "10163"),
    ("spark", {"temperature": 1.2}, 200, "10163"),
    ("spark", {"top_k": 7}, 200, "10163"),
    ("spark", {"max_tokens": 100_000}, 200, "10163"),
    ("spark", {"model": "lite"}, 200, "10404"),
    ("minimax", {"n": 2}, 200, "2013"),
    ("minimax", {"messages": TWO_SYSTEMS}, 200, "2013"),
    ("minimax", {"temperature": 0}, 200, "2013"),
    ("minimax", {"model": "MiniMax-M3.1-Flash", "tools": [WEATHER], "tool_choice": "required"}, 200,
     "2013"),
    ("minimax", {"model": "MiniMax-M2.7", "reasoning_effort": "none"}, 400, "2013"),
    ("stepfun", {"reasoning_effort": "none"}, 400, "request_params_invalid"),
    ("siliconflow", {"thinking_budget": 0}, 400, "20015"),
    ("azure", {"max_tokens": 5}, 400, "max_completion_tokens"),
    ("azure", {"model": "gpt-6-astra", "tools": [WEATHER]}, 400, "none"),
    ("azure", {"model": "house-deployment"}, 404, "DeploymentNotFound"),
    ("qwen", {"n": 2}, 400, "Range of n"),
    ("qwen", {"messages": [USER, USER]}, 400, "alternate"),
    ("qwen-intl", {"model": "qwen3.8-27b"}, 400, "non-streaming"),
    ("moonshot", {"messages": TWO_SYSTEMS}, 400, "system"),
    ("deepseek", {"model": "deepseek-v4-pro", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"}]}]}, 422, "expected a string"),
    ("openai", {"service_tier": "gold"}, 400, "service_tier"),
]


@pytest.mark.parametrize("vendor,fields,status,text", REFUSED)
def test_a_request_the_vendor_does_not_take_is_refused(sim, vendor, fields, status, text):
    refused = ask(sim, vendor, raw=json.dumps({**ask_body(vendor), **fields}))
    assert refused.status == status and is_refused(refused)
    assert text in refused.body.decode()
    assert sim.bills()[-1]["amount"] == "0"


TAKEN = [
    ("mistral", {"random_seed": 7, "safe_prompt": True, "stop": ["x"]}),
    ("mistral", {"tools": [WEATHER], "tool_choice": "any"}),
    ("xai", {"reasoning_effort": "minimal", "max_tokens": 3}),
    ("groq", {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}}),
    ("spark", {"temperature": 1, "top_k": 6, "thinking": {"type": "disabled"}}),
    ("minimax", {"model": "MiniMax-M3.1-Flash", "tools": [WEATHER], "tool_choice": "auto", "stop": ["x"]}),
    ("stepfun", {"max_tokens": 10 ** 9}),
    ("siliconflow", {"repetition_penalty": 1.1, "enable_thinking": False}),
    ("azure", {"model": "gpt-6-astra", "tools": [WEATHER], "reasoning_effort": "none"}),
    ("qwen-us", {"model": "qwen3.8-27b", "enable_thinking": False}),
    ("openai", {"service_tier": "flex"}),
]


@pytest.mark.parametrize("vendor,fields", TAKEN)
def test_what_the_vendor_does_take_is_answered(sim, vendor, fields):
    taken = ask(sim, vendor, raw=json.dumps({**ask_body(vendor), **fields}))
    assert taken.status == 200 and not is_refused(taken)


# -- errors -----------------------------------------------------------------------------------------

SPELLED = [
    # vendor, class, status, words that tell the class
    ("mistral", "bad_key", 401, '{"message":"Unauthorized","request_id"'),
    ("mistral", "no_key", 401, '{"detail":"Unauthorized"}'),
    ("mistral", "rate_limit", 429, '"object":"error"'),
    ("mistral", "no_money", 402, "billing"),
    ("xai", "bad_key", 400, "Incorrect API key"),
    ("xai", "no_key", 401, '"code":"Unauthenticated'),
    ("xai", "no_money", 403, "run out of credits"),
    ("groq", "overloaded", 498, "capacity_exceeded"),
    ("groq", "rate_limit_tokens", 429, '"type":"tokens"'),
    ("groq", "too_long", 413, "Large"),
    ("groq", "hallucination", 422, "tool_use_failed"),
    ("azure", "bad_key", 401, '{"error":{"code":"401"'),
    ("azure", "filtered", 400, '"innererror":{"code":"ResponsibleAIPolicyViolation"'),
    ("spark", "bad_key", 401, '{"error":{"message":"AppIdNoAuthError","code":"11200"}}'),
    ("spark", "rate_limit", 200, '{"code":11202'),
    ("spark", "no_money", 200, '{"code":11200'),
    ("minimax", "bad_key", 200, '"status_code":1004'),
    ("minimax", "no_money", 200, '"status_code":1008'),
    ("minimax", "rate_limit", 200, '"status_code":1002'),
    ("minimax", "filtered", 422, '"status_code":1026'),
    ("minimax", "filtered_output", 422, '"status_code":1027'),
    ("minimax", "too_long", 200, '"status_code":1039'),
    ("stepfun", "no_money", 402, "balance"),
    ("stepfun", "filtered", 451, "censorship_blocked"),
    ("siliconflow", "bad_key", 401, '"Invalid token"'),
    ("siliconflow", "no_money", 403, '{"code":30001'),
    ("siliconflow", "unknown_model", 400, '{"code":20012,"message":"Model does not exist'),
    ("siliconflow", "rate_limit_tokens", 429, "TPM"),
    ("sglang", "too_long", 400, '{"object":"error"'),
    ("qwen", "trial_used", 403, '{"code":"AllocationQuota.FreeTierOnly","message"'),
]


@pytest.mark.parametrize("vendor,error_class,status,words", SPELLED)
def test_an_error_is_told_in_the_vendors_way(sim, vendor, error_class, status, words):
    sim.order(vendor, error_class=error_class)
    refused = ask(sim, vendor)
    assert refused.status == status and words in refused.body.decode()


@pytest.mark.parametrize("vendor,words", [("spark", '"code":11202'), ("minimax", '"status_code":1002')])
def test_an_error_inside_http_200_is_an_event_of_a_stream(sim, vendor, words):
    sim.order(vendor, error_class="rate_limit")
    refused = ask(sim, vendor, stream=True)
    assert refused.status == 200 and refused.headers["content-type"].startswith("text/event-stream")
    assert len(refused.events()) == 1 and words in refused.body.decode()
    assert sim.bills()[-1]["end"] == "refused"


def test_errors_in_the_middle_of_a_stream(sim):
    for vendor, words in (("azure", {"code": "ServiceUnavailable", "status": 503}),
                          ("spark", {"code": 10110}), ("xai", {"code": "The service is currently "
                                                               "unavailable"})):
        sim.order(vendor, error_in_stream=3, times=1)
        last = ask(sim, vendor, stream=True).events()[-1]
        assert words.items() <= last.items()
        assert sim.bills()[-1]["end"] == "error_in_stream"


@pytest.mark.parametrize("home,away", [
    ("qwen", "qwen-intl"), ("qwen-intl", "qwen-us"), ("moonshot", "moonshot-intl"), ("zhipu", "zai"),
    ("minimax", "minimax-intl"), ("stepfun", "stepfun-intl")])
def test_a_key_of_one_platform_is_wrong_at_another(sim, home, away):
    assert not is_refused(ask(sim, home, key="sim-%s-1" % home))
    assert not is_refused(ask(sim, away, key="sim-%s-1" % away))
    assert is_refused(ask(sim, away, key="sim-%s-1" % home))
    assert sim.bills()[-1]["error_class"] == "bad_key"


# -- streams and answers ----------------------------------------------------------------------------

def test_mistral_sends_parts_instead_of_text(sim):
    model = {"model": "mistral-medium-3.5", "reasoning_effort": "high"}
    whole = ask(sim, "mistral", raw=json.dumps({**ask_body("mistral"), **model})).json()
    parts = whole["choices"][0]["message"]["content"]
    assert [p["type"] for p in parts] == ["thinking", "text"]
    stream = chunks_of(ask(sim, "mistral", raw=json.dumps({**ask_body("mistral", stream=True), **model})))
    deltas = [p for c in stream for p in (c["choices"][0]["delta"].get("content") or [])]
    said = "".join(p["thinking"][0]["text"] for p in deltas if p["type"] == "thinking")
    assert said == parts[0]["thinking"][0]["text"]
    assert "".join(p["text"] for p in deltas if p["type"] == "text") == parts[1]["text"]


def test_ids_of_mistrals_calls_have_nine_signs(sim):
    call = ask(sim, "mistral", tools=[WEATHER]).json()["choices"][0]["message"]["tool_calls"][0]
    assert len(call["id"]) == 9 and call["id"].isalnum()


def test_xai_leaves_thinking_out_of_its_count_and_names_the_cost_in_ticks(sim):
    usage = ask(sim, "xai").json()["usage"]
    assert (usage["completion_tokens"], usage["total_tokens"]) == (40, 9 + 52)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 12
    bill = Decimal(sim.bills()[-1]["amount"])
    assert bill == (9 * 2 + 52 * 6) / Decimal(1_000_000) and usage["cost_in_usd_ticks"] == bill * 10 ** 10
    finish = [c["finish_reason"] for e in chunks_of(ask(sim, "xai", tools=[WEATHER], stream=True))
              for c in e["choices"]]
    assert finish[-1] == ""


def test_exactly_200000_tokens_are_dear_at_xai(sim):
    words = next(n for n in range(165_270, 165_300) if -(-n * 1210 // 1000) + 7 == 200_000)
    ask(sim, "xai", "word " * words, max_tokens=1)
    bill = sim.bills()[-1]
    assert (bill["prompt_tokens"], bill["price"]["input"]) == (200_000, "4")
    ask(sim, "xai", "word " * (words - 1), max_tokens=1)
    assert sim.bills()[-1]["price"]["input"] == "2"


def test_groq_has_ways_to_tell_its_thinking(sim):
    plain = ask(sim, "groq").json()["choices"][0]["message"]
    assert plain["reasoning"].startswith("The user")
    raw = ask(sim, "groq", reasoning_format="raw").json()["choices"][0]["message"]
    assert raw["content"].startswith("<think>The user") and "reasoning" not in raw
    hidden = ask(sim, "groq", reasoning_format="hidden").json()
    assert "reasoning" not in hidden["choices"][0]["message"]
    assert hidden["usage"]["completion_tokens"] == 52
    assert "x_groq" in chunks_of(ask(sim, "groq", stream=True))[0]


def test_azure_tells_first_what_its_filter_found(sim):
    first = chunks_of(ask(sim, "azure", stream=True))[0]
    assert first["choices"] == [] and first["id"] == "" and first["prompt_filter_results"]


def test_azures_deployment_may_stand_in_the_path(sim):
    body = ask_body("azure")
    body.pop("model")
    path = "/azure/openai/deployments/gpt-6-luna/chat/completions"
    good = post(sim, path + "?api-version=2024-10-21", body, {"api-key": "sim-1"})
    assert good.status == 200 and good.json()["model"] == "gpt-6-luna"
    assert sim.bills()[-1]["model"] == "gpt-6-luna"
    assert post(sim, path, body, {"api-key": "sim-1"}).status == 404
    assert post(sim, path + "?api-version=1", body, {"api-key": "sim-bad"}).status == 401


def test_spark_marks_each_chunk_and_names_no_model(sim):
    chunks = chunks_of(ask(sim, "spark", stream=True))
    assert all((c["code"], c["message"], bool(c["sid"])) == (0, "Success", True) for c in chunks)
    assert "model" not in chunks[0]


def test_sparks_paths_have_models_and_prices_of_their_own(sim):
    def asked(path, model, **fields):
        got = post(sim, "/spark/%s/chat/completions" % path, {"model": model, "messages": [USER], **fields},
                   {"Authorization": "Bearer sim-1"})
        return got.json().get("code"), sim.bills()[-1]["price"]
    assert asked("v1", "4.0Ultra")[1]["input"] == "0.8"
    assert asked("v1", "lite")[0] == 0
    assert asked("v1", "lite", tools=[WEATHER])[0] == 10163
    assert asked("v1", "spark-x")[0] == 10404
    assert asked("v2", "spark-x")[1]["input"] == asked("x2", "spark-x")[1]["input"] == "2"
    assert asked("agent/v1", "spark-x2-flash")[0] == 0


def test_minimax_thinks_inside_the_text_or_in_growing_snapshots(sim):
    whole = ask(sim, "minimax").json()["choices"][0]["message"]
    assert whole["content"].startswith("<think>\nThe user") and "reasoning_content" not in whole
    assert join(ask(sim, "minimax", stream=True)) == whole["content"]
    split = ask(sim, "minimax", reasoning_split=True).json()["choices"][0]["message"]
    chunks = chunks_of(ask(sim, "minimax", reasoning_split=True, stream=True))
    snapshots = [c["choices"][0]["delta"]["reasoning_details"][0]["text"] for c in chunks
                 if "reasoning_details" in c["choices"][0]["delta"]]
    assert all(b.startswith(a) and b != a for a, b in zip(snapshots, snapshots[1:]))
    assert snapshots[-1] == split["reasoning_content"] and "<think>" not in split["content"]


def test_minimax_spells_arguments_as_an_object(sim):
    whole = ask(sim, "minimax", tools=[WEATHER]).json()["choices"][0]["message"]["tool_calls"]
    assert whole[0]["function"]["arguments"] == {"city": "Beijing"}


def test_siliconflow_loses_deepseeks_thinking_when_auto_is_said(sim):
    assert "reasoning_content" in ask(sim, "siliconflow", tools=[WEATHER]).json()["choices"][0]["message"]
    auto = ask(sim, "siliconflow", tools=[WEATHER], tool_choice="auto").json()
    assert "reasoning_content" not in auto["choices"][0]["message"]


def test_siliconflow_is_cheaper_at_night(sim):
    sim.settings(windows=True)
    try:
        for clock, price in (("2026-11-22T17:59:50Z", "3"), ("2026-11-22T18:00:00Z", "1.5"),
                             ("2026-11-22T23:59:50Z", "1.5"), ("2026-11-23T00:00:00Z", "3")):
            sim.settings(clock=clock)
            ask(sim, "siliconflow")
            assert sim.bills()[-1]["price"]["input"] == price
    finally:
        sim.settings(windows=False)


def test_glm_encodes_arguments_twice_or_repeats_an_empty_name(sim):
    def calls(model, **fields):
        return chunks_of(ask(sim, "zhipu", raw=json.dumps({
            **ask_body("zhipu", stream=True, tools=[WEATHER]), "model": model, **fields})))
    twice = [p for c in calls("glm-4.6") for p in c["choices"][0]["delta"].get("tool_calls", ())]
    assert json.loads(json.loads(twice[0]["function"]["arguments"])) == {"city": "Beijing"}
    names = [p["function"].get("name") for c in calls("glm-5.2", tool_stream=True)
             for p in c["choices"][0]["delta"].get("tool_calls", ())]
    assert names[0] == "get_weather" and set(names[1:]) == {""}


def test_openrouter_keeps_zais_streams_alive_with_empty_chunks(sim):
    raw = json.dumps({**ask_body("openrouter", stream=True), "model": "z-ai/glm-5.3-flash"})
    assert chunks_of(ask(sim, "openrouter", raw=raw))[0]["choices"] == []


@pytest.mark.parametrize("style", ["whole", "object", "double", "bare", "empty_name"])
def test_calls_are_spelled_as_ordered(sim, style):
    sim.order("deepseek", tool_deltas=style)
    stream = ask(sim, "deepseek", "both", tools=[WEATHER], stream=True)
    parts = [p for c in chunks_of(stream) for p in c["choices"][0]["delta"].get("tool_calls", ())]
    if style == "bare":
        assert len(parts) == 2 and not any("id" in p or "index" in p for p in parts)
    elif style == "empty_name":
        assert [p["function"]["name"] for p in parts if p["index"] == 0][1] == ""
    else:
        told = parts[0]["function"]["arguments"]
        told = json.loads(told) if style == "double" else told
        assert arguments_of({"function": {"arguments": told}}) == {"city": "Beijing"}
    assert sim.bills()[-1]["completion_tokens"] > 12


@pytest.mark.parametrize("style,mark", [("kimi", "<|tool_calls_section_begin|>"), ("dsml", "<｜DSML｜")])
def test_the_marks_of_a_template_may_leak_into_the_text(sim, style, mark):
    sim.order("moonshot", leak=style)
    whole = ask(sim, "moonshot", tools=[WEATHER]).json()["choices"][0]
    assert whole["message"]["content"].startswith(mark) and "tool_calls" not in whole["message"]


# -- money ------------------------------------------------------------------------------------------

PAY_ON = ("qwen", "qwen-intl", "qwen-us", "groq", "mistral", "minimax", "minimax-intl", "yi")


@pytest.mark.parametrize("vendor", list(PLAYED))
def test_who_leaves_pays_on_only_where_the_vendor_says_so(sim, vendor):
    sim.order(vendor, chunk_ms=20, tokens=1000)
    with Wire(sim, wire_request(vendor, stream=True)) as wire:
        wire.read_until(b"data:")
        wire.close()
    bill = sim.wait_bills(1)[-1]
    assert (bill["end"], bill["rule"]) == ("client_gone", "full" if vendor in PAY_ON else "sent")
    assert (bill["completion_tokens"] >= 1000) == (vendor in PAY_ON)


def test_an_account_of_dollars_pays_by_the_dollar_list(sim):
    ask(sim, "deepseek", key="sim-deepseek-usd-1")
    ask(sim, "deepseek", key="sim-deepseek-1")
    dollars, yuan = sim.bills()
    assert (dollars["currency"], dollars["price"]["input"]) == ("USD", "0.15")
    assert (yuan["currency"], yuan["price"]["input"]) == ("CNY", "1")
    for vendor, currency in (("qwen", "CNY"), ("qwen-intl", "USD"), ("zai", "USD"), ("moonshot", "CNY"),
                             ("moonshot-intl", "USD"), ("minimax", "CNY"), ("minimax-intl", "USD")):
        ask(sim, vendor)
        assert sim.bills()[-1]["currency"] == currency


def test_qwens_explicit_cache_is_written_dearer_and_read_cheaper(sim):
    text = "stay " * 2000
    content = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}},
               {"type": "text", "text": "a question"}]
    first = ask(sim, "qwen", content, enable_thinking=False, max_tokens=1).json()["usage"]
    bill = sim.bills()[-1]
    written = bill["cache_write_tokens"]
    assert first["prompt_tokens_details"] == {"cached_tokens": 0, "cache_creation_input_tokens": written}
    assert written > 2500 and Decimal(bill["amount"]) == (
        (bill["prompt_tokens"] - written) * Decimal("0.2") + written * Decimal("0.25") + 2) / 1_000_000
    ask(sim, "qwen", content, enable_thinking=False, max_tokens=1)
    bill = sim.bills()[-1]
    assert (bill["cached_tokens"], bill["cache_write_tokens"]) == (written, 0)
    assert Decimal(bill["amount"]) == ((bill["prompt_tokens"] - written) * Decimal("0.2")
                                       + written * Decimal("0.02") + 2) / 1_000_000


def test_the_words_of_an_error_are_found_in_every_shape(sim):
    for vendor in PLAYED:
        sim.order(vendor, error_class="server_error", times=1)
        assert error_words(ask(sim, vendor))
