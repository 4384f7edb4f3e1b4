"""01.AI: OpenAI's dialect, plainly; closing the stream does not end the bill. Little is documented."""
from __future__ import annotations

from .base import Vendor

PLAIN_ERRORS = {
    "bad_key": (401, {"message": "Invalid API key", "type": "invalid_request_error",
                      "code": "invalid_api_key"}),
    "no_money": (402, {"message": "Insufficient balance", "type": "insufficient_quota",
                       "code": "insufficient_quota"}),
    "rate_limit": (429, {"message": "Rate limit reached", "type": "rate_limit_error",
                         "code": "rate_limit_exceeded"}),
    "overloaded": (503, {"message": "The server is overloaded", "type": "server_error", "code": None}),
    "server_error": (500, {"message": "Internal server error", "type": "server_error", "code": None}),
    "invalid": (400, {"message": "{detail}", "type": "invalid_request_error", "code": None}),
    "unknown_model": (404, {"message": "The model {model} does not exist",
                            "type": "invalid_request_error", "code": "model_not_found"}),
    "too_long": (400, {"message": "The prompt has {tokens} tokens, the model takes {limit}",
                       "type": "invalid_request_error", "code": "context_length_exceeded"}),
    "filtered": (400, {"message": "The request was rejected by the content filter",
                       "type": "invalid_request_error", "code": "content_filter"}),
}


class Yi(Vendor):
    name = "yi"
    aliases = ("lingyiwanwu", "01ai", "01-ai", "zeroone")
    hosts = ("api.lingyiwanwu.com",)
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "yi"
    cancel_stops_billing = False
    cache_min = 10 ** 9                     # no cache is known
    contexts = {"": 16_384}
    no_vision = ("yi-lightning",)
    json_schema = "object"
    errors = PLAIN_ERRORS

    def details(self, truth: dict) -> dict:
        return {}


VENDOR = Yi()
