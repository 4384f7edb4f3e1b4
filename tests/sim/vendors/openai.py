"""OpenAI: usage in a chunk of its own only when asked, obfuscation, cache writes, strict parameters."""
from __future__ import annotations

from engine.ask import Ask, Refusal
from engine.limits import go_duration

from .base import Vendor

REASONING = ("gpt-5", "gpt-6", "o1", "o3", "o4")
NO_THOUGHT_BY_DEFAULT = ("gpt-4",)
TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
NO_LIMITS = {"requests": (10000, 9999, 0.006), "tokens": (2000000, 1999990, 0.0)}
PADDING = "abcdefghijklmnop"


def limit_headers(call, otherwise: dict) -> list[tuple[str, str]]:
    """x-ratelimit-{limit,remaining,reset}-{requests,tokens}"""
    out = []
    for kind, usual in otherwise.items():
        most, left, reset_s = call.standing.row(kind, usual) if call.standing else usual
        out += [("x-ratelimit-limit-" + kind, str(most)),
                ("x-ratelimit-remaining-" + kind, str(left)),
                ("x-ratelimit-reset-" + kind, go_duration(reset_s))]
    return out


class OpenAI(Vendor):
    name = "openai"
    hosts = ("api.openai.com",)
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "openai"
    cache_min, cache_unit, cache_writes = 1024, 128, True
    contexts = {"": 1_050_000, "gpt-4o": 128_000, "gpt-4o-mini": 128_000, "gpt-5.4-mini": 400_000,
                "gpt-5-mini": 400_000}
    stream_type = "text/event-stream; charset=utf-8"
    usage_null = True
    reasoning_field = None
    fingerprint = "fp_sim_openai"
    roles = ("developer", "system", "user", "assistant", "tool", "function")
    errors = {
        "no_key": (401, {"message": "You didn't provide an API key. You need to provide your API key "
                         "in an Authorization header using Bearer auth (i.e. Authorization: Bearer "
                         "YOUR_KEY).", "type": "invalid_request_error", "code": None}),
        "bad_key": (401, {"message": "Incorrect API key provided: {key}. You can find your API key at "
                          "https://platform.openai.com/account/api-keys.",
                          "type": "invalid_request_error", "code": "invalid_api_key"}),
        "no_money": (429, {"message": "You exceeded your current quota, please check your plan and "
                           "billing details.", "type": "insufficient_quota",
                           "code": "insufficient_quota"}),
        "rate_limit": (429, {"message": "Rate limit reached for {model} in organization org-sim on "
                             "requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again "
                             "in 20s.", "type": "requests", "code": "rate_limit_exceeded"}),
        "rate_limit_tokens": (429, {"message": "Rate limit reached for {model} in organization org-sim "
                                    "on tokens per min (TPM). Please try again in 6s.",
                                    "type": "tokens", "code": "rate_limit_exceeded"}),
        "overloaded": (503, {"message": "The engine is currently overloaded, please try again later",
                             "type": "server_error", "code": None}),
        "server_error": (500, {"message": "The server had an error while processing your request. "
                               "Sorry about that!", "type": "server_error", "code": None}),
        "malformed": (400, {"message": "We could not parse the JSON body of your request. (HINT: This "
                            "likely means you aren't using your HTTP library correctly.)",
                            "type": "invalid_request_error", "code": None}),
        "invalid": (400, {"message": "{detail}", "type": "invalid_request_error",
                          "code": "invalid_request_error"}),
        "unsupported": (400, {"message": "{detail}", "type": "invalid_request_error",
                              "code": "unsupported_parameter"}),
        "unsupported_value": (400, {"message": "{detail}", "type": "invalid_request_error",
                                    "code": "unsupported_value"}),
        "unknown_model": (404, {"message": "The model `{model}` does not exist or you do not have "
                                "access to it.", "type": "invalid_request_error",
                                "code": "model_not_found"}),
        "too_long": (400, {"message": "This model's maximum context length is {limit} tokens. However, "
                           "your messages resulted in {tokens} tokens. Please reduce the length of the "
                           "messages.", "type": "invalid_request_error",
                           "code": "context_length_exceeded"}),
        "filtered": (400, {"message": "Your request was rejected as a result of our safety system.",
                           "type": "invalid_request_error", "code": "content_policy_violation"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        body = ask.body
        if isinstance(body.get("stop"), list) and len(body["stop"]) > 4:
            raise Refusal("invalid", param="stop", detail="Invalid 'stop': array too long. Expected an "
                          "array with maximum length 4.")
        if body.get("stop") is not None and ask.model.startswith(("o3", "o4-mini")):
            raise Refusal("unsupported", param="stop", detail="Unsupported parameter: 'stop' is not "
                          "supported with this model.")
        if body.get("service_tier") not in (None,) + TIERS:
            raise Refusal("invalid", param="service_tier", detail="Invalid value: '%s'. Supported "
                          "values are: %s." % (body["service_tier"], ", ".join(TIERS)))
        if not ask.model.startswith(REASONING):
            return
        if "max_tokens" in body:
            raise Refusal("unsupported", param="max_tokens", detail="Unsupported parameter: "
                          "'max_tokens' is not supported with this model. Use "
                          "'max_completion_tokens' instead.")
        if not self.thinks(ask):
            return
        for name, plain in (("temperature", 1), ("top_p", 1), ("presence_penalty", 0),
                            ("frequency_penalty", 0)):
            if body.get(name) is not None and body[name] != plain:
                raise Refusal("unsupported_value", param=name, detail="Unsupported value: '%s' does "
                              "not support %s with this model. Only the default (%d) value is "
                              "supported." % (name, body[name], plain))

    def thinks(self, ask: Ask) -> bool:
        return ask.model.startswith(REASONING) and ask.body.get("reasoning_effort") != "none"

    def headers(self, call) -> list:
        return [("x-request-id", "req_%012x" % call.number), ("openai-organization", "org-sim"),
                ("openai-processing-ms", "12"), ("openai-version", "2020-10-01"),
                *limit_headers(call, NO_LIMITS)]

    def tier(self, ask: Ask) -> str:
        """flex, priority and fast are used as asked (unless an order says otherwise)."""
        asked = ask.body.get("service_tier")
        return asked if asked in ("flex", "priority", "fast") else "default"

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"], "audio_tokens": 0,
                                          "cache_write_tokens": truth["write"]},
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"],
                                              "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                              "rejected_prediction_tokens": 0}}

    def base(self, call, kind: str) -> dict:
        return {**super().base(call, kind), "service_tier": call.tier}

    def chunk_tail(self, call) -> str:
        options = call.ask.body.get("stream_options")
        if isinstance(options, dict) and options.get("include_obfuscation") is False:
            return super().chunk_tail(call)
        pad = PADDING[:3 + call.number % 13]
        return super().chunk_tail(call) + ',"obfuscation":"%s"' % pad

    def own_more(self, call) -> str:
        return ',"obfuscation":"abc"'

    def full_choice(self, call, at: int, answer) -> dict:
        choice = super().full_choice(call, at, answer)
        choice["message"].update(refusal=None, annotations=[])
        return choice


VENDOR = OpenAI()
