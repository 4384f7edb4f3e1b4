"""Hunyuan on Tencent TokenHub: numbered error codes that say whose fault it was; `data:` without space."""
from __future__ import annotations

from engine.ask import Ask

from .base import Vendor, switched


class TokenHub(Vendor):
    name = "tokenhub"
    aliases = ("hunyuan", "tencent", "tencent-tokenhub")
    hosts = ("tokenhub.tencentmaas.com", "tokenhub.tencentcloudmaas.com",
             "tokenhub-intl.tencentcloudmaas.com", "tokenhub-us.tencentcloudmaas.com")
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "hunyuan"
    cache_min, cache_unit = 256, 64
    contexts = {"": 192_000, "hy4-preview": 960_000}
    no_vision = ("hy3", "deepseek/deepseek-v4-pro")
    data_space = False
    json_schema = "object"
    errors = {
        "bad_key": (401, {"type": "authentication_error", "code": "401002", "source": "gateway",
                          "message": "invalid api key"}),
        "no_money": (402, {"type": "permission_error", "code": "401008", "source": "gateway",
                           "message": "account is in arrears"}),
        "trial_used": (402, {"type": "permission_error", "code": "403004", "source": "gateway",
                             "message": "FREE_QUOTA_EXHAUSTED: the free quota is used up"}),
        "rate_limit": (429, {"type": "rate_limit_error", "code": "429001", "source": "gateway",
                             "message": "rate limit exceeded: rpm"}),
        "overloaded": (502, {"type": "upstream_error", "code": "502001", "source": "upstream",
                             "message": "upstream is busy", "upstream_code": "busy",
                             "upstream_status": 503}),
        "server_error": (500, {"type": "internal_error", "code": "500001", "source": "gateway",
                               "message": "internal error"}),
        "invalid": (400, {"type": "invalid_request_error", "code": "400001", "source": "client",
                          "message": "{detail}"}),
        "unknown_model": (404, {"type": "invalid_request_error", "code": "404001",
                                "source": "client", "message": "model {model} not found"}),
        "too_long": (400, {"type": "invalid_request_error", "code": "400002", "source": "client",
                           "message": "input tokens {tokens} exceed the limit {limit}"}),
        "filtered": (451, {"type": "content_filter_error", "code": "451001", "source": "upstream",
                           "message": "content blocked by the safety policy"}),
    }

    def thinks(self, ask: Ask) -> bool:
        return switched(ask) == "enabled" or ask.body.get("reasoning_effort") in ("low", "medium",
                                                                                   "high")

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"type": fields["type"], "code": fields["code"],
                          "message": fields["message"], "source": fields["source"],
                          "upstream_code": fields.get("upstream_code"),
                          "upstream_status": fields.get("upstream_status"),
                          "request_id": "sim-%012x" % call.number}}


VENDOR = TokenHub()
