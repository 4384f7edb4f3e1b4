"""base.py - a vendor that speaks OpenAI's chat completions, with a switch for each known deviation.

A vendor's file sets the switches, fills the table of errors, and overrides what no switch covers.
A vendor with a language of its own (Anthropic, Gemini) overrides routes, read_key, full, events,
error and told_usage; orders, pace, framing and bills stay the machinery's.
"""
from __future__ import annotations

import json
import math
from decimal import Decimal

from engine.answer import (DIRECTIVE, Answer, fit, pieces_of, text_pieces,
                           thought_pieces)
from engine.ask import Ask, Refusal, content_text, in_chinese, wants_both
from engine.bills import account_of

from .spelling import FALLBACK, dump, grouped, leak, mask, switched        # noqa: F401

DEFAULT_TOKENS = 40
EFFORTS = {"minimal": 4, "low": 6, "medium": 12, "high": 24, "xhigh": 48, "max": 48, "ultra": 64}
DEFAULT_THINKING = 12
EVENT_BYTES = 4096
ROLES = ("system", "user", "assistant", "tool")


class Vendor:
    name = ""
    aliases: tuple = ()
    hosts: tuple = ()                   # real hosts, for conf_for_sim.py
    chat_paths: tuple = ()
    models_paths: tuple = ()
    family = "openai"                   # tokenizer
    cancel_stops_billing = True
    errors_are_free = False             # an answer that ends in an error is not billed
    cache_min, cache_unit, cache_writes = 1024, 128, False
    cache_marks = "no"                  # no | too (beside the automatic one) | only: cache_control
    siblings: tuple = ()                # accounts at other platforms of the company: their keys are bad
    contexts: dict = {}                 # model -> tokens; "" is the default
    no_vision: tuple = ()               # beginnings of names of models that take no images
    needs_key = True

    # spelling of answers
    id_prefix = "chatcmpl-"
    call_prefix = "call_"
    json_type = "application/json"
    stream_type = "text/event-stream"
    data_space = True
    line_end = "lf"
    ascii_only = False                  # \\u escapes instead of UTF-8
    blank_lines = 0                     # before a non-stream JSON body
    opening_comment = None
    heartbeat = ": keep-alive"
    empty_first = False                 # a first chunk with choices []
    usage_in_stream = "asked"           # asked | last (on the finish chunk) | own (always)
    usage_null = False                  # "usage": null on the chunks before
    reasoning_field: str | None = "reasoning_content"
    tool_arguments_whole = False
    fingerprint = None
    usage_names: tuple = ("prompt_tokens", "completion_tokens", "total_tokens")
    error_event_name: str | None = None
    error_event_end: str | None = None  # what follows an error event in a stream
    tells_retry_after = False           # when a limit of an order is exceeded

    # what is accepted
    limit_fields = ("max_completion_tokens", "max_tokens")
    roles = ROLES
    json_schema = "yes"                 # yes | object (treated as json_object) | refused
    one_system = False                  # a second system message is refused
    no_store = False                    # `store` is refused
    parallel_switch = True              # parallel_tool_calls: false is obeyed
    text_only_flat: tuple = ()          # beginnings of models that take no arrays as content

    errors: dict = {}

    # -- doors ----------------------------------------------------------------------------------

    def route(self, method: str, path: str) -> str | None:
        if path in self.chat_paths:
            return "chat" if method == "POST" else "method"
        return "models" if path in self.models_paths and method == "GET" else None

    def read_ask(self, call) -> Ask:
        """The request in OpenAI's language; raises Refusal. A vendor of another language translates."""
        return Ask.read(call.request.body)

    def priced_as(self, call) -> str:
        return call.ask.model

    def read_key(self, request) -> str | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" and key.strip() else None

    def judge_key(self, key: str | None) -> str | None:
        if key is None:
            return "no_key" if self.needs_key else None
        if key.startswith("sim-broke"):
            return "no_money"
        if key.startswith("sim-trial"):
            return "trial_used"
        if account_of(key) in self.siblings:
            return "bad_key"
        return None if key.startswith("sim-") and not key.startswith("sim-bad") else "bad_key"

    # -- refusing -------------------------------------------------------------------------------

    def refuse(self, ask: Ask) -> None:
        """Raises Refusal for what this vendor does not take."""
        for at, message in enumerate(ask.messages):
            if message["role"] not in self.roles:
                raise Refusal("bad_role", role=message["role"], at=at,
                              detail="messages[%d].role: unknown variant `%s`, expected one of %s"
                              % (at, message["role"], ", ".join("`%s`" % r for r in self.roles)))
            if isinstance(message.get("content"), list) \
                    and ask.model.startswith(self.text_only_flat or ("\0",)):
                raise Refusal("invalid", param="messages", detail="messages[%d].content: invalid type: "
                              "sequence, expected a string" % at)
        if self.one_system and sum(m["role"] == "system" for m in ask.messages) > 1:
            raise Refusal("invalid", param="messages", detail="only one system message is allowed")
        self.refuse_model(ask)
        self.refuse_format(ask)
        if ask.has_images() and not self.sees(ask.model):
            raise Refusal("invalid", detail="this model does not support image input",
                          param="messages")
        self.refuse_more(ask)

    def sees(self, model: str) -> bool:
        return not model.startswith(self.no_vision or ("\0",))

    def refuse_model(self, ask: Ask) -> None:
        pass                                    # the price table knows the models

    def refuse_format(self, ask: Ask) -> None:
        wanted = ask.body.get("response_format")
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema" \
                and self.json_schema == "refused":
            raise Refusal("invalid", detail="This response_format type is unavailable now",
                          param="response_format")

    def refuse_more(self, ask: Ask) -> None:
        pass

    def text_of(self, message: dict) -> str:
        return content_text(message.get("content"))

    def least_cached(self, model: str) -> int:
        return self.cache_min

    def tier(self, ask: Ask) -> str | None:
        return None

    def adjust(self, call, row: dict) -> tuple[dict, Decimal]:
        """The row as it is billed, and the factor of the service tier."""
        return row, Decimal(call.entry.get("service_tiers", {}).get(call.tier, 1))

    def context_of(self, model: str) -> int:
        return self.contexts.get(model, self.contexts.get("", 1_000_000))

    # -- answering ------------------------------------------------------------------------------

    def thinks(self, ask: Ask) -> bool:
        return False

    def thinking_effort(self, ask: Ask) -> int:
        return EFFORTS.get(str(ask.body.get("reasoning_effort")), DEFAULT_THINKING)

    def limit_of(self, ask: Ask) -> int | None:
        for field in self.limit_fields:
            value = ask.body.get(field)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
        return None

    def choices_of(self, ask: Ask) -> int:
        n = ask.body.get("n")
        return n if isinstance(n, int) and 1 <= n <= 128 else 1

    def answer(self, ask: Ask, plan, thinks: bool) -> list[Answer]:
        one = self.one_answer(ask, plan, thinks)
        return [one] * self.choices_of(ask)

    def one_answer(self, ask: Ask, plan, thinks: bool) -> Answer:
        answer, chinese = Answer(), in_chinese(ask)
        if thinks:
            tokens = int(plan.get("thinking_tokens", self.thinking_effort(ask)))
            if self.reasoning_field is None:
                answer.hidden_thinking = tokens
            else:
                answer.thinking = thought_pieces(chinese, tokens)
        if self.wants_call(ask) and plan.text is None and plan.big is None:
            answer.calls = self.calls(ask, chinese)
            answer.finish = "tool_calls"
            if plan.leak:
                leak(answer, plan.leak)
        else:
            self.say(answer, ask, plan, chinese)
        self.shorten(answer, self.limit_of(ask))
        if plan.finish_reason:
            answer.finish = plan.finish_reason
        return answer

    def wants_call(self, ask: Ask) -> bool:
        return bool(ask.tools) and ask.body.get("tool_choice") != "none" \
            and ask.last["role"] == "user"

    def calls(self, ask: Ask, chinese: bool) -> list:
        functions = [t["function"] for t in ask.tools
                     if isinstance(t, dict) and isinstance(t.get("function"), dict)]
        choice = ask.body.get("tool_choice")
        if isinstance(choice, dict):
            named = (choice.get("function") or {}).get("name")
            functions = [f for f in functions if f.get("name") == named] or functions
        both = (wants_both(ask.last_user_text())
                and (ask.body.get("parallel_tool_calls") is not False or not self.parallel_switch))
        chosen = (functions[:2] if len(functions) > 1 else functions * 2) if both else functions[:1]
        return [(self.call_id(ask, at), str(f.get("name")), pieces_of(dump(
            fit(f.get("parameters") or {"type": "object"}, "", at, chinese))))
            for at, f in enumerate(chosen)]

    def call_id(self, ask: Ask, at: int) -> str:
        return "%s%02d_%024x" % (self.call_prefix, at, len(ask.messages) * 7919 + at)

    def say(self, answer: Answer, ask: Ask, plan, chinese: bool) -> None:
        wanted = ask.body.get("response_format")
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if plan.text is not None:
            answer.content = pieces_of(plan.text)
        elif plan.big is not None:
            size = int(plan.get("event_bytes", EVENT_BYTES))
            text = "0123456789abcdef" * (size // 16 + 1)
            whole, rest = divmod(int(plan.big), size)
            answer.content = [text[:size]] * whole + ([text[:rest]] if rest else [])
            answer.piece_tokens = max(1, size // 4)
        elif kind == "json_schema" and self.json_schema == "yes":
            schema = (wanted.get("json_schema") or {}).get("schema")
            answer.content = pieces_of(json.dumps(fit(schema, "", 0, chinese), ensure_ascii=False))
        elif kind in ("json_schema", "json_object"):
            answer.content = pieces_of(dump({"answer": "示例" if chinese else "example", "ok": True}))
        else:
            asked = DIRECTIVE.search(ask.last_user_text())
            tokens = int(asked.group(1)) if asked else DEFAULT_TOKENS
            answer.content = text_pieces(chinese, int(plan.get("tokens", tokens)))

    def shorten(self, answer: Answer, limit: int | None) -> None:
        if limit is None or answer.tokens() <= limit:
            return
        answer.finish = "length"
        if answer.hidden_thinking:
            answer.hidden_thinking = min(answer.hidden_thinking, limit)
        answer.thinking = answer.thinking[:limit]
        left = limit - answer.thinking_tokens()
        answer.content = (answer.content or [])[:left // answer.piece_tokens] or None
        answer.calls = []

    # -- spelling: whole answers ----------------------------------------------------------------

    def headers(self, call) -> list[tuple[str, str]]:
        return [("x-request-id", "req-%012x" % call.number)]

    def retry_headers(self, seconds: float) -> list[tuple[str, str]]:
        return [("retry-after", str(max(1, math.ceil(seconds))))]

    def told_usage(self, call) -> dict | None:
        """What the vendor says it counted, by the orders: the truth, nothing, or nonsense."""
        order, truth = call.plan.usage, call.usage
        if order == "missing":
            return None
        if isinstance(order, dict):
            return order
        if order == "zero":
            truth = dict.fromkeys(truth, 0)
        told = self.usage(call, truth)
        if order == "absurd":
            told.update(zip(self.usage_names, (10 ** 15, 10 ** 18, 10 ** 18)))
        elif order == "negative":
            told.update(zip(self.usage_names, (-5, -1, -6)))
        elif order == "strings":
            told.update({k: str(v) for k, v in told.items() if isinstance(v, int)})
        return told

    def usage(self, call, truth: dict) -> dict:
        return {"prompt_tokens": truth["prompt"], "completion_tokens": truth["completion"],
                "total_tokens": truth["prompt"] + truth["completion"], **self.details(truth)}

    def details(self, truth: dict) -> dict:
        return {"prompt_tokens_details": {"cached_tokens": truth["cached"]},
                "completion_tokens_details": {"reasoning_tokens": truth["thinking"]}}

    def id_of(self, call):
        told = call.plan.what
        return told["id_told"] if "id_told" in told else "%s%012x" % (self.id_prefix, call.number)

    def model_of(self, call) -> str:
        return call.plan.model_told or call.model

    def base(self, call, kind: str) -> dict:
        out = {"id": self.id_of(call), "object": kind, "created": int(call.wall),
               "model": self.model_of(call)}
        if self.fingerprint:
            out["system_fingerprint"] = self.fingerprint
        return out

    def full(self, call) -> bytes:
        choices = []
        for at, answer in enumerate(call.answers):
            choices.append(self.full_choice(call, at, answer))
        body = {**self.base(call, "chat.completion"), "choices": choices}
        if call.told is not None:
            body["usage"] = call.told
        body.update(self.full_more(call))
        return dump(body, self.ascii_only).encode()

    def full_choice(self, call, at: int, answer: Answer) -> dict:
        message = {"role": "assistant",
                   "content": "".join(answer.content) if answer.content is not None else None}
        if answer.thinking:
            message.update(self.reasoning("".join(answer.thinking)))
        if answer.calls:
            message["tool_calls"] = [
                {"id": number, "type": "function",
                 "function": {"name": name, "arguments": self.arguments(call, pieces)}}
                for number, name, pieces in answer.calls]
        finish = None if call.plan.no_finish or call.plan.done_without_finish else answer.finish
        return {"index": at, "message": message, "logprobs": None, "finish_reason": finish}

    def full_more(self, call) -> dict:
        return {}

    def reasoning(self, text: str) -> dict:
        return {self.reasoning_field: text}

    # -- spelling: streams ----------------------------------------------------------------------

    def events(self, call):
        """Yields (kind, data, tokens, thinking tokens): kind is "", "comment", "wait" or a name."""
        plan = call.plan
        if self.opening_comment:
            yield "comment", self.opening_comment, 0, 0
        inner, tail = dump(self.base(call, "chat.completion.chunk"))[1:-1], self.chunk_tail(call)
        start = "{" + inner + ',"choices":['
        if self.empty_first:
            yield "", start + "]" + tail + self.empty_more(call) + "}", 0, 0
        call.told = self.told_usage(call)
        for at, answer in enumerate(call.answers):
            head, middle = start + '{"index":%d,"delta":' % at, self.choice_more(call)
            last = at == len(call.answers) - 1
            for delta, tokens, thinking in self.deltas(call, answer):
                yield "", head + delta + middle + ',"finish_reason":null}]' + tail + "}", \
                    tokens, thinking
            if plan.done_without_finish or plan.no_finish:
                continue
            finish = dump(answer.finish)
            with_usage = self.finish_tail(call) if last else tail
            yield "", head + self.last_delta() + middle + ',"finish_reason":' + finish \
                + self.finish_more(call, last) + "}]" + with_usage + "}", 0, 0
        if plan.usage == "late":
            yield "wait", plan.get("late_ms", 1000), 0, 0
        if self.own_usage(call):
            yield "", start + "]" + self.usage_tail(call.told) + self.own_more(call) + "}", 0, 0
        if not plan.no_done:
            yield "", "[DONE]", 0, 0

    def own_usage(self, call) -> bool:
        """Is there a chunk of its own for usage?"""
        if call.told is None:
            return False
        if call.plan.usage in ("twice", "late"):
            return True
        return self.usage_in_stream == "own" or (self.usage_in_stream == "asked"
                                                 and call.ask.include_usage)

    def finish_tail(self, call) -> str:
        """What stands after the choices of the last chunk with a finish_reason."""
        order = call.plan.usage
        if call.told is None or order == "late":
            return self.chunk_tail(call)
        if order == "twice":        # the first time without details, as some servers do
            return self.usage_tail({k: v for k, v in call.told.items() if not isinstance(v, dict)})
        return self.usage_tail(call.told) if self.usage_in_stream == "last" else self.chunk_tail(call)

    def usage_tail(self, usage: dict) -> str:
        return ',"usage":' + dump(usage)

    def chunk_tail(self, call) -> str:
        return ',"usage":null' if self.usage_null and call.ask.include_usage else ""

    def choice_more(self, call) -> str:
        return ',"logprobs":null'

    def finish_more(self, call, last: bool) -> str:
        return ""

    def empty_more(self, call) -> str:
        return ""

    def own_more(self, call) -> str:
        return ""

    def last_delta(self) -> str:
        return "{}"

    def deltas(self, call, answer: Answer):
        """(delta as JSON text, tokens, thinking tokens)"""
        group = max(1, int(call.plan.tokens_per_event or 1))
        ascii_only = self.ascii_only
        yield '{"role":"assistant","content":""}', answer.hidden_thinking, answer.hidden_thinking
        for text, n in grouped(answer.thinking, group):
            yield self.reasoning_delta(text), n, n
        for text, n in grouped(answer.content or [], group):
            yield '{"content":' + json.dumps(text, ensure_ascii=ascii_only) + "}", \
                n * answer.piece_tokens, 0
        yield from self.call_deltas(call, answer, group)

    def call_deltas(self, call, answer: Answer, group: int):
        style, ascii_only = self.tool_style(call), self.ascii_only
        if style == "bare" and answer.calls:    # told apart by their place in one array only
            yield dump({"tool_calls": [
                {"type": "function", "function": {"name": name, "arguments": "".join(pieces)}}
                for _, name, pieces in answer.calls]}, ascii_only), \
                sum(6 + len(pieces) for _, _, pieces in answer.calls), 0
            return
        for at, (number, name, pieces) in enumerate(answer.calls):
            first = {"index": at, "id": number, "type": "function",
                     "function": {"name": name, "arguments": ""}}
            if style in ("whole", "object", "double"):
                first["function"]["arguments"] = self.arguments(call, pieces)
                yield dump({"tool_calls": [first]}, ascii_only), 6 + len(pieces), 0
                continue
            yield dump({"tool_calls": [first]}, ascii_only), 6, 0
            for text, n in grouped(pieces, group):
                function = {"name": "", "arguments": text} if style == "empty_name" \
                    else {"arguments": text}
                yield dump({"tool_calls": [{"index": at, "function": function}]}, ascii_only), n, 0

    def tool_style(self, call) -> str | None:
        """How calls are spelled: None (fragments by index) or a word of the order `tool_deltas`."""
        return call.plan.tool_deltas or ("whole" if self.whole_arguments(call) else None)

    def arguments(self, call, pieces: list):
        text, style = "".join(pieces), self.tool_style(call)
        if style == "object":
            return json.loads(text)
        return dump(text) if style == "double" else text

    def reasoning_delta(self, text: str) -> str:
        return dump(self.reasoning(text), self.ascii_only)

    def whole_arguments(self, call) -> bool:
        return self.tool_arguments_whole

    # -- errors ---------------------------------------------------------------------------------

    def error(self, call, error_class: str, fill: dict) -> tuple[int, bytes, list]:
        """(status, body, headers) as this vendor spells that class."""
        status, fields = self.error_fields(call, error_class, fill)
        body = dump(self.shape_error(call, status, fields), self.ascii_only).encode()
        return status, body, self.headers(call)

    def error_fields(self, call, error_class: str, fill: dict) -> tuple[int, dict]:
        while error_class not in self.errors:
            error_class = FALLBACK.get(error_class, "invalid")
        status, fields = self.errors[error_class]
        words = {"model": call.model, "key": mask(call.key), "detail": "invalid request",
                 "role": "", "at": 0, "limit": 0, "tokens": 0, "param": None, **fill}
        fields = {k: v.format(**words) if isinstance(v, str) else v for k, v in fields.items()}
        fields.setdefault("param", words["param"])
        if "message" in fill:
            fields["message"] = fill["message"]
        return status, fields

    def shape_error(self, call, status: int, fields: dict) -> dict:
        return {"error": {"message": fields["message"], "type": fields.get("type"),
                          "param": fields.get("param"), "code": fields.get("code")}}

    def error_event(self, call) -> str:
        wanted = call.plan.error_class or "overloaded"
        status, fields = self.error_fields(call, wanted, {})
        return dump(self.shape_error(call, status, fields))
