"""ERNIE on Baidu Qianfan v2: order of roles is checked, \\u escapes, errors with an id of their own."""
from __future__ import annotations

from engine.ask import Ask, Refusal, content_text

from .base import Vendor


class Qianfan(Vendor):
    name = "qianfan"
    aliases = ("ernie", "baidu", "baidu-qianfan", "wenxin")
    hosts = ("qianfan.baidubce.com",)
    chat_paths = ("/v2/chat/completions",)
    models_paths = ("/v2/models",)
    family = "ernie"
    cache_min, cache_unit = 256, 64
    contexts = {"": 131_072, "ernie-x1-turbo-32k": 32_768}
    no_vision = ("ernie-x1", "ernie-4.5-turbo-128k", "deepseek")
    id_prefix = "as-"
    ascii_only = True
    json_schema = "object"
    errors = {
        "bad_key": (401, {"code": "invalid_iam_token", "type": "invalid_request_error",
                          "message": "Invalid IAM token"}),
        "no_money": (403, {"code": "account_overdue", "type": "access_denied",
                           "message": "The account is in arrears, please recharge"}),
        "rate_limit": (429, {"code": "rpm_rate_limit_exceeded", "type": "rate_limit_exceeded",
                             "message": "Rate limit reached for RPM"}),
        "rate_limit_tokens": (429, {"code": "tpm_rate_limit_exceeded", "type": "rate_limit_exceeded",
                                    "message": "Rate limit reached for TPM"}),
        "overloaded": (503, {"code": "service_overloaded", "type": "internal_error",
                             "message": "The service is overloaded, please try again later"}),
        "server_error": (500, {"code": "internal_error", "type": "internal_error",
                               "message": "Internal error"}),
        "malformed": (400, {"code": "malformed_json", "type": "invalid_request_error",
                            "message": "Failed to parse JSON: {detail}"}),
        "invalid": (400, {"code": "invalid_messages", "type": "invalid_request_error",
                          "message": "{detail}"}),
        "unknown_model": (400, {"code": "invalid_model", "type": "invalid_request_error",
                                "message": "No permission to use the model {model}, or it does not "
                                "exist"}),
        "too_long": (400, {"code": "tokens_too_long", "type": "invalid_request_error",
                           "message": "the max input tokens is {limit}, but the messages have "
                           "{tokens}"}),
        "filtered": (400, {"code": "content_filter", "type": "invalid_request_error",
                           "message": "the content of messages is unsafe"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        spoken = [m for m in ask.messages if m["role"] != "system"]
        if not spoken or spoken[0]["role"] != "user":
            raise Refusal("invalid", detail="the role of the first message must be user")
        for before, message in zip(spoken, spoken[1:]):
            if before["role"] == message["role"] and message["role"] != "tool":
                raise Refusal("invalid", detail="the roles of the messages must alternate")
        for message in ask.messages:
            blank = not content_text(message.get("content")).strip() and not message.get("tool_calls")
            if blank and not isinstance(message.get("content"), list):
                raise Refusal("invalid", detail="the content of a message must not be blank")

    def thinks(self, ask: Ask) -> bool:
        return "x1" in ask.model

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"code": fields["code"], "message": fields["message"],
                          "type": fields["type"]}, "id": "as-%012x" % call.number}

    def finish_more(self, call, last: bool) -> str:
        return ',"flag":0'


VENDOR = Qianfan()
