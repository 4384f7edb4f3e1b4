"""OpenRouter: processing comments, provider and cost in the answer, errors inside HTTP 200."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump


class OpenRouter(Vendor):
    name = "openrouter"
    hosts = ("openrouter.ai",)
    chat_paths = ("/api/v1/chat/completions",)
    models_paths = ("/api/v1/models",)
    family = "llama"
    cache_min, cache_unit = 1024, 64
    errors_are_free = True
    contexts = {"": 1_048_576, "meta-llama/llama-3.3-70b-instruct": 131_072,
                "meta-llama/llama-3.1-8b-instruct": 131_072, "openai/gpt-oss-120b": 131_072}
    id_prefix = "gen-1763"
    opening_comment = ": OPENROUTER PROCESSING"
    heartbeat = ": OPENROUTER PROCESSING"
    usage_in_stream = "own"
    reasoning_field = "reasoning"
    roles = ("developer", "system", "user", "assistant", "tool")
    errors = {
        "no_key": (401, {"message": "No auth credentials found", "error_type": "authentication"}),
        "bad_key": (401, {"message": "User not found.", "error_type": "authentication"}),
        "no_money": (402, {"message": "Insufficient credits. Add more using https://openrouter.ai/"
                           "settings/credits", "error_type": "payment_required"}),
        "rate_limit": (429, {"message": "Rate limit exceeded: limit_rpm",
                             "error_type": "rate_limit_exceeded"}),
        "overloaded": (502, {"message": "Provider returned error",
                             "error_type": "provider_overloaded"}),
        "server_error": (503, {"message": "No available model provider that meets your routing "
                               "requirements", "error_type": "provider_unavailable"}),
        "forbidden": (403, {"message": "Permission denied", "error_type": "permission_denied"}),
        "invalid": (400, {"message": "{detail}", "error_type": "invalid_request"}),
        "unknown_model": (400, {"message": "{model} is not a valid model ID",
                                "error_type": "invalid_request"}),
        "too_long": (400, {"message": "This endpoint's maximum context length is {limit} tokens. "
                           "However, you requested about {tokens} tokens.",
                           "error_type": "context_length_exceeded"}),
        "filtered": (403, {"message": "Your chosen model requires moderation and your input was "
                           "flagged", "error_type": "content_filter"}),
    }

    def refuse_model(self, ask: Ask) -> None:
        if "/" not in ask.model:
            raise Refusal("unknown_model")

    def thinks(self, ask: Ask) -> bool:
        wish = ask.body.get("reasoning")
        if isinstance(wish, dict):
            return wish.get("enabled") is not False and wish.get("effort") != "none"
        return isinstance(ask.body.get("reasoning_effort"), str) \
            and ask.body["reasoning_effort"] != "none"

    def base(self, call, kind: str) -> dict:
        base = super().base(call, kind)
        return {"id": base["id"], "provider": "Simulated", "model": base["model"],
                "object": kind, "created": base["created"]}

    def reasoning(self, text: str) -> dict:
        return {"reasoning": text, "reasoning_details": [
            {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}]}

    def choice_more(self, call) -> str:
        return ',"native_finish_reason":null,"logprobs":null'

    tells_retry_after = True

    def headers(self, call) -> list:
        if call.refusal is None or call.standing is None or "requests" not in call.standing.rows:
            return super().headers(call)
        most, left, reset_s = call.standing.rows["requests"]        # only with the platform's 429
        return super().headers(call) + [
            ("X-RateLimit-Limit", str(most)), ("X-RateLimit-Remaining", str(left)),
            ("X-RateLimit-Reset", str(int((call.wall + reset_s) * 1000)))]

    def events(self, call):
        """Models of Z.ai keep the stream alive with empty chunks."""
        if call.model.startswith("z-ai/"):
            yield "", dump({**self.base(call, "chat.completion.chunk"), "choices": []}), 0, 0
        yield from super().events(call)

    def usage(self, call, truth: dict) -> dict:
        amount, _ = call.price(truth)
        return {**super().usage(call, truth), "cost": float(amount), "is_byok": False}

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"],
                                          "cache_write_tokens": truth["write"]},
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"]}}

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"message": fields["message"], "code": status,
                          "metadata": {"error_type": fields["error_type"],
                                       "provider_code": None}}, "user_id": "user_sim"}

    def error_event(self, call) -> str:
        status, fields = self.error_fields(call, call.plan.error_class or "overloaded", {})
        return dump({**self.base(call, "chat.completion.chunk"),
                     "error": {"code": "server_error", "message": fields["message"]},
                     "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error",
                                  "native_finish_reason": "error"}]})


VENDOR = OpenRouter()
