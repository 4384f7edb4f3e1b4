"""Every vendor's abilities through the proxy, against the market: a table whose every cell is a test that ran.

A cell says "yes" where the ability was seen to work, or in one word why there is nothing to be seen:
"declined" means that the request was refused before any vendor was called, with a reason that names it.
"""
import http.client
import json
import time
from decimal import Decimal

import pytest

import market as harness
from market import Proxy, wait_until

OURS = {"vllm", "sglang", "ollama", "llamacpp"}


class Row:
    """One account, and the model of it that shows an ability; None: no model of it has that."""

    def __init__(self, account, model, think="", see="", off="", json_model="", market=None, schema=False,
                 tools="", shown=True):
        self.account, self.model = account, model
        self.think = model if think == "" else think            # thinks when told to
        self.off = self.think if off == "" else off             # and not when told not to
        self.see = model if see == "" else see
        self.json_model = model if json_model == "" else json_model
        self.tools = model if tools == "" else tools
        self.market = market or account                         # who plays it
        self.shown = shown                                      # the text of its thinking is told

    def name(self, model):
        return "%s/%s" % (self.account, model)


ROWS = [
    Row("deepseek", "deepseek-flash"),
    Row("qwen", "qwen3.5-plus"),
    Row("qwen-intl", "qwen3.8-flash"),
    Row("qwen-us", "qwen3.8-flash"),
    Row("doubao", "doubao-seed-2-0-mini-260428", json_model=None, market="ark"),
    Row("ernie", "ernie-5.1", think="ernie-x1-turbo-32k", off="ernie-5.1", see=None, json_model=None,
        market="qianfan"),
    Row("hunyuan", "hy3", see=None, json_model=None, market="tokenhub"),
    Row("glm", "glm-5.3-flash", off="glm-5.1", market="zhipu"),
    Row("zai", "glm-5.3-flash", off="glm-5.1"),
    Row("kimi", "kimi-k2.6", json_model=None, market="moonshot"),
    Row("kimi-intl", "kimi-k2.6", json_model=None, market="moonshot-intl"),
    Row("spark", "spark-x2.5", see=None, json_model=None),
    Row("minimax", "MiniMax-M3.1-Flash", off="MiniMax-M3", json_model=None),
    Row("minimax-intl", "MiniMax-M3.1-Flash", off="MiniMax-M3", json_model=None),
    Row("stepfun", "step-3.7-flash", off=None, see=None, json_model=None),
    Row("stepfun-intl", "step-5-preview", off=None, json_model=None),
    Row("siliconflow", "deepseek-ai/DeepSeek-V4-Flash", see=None, json_model=None),
    Row("yi", "yi-lightning", think=None, off="yi-lightning", see="yi-vision-v2", json_model=None, tools=None),
    Row("baichuan", "Baichuan-M3-Plus", think=None, off="Baichuan-M3-Plus", see=None, json_model=None, tools=None),
    Row("openai", "gpt-6-luna", shown=False),
    Row("azure", "gpt-6-luna", shown=False),
    Row("anthropic", "claude-haiku-5-5", think="claude-sonnet-5-5", json_model=None),
    Row("gemini", "gemini-3.8-flash", off="gemini-2.5-flash"),
    Row("mistral", "mistral-medium-3.5"),
    Row("xai", "grok-4.3", off="grok-4.20-0309-non-reasoning"),
    Row("groq", "openai/gpt-oss-120b", off="qwen/qwen3.6-27b", see=None),
    Row("openrouter", "z-ai/glm-5.3-flash", json_model=None),
    Row("vllm", "llama-3-8b", think=None, off="llama-3-8b", see=None, json_model=None),
    Row("sglang", "llama-3-8b", think=None, off="llama-3-8b", see=None, json_model=None),
    Row("llamacpp", "llama-3-8b", think=None, off="llama-3-8b", see=None, json_model=None),
    Row("ollama", "llama-3-8b", think=None, off="llama-3-8b", see=None, json_model=None),
]

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
CLOCK = {"type": "function", "function": {
    "name": "get_time", "description": "The time in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
PIXEL = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9aw"
         "AAAABJRU5ErkJggg==")


@pytest.fixture(scope="module")
def running(market):
    market.reset()
    with Proxy(market, keys=24, self_hosted=tuple(sorted(OURS)), settings={"attempts.most": "1"}) as proxy:
        yield proxy
        assert proxy.stop() == 0, proxy.stderr()


def pairs_of(proxy, sim):
    """[(the market's bill, our attempt)]: every call of this test, whose money must agree."""
    def all_there():
        bills = {b["attempt"]: b for b in sim.bills()}
        ours = {a["id"]: a for line in proxy.routing_log() for a in line["attempts"]}
        return [(b, ours[i]) for i, b in bills.items()] if bills and set(bills) <= set(ours) else None
    return wait_until(all_there, "receipts of all attempts")


def billed_exactly(proxy, sim):
    pairs = pairs_of(proxy, sim)
    for bill, ours in pairs:
        assert Decimal(ours["cost"]["amount"]) == Decimal(bill["amount"]), (bill, ours)
        assert ours["cost"]["currency"] == bill["currency"]
    return pairs


def put_together(events):
    """One message from a stream's chunks, as the OpenAI SDK does it; and its usage."""
    message, usage, finish = {"content": "", "reasoning_content": "", "tool_calls": []}, None, None
    assert events[-1] == "[DONE]"
    for chunk in events[:-1]:
        assert "id" in chunk and "model" in chunk and chunk["object"] in ("chat.completion.chunk", "")
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            delta = choice["delta"]
            assert delta.get("content") is None or isinstance(delta["content"], str)
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                calls = message["tool_calls"]
                assert 0 <= call["index"] <= len(calls)
                if call["index"] == len(calls):
                    assert call["id"] and call["function"]["name"]
                    calls.append({"id": call["id"], "type": "function",
                                  "function": {"name": call["function"]["name"], "arguments": ""}})
                    for other in set(call) - {"index", "id", "type", "function"}:
                        calls[-1][other] = call[other]
                assert isinstance(call["function"].get("arguments", ""), str)
                calls[call["index"]]["function"]["arguments"] += call["function"].get("arguments") or ""
            finish = choice["finish_reason"] or finish
    return message, usage, finish


def talk(proxy, model, content="hello there", stream=False, **fields):
    """(message, usage, finish_reason) of one request that must succeed."""
    if stream:
        fields["stream_options"] = {"include_usage": True}
    answer = proxy.chat(content, model=model, stream=stream, **fields)
    assert answer.status == 200, answer.body
    if stream:
        return put_together(answer.events())
    body = answer.json()
    message = body["choices"][0]["message"]
    assert message["content"] is None or isinstance(message["content"], str)
    return ({"content": message["content"] or "", "reasoning_content": message.get("reasoning_content") or "",
             "tool_calls": message.get("tool_calls") or []}, body.get("usage"),
            body["choices"][0]["finish_reason"])


def declined(proxy, sim, model, content="hello there", **fields):
    """Refused by us, with the vendor's name and no call of it."""
    before = len(sim.bills())
    answer = proxy.chat(content, model=model, **fields)
    assert answer.status in (400, 404, 503), answer.body
    assert answer.json()["error"]["message"]
    assert len(sim.bills()) == before
    return "declined"


# -- the abilities: each returns its cell --------------------------------------------------------

def chat(row, proxy, sim):
    message, usage, finish = talk(proxy, row.name(row.model))
    assert message["content"] and finish == "stop" and usage["total_tokens"] > 0
    long, _, finish = talk(proxy, row.name(row.model), "你好，请介绍一下你自己。", max_tokens=2000, temperature=0.7)
    assert long["content"] and finish == "stop"
    billed_exactly(proxy, sim)
    return "yes"


def stream(row, proxy, sim):
    whole, usage, _ = talk(proxy, row.name(row.model))
    sim.order(row.market, split=7)
    told, streamed, finish = talk(proxy, row.name(row.model), stream=True)
    assert told["content"] == whole["content"] and finish == "stop"
    assert streamed["completion_tokens"] == usage["completion_tokens"]
    billed_exactly(proxy, sim)
    return "yes"


def turn(proxy, row, calls, content, streamed):
    """The results of the calls go back; the answer is text."""
    history = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content},
               {"role": "assistant", "content": None, "tool_calls": calls}]
    history += [{"role": "tool", "tool_call_id": c["id"], "content": '{"degrees": 21}'} for c in calls]
    message, _, finish = talk(proxy, row.name(row.tools), content, stream=streamed, messages=history,
                              tools=[WEATHER, CLOCK])
    assert message["content"] and finish == "stop"


def call_tools(row, proxy, sim, streamed):
    if row.tools is None:
        return declined(proxy, sim, row.name(row.model), tools=[WEATHER], stream=streamed)
    content = "What is the weather in Paris?"
    message, _, finish = talk(proxy, row.name(row.tools), content, stream=streamed, tools=[WEATHER, CLOCK])
    assert finish == "tool_calls"
    call, = message["tool_calls"]
    assert call["id"] and call["type"] == "function" and call["function"]["name"] == "get_weather"
    assert isinstance(json.loads(call["function"]["arguments"]), dict)
    turn(proxy, row, message["tool_calls"], content, streamed)
    billed_exactly(proxy, sim)
    return "yes"


def tools(row, proxy, sim):
    return call_tools(row, proxy, sim, False)


def streamed_tools(row, proxy, sim):
    return call_tools(row, proxy, sim, True)


def parallel_tools(row, proxy, sim):
    if row.tools is None:
        return declined(proxy, sim, row.name(row.model), tools=[WEATHER])
    content = "The weather and the time in Paris, both please."
    for streamed in (False, True):
        message, _, finish = talk(proxy, row.name(row.tools), content, stream=streamed, tools=[WEATHER, CLOCK])
        assert finish == "tool_calls" and len(message["tool_calls"]) == 2
        assert len({c["id"] for c in message["tool_calls"]}) == 2
        for call in message["tool_calls"]:
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
        turn(proxy, row, message["tool_calls"], content, streamed)
    billed_exactly(proxy, sim)
    return "yes"


def thinking_on(row, proxy, sim):
    if row.think is None:
        return declined(proxy, sim, row.name(row.model), reasoning_effort="high")
    for streamed in (False, True):
        message, _, _ = talk(proxy, row.name(row.think), stream=streamed, reasoning_effort="high")
        assert message["content"] and "<think>" not in message["content"]
        assert bool(message["reasoning_content"]) == row.shown
    for bill, _ in billed_exactly(proxy, sim):
        assert bill["thinking_tokens"] > 0
    return "yes" if row.shown else "hidden"


def thinking_off(row, proxy, sim):
    model = row.name(row.off or row.model)
    if row.off is None:
        return declined(proxy, sim, row.name(row.model), reasoning_effort="none")
    for streamed in (False, True):
        message, _, _ = talk(proxy, model, stream=streamed, reasoning_effort="none")
        assert message["content"] and not message["reasoning_content"]
    for bill, _ in billed_exactly(proxy, sim):
        assert bill["thinking_tokens"] == 0
    return "yes"


def images(row, proxy, sim):
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    if row.see is None:
        return declined(proxy, sim, row.name(row.model), parts)
    for streamed in (False, True):
        message, _, _ = talk(proxy, row.name(row.see), parts, stream=streamed)
        assert message["content"]
    billed_exactly(proxy, sim)
    return "yes"


def json_object(row, proxy, sim):
    wanted = {"type": "json_object"}
    if row.json_model is None:
        return declined(proxy, sim, row.name(row.model), "Answer in JSON.", response_format=wanted)
    for streamed in (False, True):
        message, _, _ = talk(proxy, row.name(row.json_model), "Answer in JSON.", stream=streamed,
                             response_format=wanted)
        assert isinstance(json.loads(message["content"]), dict)
    billed_exactly(proxy, sim)
    return "yes"


def usage(row, proxy, sim):
    silent = row.account == "spark"                             # bills its cache, and does not tell of it
    for content in ("hello", "word " * 3000, "word " * 3000):
        for streamed in (False, True):
            if silent:
                content = "%d %s" % (time.monotonic_ns(), content)
            talk(proxy, row.name(row.model), content, stream=streamed)
    pairs = billed_exactly(proxy, sim)
    lines = {a["id"]: line for line in proxy.routing_log() for a in line["attempts"]}
    for bill, ours in pairs:
        tokens = lines[ours["id"]]["tokens"]
        assert not tokens.get("estimated")
        assert tokens["input"] == bill["prompt_tokens"] and tokens["output"] == bill["completion_tokens"]
        assert tokens["cached"] == bill["cached_tokens"]
    return "yes"


FAULTS = {"bad_key": "vendor_key", "no_money": "vendor_money", "rate_limit": "rate_limited", "too_long": "too_long",
          "filtered": "filtered", "overloaded": "overloaded", "trial_used": "vendor_money", "malformed": "bad_request"}


def refused(row, proxy, sim, kind):
    """Streamed or not, the refusal is understood; and it costs nothing. Our own servers have one key, or none,
    and it rests after each: so each has a proxy of its own."""
    told, like_new = set(), proxy.like_new
    for streamed in (False, True):
        if row.account in OURS:
            proxy = like_new()
        sim.clear()
        sim.order(row.market, error_class=kind, times=1)
        before = len(proxy.routing_log())
        answer = proxy.chat("hello", model=row.name(row.model), stream=streamed)
        assert answer.status >= 400, answer.body
        line = proxy.wait_log(before + 1)[-1]
        attempt = line["attempts"][0]
        told.add(attempt["fault"])
        assert Decimal((attempt.get("cost") or {"amount": 0})["amount"]) == 0
    assert told == {FAULTS[kind]}, told
    return "yes"


def bad_key(row, proxy, sim):
    return refused(row, proxy, sim, "bad_key")


def no_money(row, proxy, sim):
    return refused(row, proxy, sim, "no_money")


def trial_used(row, proxy, sim):
    return refused(row, proxy, sim, "trial_used")


def malformed(row, proxy, sim):
    return refused(row, proxy, sim, "malformed")


def rate_limit(row, proxy, sim):
    return refused(row, proxy, sim, "rate_limit")


def too_long(row, proxy, sim):
    if row.account == "ollama":                                 # cuts the prompt and says nothing
        message, _, finish = talk(proxy, row.name(row.model), "word " * 10000)
        assert finish == "length" and not message["content"]
        return "cut off"
    return refused(row, proxy, sim, "too_long")


def filtered(row, proxy, sim):
    if row.account in OURS:                                     # has no filter: told like any refusal
        with pytest.raises(AssertionError, match="bad_request"):
            refused(row, proxy, sim, "filtered")
        return "none"
    return refused(row, proxy, sim, "filtered")


def overloaded(row, proxy, sim):
    return refused(row, proxy, sim, "overloaded")


def cancel(row, proxy, sim):
    """The client leaves in mid-stream; the vendor sees it, and what it goes on to bill we have counted."""
    sim.order(row.market, chunk_ms=20, tokens=400)
    before = len(proxy.routing_log())
    conn = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=harness.PATIENCE_S)
    conn.request("POST", "/v1/chat/completions", json.dumps({
        "model": row.name(row.model), "stream": True, "max_tokens": 500,
        "messages": [{"role": "user", "content": "hello"}]}),
        {"Authorization": "Bearer " + proxy.key, "Content-Type": "application/json"})
    answer = conn.getresponse()
    assert answer.status == 200
    answer.read(200)
    conn.sock.close() if conn.sock else answer.close()
    answer.close()
    conn.close()
    bill = sim.wait_bills(1)[0]
    line = proxy.wait_log(before + 1)[-1]
    cost = Decimal(line["attempts"][0]["cost"]["amount"])
    assert bill["end"] == "client_gone" and cost >= Decimal(bill["amount"]) > 0
    return "ends the bill" if bill["cancel_stops_billing"] else "is billed on"


ABILITIES = [chat, stream, tools, streamed_tools, parallel_tools, thinking_on, thinking_off, images, json_object,
             usage, bad_key, no_money, trial_used, rate_limit, overloaded, too_long, filtered, malformed, cancel]


@pytest.fixture
def proxy(running, sim, start):
    running.like_new = lambda: start(self_hosted=tuple(sorted(OURS)))
    return running


@pytest.mark.parametrize("ability", ABILITIES, ids=lambda a: a.__name__)
@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.account)
def test_the_vendor_has_the_ability_or_says_that_it_has_not(proxy, sim, row, ability, record_property):
    place = [ROWS.index(row), row.account, ABILITIES.index(ability), ability.__name__.replace("_", " ")]
    record_property("cell", place + ["FAILED"])
    record_property("cell", place + [ability(row, proxy, sim)])


@pytest.mark.parametrize("marks, vendor", [("kimi", "siliconflow"), ("dsml", "siliconflow"), ("dsml", "openrouter")])
def test_a_models_own_marks_in_the_text_are_passed_on_as_they_are(proxy, sim, marks, vendor):
    """See vendors/openai_mend.h: a text is never taken away; cut anywhere, it is the same, and so is the bill."""
    row, = (r for r in ROWS if r.account == vendor)
    sim.order(vendor, leak=marks, split=3)
    texts = {talk(proxy, row.name(row.model), "What is the weather in Paris?", stream=streamed,
                  tools=[WEATHER])[0]["content"] for streamed in (False, True)}
    text, = texts
    assert "get_weather" in text and ("DSML" in text or "tool_call_begin" in text)
    billed_exactly(proxy, sim)


# -- what not every vendor takes: said in another way, or not said to it at all --------------------

def said(*roles):
    return {"messages": [{"role": role, "content": "hello"} for role in roles]}


CALL = {"id": "call_0123456789abcdef", "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
RESULT = {"role": "tool", "tool_call_id": CALL["id"], "content": [{"type": "text", "text": "21"}]}
TRAPS = [
    {"temperature": 2, "top_p": 1, "store": True, "metadata": {"a": "b"}, "seed": 7, "user": "u", "n": 1,
     "max_tokens": 50, "max_completion_tokens": 60, "tools": None, "function_call": None, "functions": None},
    {"temperature": 0, "top_p": 0, "frequency_penalty": 0.5, "presence_penalty": 0.5, "max_completion_tokens": 50},
    {"temperature": 0.2, "top_p": 0.5, "reasoning_effort": "xhigh"},
    {"reasoning_effort": "minimal", "tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": True},
    {"messages": [{"role": "developer", "content": "be brief"},
                  {"role": "system", "content": [{"type": "text", "text": "b"}]},
                  {"role": "user", "name": "bob", "content": [{"type": "text", "text": "hello"}]}]},
    said("user", "user"), said("assistant", "user"), said("user", "assistant"),
    said("user", "assistant", "system", "user"),
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""},
                  {"role": "user", "content": "b"}]},
    {"stop": list("abcdef")}, {"stop": ["\n\n", "x" * 33]}, {"n": 2},
    {"tools": [WEATHER], "tool_choice": "none"}, {"tools": [WEATHER], "tool_choice": "required"},
    {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
    {"tools": [WEATHER], "messages": [{"role": "user", "content": "weather?"}, {
        "role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT, {"role": "user", "content": "and now?"}]},
]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.account)
def test_no_vendor_is_told_what_it_does_not_take(proxy, row):
    before, answered = len(proxy.routing_log()), 0
    for at, trap in enumerate(TRAPS):
        answer = proxy.chat("hello", model=row.name(row.model), stream=at % 2 == 1, **trap)
        assert answer.status == 200 or answer.json()["error"]["message"], trap
        answered += answer.status == 200
    lines = proxy.wait_log(before + len(TRAPS))[before:]
    assert {attempt["fault"] for line in lines for attempt in line["attempts"]} == {"none"}
    assert answered >= len(TRAPS) / 3
