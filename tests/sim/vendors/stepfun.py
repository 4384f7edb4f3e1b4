"""StepFun: 402 for an empty purse, 451 for filtered content, any max_tokens, three efforts."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor

EFFORTS = ("low", "medium", "high")


class StepFun(Vendor):
    name = "stepfun"
    aliases = ("step",)
    hosts = ("api.stepfun.com",)
    siblings = ("stepfun-intl",)
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "step"
    cache_min, cache_unit = 256, 64
    contexts = {"": 256_000, "step-5-preview": 1_000_000}
    limit_fields = ("max_tokens",)          # max_completion_tokens is ignored
    json_schema = "object"
    errors = {
        "bad_key": (401, {"message": "Incorrect API key provided", "type": "invalid_api_key"}),
        "no_money": (402, {"message": "Your account balance is insufficient, please recharge",
                           "type": "insufficient_balance"}),
        "rate_limit": (429, {"message": "Too many requests, please slow down",
                             "type": "rate_limit_exceeded"}),
        "overloaded": (503, {"message": "The service is temporarily unavailable",
                             "type": "service_unavailable"}),
        "server_error": (500, {"message": "Internal error", "type": "internal_error"}),
        "invalid": (400, {"message": "{detail}", "type": "request_params_invalid"}),
        "unknown_model": (404, {"message": "The model {model} does not exist or is not open to you",
                                "type": "model_not_found"}),
        "too_long": (400, {"message": "The prompt has {tokens} tokens, more than the {limit} the model "
                           "takes", "type": "request_params_invalid"}),
        "filtered": (451, {"message": "The content you provided or machine outputted is blocked.",
                           "type": "censorship_blocked"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        effort = ask.body.get("reasoning_effort")
        if effort is not None and effort not in EFFORTS:
            raise Refusal("invalid", detail="reasoning_effort must be one of low, medium, high")

    def thinks(self, ask: Ask) -> bool:
        return True

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"message": fields["message"], "type": fields["type"]}}


class StepFunIntl(StepFun):
    """stepfun.ai: keys of its own, prices in dollars."""
    name = "stepfun-intl"
    aliases = ("step-intl",)
    hosts = ("api.stepfun.ai",)
    siblings = ("stepfun", "step")


VENDORS = (StepFun(), StepFunIntl())
