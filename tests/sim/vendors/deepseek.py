"""DeepSeek: thinks by default, keep-alive comments and blank lines, hit/miss usage, strict enums."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, switched


class DeepSeek(Vendor):
    name = "deepseek"
    hosts = ("api.deepseek.com",)
    chat_paths = ("/chat/completions", "/v1/chat/completions", "/beta/chat/completions")
    models_paths = ("/models", "/v1/models")
    family = "deepseek"
    cache_min, cache_unit = 64, 64
    contexts = {"": 1_000_000}
    no_vision = ("deepseek-v4-pro",)
    text_only_flat = ("deepseek-v4-pro",)
    id_prefix = ""
    call_prefix = "call_"
    stream_type = "text/event-stream; charset=utf-8"
    blank_lines = 2
    opening_comment = ": keep-alive"
    usage_in_stream = "last"
    usage_null = False
    fingerprint = "fp_sim_deepseek"
    limit_fields = ("max_tokens",)          # max_completion_tokens is ignored
    json_schema = "refused"
    errors = {
        "bad_key": (401, {"message": "Authentication Fails, Your api key: {key} is invalid",
                          "type": "authentication_error", "code": "invalid_request_error"}),
        "no_money": (402, {"message": "Insufficient Balance", "type": "unknown_error",
                           "code": "invalid_request_error"}),
        "rate_limit": (429, {"message": "Too many concurrent requests, please retry later",
                             "type": "rate_limit_error", "code": "rate_limit_reached"}),
        "overloaded": (503, {"message": "Service is too busy. We advise users to temporarily switch "
                             "to alternative LLM API service providers.",
                             "type": "service_unavailable_error", "code": "service_unavailable_error"}),
        "server_error": (500, {"message": "Internal Server Error", "type": "internal_server_error",
                               "code": "internal_error"}),
        "malformed": (400, {"message": "Failed to parse the request body as JSON: {detail}",
                            "type": "invalid_request_error", "code": "invalid_request_error"}),
        "invalid": (422, {"message": "Failed to deserialize the JSON body into the target type: "
                          "{detail}", "type": "invalid_request_error",
                          "code": "invalid_request_error"}),
        "rejected": (400, {"message": "{detail}", "type": "invalid_request_error",
                           "code": "invalid_request_error"}),
        "unknown_model": (400, {"message": "Model Not Exist", "type": "invalid_request_error",
                                "code": "invalid_request_error"}),
        "too_long": (400, {"message": "This model's maximum context length is {limit} tokens. However, "
                           "you requested {tokens} tokens. Please reduce the length of the messages.",
                           "type": "invalid_request_error", "code": "invalid_request_error"}),
        "filtered": (400, {"message": "Content Exists Risk", "type": "invalid_request_error",
                           "code": "invalid_request_error"}),
    }

    def refuse_format(self, ask: Ask) -> None:
        wanted = ask.body.get("response_format")
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
            raise Refusal("rejected", detail="This response_format type is unavailable now")

    def refuse_more(self, ask: Ask) -> None:
        for at, tool in enumerate(ask.tools):
            kind = tool.get("type") if isinstance(tool, dict) else None
            if kind != "function":
                raise Refusal("rejected", detail="Failed to deserialize the JSON body into the target "
                              "type: tools[%d].type: unknown variant `%s`, expected `function`"
                              % (at, kind))
        if ask.body.get("reasoning_effort") == "none":
            raise Refusal("rejected", detail="reasoning_effort: unknown variant `none`, expected one "
                          "of `low`, `high`, `max`")
        if not self.thinks(ask):
            return
        if isinstance(ask.body.get("tool_choice"), dict) or ask.body.get("tool_choice") == "required":
            raise Refusal("rejected", detail="tool_choice is not supported in thinking mode")
        for message in ask.messages:
            if message["role"] == "assistant" and not message.get("reasoning_content"):
                raise Refusal("rejected", detail="The `reasoning_content` in the thinking mode must be "
                              "passed back to the API.")

    def thinks(self, ask: Ask) -> bool:
        return switched(ask) != "disabled"

    def details(self, truth: dict) -> dict:
        return {"prompt_cache_hit_tokens": truth["cached"],
                "prompt_cache_miss_tokens": truth["prompt"] - truth["cached"],
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"]}}

    def last_delta(self) -> str:
        return '{"content":""}'


VENDOR = DeepSeek()
