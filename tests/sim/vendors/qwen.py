"""Qwen on DashScope (compatible mode): temperature below 2, one leading system message, bills to the end."""
from __future__ import annotations

from decimal import Decimal

from engine.ask import Ask, Refusal
from engine.bills import spell

from .base import Vendor

THINK_BY_DEFAULT = ("qwen3.8", "qwen3.7", "qwen3.6", "qwen3.5")
OPEN_WEIGHT = ("qwen3.5-397b", "qwen3.5-122b", "qwen3.5-27b", "qwen3.5-35b", "qwen3.6-27b",
               "qwen3.8-27b")


class Qwen(Vendor):
    name = "qwen"
    aliases = ("dashscope", "bailian", "alibaba")
    hosts = ("dashscope.aliyuncs.com",)
    siblings = ("qwen-intl", "qwen-us")
    cache_marks = "too"
    chat_paths = ("/compatible-mode/v1/chat/completions",)
    models_paths = ("/compatible-mode/v1/models",)
    family = "qwen"
    cancel_stops_billing = False
    cache_min, cache_unit = 1024, 128
    contexts = {"": 1_000_000}
    no_vision = ("qwen-plus", "qwen-flash", "qwen-long", "qwen3.7-max", "deepseek", "glm")
    stream_type = "text/event-stream;charset=UTF-8"
    usage_null = True
    errors = {
        "no_key": (401, {"message": "You didn't provide an API key. You need to provide your API key "
                         "in an Authorization header using Bearer auth (i.e. Authorization: Bearer "
                         "YOUR_KEY).", "type": "invalid_request_error", "code": None}),
        "bad_key": (401, {"message": "Incorrect API key provided. ", "type": "invalid_request_error",
                          "code": "invalid_api_key"}),
        "no_money": (400, {"message": "Access denied, please make sure your account is in good "
                           "standing.", "type": "Arrearage", "code": "Arrearage"}),
        "trial_used": (403, {"message": "The free tier of the model has been exhausted. Free allocated "
                             "quota exceeded.", "flat": True,
                             "code": "AllocationQuota.FreeTierOnly"}),
        # only a per-minute throttle, though it reads like OpenAI's empty purse
        "rate_limit": (429, {"message": "You exceeded your current quota, please check your plan and "
                             "billing details. For details, see: https://help.aliyun.com/zh/"
                             "model-studio/error-code#token-limit", "type": "insufficient_quota",
                             "code": "insufficient_quota"}),
        "rate_limit_requests": (429, {"message": "Requests rate limit exceeded, please try again "
                                      "later.", "type": "Throttling.RateQuota",
                                      "code": "Throttling.RateQuota"}),
        "burst": (429, {"message": "Request rate increased too quickly.", "type": "limit_burst_rate",
                        "code": "limit_burst_rate"}),
        "overloaded": (503, {"message": "Too many requests. Your requests are being throttled due to "
                             "system capacity limits.", "type": "ServiceUnavailable",
                             "code": "ServiceUnavailable"}),
        "server_error": (500, {"message": "An internal error has occured, please try again later.",
                               "type": "InternalError", "code": "InternalError"}),
        "forbidden": (403, {"message": "Access denied.", "flat": True, "code": "AccessDenied"}),
        "invalid": (400, {"message": "<400> InternalError.Algo.InvalidParameter: {detail}",
                          "type": "invalid_request_error", "code": "invalid_parameter_error"}),
        "unknown_model": (404, {"message": "The model `{model}` does not exist or you do not have "
                                "access to it.", "type": "invalid_request_error",
                                "code": "model_not_found"}),
        "too_long": (400, {"message": "<400> InternalError.Algo.InvalidParameter: Range of input "
                           "length should be [1, {limit}]", "type": "invalid_request_error",
                           "code": "invalid_parameter_error"}),
        "filtered": (400, {"message": "Input data may contain inappropriate content.",
                           "type": "data_inspection_failed", "code": "data_inspection_failed"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        body = ask.body
        temperature, top_p, n = body.get("temperature"), body.get("top_p"), body.get("n")
        if temperature is not None and not 0 <= temperature < 2:
            raise Refusal("invalid", detail="Temperature should be in [0.0, 2.0)")
        if top_p is not None and not 0 < top_p <= 1:
            raise Refusal("invalid", detail="Range of top_p should be (0.0, 1.0]")
        most = 4 if ask.model.startswith("qwen-plus") and not ask.tools else 1
        if n is not None and not 1 <= n <= most:
            raise Refusal("invalid", detail="Range of n should be [1, %d]" % most)
        if any(m["role"] == "system" for m in ask.messages[1:]):
            raise Refusal("invalid", detail="System message must be at the beginning.")
        spoken = [m["role"] for m in ask.messages if m["role"] not in ("system", "tool")]
        if any(a == b == "user" for a, b in zip(spoken, spoken[1:])):
            raise Refusal("invalid", detail="The messages of user and assistant must alternate.")
        if ask.last["role"] not in ("user", "tool"):
            raise Refusal("invalid", detail="The last message should be of role user.")
        if ask.model.startswith(OPEN_WEIGHT) and self.thinks(ask) and not ask.stream:
            raise Refusal("invalid", detail="parameter.enable_thinking must be set to false for "
                          "non-streaming calls")

    def thinks(self, ask: Ask) -> bool:
        switch = ask.body.get("enable_thinking")
        if isinstance(switch, bool):
            return switch
        if ask.body.get("reasoning_effort") == "none":
            return False
        return ask.model.startswith(THINK_BY_DEFAULT)

    def thinking_effort(self, ask: Ask) -> int:
        budget, effort = ask.body.get("thinking_budget"), super().thinking_effort(ask)
        return min(effort, budget) if isinstance(budget, int) else effort

    def adjust(self, call, row: dict):
        """Explicit marks: written at 125 % of the input price, read at 10 %."""
        if call.explicit_cache:
            price = Decimal(row["input"])
            row = {**row, "cached_input": spell(price / 10), "cache_write": spell(price * 5 / 4)}
        return row, Decimal(1)

    def usage(self, call, truth: dict) -> dict:
        told = super().usage(call, truth)
        if call.explicit_cache:
            told["prompt_tokens_details"]["cache_creation_input_tokens"] = truth["write"]
        return told

    def shape_error(self, call, status: int, fields: dict) -> dict:
        if fields.get("flat"):
            return {"code": fields["code"], "message": fields["message"],
                    "request_id": "sim-%012x" % call.number}
        return {**super().shape_error(call, status, fields), "request_id": "sim-%012x" % call.number}

    def deltas(self, call, answer):
        for delta, tokens, thinking in super().deltas(call, answer):
            if delta.startswith('{"reasoning_content"'):
                delta = '{"content":null,' + delta[1:]
            yield delta, tokens, thinking


class QwenIntl(Qwen):
    """Singapore: keys of its own, prices in dollars."""
    name = "qwen-intl"
    aliases = ("dashscope-intl", "alibaba-intl")
    hosts = ("dashscope-intl.aliyuncs.com",)
    siblings = ("qwen", "qwen-us")


class QwenUs(Qwen):
    """Virginia: keys of its own. No list was captured; it charges Singapore's prices."""
    name = "qwen-us"
    aliases = ("dashscope-us", "alibaba-us")
    hosts = ("dashscope-us.aliyuncs.com",)
    siblings = ("qwen", "qwen-intl")


VENDORS = (Qwen(), QwenIntl(), QwenUs())
