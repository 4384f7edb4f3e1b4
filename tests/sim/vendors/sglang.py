"""SGLang: vLLM's dialect with matched_stop and reasoning_content; the flat error of older servers."""
from __future__ import annotations

from .selfhosted import SelfHosted


class Sglang(SelfHosted):
    name = "sglang"
    cache_min = 10 ** 9                     # reports none unless it is told to
    errors = {
        "bad_key": (401, {"message": "Unauthorized", "type": "Unauthorized"}),
        "no_money": (402, {"message": "Payment Required", "type": "PaymentRequired"}),
        "rate_limit": (429, {"message": "Too Many Requests", "type": "RateLimitError"}),
        "overloaded": (503, {"message": "The request queue is full.", "type": "ServiceUnavailable"}),
        "server_error": (500, {"message": "Internal Server Error", "type": "InternalServerError"}),
        "invalid": (400, {"message": "{detail}", "type": "BadRequest"}),
        "unknown_model": (404, {"message": "The model `{model}` does not exist.", "type": "NotFound"}),
        "too_long": (400, {"message": "The input ({tokens} tokens) is longer than the model's context "
                           "length ({limit} tokens).", "type": "BadRequest"}),
    }

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": None, "reasoning_tokens": truth["thinking"]}

    def finish_more(self, call, last: bool) -> str:
        return ',"matched_stop":128009'

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"object": "error", "message": fields["message"], "type": fields["type"],
                "param": fields.get("param"), "code": status}


VENDOR = Sglang()
