"""The openai SDK is content with the market; these tests exist only where it is installed."""
from __future__ import annotations

import importlib.util

import pytest

from client import PLAYED

if importlib.util.find_spec("openai"):
    import openai

    def client_of(sim, vendor, key="sim-1"):
        base = PLAYED[vendor][0].rsplit("/chat/completions", 1)[0]
        return openai.OpenAI(base_url="%s/%s%s" % (sim.url, vendor, base), api_key=key,
                             max_retries=0)

    HELLO = [{"role": "user", "content": "你好"}]

    # Mistral refuses what the SDK must send, and xAI's sums are its own
    @pytest.mark.parametrize("vendor", [v for v in PLAYED if v not in ("mistral", "xai")])
    def test_the_sdk_reads_answers_and_streams(sim, vendor):
        client, model = client_of(sim, vendor), PLAYED[vendor][1]
        whole = client.chat.completions.create(model=model, messages=HELLO)
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
        text, usage = "", None
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True,
                                                    stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            text += "".join(c.delta.content or "" for c in chunk.choices)
        assert text == whole.choices[0].message.content
        assert usage.completion_tokens == whole.usage.completion_tokens

    def test_the_sdk_raises_its_own_exceptions(sim):
        with pytest.raises(openai.AuthenticationError):
            client_of(sim, "openai", "sim-bad").chat.completions.create(model="gpt-6-luna",
                                                                        messages=HELLO)
        with pytest.raises(openai.NotFoundError):
            client_of(sim, "openai").chat.completions.create(model="gpt-99", messages=HELLO)
        sim.order("openai", error_class="rate_limit")
        with pytest.raises(openai.RateLimitError):
            client_of(sim, "openai").chat.completions.create(model="gpt-6-luna", messages=HELLO)

    def test_the_sdk_reads_tool_calls_in_a_stream(sim):
        tool = {"type": "function", "function": {"name": "f", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}}}}
        with client_of(sim, "openai").chat.completions.stream(
                model="gpt-6-luna", messages=[{"role": "user", "content": "both"}],
                tools=[tool]) as stream:
            final = stream.get_final_completion()
        calls = final.choices[0].message.tool_calls
        assert [c.function.arguments for c in calls] == ['{"city":"Beijing"}', '{"city":"Shanghai"}']
