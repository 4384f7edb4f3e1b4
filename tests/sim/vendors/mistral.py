"""Mistral: unknown and null fields are 422, tool ids of nine signs, content as parts, three error shapes."""
from __future__ import annotations

import json
import re

from engine.ask import Ask, Refusal, content_text

from .base import Vendor, dump, grouped

FIELDS = {"model", "messages", "stream", "temperature", "top_p", "max_tokens", "stop", "random_seed",
          "response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n",
          "prediction", "parallel_tool_calls", "safe_prompt", "prompt_mode", "reasoning_effort",
          "metadata", "guardrails", "prompt_cache_key"}
MESSAGE_FIELDS = {"system": {"role", "content"}, "user": {"role", "content"},
                  "assistant": {"role", "content", "tool_calls", "prefix"},
                  "tool": {"role", "content", "tool_call_id", "name"}}
CHOICES = ("auto", "none", "any", "required")
EFFORT_MODELS = ("mistral-medium-3.5", "mistral-medium-2604", "mistral-medium-latest",
                 "mistral-small-4", "mistral-small-2603", "mistral-small-latest")
PARTS = EFFORT_MODELS[:3]               # these send every delta as an array of parts
TOOL_ID = re.compile(r"^[A-Za-z0-9]{9}$")
ALWAYS_THINKS = ("magistral",)


class Mistral(Vendor):
    name = "mistral"
    aliases = ("mistralai",)
    hosts = ("api.mistral.ai",)
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "mistral"
    cancel_stops_billing = False
    cache_min, cache_unit = 1024, 64
    contexts = {"": 262_144, "magistral-medium-latest": 128_000, "magistral-small": 128_000}
    no_vision = ("codestral", "devstral", "magistral", "ministral", "zai-")
    id_prefix = ""
    usage_in_stream = "last"
    limit_fields = ("max_tokens",)
    tool_arguments_whole = True
    errors = {
        "no_key": (401, {"detail": "Unauthorized"}),
        "bad_key": (401, {"message": "Unauthorized"}),
        "no_money": (402, {"message": "Payment required: check your billing"}),
        "rate_limit": (429, {"message": "Requests rate limit exceeded", "type": "rate_limited",
                             "code": "1300"}),
        "rate_limit_tokens": (429, {"message": "Tokens rate limit exceeded"}),
        "overloaded": (503, {"message": "Service tier capacity exceeded for this model.",
                             "type": "service_tier_capacity_exceeded", "code": "3505"}),
        "server_error": (500, {"message": "Service unavailable.", "type": "internal_server_error",
                               "code": "1000"}),
        "malformed": (422, {"detail": "{detail}"}),
        "invalid": (400, {"message": "{detail}", "type": "invalid_request_error", "code": "1400"}),
        "order": (400, {"message": "{detail}", "type": "invalid_request_message_order",
                        "code": "3230"}),
        "tool_id": (400, {"message": "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of "
                          "9.", "type": "invalid_function_call", "code": "3280"}),
        "body": (422, {"detail": "see items"}),
        "unknown_model": (400, {"message": "Invalid model: {model}", "type": "invalid_model",
                                "code": "1500"}),
        "too_long": (400, {"message": "Prompt contains {tokens} tokens and exceeds the model's maximum "
                           "context length of {limit}", "type": "invalid_request_prompt",
                           "code": "3051"}),
        "filtered": (403, {"message": "The request was blocked by moderation", "type":
                           "moderation_blocked", "code": "1700"}),
    }

    # -- refusing -------------------------------------------------------------------------------

    def read_ask(self, call) -> Ask:
        ask = Ask.read(call.request.body)
        items = list(faults(ask.body))
        if items:
            raise Refusal("body", items=items)
        if ask.body.get("tool_choice") == "any":
            ask.body["tool_choice"] = "required"
        return ask

    def refuse_more(self, ask: Ask) -> None:
        for message in ask.messages:
            ids = [c.get("id") for c in message.get("tool_calls") or () if isinstance(c, dict)]
            for number in ids + ([message["tool_call_id"]] if "tool_call_id" in message else []):
                if not isinstance(number, str) or not TOOL_ID.match(number):
                    raise Refusal("tool_id", id=number)
        roles = [m["role"] for m in ask.messages]
        for before, role in zip(roles, roles[1:]):
            if (before, role) == ("tool", "user"):
                raise Refusal("order", detail="Unexpected role 'user' after role 'tool'")
        if roles[-1] == "assistant" and not ask.last.get("prefix"):
            raise Refusal("order", detail="Expected last role User or Tool (or Assistant with prefix "
                          "True) for serving but got assistant")
        if ask.body.get("reasoning_effort") is not None and ask.model not in EFFORT_MODELS:
            raise Refusal("invalid", detail="reasoning_effort is not supported by this model")

    def thinks(self, ask: Ask) -> bool:
        if ask.model.startswith(ALWAYS_THINKS):
            return True
        return ask.model in EFFORT_MODELS and ask.body.get("reasoning_effort") not in (None, "none")

    # -- spelling -------------------------------------------------------------------------------

    def call_id(self, ask: Ask, at: int) -> str:
        return "sim%06d" % (len(ask.messages) * 100 + at)

    def id_of(self, call):
        return call.plan.what.get("id_told", "%032x" % call.number)

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"]}}

    def full_choice(self, call, at: int, answer) -> dict:
        choice = super().full_choice(call, at, answer)
        thinking = choice["message"].pop("reasoning_content", None)
        if thinking:
            text = choice["message"]["content"]
            choice["message"]["content"] = [thinking_part(thinking)] + (
                [{"type": "text", "text": text}] if text else [])
        elif choice["message"]["content"] is None:
            choice["message"]["content"] = ""
        choice.pop("logprobs")
        return choice

    def choice_more(self, call) -> str:
        return ""

    def deltas(self, call, answer):
        """Thinking comes as a part of its own, and from some models the text does too."""
        group = max(1, int(call.plan.tokens_per_event or 1))
        yield '{"role":"assistant","content":""}', answer.hidden_thinking, answer.hidden_thinking
        for text, n in grouped(answer.thinking, group):
            yield dump({"content": [thinking_part(text)]}), n, n
        for text, n in grouped(answer.content or [], group):
            content = [{"type": "text", "text": text}] if call.model in PARTS else text
            yield dump({"content": content}), n * answer.piece_tokens, 0
        yield from self.call_deltas(call, answer, group)

    def last_delta(self) -> str:
        return '{"content":""}'

    def error(self, call, error_class: str, fill: dict):
        items = fill.pop("items", None)
        status, fields = self.error_fields(call, error_class, fill)
        if items:
            body = {"detail": items}
        elif "detail" in fields:
            body = {"detail": fields.get("message", fields["detail"])}
        elif "type" not in fields:
            body = {"message": fields["message"], "request_id": "sim%013x" % call.number}
        else:
            body = self.shape_error(call, status, fields)
        return status, dump(body).encode(), self.headers(call)

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"object": "error", "message": fields["message"], "type": fields.get("type"),
                "param": fields.get("param"), "code": fields.get("code")}


def thinking_part(text: str) -> dict:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def faults(body: dict):
    """What a strict reader finds wrong: [{type, loc, msg, input}]"""
    yield from field_faults(body, FIELDS, ["body"])
    for name, most in (("temperature", 1), ("top_p", 1)):
        value = body.get(name)
        if isinstance(value, (int, float)) and not 0 <= value <= most:
            yield fault("less_than_equal" if value > most else "greater_than_equal", ["body", name],
                        "Input should be between 0 and %d" % most, value)
    choice = body.get("tool_choice")
    if isinstance(choice, str) and choice not in CHOICES:
        yield fault("enum", ["body", "tool_choice"], "Input should be 'auto', 'none', 'any' or "
                    "'required'", choice)
    for at, message in enumerate(body["messages"]):
        loc = ["body", "messages", at]
        known = MESSAGE_FIELDS.get(message["role"])
        if known is None:
            yield fault("union_tag_invalid", loc, "Input tag '%s' found using 'role' does not match any "
                        "of the expected tags: 'assistant', 'system', 'tool', 'user'" % message["role"],
                        message["role"])
            continue
        for item in field_faults(message, known, loc + [message["role"]]):
            if not (item["loc"][-1] == "content" and message.get("tool_calls")):
                yield item
        if message["role"] == "assistant" and not message.get("tool_calls") \
                and not content_text(message.get("content")):
            yield fault("value_error", loc, "Assistant message must have either content or tool_calls",
                        json.dumps(message.get("content")))


def field_faults(thing: dict, known: set, loc: list):
    for name, value in thing.items():
        if name not in known:
            yield fault("extra_forbidden", loc + [name], "Extra inputs are not permitted", value)
        elif value is None:
            yield fault("extra_forbidden", loc + [name], "Null is not permitted", None)


def fault(kind: str, loc: list, text: str, value) -> dict:
    return {"type": kind, "loc": loc, "msg": text, "input": value}


VENDOR = Mistral()
