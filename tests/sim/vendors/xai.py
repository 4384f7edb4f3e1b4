"""xAI: 400 for a wrong key, errors of two texts, thinking beside completion_tokens, ticks of a dollar."""
from __future__ import annotations

from decimal import Decimal

from engine.ask import Ask, Refusal

from .base import Vendor

NO_STOP = ("grok-4", "grok-3-mini", "grok-code-fast")
NO_PENALTIES = ("grok-4",)
NO_EFFORT = ("-reasoning", "grok-build", "grok-code-fast")
EFFORTS = ("minimal", "low", "medium", "high", "xhigh")
TICKS = Decimal(10) ** 10


class Xai(Vendor):
    name = "xai"
    aliases = ("grok", "x-ai")
    hosts = ("api.x.ai",)
    chat_paths = ("/v1/chat/completions",)
    models_paths = ("/v1/models",)
    family = "grok"
    cache_min, cache_unit = 1024, 64
    contexts = {"": 500_000, "grok-4.3": 1_000_000, "grok-build-0.1": 256_000}
    no_vision = ("grok-build",)
    id_prefix = ""
    fingerprint = "fp_sim_xai"
    usage_in_stream = "last"
    limit_fields = ("max_tokens",)          # max_completion_tokens is ignored
    tool_arguments_whole = True
    errors = {
        "no_key": (401, {"code": "Unauthenticated: no authentication credentials",
                         "error": "No API key was provided in the Authorization header."}),
        "bad_key": (400, {"code": "Client specified an invalid argument",
                          "error": "Incorrect API key provided: {key}. You can obtain an API key from "
                          "https://console.x.ai."}),
        "no_money": (403, {"code": "The caller does not have permission to execute the specified "
                           "operation", "error": "Your team has run out of credits or reached its "
                           "monthly spending limit."}),
        "rate_limit": (429, {"code": "Some resource has been exhausted",
                             "error": "Too many requests for team sim and model {model}."}),
        "overloaded": (503, {"code": "The service is currently unavailable",
                             "error": "The model is at capacity. Please try again later."}),
        "server_error": (500, {"code": "Internal error", "error": "Internal error"}),
        "malformed": (400, {"code": "Client specified an invalid argument",
                            "error": "Failed to parse the request body as JSON: {detail}"}),
        "invalid": (400, {"code": "Client specified an invalid argument", "error": "{detail}"}),
        "unknown_model": (404, {"code": "Some requested entity was not found",
                                "error": "The model {model} does not exist or your team does not have "
                                "access to it."}),
        "too_long": (400, {"code": "Client specified an invalid argument",
                           "error": "This model's maximum prompt length is {limit} but the request "
                           "contains {tokens} tokens."}),
        "filtered": (403, {"code": "The caller does not have permission to execute the specified "
                           "operation", "error": "Content violates usage guidelines."}),
    }

    def refuse_more(self, ask: Ask) -> None:
        body, model = ask.body, ask.model
        if body.get("stop") is not None and model.startswith(NO_STOP):
            raise Refusal("invalid", detail="Argument not supported on this model: stop")
        for name in ("presence_penalty", "frequency_penalty"):
            if body.get(name) is not None and model.startswith(NO_PENALTIES):
                raise Refusal("invalid", detail="Argument not supported on this model: " + name)
        effort = body.get("reasoning_effort")
        if effort is not None and (any(word in model for word in NO_EFFORT) or effort not in EFFORTS):
            raise Refusal("invalid", detail="Model %s does not support parameter reasoningEffort: %s"
                          % (model, effort))
        for at, message in enumerate(ask.messages):
            if "name" in message:
                raise Refusal("invalid", detail="messages[%d]: unknown field `name`" % at)
        for tool in ask.tools:
            schema = (tool.get("function") or {}).get("parameters") if isinstance(tool, dict) else None
            if isinstance(schema, dict) and ("anyOf" in schema or "oneOf" in schema):
                raise Refusal("invalid", detail="Invalid function parameters: the root must be of type "
                              "object, without anyOf or oneOf")

    def thinks(self, ask: Ask) -> bool:
        return "non-reasoning" not in ask.model

    def one_answer(self, ask: Ask, plan, thinks: bool):
        answer = super().one_answer(ask, plan, thinks)
        if answer.calls and not plan.finish_reason:
            answer.finish = ""
        return answer

    def usage(self, call, truth: dict) -> dict:
        """completion_tokens leaves the thinking out; total_tokens does not."""
        amount, _ = call.price(truth)
        return {"prompt_tokens": truth["prompt"],
                "completion_tokens": truth["completion"] - truth["thinking"],
                "total_tokens": truth["prompt"] + truth["completion"],
                "prompt_tokens_details": {"text_tokens": truth["prompt"], "audio_tokens": 0,
                                          "image_tokens": 0, "cached_tokens": truth["cached"]},
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"],
                                              "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                              "rejected_prediction_tokens": 0},
                "num_sources_used": 0, "cost_in_usd_ticks": round(amount * TICKS)}

    def events(self, call):
        """Every chunk tells the usage so far; the last one tells all of it."""
        tells = call.plan.usage is None
        for kind, data, tokens, thinking in super().events(call):
            if tells and not kind and data.startswith("{") and '"usage"' not in data:
                so_far = {**call.usage, "completion": call.sent_tokens + tokens,
                          "thinking": call.sent_thinking + thinking}
                data = data[:-1] + self.usage_tail(self.usage(call, so_far)) + "}"
            yield kind, data, tokens, thinking

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"code": fields["code"], "error": fields.get("message", fields["error"])}


VENDOR = Xai()
