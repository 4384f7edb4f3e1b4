"""Doubao on Volcengine Ark: full dated model ids, CamelCase error codes, 429 of four kinds."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump, switched


class Ark(Vendor):
    name = "ark"
    aliases = ("doubao", "volcengine", "volcengine-ark")
    hosts = ("ark.cn-beijing.volces.com", "ark.ap-southeast.bytepluses.com")
    chat_paths = ("/api/v3/chat/completions",)
    models_paths = ("/api/v3/models",)
    family = "doubao"
    cache_min, cache_unit = 256, 64
    contexts = {"": 256_000, "doubao-seed-2-1-pro-260915": 1_024_000}
    no_vision = ("deepseek", "glm", "doubao-1-5")
    id_prefix = "02"
    stream_type = "text/event-stream"
    limit_fields = ("max_tokens",)          # max_completion_tokens is ignored
    json_schema = "object"
    parallel_switch = False
    errors = {
        "bad_key": (401, {"code": "AuthenticationError", "type": "Unauthorized",
                          "message": "The API key or AK/SK in the request is missing or invalid. "
                          "Request id: sim"}),
        "no_money": (403, {"code": "AccountOverdueError", "type": "Forbidden",
                           "message": "The request failed because your account has an overdue "
                           "balance."}),
        "trial_used": (429, {"code": "SetLimitExceeded", "type": "TooManyRequests",
                             "message": "Your account has reached the set inference limit for the "
                             "model, and the model service has been paused."}),
        "quota": (429, {"code": "QuotaExceeded", "type": "TooManyRequests",
                        "message": "Your account has exhausted its free quota."}),
        "rate_limit": (429, {"code": "ModelAccountRpmRateLimitExceeded", "type": "TooManyRequests",
                             "message": "The requests per minute (RPM) limit of the model for your "
                             "account has been exceeded."}),
        "rate_limit_endpoint": (429, {"code": "RateLimitExceeded.EndpointTPMExceeded",
                                      "type": "TooManyRequests",
                                      "message": "The TPM limit of the associated endpoint has been "
                                      "exceeded."}),
        "burst": (429, {"code": "RequestBurstTooFast", "type": "TooManyRequests",
                        "message": "The request has exceeded the burst limit."}),
        "overloaded": (429, {"code": "ServerOverloaded", "type": "TooManyRequests",
                             "message": "The service is currently unable to handle additional "
                             "requests."}),
        "server_error": (500, {"code": "InternalServiceError", "type": "InternalServerError",
                               "message": "The service encountered an unexpected internal error."}),
        "invalid": (400, {"code": "InvalidParameter", "type": "BadRequest",
                          "message": "The parameter `{param}` specified in the request are not valid: "
                          "{detail}."}),
        "unknown_model": (404, {"code": "InvalidEndpointOrModel.NotFound", "type": "NotFound",
                                "message": "The model or endpoint {model} does not exist or you do "
                                "not have access to it."}),
        "not_open": (404, {"code": "ModelNotOpen", "type": "NotFound",
                           "message": "Your account has not activated the model {model}."}),
        "too_long": (400, {"code": "InvalidParameter", "type": "BadRequest",
                           "message": "Total tokens of image and text exceed max message tokens."}),
        "filtered": (400, {"code": "SensitiveContentDetected", "type": "BadRequest",
                           "message": "The request failed because the input text may contain "
                           "sensitive information."}),
    }

    def refuse_more(self, ask: Ask) -> None:
        switch, effort = switched(ask), ask.body.get("reasoning_effort")
        if switch not in (None, "enabled", "disabled") \
                and not (switch == "auto" and "1-6-flash" in ask.model):
            raise Refusal("invalid", param="thinking.type", detail="not supported by this model")
        if switch == "disabled" and effort not in (None, "none", "minimal"):
            raise Refusal("invalid", param="reasoning_effort",
                          detail="not allowed when thinking is disabled")

    def thinks(self, ask: Ask) -> bool:
        return (ask.model.startswith("doubao-seed") and switched(ask) != "disabled"
                and ask.body.get("reasoning_effort") not in ("none", "minimal"))

    def tier(self, ask: Ask) -> str:
        return "default"

    def base(self, call, kind: str) -> dict:
        return {**super().base(call, kind), "service_tier": call.tier}

    def reasoning(self, text: str) -> dict:
        return {"reasoning_content": text, "encrypted_content": "c2lt"}

    def reasoning_delta(self, text: str) -> str:
        return dump({"content": "", "reasoning_content": text, "role": "assistant"})

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"code": fields["code"], "message": fields["message"],
                          "param": fields.get("param") or "", "type": fields["type"]}}


VENDOR = Ark()
