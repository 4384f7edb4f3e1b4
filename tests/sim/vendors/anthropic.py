"""Claude on Anthropic's own Messages API: a language of its own, read strictly and answered in blocks."""
from __future__ import annotations

import json
import time
from decimal import Decimal

from engine.answer import Answer
from engine.ask import Ask, Refusal, wants_both

from .base import Vendor, dump, grouped

ALWAYS_THINKS = ("claude-opus-5-5", "claude-fable-5-1")
FIELDS = {"model", "messages", "max_tokens", "system", "stream", "stop_sequences", "temperature",
          "top_p", "top_k", "tools", "tool_choice", "thinking", "output_config", "metadata",
          "service_tier", "cache_control", "inference_geo", "speed", "container", "context_management"}
EFFORTS = ("low", "medium", "high", "xhigh", "max")
STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use",
         "content_filter": "refusal"}
SIGNATURE = "c2ltLXNpZ25hdHVyZQ=="
MOST_BODY = 32 * 1024 * 1024
NO_LIMITS = {"requests": (4000, 3999, 1.0), "tokens": (4_000_000, 3_999_000, 1.0)}


class Anthropic(Vendor):
    name = "anthropic"
    aliases = ("claude",)
    hosts = ("api.anthropic.com",)
    chat_paths = ("/v1/messages",)
    models_paths = ("/v1/models",)
    family = "claude"
    cache_min, cache_marks = 1024, "only"
    contexts = {"": 1_000_000, "claude-haiku-4-5": 200_000, "claude-haiku-5-5": 200_000}
    stream_type = "text/event-stream; charset=utf-8"
    usage_names = ("input_tokens", "output_tokens")
    error_event_name = "error"
    heartbeat = "event: ping\ndata: {\"type\": \"ping\"}"
    tells_retry_after = True
    limit_fields = ("max_tokens",)
    errors = {
        "no_key": (401, {"type": "authentication_error", "message": "x-api-key header is required"}),
        "bad_key": (401, {"type": "authentication_error", "message": "invalid x-api-key"}),
        "no_money": (402, {"type": "billing_error", "message": "Your credit balance is too low to access "
                           "the Anthropic API. Please go to Plans & Billing to upgrade or purchase "
                           "credits."}),
        # the monthly cap: 429 like any other, told apart by its details, and without retry-after
        "trial_used": (429, {"type": "rate_limit_error", "message": "This organization has reached its "
                             "monthly spend limit.",
                             "error_code": "enforced_spend_limit_reached"}),
        "spend_limit": (400, {"type": "invalid_request_error", "message": "You have reached your "
                              "specified API usage limits. You will regain access on 2026-12-01 at "
                              "00:00 UTC."}),
        "rate_limit": (429, {"type": "rate_limit_error", "message": "This request would exceed your "
                             "organization's rate limit of requests per minute."}),
        "rate_limit_tokens": (429, {"type": "rate_limit_error", "message": "This request would exceed "
                                    "your organization's rate limit of input tokens per minute."}),
        "overloaded": (529, {"type": "overloaded_error", "message": "Overloaded"}),
        "server_error": (500, {"type": "api_error", "message": "Internal server error"}),
        "timeout": (504, {"type": "timeout_error", "message": "Request timed out"}),
        "forbidden": (403, {"type": "permission_error", "message": "Your API key does not have permission "
                            "to use the specified resource."}),
        "too_large": (413, {"type": "request_too_large", "message": "Request exceeds the maximum size"}),
        "invalid": (400, {"type": "invalid_request_error", "message": "{detail}"}),
        "unknown_model": (404, {"type": "not_found_error", "message": "model: {model}"}),
        "too_long": (400, {"type": "invalid_request_error", "message": "prompt is too long: {tokens} "
                           "tokens > {limit} maximum"}),
        "filtered": (400, {"type": "invalid_request_error", "message": "Output blocked by content "
                           "filtering policy"}),
    }

    def read_key(self, request) -> str | None:
        """x-api-key; the newest SDK sends the same key as Bearer."""
        return request.headers.get("x-api-key") or super().read_key(request)

    # -- reading --------------------------------------------------------------------------------

    def read_ask(self, call) -> Ask:
        if len(call.request.body) > MOST_BODY:
            raise Refusal("too_large")
        try:
            body = json.loads(call.request.body)
        except (ValueError, RecursionError):
            raise Refusal("malformed", detail="The request body is not valid JSON") from None
        if "anthropic-version" not in call.request.headers:
            refuse("anthropic-version: header is required")
        if not isinstance(body, dict):
            refuse("Input should be an object")
        call.model = body.get("model") if isinstance(body.get("model"), str) else None
        check_fields(body)
        ask = Ask({**body, "tools": [], "messages": read_messages(body)})
        ask.tools = [tool_of(tool, at) for at, tool in enumerate(body.get("tools") or ())]
        ask.native = body
        if isinstance(body.get("cache_control"), dict):
            ask.messages[-1]["cache_control"] = body["cache_control"]
        return ask

    def refuse_model(self, ask: Ask) -> None:
        thinking = ask.native.get("thinking") or {}
        if thinking.get("type") == "disabled" and ask.model.startswith(ALWAYS_THINKS):
            refuse("thinking.type: `disabled` is not supported by this model")

    def refuse_more(self, ask: Ask) -> None:
        body = ask.native
        if not self.thinks(ask):
            return
        for name in ("temperature", "top_p", "top_k"):
            if body.get(name) not in (None, 1, 1.0):
                refuse("`%s` may only be set to its default when thinking is enabled or in adaptive "
                       "mode." % name)
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            refuse("Thinking may not be enabled when tool_choice forces tool use.")

    def thinks(self, ask: Ask) -> bool:
        if ask.model.startswith(ALWAYS_THINKS):
            return True
        return (ask.native.get("thinking") or {}).get("type") in ("enabled", "adaptive")

    def thinking_effort(self, ask: Ask) -> int:
        effort = (ask.native.get("output_config") or {}).get("effort")
        return super().thinking_effort(Ask({"reasoning_effort": effort}))

    def wants_call(self, ask: Ask) -> bool:
        return bool(ask.tools) and (ask.native.get("tool_choice") or {}).get("type") != "none" \
            and ask.last["role"] == "user"

    def calls(self, ask: Ask, chinese: bool) -> list:
        choice = ask.native.get("tool_choice") or {}
        if choice.get("type") == "tool":
            ask.body["tool_choice"] = {"function": {"name": choice.get("name")}}
        ask.body["parallel_tool_calls"] = not choice.get("disable_parallel_tool_use") \
            and wants_both(ask.last_user_text())
        return super().calls(ask, chinese)

    def call_id(self, ask: Ask, at: int) -> str:
        return "toolu_sim%02d%016x" % (at, len(ask.messages) * 7919 + at)

    def one_answer(self, ask: Ask, plan, thinks: bool) -> Answer:
        """By default the text of the thinking stays with the vendor: it is billed all the same."""
        wanted = (ask.native.get("output_config") or {}).get("format")
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
            ask.body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        answer = super().one_answer(ask, plan, thinks)
        shown = (ask.native.get("thinking") or {})
        if answer.thinking and ask.model.startswith(ALWAYS_THINKS) \
                and shown.get("display") != "summarized":
            answer.hidden_thinking, answer.thinking = len(answer.thinking), []
        return answer

    def least_cached(self, model: str) -> int:
        return 4096 if model.startswith("claude-haiku") else 1024

    def tier(self, ask: Ask) -> str:
        return "fast" if ask.native.get("speed") == "fast" else "standard"

    def adjust(self, call, row: dict):
        row, factor = super().adjust(call, row)
        only_us = call.ask.native.get("inference_geo") == "us"
        return row, factor * (Decimal("1.1") if only_us else 1)

    # -- spelling -------------------------------------------------------------------------------

    def headers(self, call) -> list:
        out = [("request-id", "req_sim%012x" % call.number), ("anthropic-organization-id", "org-sim")]
        for kind, usual in NO_LIMITS.items():
            most, left, reset_s = call.standing.row(kind, usual) if call.standing else usual
            if kind == "tokens":
                left -= left % 1000         # rounded
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(call.wall + reset_s + 0.999))
            for name in ("tokens", "input-tokens", "output-tokens") if kind == "tokens" else (kind,):
                out += [("anthropic-ratelimit-%s-limit" % name, str(most)),
                        ("anthropic-ratelimit-%s-remaining" % name, str(left)),
                        ("anthropic-ratelimit-%s-reset" % name, at)]
        return out

    def usage(self, call, truth: dict) -> dict:
        """input_tokens leaves out what the cache took or gave."""
        told = {"input_tokens": truth["prompt"] - truth["cached"] - truth["write"],
                "cache_creation_input_tokens": truth["write"],
                "cache_read_input_tokens": truth["cached"],
                "cache_creation": {"ephemeral_5m_input_tokens": truth["write"] - truth["write_1h"],
                                   "ephemeral_1h_input_tokens": truth["write_1h"]},
                "output_tokens": truth["completion"],
                "output_tokens_details": {"thinking_tokens": truth["thinking"]},
                "service_tier": "standard"}
        if call.tier == "fast":
            told["speed"] = "fast"
        return told

    def base(self, call, kind: str) -> dict:
        told = call.plan.what
        number = told["id_told"] if "id_told" in told else "msg_sim%012x" % call.number
        return {"id": number, "type": "message", "role": "assistant", "model": self.model_of(call)}

    def stop_of(self, call) -> str | None:
        if call.plan.no_finish or call.plan.done_without_finish:
            return None
        finish = call.answers[0].finish
        return STOPS.get(finish, finish)

    def full(self, call) -> bytes:
        answer, content = call.answers[0], []
        if answer.thinking or answer.hidden_thinking:
            content.append({"type": "thinking", "thinking": "".join(answer.thinking),
                            "signature": SIGNATURE})
        if answer.content:
            content.append({"type": "text", "text": "".join(answer.content)})
        for number, name, pieces in answer.calls:
            content.append({"type": "tool_use", "id": number, "name": name,
                            "input": json.loads("".join(pieces))})
        body = {**self.base(call, ""), "content": content, "stop_reason": self.stop_of(call),
                "stop_sequence": None}
        if call.told is not None:
            body["usage"] = call.told
        return dump(body).encode()

    def events(self, call):
        answer, plan = call.answers[0], call.plan
        told = call.told = self.told_usage(call)
        message = {**self.base(call, ""), "content": [], "stop_reason": None, "stop_sequence": None}
        if told is not None and plan.usage != "late":
            message["usage"] = {**told, "output_tokens": min(1, told.get("output_tokens", 1))
                                if isinstance(told.get("output_tokens", 1), int) else "1"}
        yield event("message_start", message=message)
        yield event("ping")
        at, group = 0, max(1, int(plan.tokens_per_event or 1))
        if answer.thinking or answer.hidden_thinking:
            yield event("content_block_start", index=at, content_block={
                "type": "thinking", "thinking": "", "signature": ""})
            for text, n in grouped(answer.thinking, group):
                yield event("content_block_delta", n, n, index=at,
                            delta={"type": "thinking_delta", "thinking": text})
            hidden = answer.hidden_thinking
            yield event("content_block_delta", hidden, hidden, index=at,
                        delta={"type": "signature_delta", "signature": SIGNATURE})
            yield event("content_block_stop", index=at)
            at += 1
        if answer.content:
            yield event("content_block_start", index=at, content_block={"type": "text", "text": ""})
            for text, n in grouped(answer.content, group):
                yield event("content_block_delta", n * answer.piece_tokens, index=at,
                            delta={"type": "text_delta", "text": text})
            yield event("content_block_stop", index=at)
            at += 1
        for number, name, pieces in answer.calls:
            yield event("content_block_start", 6, index=at, content_block={
                "type": "tool_use", "id": number, "name": name, "input": {}})
            yield event("content_block_delta", index=at,
                        delta={"type": "input_json_delta", "partial_json": ""})
            for text, n in grouped(pieces, group):
                yield event("content_block_delta", n, index=at,
                            delta={"type": "input_json_delta", "partial_json": text})
            yield event("content_block_stop", index=at)
            at += 1
        yield from self.last_events(call)

    def last_events(self, call):
        plan, told = call.plan, call.told
        if plan.usage == "late":
            yield "wait", plan.get("late_ms", 1000), 0, 0
        delta = {"stop_reason": self.stop_of(call), "stop_sequence": None}
        output = {} if told is None else {"usage": {k: v for k, v in told.items()
                                                    if k.startswith("output_tokens")}}
        if plan.usage == "late":
            output = {"usage": told}
        if plan.usage == "twice":
            yield event("message_delta", delta={"stop_reason": None, "stop_sequence": None}, **output)
        if not plan.no_finish:
            yield event("message_delta", delta=delta, **output)
        if not plan.no_done:
            yield event("message_stop")

    def shape_error(self, call, status: int, fields: dict) -> dict:
        error = {"type": fields["type"], "message": fields["message"]}
        if "error_code" in fields:
            error["details"] = {"error_code": fields["error_code"]}
        return {"type": "error", "error": error, "request_id": "req_sim%012x" % call.number}


def event(kind: str, tokens: int = 0, thinking: int = 0, **fields) -> tuple:
    return kind, dump({"type": kind, **fields}), tokens, thinking


def refuse(text: str) -> None:
    raise Refusal("invalid", detail=text)


def check_fields(body: dict) -> None:
    for name in body:
        if name not in FIELDS:
            refuse("%s: Extra inputs are not permitted" % name)
    for name in ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            refuse("%s: Field required" % name)
    most = body["max_tokens"]
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        refuse("max_tokens: Input should be greater than or equal to 1")
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        refuse("temperature: range: 0..1")
    stops = body.get("stop_sequences")
    if stops is not None and not (isinstance(stops, list) and all(isinstance(s, str) for s in stops)):
        refuse("stop_sequences: Input should be a valid list")
    choice = body.get("tool_choice")
    if choice is not None and (not isinstance(choice, dict)
                               or choice.get("type") not in ("auto", "any", "tool", "none")):
        refuse("tool_choice: Input should be an object whose type is auto, any, tool or none")
    if choice is not None and not body.get("tools"):
        refuse("tool_choice may only be specified while providing `tools`.")
    check_thinking(body.get("thinking"), most)
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in EFFORTS:
        refuse("output_config.effort: Input should be one of %s" % (EFFORTS,))


def check_thinking(thinking, most: int) -> None:
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("adaptive", "enabled", "disabled"):
        refuse("thinking.type: Input should be 'adaptive', 'enabled' or 'disabled'")
    budget = thinking.get("budget_tokens")
    if kind == "enabled":
        if not isinstance(budget, int) or budget < 1024:
            refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= most:
            refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")


def tool_of(tool, at: int) -> dict:
    """A tool in OpenAI's form; the original is refused if it is not in Anthropic's."""
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        refuse("tools.%d.custom.name: Field required" % at)
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        refuse("tools.%d.custom.input_schema: Field required" % at)
    if schema.get("type") != "object":
        refuse("tools.%d.custom.input_schema.type: Input should be 'object'" % at)
    out = {"type": "function", "function": {"name": tool["name"], "parameters": schema,
                                            "description": tool.get("description", "")}}
    if "cache_control" in tool:
        out["cache_control"] = tool["cache_control"]
    return out


def read_messages(body: dict) -> list:
    """The conversation in OpenAI's form; the rules of Anthropic's are checked on the way."""
    out, before, open_calls = [], None, []
    system = body.get("system")
    if system is not None:
        out.append({"role": "system", "content": text_blocks(system, "system")})
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        refuse("messages: at least one message is required")
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "system":
            refuse("messages: Unexpected role \"system\". The Messages API accepts a top-level `system` "
                   "parameter, not \"system\" as an input message role.")
        if role not in ("user", "assistant"):
            refuse("messages.%d.role: Input should be 'user' or 'assistant'" % at)
        if at == 0 and role != "user":
            refuse("messages: first message must use the \"user\" role")
        if role == before:
            refuse("messages: roles must alternate between \"user\" and \"assistant\", but found "
                   "multiple \"%s\" roles in a row" % role)
        before = role
        open_calls = read_message(message, role, at, out, open_calls)
    if open_calls and before == "assistant":
        refuse("messages: the last turn ends in `tool_use` without `tool_result`")
    return out


def read_message(message: dict, role: str, at: int, out: list, open_calls: list) -> list:
    """Appends the message; returns the ids of the calls that now wait for their results."""
    content = message.get("content")
    if isinstance(content, str):
        if not content:
            refuse("messages.%d: content: text must be non-empty" % at)
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        refuse("messages.%d.content: Input should be a non-empty string or list" % at)
    results = [b.get("tool_use_id") for b in content
               if isinstance(b, dict) and b.get("type") == "tool_result"]
    missing = [i for i in open_calls if i not in results]
    if missing:
        refuse("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: "
               "%s." % (at - 1, ", ".join(missing)))
    for number in results:
        if number not in open_calls:
            refuse("messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s."
                   % (at, number))
    parts, calls = [], []
    for index, block in enumerate(content):
        read_block(block, role, "messages.%d.content.%d" % (at, index), out, parts, calls)
    if parts or calls:
        out.append({"role": role, "content": parts,
                    **({"tool_calls": [c for c, _ in calls]} if calls else {})})
    return [number for _, number in calls]


def read_block(block, role: str, loc: str, out: list, parts: list, calls: list) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    mark = {"cache_control": block["cache_control"]} if kind and "cache_control" in block else {}
    if kind == "text":
        if not isinstance(block.get("text"), str) or not block["text"]:
            refuse(loc + ": text content blocks must be non-empty")
        parts.append({"type": "text", "text": block["text"], **mark})
    elif kind == "image" and role == "user":
        source = block.get("source") or {}
        if not (source.get("type") == "url" and source.get("url")
                or source.get("type") == "base64" and source.get("data") and source.get("media_type")):
            refuse(loc + ".image.source: Field required")
        parts.append({"type": "image_url", "image_url": {}, **mark})
    elif kind == "tool_result" and role == "user":
        if parts:
            refuse(loc + ": tool_result blocks must come first in the content")
        content = block.get("content", "")
        out.append({"role": "tool", "tool_call_id": block.get("tool_use_id"), **mark,
                    "content": content if isinstance(content, str) else text_blocks(content, loc)})
    elif kind == "tool_use" and role == "assistant":
        if not isinstance(block.get("input"), dict) or not block.get("id") or not block.get("name"):
            refuse(loc + ".tool_use.input: Input should be a valid dictionary")
        calls.append(({"id": block["id"], "function": {"name": block["name"],
                                                       "arguments": dump(block["input"])}},
                      block["id"]))
    elif kind in ("thinking", "redacted_thinking") and role == "assistant":
        if kind == "thinking" and block.get("signature") != SIGNATURE:
            refuse(loc + ".signature: Invalid `signature` in `thinking` block")
    else:
        refuse(loc + ".type: Input tag '%s' is not expected here" % kind)


def text_blocks(content, loc: str) -> list:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        refuse(loc + ": Input should be a valid string or list")
    parts: list = []
    for at, block in enumerate(content):
        if loc == "system" and (not isinstance(block, dict) or block.get("type") != "text"):
            refuse("system.%d.type: Input should be 'text'" % at)
        read_block(block, "user", "%s.%d" % (loc, at), [], parts, [])
    return parts


VENDOR = Anthropic()
