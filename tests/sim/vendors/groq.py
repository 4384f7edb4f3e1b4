"""Groq: limits on every answer, usage under x_groq, `reasoning`, no schema while streaming, 498."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump
from .openai import limit_headers

NO_LIMITS = {"requests": (14400, 14370, 179.56), "tokens": (18000, 17997, 7.66)}
GPT_OSS, EFFORTS = ("openai/gpt-oss",), ("low", "medium", "high")
FORMATS = ("parsed", "raw", "hidden")
TIERS = ("auto", "on_demand", "flex", "performance")


class Groq(Vendor):
    name = "groq"
    hosts = ("api.groq.com",)
    chat_paths = ("/openai/v1/chat/completions",)
    models_paths = ("/openai/v1/models",)
    family = "llama"
    cancel_stops_billing = False
    cache_min, cache_unit = 128, 64
    contexts = {"": 131_072}
    no_vision = ("openai/gpt-oss", "qwen/")
    reasoning_field = "reasoning"
    fingerprint = "fp_sim_groq"
    tells_retry_after = True
    errors = {
        "bad_key": (401, {"message": "Invalid API Key", "type": "invalid_request_error",
                          "code": "invalid_api_key"}),
        "no_money": (402, {"message": "Your organization has an unpaid balance. Please check your "
                           "billing.", "type": "billing_error", "code": "payment_required"}),
        "rate_limit": (429, {"message": "Rate limit reached for model `{model}` in organization `org_sim`"
                             " on requests per day (RPD): Limit 14400, Used 14400, Requested 1. Please "
                             "try again in 2m59.56s.", "type": "requests",
                             "code": "rate_limit_exceeded"}),
        "rate_limit_tokens": (429, {"message": "Rate limit reached for model `{model}` in organization "
                                    "`org_sim` on tokens per minute (TPM). Please try again in 7.66s.",
                                    "type": "tokens", "code": "rate_limit_exceeded"}),
        "overloaded": (498, {"message": "Flex tier capacity exceeded. Please try again later.",
                             "type": "flex", "code": "capacity_exceeded"}),
        "capacity": (503, {"message": "{model} is currently over capacity. Please try again and back "
                           "off exponentially.", "type": "internal_server_error", "code": None}),
        "server_error": (500, {"message": "Internal Server Error", "type": "internal_server_error",
                               "code": None}),
        "hallucination": (422, {"message": "The model generated a tool call that is not in "
                                "request.tools.", "type": "invalid_request_error",
                                "code": "tool_use_failed"}),
        "invalid": (400, {"message": "{detail}", "type": "invalid_request_error", "code": None}),
        "tool_use": (400, {"message": "{detail}", "type": "invalid_request_error",
                           "code": "tool_use_failed"}),
        "unknown_model": (404, {"message": "The model `{model}` does not exist or you do not have access "
                                "to it.", "type": "invalid_request_error", "code": "model_not_found"}),
        "too_long": (413, {"message": "Request Entity Too Large: {tokens} tokens, limit {limit}. Please "
                           "reduce the length of the messages.", "type": "tokens",
                           "code": "request_too_large"}),
        "filtered": (400, {"message": "The request was refused for its content.",
                           "type": "invalid_request_error", "code": "content_filter"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        body, wanted = ask.body, ask.body.get("response_format")
        for at, message in enumerate(ask.messages):
            if message.get("function_call", 0) is None:
                raise Refusal("invalid", detail="'messages.%d' : for 'role:%s' the following must be "
                              "satisfied[('messages.%d.function_call' : value must be an object)]"
                              % (at, message["role"], at))
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema" and ask.stream:
            raise Refusal("tool_use", detail="response_format `json_schema` does not support streaming")
        if body.get("reasoning_format") not in (None,) + FORMATS:
            raise Refusal("invalid", detail="reasoning_format must be one of parsed, raw, hidden")
        effort = body.get("reasoning_effort")
        allowed = EFFORTS if ask.model.startswith(GPT_OSS) else ("none", "default")
        if effort is not None and effort not in allowed:
            raise Refusal("invalid", detail="reasoning_effort must be one of %s"
                          % ", ".join("`%s`" % word for word in allowed))
        if body.get("service_tier") not in (None,) + TIERS:
            raise Refusal("invalid", detail="service_tier must be one of %s" % ", ".join(TIERS))

    def thinks(self, ask: Ask) -> bool:
        return (ask.model.startswith(GPT_OSS + ("qwen/",))
                and ask.body.get("reasoning_effort") != "none")

    def tier(self, ask: Ask) -> str:
        asked = ask.body.get("service_tier")
        return asked if asked in ("flex", "performance") else "on_demand"

    def one_answer(self, ask: Ask, plan, thinks: bool):
        answer = super().one_answer(ask, plan, thinks)
        style = ask.body.get("reasoning_format", "parsed")
        if style == "raw" and answer.thinking:
            answer.content = ["<think>"] + answer.thinking + ["</think>"] + (answer.content or [])
        if style != "parsed":
            answer.hidden_thinking, answer.thinking = len(answer.thinking), []
        if style == "raw":                  # the text holds it, so that it is not hidden
            answer.hidden_thinking = 0
        return answer

    def headers(self, call) -> list:
        return super().headers(call) + limit_headers(call, NO_LIMITS)

    def base(self, call, kind: str) -> dict:
        return {**super().base(call, kind), "service_tier": call.tier}

    def usage(self, call, truth: dict) -> dict:
        return {"queue_time": 0.0123, "prompt_time": 0.0045, "completion_time": 0.0678,
                "total_time": 0.0723, **super().usage(call, truth)}

    def events(self, call):
        """The first chunk carries x_groq.id, the one with the finish_reason x_groq.usage."""
        mark = {"id": "req_%012x" % call.number}
        first = True
        for kind, data, tokens, thinking in super().events(call):
            if not kind and data.startswith("{"):
                if first:
                    data, first = data[:-1] + ',"x_groq":' + dump(mark) + "}", False
                elif '"finish_reason":null' not in data and '"choices":[]' not in data \
                        and call.told is not None:
                    data = data[:-1] + ',"x_groq":' + dump({**mark, "usage": call.told}) + "}"
            yield kind, data, tokens, thinking

    def full_more(self, call) -> dict:
        return {"x_groq": {"id": "req_%012x" % call.number}}


VENDOR = Groq()
