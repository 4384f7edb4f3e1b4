"""Kimi on Moonshot: temperature only 1, cached tokens at the top level, errors without a code."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump, switched

ALWAYS_THINKS = ("kimi-k3", "kimi-k2.7-code")


class Moonshot(Vendor):
    name = "moonshot"
    siblings = ("moonshot-intl", "kimi-intl")
    aliases = ("kimi",)
    hosts = ("api.moonshot.cn",)
    one_system = True
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "kimi"
    cache_min, cache_unit = 256, 256
    contexts = {"": 262_144, "kimi-k3": 1_048_576, "kimi-k3.1-pro": 1_048_576}
    usage_in_stream = "last"
    fingerprint = "fpv0_sim"
    errors = {
        "no_key": (401, {"type": "invalid_authentication_error",
                         "message": "Missing Authorization header"}),
        "bad_key": (401, {"type": "invalid_authentication_error",
                          "message": "Invalid Authentication"}),
        "no_money": (429, {"type": "exceeded_current_quota_error",
                           "message": "Your account is suspended, please check your plan and billing "
                           "details"}),
        "rate_limit": (429, {"type": "rate_limit_reached_error",
                             "message": "Your account request reached max request per minute: 3, "
                             "please try again after 1 seconds"}),
        "overloaded": (429, {"type": "engine_overloaded_error",
                             "message": "The engine is currently overloaded, please try again later"}),
        "server_error": (500, {"type": "server_error", "message": "Internal server error"}),
        "invalid": (400, {"type": "invalid_request_error", "message": "Invalid request: {detail}"}),
        "rejected": (400, {"type": "invalid_request_error", "message": "{detail}"}),
        "unknown_model": (404, {"type": "resource_not_found_error",
                                "message": "Not found the model {model} or Permission denied"}),
        "too_long": (400, {"type": "invalid_request_error",
                           "message": "Invalid request: Your request exceeded model token limit: "
                           "{limit}"}),
        "filtered": (400, {"type": "content_filter",
                           "message": "The request was rejected because it was considered high "
                           "risk"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        temperature, stop = ask.body.get("temperature"), ask.body.get("stop")
        if temperature is not None and temperature != 1:
            raise Refusal("rejected", detail="invalid temperature: only 1 is allowed for this model")
        stops = [stop] if isinstance(stop, str) else stop or []
        if len(stops) > 5 or any(len(s.encode()) > 32 for s in stops if isinstance(s, str)):
            raise Refusal("invalid", detail="stop: at most 5 strings of 32 bytes")
        if ask.body.get("tool_choice") == "required" and not ask.model.startswith("kimi-k3"):
            raise Refusal("rejected", detail="tool_choice 'required' is not supported by this model")
        if isinstance(ask.body.get("tool_choice"), dict) and self.thinks(ask):
            raise Refusal("rejected", detail="tool_choice 'specified' is incompatible with thinking "
                          "enabled")
        if not self.thinks(ask):
            return
        for at, message in enumerate(ask.messages):
            if message.get("tool_calls") and not message.get("reasoning_content"):
                raise Refusal("rejected", detail="thinking is enabled but reasoning_content is missing "
                              "in assistant tool call message at index %d" % at)

    def thinks(self, ask: Ask) -> bool:
        return ask.model.startswith(ALWAYS_THINKS) or switched(ask) != "disabled"

    def headers(self, call) -> list:
        return [("Msh-Request-Id", "sim%012x" % call.number), *self.limit_headers(call)]

    def limit_headers(self, call) -> list:
        usual = (200, 199, 1.0)
        most, left, reset_s = call.standing.row("requests", usual) if call.standing else usual
        return [("X-RateLimit-Limit", str(most)), ("X-RateLimit-Remaining", str(left)),
                ("X-RateLimit-Reset", str(max(1, round(reset_s))))]

    def details(self, truth: dict) -> dict:
        return {"cached_tokens": truth["cached"],
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"]}}

    def choice_more(self, call) -> str:
        return ""

    def finish_more(self, call, last: bool) -> str:
        """The usage stands inside the choice too, as it did before it had a place of its own."""
        truth = last and call.told is not None and call.plan.usage is None
        return ',"usage":' + dump(call.told) if truth else ""

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"message": fields["message"], "type": fields["type"]}}


class MoonshotIntl(Moonshot):
    """platform.kimi.ai: keys of .cn are 401 here, prices in dollars."""
    name = "moonshot-intl"
    aliases = ("kimi-intl",)
    hosts = ("api.moonshot.ai",)
    siblings = ("moonshot", "kimi")


VENDORS = (Moonshot(), MoonshotIntl())
