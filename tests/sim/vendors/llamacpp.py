"""llama.cpp's server: one model whatever its name, timings, its own overflow error, no developer role."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import ROLES, dump
from .selfhosted import SelfHosted


class LlamaCpp(SelfHosted):
    name = "llamacpp"
    aliases = ("llama.cpp", "llama")
    roles = ROLES
    contexts = {"": 16_384}
    errors = {
        "bad_key": (401, {"message": "Invalid API Key", "type": "authentication_error"}),
        "no_money": (402, {"message": "Payment Required", "type": "server_error"}),
        "rate_limit": (429, {"message": "Too many requests", "type": "server_error"}),
        "overloaded": (503, {"message": "Loading model", "type": "unavailable_error"}),
        "server_error": (500, {"message": "Compute error.", "type": "server_error"}),
        "invalid": (400, {"message": "{detail}", "type": "invalid_request_error"}),
        "unknown_model": (404, {"message": "File Not Found", "type": "not_found_error"}),
        "too_long": (400, {"message": "the request exceeds the available context size, try increasing "
                           "it", "type": "exceed_context_size_error", "n_prompt_tokens": "{tokens}",
                           "n_ctx": "{limit}"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        if isinstance(ask.body.get("tool_choice"), dict):
            raise Refusal("invalid", detail="tool_choice must be a string")

    def timings(self, call) -> dict:
        return {"cache_n": call.usage["cached"], "prompt_n": call.usage["prompt"],
                "predicted_n": call.usage["completion"], "predicted_per_second": 31.4}

    def full_more(self, call) -> dict:
        return {"timings": self.timings(call)}

    def finish_tail(self, call) -> str:
        return super().finish_tail(call) + ',"timings":' + dump(self.timings(call))

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"]}}

    def choice_more(self, call) -> str:
        return ""

    def shape_error(self, call, status: int, fields: dict) -> dict:
        more = {k: int(fields[k]) for k in ("n_prompt_tokens", "n_ctx") if k in fields}
        return {"error": {"code": status, "message": fields["message"], "type": fields["type"],
                          **more}}


VENDOR = LlamaCpp()
