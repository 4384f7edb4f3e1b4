"""Every vendor of the market answers, refuses and bills as it should."""
from __future__ import annotations

import json
from decimal import Decimal

import pytest

from client import (PLAYED, arguments_of, ask, ask_body, chunks_of, error_words, is_refused, join,
                    usage_fields)
from market import Sim

VENDORS = list(PLAYED)
SELF_HOSTED = ("vllm", "sglang", "ollama", "llamacpp")
BILLING = [v for v in VENDORS if v not in SELF_HOSTED]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city"]}}}


# -- good answers -----------------------------------------------------------------------------------

@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_answers_in_the_language_it_is_asked_in(sim, vendor):
    english, chinese = ask(sim, vendor).json(), ask(sim, vendor, "你好，世界").json()
    assert "Here is a short answer" in english["choices"][0]["message"]["content"]
    assert "这是一个模拟模型的回答" in chinese["choices"][0]["message"]["content"]
    assert english["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_says_the_same_as_a_whole_answer_and_costs_the_same(sim, vendor):
    whole = ask(sim, vendor).json()
    stream = ask(sim, vendor, stream=True, **usage_fields(vendor))
    message = whole["choices"][0]["message"]
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert join(stream) == message["content"]
    for field in ("reasoning_content", "reasoning"):
        assert join(stream, field) == message.get(field, "")
    assert stream.events()[-1] == "[DONE]"
    last_usage = [e["usage"] for e in chunks_of(stream) if e.get("usage")][-1]
    assert last_usage == whole["usage"]
    first, second = sim.bills()
    assert first["amount"] == second["amount"] and first["end"] == second["end"] == "complete"


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_told_as_usage_is_what_is_billed(sim, vendor):
    usage = ask(sim, vendor, "count 123 of these 词元").json()["usage"]
    bill = sim.bills()[-1]
    completion = usage["total_tokens"] - usage["prompt_tokens"]
    assert (usage["prompt_tokens"], completion) == (bill["prompt_tokens"], bill["completion_tokens"])
    assert usage["completion_tokens"] == completion - (bill["thinking_tokens"] if vendor == "xai" else 0)
    assert bill["thinks"] == PLAYED[vendor][2] == (bill["thinking_tokens"] > 0)


@pytest.mark.parametrize("vendor", VENDORS)
def test_usage_stands_where_the_vendor_puts_it(sim, vendor):
    plain = chunks_of(ask(sim, vendor, stream=True))
    asked = chunks_of(ask(sim, vendor, stream=True, **usage_fields(vendor)))
    if vendor == "xai":                                         # so far, on every chunk
        counts = [c["usage"]["total_tokens"] for c in plain]
        assert counts == sorted(counts) and counts[0] < counts[-1]
    elif vendor == "groq":                                      # under a name of its own
        assert plain[-1]["x_groq"]["usage"] == asked[-1]["usage"] and "usage" not in plain[-1]
    elif vendor in ("deepseek", "zhipu", "zai", "moonshot", "moonshot-intl", "mistral", "spark",
                    "minimax", "minimax-intl"):                 # on the last chunk, always
        assert plain[-1]["usage"] and plain[-1]["choices"][0]["finish_reason"] == "stop"
    elif vendor == "openrouter":                                # a chunk of its own, always
        assert plain[-1]["choices"] == [] and plain[-1]["usage"]["cost"] > 0
    else:
        assert not any(c.get("usage") for c in plain)
        assert asked[-1]["choices"] == [] and asked[-1]["usage"]["prompt_tokens"] > 0


def test_the_oddities_of_streams(sim):
    assert ask(sim, "deepseek", stream=True).body.startswith(b": keep-alive\n\n")
    assert ask(sim, "deepseek").body.startswith(b"\n\n{")
    assert ask(sim, "openrouter", stream=True).body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert b"data:{" in ask(sim, "tokenhub", stream=True).body
    assert b"\\u8fd9\\u662f" in ask(sim, "qianfan", "你好", stream=True).body
    assert "obfuscation" in chunks_of(ask(sim, "openai", stream=True))[0]
    assert "timings" in ask(sim, "llamacpp").json()
    assert "usage" in chunks_of(ask(sim, "moonshot", stream=True))[-1]["choices"][0]
    nulls = chunks_of(ask(sim, "qwen", stream=True, stream_options={"include_usage": True}))
    assert all(c["usage"] is None for c in nulls[:-1])


def test_cached_tokens_in_each_spelling(sim):
    text = "A long beginning that stays the same. " * 400
    for vendor in ("deepseek", "qwen", "moonshot", "openai"):
        ask(sim, vendor, text)
        usage = ask(sim, vendor, text).json()["usage"]
        bill = sim.bills()[-1]
        assert bill["cached_tokens"] > 1024
        told = {"deepseek": lambda u: u["prompt_cache_hit_tokens"],
                "moonshot": lambda u: u["cached_tokens"]}.get(
                    vendor, lambda u: u["prompt_tokens_details"]["cached_tokens"])(usage)
        assert told == bill["cached_tokens"]
    other_key = ask(sim, "deepseek", text, key="sim-2").json()["usage"]
    assert other_key["prompt_cache_hit_tokens"] == 0


# -- tools, formats, images, thinking ---------------------------------------------------------------

@pytest.mark.parametrize("vendor", VENDORS)
def test_a_tool_is_called_and_its_result_answered(sim, vendor):
    whole = ask(sim, vendor, "weather?", tools=[WEATHER]).json()["choices"][0]
    call = whole["message"]["tool_calls"][0]
    assert whole["finish_reason"] == ("" if vendor == "xai" else "tool_calls")
    assert arguments_of(call) == {"city": "Beijing", "unit": "celsius"}
    messages = [{"role": "user", "content": "weather?"},
                {"role": "assistant", "content": None, "tool_calls": [call],
                 **({} if vendor == "mistral" else {"reasoning_content": " "})},
                {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}]
    after = ask(sim, vendor, raw=json.dumps({**ask_body(vendor), "messages": messages,
                                             "tools": [WEATHER]}))
    assert "Here is" in after.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_two_calls_at_once_come_in_fragments_by_index(sim, vendor):
    stream = ask(sim, vendor, "weather in both cities", tools=[WEATHER], stream=True)
    arguments, names, events = {}, {}, 0
    for event in chunks_of(stream):
        for choice in event["choices"]:
            for part in choice["delta"].get("tool_calls", ()):
                events += 1
                names.setdefault(part["index"], part["function"].get("name"))
                text = part["function"]["arguments"]
                text = json.dumps(text) if isinstance(text, dict) else text
                arguments[part["index"]] = arguments.get(part["index"], "") + text
    assert names == {0: "get_weather", 1: "get_weather"}
    assert [json.loads(arguments[i])["city"] for i in (0, 1)] == ["Beijing", "Shanghai"]
    whole = ("zhipu", "zai", "ollama", "mistral", "xai", "minimax", "minimax-intl")
    assert events == 2 if vendor in whole else events > 10


def test_structured_answers_fit_their_schema(sim):
    schema = {"type": "object", "properties": {
        "name": {"type": "string"}, "age": {"type": "integer"}, "ok": {"type": "boolean"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
        "$defs": {"tag": {"enum": ["a", "b"]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    content = ask(sim, "openai", response_format=wanted).json()["choices"][0]["message"]["content"]
    assert json.loads(content) == {"name": "example", "age": 7, "ok": True, "tags": ["a"]}
    content = ask(sim, "zhipu", response_format={"type": "json_object"}).json()
    assert json.loads(content["choices"][0]["message"]["content"])["ok"] is True
    refused = ask(sim, "deepseek", response_format=wanted)
    assert (refused.status, "unavailable" in refused.json()["error"]["message"]) == (400, True)


def test_images_count_as_tokens_and_blind_models_refuse_them(sim):
    parts = [{"type": "text", "text": "what is this"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}]
    assert ask(sim, "deepseek", parts).json()["usage"]["prompt_tokens"] > 1100
    for vendor, model, status in (("deepseek", "deepseek-v4-pro", 422), ("zhipu", "glm-5.3", 400),
                                  ("zhipu", "glm-4.6v-flash", 200), ("qwen", "qwen-plus", 400)):
        raw = json.dumps({**ask_body(vendor, parts), "model": model})
        assert ask(sim, vendor, raw=raw).status == status


@pytest.mark.parametrize("vendor,switch", [
    ("deepseek", {"thinking": {"type": "disabled"}}), ("qwen", {"enable_thinking": False}),
    ("ark", {"thinking": {"type": "disabled"}}), ("ark", {"reasoning_effort": "minimal"}),
    ("openai", {"reasoning_effort": "none"})])
def test_thinking_is_switched_off_in_the_vendors_own_way(sim, vendor, switch):
    assert ask(sim, vendor, **switch).json()["usage"]["completion_tokens"] == 40


def test_an_answer_ends_at_its_limit_thinking_included(sim):
    short = ask(sim, "deepseek", max_tokens=20).json()
    assert short["usage"]["completion_tokens"] == 20
    assert short["choices"][0]["finish_reason"] == "length"
    nothing = ask(sim, "deepseek", max_tokens=5).json()["choices"][0]
    assert nothing["message"]["content"] is None and nothing["finish_reason"] == "length"


@pytest.mark.parametrize("vendor", ["deepseek", "ark", "zhipu"])
def test_max_completion_tokens_is_ignored_where_it_must_be_renamed(sim, vendor):
    assert ask(sim, vendor, max_completion_tokens=5).json()["usage"]["completion_tokens"] == 52


# -- refusals ---------------------------------------------------------------------------------------

def code_of(error: dict):
    return error.get("code") or error.get("type")


@pytest.mark.parametrize("vendor,status,code", [
    ("deepseek", 401, "invalid_request_error"), ("qwen", 401, "invalid_api_key"),
    ("ark", 401, "AuthenticationError"), ("qianfan", 401, "invalid_iam_token"),
    ("tokenhub", 401, "401002"), ("zhipu", 401, "1000"),
    ("moonshot", 401, "invalid_authentication_error"), ("openai", 401, "invalid_api_key"),
    ("openrouter", 401, 401), ("vllm", 401, 401), ("llamacpp", 401, 401)])
def test_a_bad_key_is_refused_as_the_vendor_spells_it(sim, vendor, status, code):
    refused = ask(sim, vendor, key="sim-bad-1")
    assert (refused.status, code_of(refused.json()["error"])) == (status, code)
    bill = sim.bills()[-1]
    assert (bill["end"], bill["amount"], bill["key"]) == ("refused", "0", "sim-bad-1")


@pytest.mark.parametrize("vendor,status,code", [
    ("deepseek", 402, "invalid_request_error"), ("qwen", 400, "Arrearage"),
    ("ark", 403, "AccountOverdueError"), ("qianfan", 403, "account_overdue"),
    ("tokenhub", 402, "401008"), ("zhipu", 429, "1113"),
    ("moonshot", 429, "exceeded_current_quota_error"), ("openai", 429, "insufficient_quota"),
    ("openrouter", 402, 402)])
def test_an_empty_purse_is_refused_as_the_vendor_spells_it(sim, vendor, status, code):
    refused = ask(sim, vendor, key="sim-broke-1")
    assert (refused.status, code_of(refused.json()["error"])) == (status, code)


@pytest.mark.parametrize("vendor", BILLING)
def test_no_key_is_refused(sim, vendor):
    refused = ask(sim, vendor, key=None)
    assert is_refused(refused) and refused.status == (200 if "minimax" in vendor else 401)


REFUSED = [
    ("deepseek", {"tools": [{"type": "web_search"}]}, 400, "unknown variant"),
    ("deepseek", {"messages": [{"role": "developer", "content": "x"}]}, 422, "developer"),
    ("deepseek", {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                               {"role": "user", "content": "c"}]}, 400, "reasoning_content"),
    ("qwen", {"temperature": 2.0}, 400, "Temperature"),
    ("qwen", {"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"},
                           {"role": "user", "content": "c"}]}, 400, "System message"),
    ("qwen", {"model": "qwen3.5-27b"}, 400, "non-streaming"),
    ("ark", {"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, 400, "InvalidParameter"),
    ("ark", {"messages": [{"role": "developer", "content": "x"}]}, 400, "developer"),
    ("qianfan", {"messages": [{"role": "user", "content": " "}]}, 400, "blank"),
    ("qianfan", {"messages": [{"role": "user", "content": "a"}] * 2}, 400, "alternate"),
    ("tokenhub", {"messages": [{"role": "developer", "content": "x"}]}, 400, "developer"),
    ("zhipu", {"thinking": {"type": "disabled"}}, 400, "1210"),
    ("zhipu", {"messages": [{"role": "developer", "content": "x"}]}, 400, "1214"),
    ("moonshot", {"temperature": 0.7}, 400, "only 1 is allowed"),
    ("moonshot", {"model": "kimi-k2.6", "tool_choice": "required", "tools": [WEATHER]}, 400,
     "required"),
    ("openai", {"max_tokens": 5}, 400, "max_completion_tokens"),
    ("openai", {"temperature": 0.2}, 400, "unsupported_value"),
    ("openrouter", {"model": "gpt-oss-120b"}, 400, "not a valid model ID"),
    ("vllm", {"model": "no-such-model"}, 404, "does not exist"),
    ("ollama", {"model": "no-such-model"}, 404, "not found"),
    ("llamacpp", {"messages": [{"role": "developer", "content": "x"}]}, 400, "developer"),
]


@pytest.mark.parametrize("vendor,fields,status,text", REFUSED)
def test_a_request_the_vendor_does_not_take_is_refused(sim, vendor, fields, status, text):
    refused = ask(sim, vendor, raw=json.dumps({**ask_body(vendor), **fields}))
    assert refused.status == status
    assert text in refused.body.decode()
    assert sim.bills()[-1]["amount"] == "0"


@pytest.mark.parametrize("vendor,status,text", [
    ("deepseek", 400, "Model Not Exist"), ("qwen", 404, "model_not_found"),
    ("ark", 404, "InvalidEndpointOrModel.NotFound"), ("qianfan", 400, "invalid_model"),
    ("tokenhub", 404, "404001"), ("zhipu", 400, "1211"),
    ("moonshot", 404, "resource_not_found_error"), ("openai", 404, "model_not_found")])
def test_an_unknown_model_is_refused(sim, vendor, status, text):
    refused = ask(sim, vendor, raw=json.dumps({**ask_body(vendor), "model": "gpt-99"}))
    assert refused.status == status and text in refused.body.decode()


@pytest.mark.parametrize("vendor", VENDORS)
def test_nonsense_is_refused_in_the_vendors_shape(sim, vendor):
    for raw in ("{", "[]", '{"model":"m"}', '{"messages":[{"role":"user","content":"x"}]}'):
        refused = ask(sim, vendor, raw=raw)
        assert refused.status in (200, 400, 422) and is_refused(refused) and error_words(refused)


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_error_class_has_a_spelling(sim, vendor):
    for error_class in ("rate_limit", "overloaded", "server_error", "bad_key", "no_money",
                        "trial_used", "too_long", "filtered", "malformed", "unknown_model"):
        sim.order(vendor, error_class=error_class, times=1)
        refused = ask(sim, vendor)
        assert is_refused(refused) and error_words(refused) and "{" not in error_words(refused)


def test_a_prompt_beyond_the_context_is_refused_or_cut_as_the_vendor_does(sim):
    long = "word " * 14_000
    refused = ask(sim, "llamacpp", long).json()["error"]
    assert refused["type"] == "exceed_context_size_error"
    assert refused["n_prompt_tokens"] > refused["n_ctx"] == 16_384
    silent = ask(sim, "ollama", long).json()["choices"][0]
    assert silent["message"]["content"] is None and silent["finish_reason"] == "length"


# -- money ------------------------------------------------------------------------------------------

def test_bills_by_hand(sim):
    # deepseek-flash: 1 / 0.02 / 4 CNY per million; "hello": 1 word = 1.25 -> 2 tokens, + 4 + 3
    ask(sim, "deepseek")
    bill = sim.bills()[-1]
    assert (bill["prompt_tokens"], bill["completion_tokens"], bill["thinking_tokens"]) == (9, 52, 12)
    assert Decimal(bill["amount"]) == (9 * Decimal(1) + 52 * Decimal(4)) / 1_000_000
    assert bill["currency"] == "CNY"
    # ernie-4.5-turbo: 0.8 / 3.2; four Han characters = 2.88 -> 3 tokens, + 4 + 3
    ask(sim, "qianfan", "你好世界", max_tokens=7)
    assert sim.bills()[-1]["amount"] == "0.0000304"         # (10 x 0.8 + 7 x 3.2) / 1e6
    # gpt-6-luna: 0.1 / 0.5 USD
    ask(sim, "openai", reasoning_effort="none", max_completion_tokens=10)
    bill = sim.bills()[-1]
    assert (bill["amount"], bill["currency"]) == ("0.0000059", "USD")


def test_cached_tokens_and_written_ones_have_their_price(sim):
    text = "stay " * 2000                                   # 2000 words of 1.2 tokens, + 7
    ask(sim, "openai", text, max_completion_tokens=1)
    first = sim.bills()[-1]
    assert (first["prompt_tokens"], first["cache_write_tokens"]) == (2407, 2304)
    assert Decimal(first["amount"]) == (103 * Decimal("0.1") + 2304 * Decimal("0.125")
                                        + Decimal("0.5")) / 1_000_000
    ask(sim, "openai", text, max_completion_tokens=1)
    second = sim.bills()[-1]
    cached, written = second["cached_tokens"], second["cache_write_tokens"]
    assert cached == 2304 and written == 0
    assert Decimal(second["amount"]) == (103 * Decimal("0.1") + cached * Decimal("0.01")
                                         + Decimal("0.5")) / 1_000_000


def test_the_length_of_prompt_and_answer_choose_the_row(sim):
    def bill_of(content, tokens):
        ask(sim, "zhipu", raw=json.dumps({
            **ask_body("zhipu", content), "model": "glm-4.7", "thinking": {"type": "disabled"},
            "max_tokens": tokens}))
        return sim.bills()[-1]["price"]
    sim.order("zhipu", tokens=1000)
    assert bill_of("hi", 200)["output"] == "8"
    assert bill_of("hi", 201)["output"] == "14"
    assert bill_of("word " * 30_000, 10)["output"] == "16"


def test_thinking_may_have_a_price_of_its_own(sim):
    for thinking, price in ((False, "2"), (True, "8")):
        ask(sim, "qwen", raw=json.dumps({**ask_body("qwen"), "model": "qwen-plus",
                                         "enable_thinking": thinking}))
        assert sim.bills()[-1]["price"]["output"] == price


def test_peak_hours_double_the_price_when_windows_are_on(sim):
    def price_at(clock):
        sim.settings(clock=clock)
        ask(sim, "deepseek")
        return sim.bills()[-1]["price"]["input"]
    assert price_at("2026-11-23T02:00:00Z") == "1"          # Monday 10:00 in Beijing, windows off
    sim.settings(windows=True)
    try:
        assert price_at("2026-11-23T02:00:00Z") == "2"
        assert price_at("2026-11-23T03:59:50Z") == "2"
        assert price_at("2026-11-23T04:00:00Z") == "1"      # 12:00
        assert price_at("2026-11-22T02:00:00Z") == "1"      # Sunday
        assert price_at("2026-10-05T02:00:00Z") == "1"      # National Day, a Monday
    finally:
        sim.settings(windows=False)


def test_prices_change_while_the_market_runs(sim):
    sim.price("hunyuan", "hy3", input="7", output="0.5")
    ask(sim, "tokenhub", max_tokens=2)
    assert Decimal(sim.bills()[-1]["amount"]) == (9 * 7 + 1) / Decimal(1_000_000)
    with pytest.raises(ValueError):
        sim.price("tokenhub", "hy3", rows=[{"input": "1"}])


def test_openrouter_states_its_cost(sim):
    usage = ask(sim, "openrouter").json()["usage"]
    assert Decimal(repr(usage["cost"])) == Decimal(sim.bills()[-1]["amount"]) > 0


def test_families_count_the_same_text_differently(sim):
    text = "模拟市场里的每一家厂商都有自己的分词器。" * 20
    counts = {v: ask(sim, v, text).json()["usage"]["prompt_tokens"] for v in VENDORS}
    assert len({counts[v] for v in BILLING}) >= 12
    assert all(200 < n < 500 for n in counts.values())


# -- the doors --------------------------------------------------------------------------------------

def test_the_request_can_be_had_back_byte_for_byte(sim):
    raw = '{"messages":[{"role":"user","content":"caf\\u00e9 \\ud83d\\ude00"}],' \
          '"model":"deepseek-flash","x":9223372036854775807,"y":1.10,"x":null}'
    ask(sim, "deepseek", raw=raw, headers={"X-Bijia-Attempt": "a-1", "X-Odd": "1"})
    ask(sim, "qwen")
    last = sim.last(attempt="a-1")
    assert last["body"] == raw.encode() and last["vendor"] == "deepseek"
    assert last["raw"] == last["head"] + last["body"]
    assert last["header"]["x-odd"] == "1" and ["X-Odd", "1"] in last["headers"]
    assert sim.last(vendor="dashscope")["vendor"] == "qwen"
    with pytest.raises(ValueError):
        sim.last(attempt="never")


def test_every_execution_is_a_line_of_the_record(tmp_path):
    path = tmp_path / "bills.jsonl"
    with Sim(record=str(path)) as sim:
        ask(sim, "deepseek", headers={"x-bijia-attempt": "t1"})
        ask(sim, "qwen", key="sim-bad")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows == sim.bills()
    assert [(r["seq"], r["attempt"], r["end"]) for r in rows] == [(1, "t1", "complete"),
                                                                  (2, None, "refused")]
    assert rows[0]["t_start"] <= rows[0]["t_first_byte"] <= rows[0]["t_end"]


def test_bills_name_the_account_of_a_key_made_for_the_market(sim):
    ask(sim, "ark", key="sim-house-doubao-2")
    assert sim.bills(account="house-doubao")[0]["vendor"] == "ark"


def test_models_are_listed(sim):
    answer = sim.door("GET", "/moonshot/v1/models")
    assert "kimi-k3" in [m["id"] for m in answer["data"]]
