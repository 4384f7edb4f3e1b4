"""The official Python SDK against the proxy, unchanged but for base URL and key."""
import asyncio
import base64
import json

import openai
import pytest
from pydantic import BaseModel

from market import wait_until

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
PIXEL = base64.b64encode(bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082")).decode()


def say(text):
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(proxy):
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0, timeout=30) as one:
        yield one


def test_a_chat_is_answered_and_its_cost_is_in_the_headers(client, sim):
    raw = client.chat.completions.with_raw_response.create(model="chat", messages=say("hello"))
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    bill = sim.wait_bills(1)[0]
    assert raw.headers["x-bijia-cost"].split() == [bill["currency"], bill["amount"]] or \
        raw.headers["x-bijia-cost"].startswith("CNY ")
    assert raw.headers["x-bijia-vendor"] and raw.headers["x-bijia-model"]
    assert raw.headers["x-bijia-expected-cost"].startswith("CNY ")
    assert len(raw.headers["x-bijia-request-id"]) == 32
    assert answer.usage.total_tokens > 0


def test_a_stream_comes_in_pieces_and_ends_with_a_reason(client):
    pieces, reason = [], None
    for chunk in client.chat.completions.create(model="chat", messages=say("你好"), stream=True):
        assert chunk.usage is None
        if chunk.choices:
            pieces.append(chunk.choices[0].delta.content or "")
            reason = chunk.choices[0].finish_reason or reason
    assert len([p for p in pieces if p]) > 3
    assert reason == "stop"


def test_a_stream_that_asks_for_usage_gets_it_last(client):
    chunks = list(client.chat.completions.create(
        model="chat", messages=say("hello"), stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.total_tokens > 0


def test_many_async_requests_at_once_are_all_answered(proxy):
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0) as client:
            async def one(i):
                if i % 2:
                    answer = await client.chat.completions.create(model="chat", messages=say("hi %d" % i))
                    return answer.choices[0].message.content
                stream = await client.chat.completions.create(
                    model="chat", messages=say("hi %d" % i), stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            return await asyncio.gather(*[one(i) for i in range(40)])
    assert all(asyncio.run(all_of_them()))


def test_a_tool_is_called_and_its_result_goes_back(client):
    messages = say("杭州的天气？")
    first = client.chat.completions.create(model="chat", messages=messages, tools=[WEATHER])
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments), dict)
    messages += [first.choices[0].message.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": call.id, "content": "晴，21 度"}]
    second = client.chat.completions.create(model="chat", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content


def test_parallel_tool_calls_are_streamed_and_put_together(client):
    calls = {}
    for chunk in client.chat.completions.create(
            model="chat", messages=say("Paris and Rome, both please"), tools=[WEATHER], stream=True):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                one = calls.setdefault(call.index, {"name": "", "arguments": ""})
                one["name"] += call.function.name or ""
                one["arguments"] += call.function.arguments or ""
    assert len(calls) == 2
    assert all(c["name"] == "get_weather" and json.loads(c["arguments"]) for c in calls.values())


def test_structured_output_is_parsed_by_the_sdk(client, sim):
    class Person(BaseModel):
        name: str
        age: int

    done = client.chat.completions.parse(model="openai/gpt-6-luna", messages=say("Who?"),
                                         response_format=Person)
    assert isinstance(done.choices[0].message.parsed, Person)
    assert sim.last("openai")["json"]["response_format"]["type"] == "json_schema"


def test_an_image_goes_to_a_model_that_sees(client, sim):
    url = "data:image/png;base64," + PIXEL
    answer = client.chat.completions.with_raw_response.create(model="vision", messages=[{
        "role": "user", "content": [{"type": "text", "text": "What is this?"},
                                    {"type": "image_url", "image_url": {"url": url}}]}])
    assert answer.parse().choices[0].message.content
    sent = sim.last(attempt=sim.wait_bills(1)[0]["attempt"])["json"]["messages"][0]["content"]
    assert sent[1]["image_url"]["url"] == url


def test_leaving_in_mid_stream_is_noticed_by_the_vendor(client, sim, proxy):
    sim.order(tokens=2000, chunk_ms=5)
    stream = client.chat.completions.create(model="chat", messages=say("a long story"), stream=True)
    for i, _ in enumerate(stream):
        if i == 5:
            stream.close()
            break
    bill = sim.wait_bills(1)[0]
    assert bill["end"] == "client_gone"
    wait_until(lambda: proxy.routing_log()[-1]["fault"] == "client_gone", "its receipt")


def test_the_sdks_own_time_out_raises_and_frees_the_vendor(proxy, sim):
    sim.order(silent=True)
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0, timeout=0.3) as client:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="chat", messages=say("hello"))
    assert sim.wait_bills(1)[0]["end"] == "client_gone"


def test_models_are_listed(client):
    names = [m.id for m in client.models.list()]
    assert "chat" in names and "deepseek/deepseek-flash" in names


def test_a_model_is_retrieved_by_the_name_it_is_listed_by(client, proxy):
    for model in client.models.list():
        assert client.models.retrieve(model.id) == model
    bare = client.models.retrieve("deepseek-flash")         # asked for so, though not listed
    assert (bare.id, bare.object, bare.owned_by) == ("deepseek-flash", "model", "bijia")
    key = {"Authorization": "Bearer " + proxy.key}
    for path in ("deepseek/deepseek-flash", "deepseek%2Fdeepseek-flash", "deepseek%2fdeepseek%2dflash"):
        answer = proxy.request("GET", "/v1/models/" + path, headers=key)
        assert answer.status == 200 and answer.json()["id"] == "deepseek/deepseek-flash"
    assert proxy.request("GET", "/v1/models/chat", headers={"Authorization": "Bearer x"}).status == 401
    assert proxy.request("POST", "/v1/models/chat", headers=key).status == 405
    assert proxy.request("GET", "/v1/models/", headers=key).json()["error"]["code"] == "unknown_url"


def test_a_model_that_is_not_there_or_not_for_the_team_is_not_found(start, sim):
    proxy = start(edit=lambda p: p.replace("policy.yaml", "  demo:\n", "  demo:\n    residency: cn\n"))
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0) as client:
        assert client.models.retrieve("kimi/kimi-k3").owned_by == "kimi"
        for name in ("no-such-model", "kimi", "kimi/", "kimi//kimi-k3", "openai/gpt-6-luna", "gpt-6-luna",
                     "chat\0", "chat\u00e4", "%", "%2", "a%zz", "x" * 500):
            with pytest.raises(openai.NotFoundError) as caught:
                client.models.retrieve(name)
            assert caught.value.code == "model_not_found" and caught.value.type == "invalid_request_error"


# --- each class of error is the SDK's own exception --------------------------------------------


def test_a_wrong_key_raises_authentication_error(proxy):
    for key in ("sk-wrong", "bj_00000000_" + "0" * 49, proxy.key[:-1] + ("0" if proxy.key[-1] != "0" else "1")):
        with openai.OpenAI(base_url=proxy.base_url, api_key=key, max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError) as caught:
                client.chat.completions.create(model="chat", messages=say("hello"))
            assert caught.value.code == "invalid_api_key"
            assert key not in str(caught.value)


def test_an_unknown_model_raises_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=say("hello"))
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("body, param", [
    ({"messages": "hello"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user", "content": "x"}], "stream": "yes"}, "stream"),
    ({"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}, "max_tokens"),
    ({"messages": [{"role": "user", "content": "x"}], "n": 1.5}, "n"),
    ({"messages": [{"role": "user", "content": "x"}, {"role": "critic", "content": "x"}]}, "messages[1].role"),
    ({"messages": [{"role": None, "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "x"}], "user": 7}, "user"),
])
def test_a_request_that_is_no_chat_raises_bad_request_with_the_field(client, body, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": "chat", **body}, cast_to=object)
    assert caught.value.param.startswith(param)
    assert caught.value.type == "invalid_request_error"


def test_a_refusal_of_the_clients_own_making_is_not_retried(client, sim):
    sim.order(error_class="malformed")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="chat", messages=say("hello"))
    assert len(sim.bills()) == 1


def test_rate_limits_everywhere_raise_rate_limit_error(start, sim):
    proxy = start()
    sim.order(error_class="rate_limit", retry_after=3)
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="chat", messages=say("hello"))
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_vendors_that_are_down_raise_an_internal_server_error(start, sim):
    proxy = start()
    sim.order(status=500)
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="chat", messages=say("hello"))


def test_a_stream_cut_by_the_vendor_raises_and_never_ends_well(client, sim):
    sim.order(tokens=50, cut_after_events=10)
    with pytest.raises((openai.APIError, openai.APIConnectionError)) as caught:
        for _ in client.chat.completions.create(model="chat", messages=say("hello"), stream=True):
            pass
    assert "cut" in str(caught.value).lower() or "deepseek" in str(caught.value)


def test_what_a_team_may_not_use_raises_permission_denied(start):
    def restrict(proxy):
        proxy.replace("policy.yaml", "  demo:\n", "  demo: {vendors: {deny: [openai]}}\n")
    proxy = start(edit=restrict)
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="openai/gpt-6-luna", messages=say("hello"))


def test_a_body_over_the_limit_raises_413(start):
    proxy = start(edit=lambda p: p.replace("bijia.yaml", "body: 8MiB", "body: 64KiB"))
    with openai.OpenAI(base_url=proxy.base_url, api_key=proxy.key, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="chat", messages=say("x" * 200_000))
    assert caught.value.status_code == 413
