"""MiniMax: errors as base_resp inside HTTP 200, thinking as <think> or as growing snapshots, objects."""
from __future__ import annotations

from engine.ask import Ask, Refusal

from .base import Vendor, dump, grouped

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"
ALWAYS_THINKS = ("MiniMax-M2", "MiniMax-M3.1")
AUTO_ONLY = ("MiniMax-M3.1",)


class MiniMax(Vendor):
    name = "minimax"
    hosts = ("api.minimaxi.com", "api.minimax.cn", "api.minimax.chat")
    siblings = ("minimax-intl",)
    chat_paths = ("/v1/chat/completions", "/v1/text/chatcompletion_v2")
    models_paths = ("/v1/models",)
    family = "minimax"
    cancel_stops_billing = False
    cache_min, cache_unit, cache_writes = 512, 64, True
    contexts = {"": 1_000_000, "MiniMax-M2.7": 204_800, "MiniMax-M2.7-highspeed": 204_800}
    no_vision = ("MiniMax-M2",)
    id_prefix = "05"
    call_prefix = "call_function_"
    usage_in_stream = "last"
    one_system = True
    parallel_switch = False                 # without effect
    json_schema = "object"
    errors = {
        "bad_key": (200, {"code": 1004, "message": "login fail: Please carry the API secret key in the "
                          "'Authorization' field of the request header"}),
        "no_money": (200, {"code": 1008, "message": "insufficient balance"}),
        "rate_limit": (200, {"code": 1002, "message": "rate limit exceeded(RPM)"}),
        "rate_limit_tokens": (200, {"code": 1002, "message": "rate limit exceeded(TPM)"}),
        "overloaded": (200, {"code": 1000, "message": "unknown error, please try again later"}),
        "timeout": (200, {"code": 1001, "message": "timeout"}),
        "server_error": (200, {"code": 1000, "message": "unknown error"}),
        "invalid": (200, {"code": 2013, "message": "invalid params, {detail}"}),
        "invalid_effort": (400, {"code": 2013, "message": "invalid params, {detail}"}),
        "unknown_model": (200, {"code": 2013, "message": "invalid params, unknown model '{model}'"}),
        "too_long": (200, {"code": 1039, "message": "token limit exceeded: {tokens} > {limit}"}),
        "filtered": (422, {"code": 1026, "message": "input new_sensitive"}),
        "filtered_output": (422, {"code": 1027, "message": "output new_sensitive"}),
    }

    def refuse_more(self, ask: Ask) -> None:
        body, effort = ask.body, ask.body.get("reasoning_effort")
        if body.get("n") not in (None, 1):
            raise Refusal("invalid", detail="n must be 1")
        temperature = body.get("temperature")
        if temperature is not None and not 0 < temperature <= 1:
            raise Refusal("invalid", detail="temperature must be in (0, 1]")
        if ask.model.startswith(AUTO_ONLY) and body.get("tool_choice") not in (None, "auto"):
            raise Refusal("invalid", detail="tool_choice: only auto is supported by this model")
        if ask.model.startswith("MiniMax-M2") and effort not in (None, "low", "medium", "high"):
            raise Refusal("invalid_effort", detail="reasoning_effort must be low, medium or high")

    def thinks(self, ask: Ask) -> bool:
        return ask.model.startswith(ALWAYS_THINKS) or ask.body.get("reasoning_effort") != "none"

    def tool_style(self, call) -> str | None:
        return call.plan.tool_deltas or "object"

    def base(self, call, kind: str) -> dict:
        return {**super().base(call, kind), "input_sensitive": False, "output_sensitive": False,
                "base_resp": {"status_code": 0, "status_msg": ""}}

    def splits(self, call) -> bool:
        return call.ask.body.get("reasoning_split") is True

    def full_choice(self, call, at: int, answer) -> dict:
        choice = super().full_choice(call, at, answer)
        message = choice["message"]
        if answer.thinking and not self.splits(call):
            message.pop("reasoning_details")
            text = message.pop("reasoning_content")
            message["content"] = OPEN + text + CLOSE + (message["content"] or "")
        return choice

    def reasoning(self, text: str) -> dict:
        return {"reasoning_content": text, "reasoning_details": [
            {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1",
             "index": 0, "text": text}]}

    def deltas(self, call, answer):
        """Thinking: as tags in the content, or as snapshots that each hold all of it so far."""
        group = max(1, int(call.plan.tokens_per_event or 1))
        yield '{"role":"assistant","content":""}', 0, 0
        if answer.thinking and self.splits(call):
            so_far = ""
            for text, n in grouped(answer.thinking, group):
                so_far += text
                yield dump(self.reasoning(so_far)), n, n
        elif answer.thinking:
            yield dump({"content": OPEN}), 0, 0
            for text, n in grouped(answer.thinking, group):
                yield dump({"content": text}), n, n
            yield dump({"content": CLOSE}), 0, 0
        for text, n in grouped(answer.content or [], group):
            yield dump({"content": text}), n * answer.piece_tokens, 0
        yield from self.call_deltas(call, answer, group)

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"]},
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"]}}

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"id": self.id_of(call), "choices": None, "base_resp": {
            "status_code": fields["code"], "status_msg": fields["message"]}}


class MiniMaxIntl(MiniMax):
    """platform.minimax.io: keys of its own, prices in dollars, cache writes."""
    name = "minimax-intl"
    hosts = ("api.minimax.io",)
    siblings = ("minimax",)


VENDORS = (MiniMax(), MiniMaxIntl())
