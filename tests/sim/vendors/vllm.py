"""vLLM: OpenAI's dialect with extra keys; `reasoning` instead of reasoning_content."""
from __future__ import annotations

from .selfhosted import SelfHosted


class Vllm(SelfHosted):
    name = "vllm"
    stream_type = "text/event-stream; charset=utf-8"
    reasoning_field = "reasoning"
    errors = {
        "bad_key": (401, {"message": "Unauthorized", "type": "UnauthorizedError"}),
        "no_money": (402, {"message": "Payment Required", "type": "PaymentRequired"}),
        "rate_limit": (429, {"message": "Too Many Requests", "type": "RateLimitError"}),
        "overloaded": (503, {"message": "Server is overloaded", "type": "ServiceUnavailableError"}),
        "server_error": (500, {"message": "EngineCore encountered an issue.",
                               "type": "InternalServerError"}),
        "invalid": (400, {"message": "{detail}", "type": "BadRequestError"}),
        "unknown_model": (404, {"message": "The model `{model}` does not exist.",
                                "type": "NotFoundError"}),
        "too_long": (400, {"message": "This model's maximum context length is {limit} tokens. However, "
                           "your request has {tokens} input tokens.", "type": "BadRequestError"}),
    }

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"]}}

    def finish_more(self, call, last: bool) -> str:
        return ',"stop_reason":null,"token_ids":null'

    def full_more(self, call) -> dict:
        return {"prompt_logprobs": None, "kv_transfer_params": None}

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"message": fields["message"], "type": fields["type"],
                          "param": fields.get("param"), "code": status}}


VENDOR = Vllm()
