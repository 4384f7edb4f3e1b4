"""Gemini's own API: contents and parts, the model in the path, streams that just end, HTTP 200 refusals."""
from __future__ import annotations

import base64
import json
import re

from engine.answer import Answer
from engine.ask import Ask, Refusal

from .base import Vendor, dump, grouped

ROUTE = re.compile(r"^/v1(?:beta|alpha)?/models/([^/:]+):(generateContent|streamGenerateContent)$")
FIELDS = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings",
          "cachedContent", "labels", "serviceTier", "store"}
CONFIG = {"temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "candidateCount", "seed",
          "presencePenalty", "frequencyPenalty", "responseMimeType", "responseSchema",
          "responseJsonSchema", "thinkingConfig", "responseLogprobs", "logprobs",
          "responseModalities", "mediaResolution"}
NOT_IN_SCHEMA = {"$schema", "$ref", "$defs", "additionalProperties", "strict", "oneOf"}
LEVELS = {"minimal": 4, "low": 6, "medium": 12, "high": 24}
STOPS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
SIGNATURE = base64.b64encode(b"sim-thought-signature").decode()
SIGNATURES = (SIGNATURE, "skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "20s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
           "domain": "googleapis.com"}
DAILY = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
    {"quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
     "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}


class Gemini(Vendor):
    name = "gemini"
    aliases = ("google", "google-gemini")
    hosts = ("generativelanguage.googleapis.com",)
    chat_paths = ("/v1beta/models/gemini-3.8-flash:generateContent",)
    models_paths = ("/v1beta/models",)
    family = "gemini"
    cancel_stops_billing = False
    cache_min, cache_unit = 1024, 128
    contexts = {"": 1_048_576}
    line_end = "crlf"
    json_type = "application/json; charset=UTF-8"
    usage_names = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")
    errors = {
        "no_key": (403, {"status": "PERMISSION_DENIED", "message": "Method doesn't allow unregistered "
                         "callers (callers without established identity). Please use API Key or other "
                         "form of API consumer identity to call this API."}),
        "bad_key": (400, {"status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a "
                          "valid API key.", "details": [BAD_KEY]}),
        "no_money": (402, {"status": "RESOURCE_EXHAUSTED", "message": "Your prepaid credits are depleted. "
                           "Please add credits to your billing account."}),
        "trial_used": (429, {"status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota, "
                             "please check your plan and billing details.", "details": [DAILY]}),
        "rate_limit": (429, {"status": "RESOURCE_EXHAUSTED", "message": "Resource has been exhausted "
                             "(e.g. check quota).", "details": [RETRY]}),
        "overloaded": (503, {"status": "UNAVAILABLE", "message": "The model is overloaded. Please try "
                             "again later."}),
        "server_error": (500, {"status": "INTERNAL", "message": "An internal error has occurred."}),
        "timeout": (504, {"status": "DEADLINE_EXCEEDED", "message": "The request timed out."}),
        "region": (400, {"status": "FAILED_PRECONDITION", "message": "User location is not supported for "
                         "the API use without a billing account linked."}),
        "forbidden": (403, {"status": "PERMISSION_DENIED", "message": "Permission denied"}),
        "malformed": (400, {"status": "INVALID_ARGUMENT", "message": "Invalid JSON payload received. "
                            "{detail}"}),
        "invalid": (400, {"status": "INVALID_ARGUMENT", "message": "{detail}"}),
        "unknown_model": (404, {"status": "NOT_FOUND", "message": "models/{model} is not found for API "
                                "version v1beta, or is not supported for generateContent."}),
        "too_long": (400, {"status": "INVALID_ARGUMENT", "message": "The input token count ({tokens}) "
                           "exceeds the maximum number of tokens allowed ({limit})."}),
        # an answer without candidates
        "filtered": (200, {"status": "PROHIBITED_CONTENT", "message": ""}),
    }

    # -- reading --------------------------------------------------------------------------------

    def route(self, method: str, path: str) -> str | None:
        if ROUTE.match(path):
            return "chat" if method == "POST" else "method"
        return "models" if path in self.models_paths and method == "GET" else None

    def read_key(self, request) -> str | None:
        return request.headers.get("x-goog-api-key") or None

    def read_ask(self, call) -> Ask:
        model, verb = ROUTE.match(call.path).groups()
        call.model = model
        try:
            body = camel(json.loads(call.request.body))
        except (ValueError, RecursionError) as error:
            raise Refusal("malformed", detail=str(error).replace("{", "").replace("}", "")) from None
        check_fields(body)
        ask = Ask({"model": model, "stream": verb == "streamGenerateContent", "messages":
                   read_contents(body, model)})
        ask.native, ask.config = body, body.get("generationConfig") or {}
        ask.tools = [{"type": "function", "function": {
            "name": f.get("name"), "parameters": f.get("parametersJsonSchema")
            or lower_types(f.get("parameters"))}}
            for tool in body.get("tools") or () for f in tool.get("functionDeclarations") or ()]
        if ask.stream and "alt=sse" not in call.request.query:
            refuse("the market plays only alt=sse")
        return ask

    def refuse_more(self, ask: Ask) -> None:
        thinking = ask.config.get("thinkingConfig") or {}
        level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
        if level is not None and budget is not None:
            refuse("You can only set only one of thinking budget and thinking level.")
        if level is not None:
            self.refuse_level(ask.model, str(level).lower())
        if budget is not None:
            self.refuse_budget(ask.model, budget)

    def refuse_level(self, model: str, level: str) -> None:
        if "2.5" in model:
            refuse("Thinking level is not supported for this model.")
        allowed = ("low", "high") if "pro" in model else \
            ("low", "medium", "high") if "3.8" in model else tuple(LEVELS)
        if level not in allowed:
            refuse("Thinking level %s is not supported for this model." % level.upper())

    def refuse_budget(self, model: str, budget) -> None:
        if not isinstance(budget, int):
            refuse("Invalid value at 'generation_config.thinking_config.thinking_budget'")
        most, least = (32768, 128) if "pro" in model else (24576, 0)
        if budget != -1 and not least <= budget <= most:
            refuse("The thinking budget %d is invalid. Please choose a value between %d and %d."
                   % (budget, least, most))

    # -- answering ------------------------------------------------------------------------------

    def least_cached(self, model: str) -> int:
        return 4096 if "pro" in model else 1024

    def limit_of(self, ask: Ask) -> int | None:
        return ask.config.get("maxOutputTokens")

    def choices_of(self, ask: Ask) -> int:
        return min(8, ask.config.get("candidateCount") or 1)

    def thinks(self, ask: Ask) -> bool:
        """Only the 2.5 line below pro can be told not to."""
        budget = (ask.config.get("thinkingConfig") or {}).get("thinkingBudget")
        return not (budget == 0 and "2.5" in ask.model)

    def thinking_effort(self, ask: Ask) -> int:
        wish = ask.config.get("thinkingConfig") or {}
        tokens = LEVELS.get(str(wish.get("thinkingLevel")).lower(), 12)
        budget = wish.get("thinkingBudget")
        return min(tokens, budget) if isinstance(budget, int) and budget > 0 else tokens

    def wants_call(self, ask: Ask) -> bool:
        return bool(ask.tools) and calling(ask).get("mode") != "NONE" and ask.last["role"] == "user"

    def calls(self, ask: Ask, chinese: bool) -> list:
        names = calling(ask).get("allowedFunctionNames")
        if names:
            ask.tools = [t for t in ask.tools if t["function"]["name"] in names] or ask.tools
        return super().calls(ask, chinese)

    def one_answer(self, ask: Ask, plan, thinks: bool) -> Answer:
        wanted = ask.config
        if wanted.get("responseMimeType") == "application/json":
            schema = wanted.get("responseJsonSchema") or lower_types(wanted.get("responseSchema"))
            ask.body["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}} \
                if schema else {"type": "json_object"}
        answer = super().one_answer(ask, plan, thinks)
        if answer.thinking and not (wanted.get("thinkingConfig") or {}).get("includeThoughts"):
            answer.hidden_thinking, answer.thinking = len(answer.thinking), []
        return answer

    # -- spelling -------------------------------------------------------------------------------

    def headers(self, call) -> list:
        return [("server-timing", "gfet4t7; dur=12"), ("vary", "X-Origin")]

    def usage(self, call, truth: dict) -> dict:
        """candidatesTokenCount leaves the thoughts out; what is nought is not told."""
        told = {"promptTokenCount": truth["prompt"],
                "candidatesTokenCount": truth["completion"] - truth["thinking"],
                "totalTokenCount": truth["prompt"] + truth["completion"],
                "cachedContentTokenCount": truth["cached"],
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": truth["prompt"]}],
                "thoughtsTokenCount": truth["thinking"]}
        return {k: v for k, v in told.items() if v}

    def envelope(self, call, candidates: list, usage: dict | None) -> dict:
        told = call.plan.what
        return {"candidates": candidates, **({} if usage is None else {"usageMetadata": usage}),
                "modelVersion": self.model_of(call),
                "responseId": told["id_told"] if "id_told" in told else "sim%012x" % call.number}

    def finish_of(self, call, answer: Answer) -> dict:
        if call.plan.no_finish or call.plan.done_without_finish:
            return {}
        return {"finishReason": STOPS.get(answer.finish, answer.finish)}

    def call_parts(self, call, answer: Answer) -> list:
        """The first call of a turn carries the signature that must come back with it."""
        parts = []
        for at, (_, name, pieces) in enumerate(answer.calls):
            part = {"functionCall": {"name": name, "args": json.loads("".join(pieces))}}
            if at == 0 and call.model.startswith("gemini-3"):
                part["thoughtSignature"] = SIGNATURE
            parts.append(part)
        return parts

    def full(self, call) -> bytes:
        candidates = []
        for at, answer in enumerate(call.answers):
            parts = [{"text": "".join(answer.thinking), "thought": True}] if answer.thinking else []
            if answer.content:
                parts.append({"text": "".join(answer.content)})
            parts += self.call_parts(call, answer)
            content = {"role": "model", **({"parts": parts} if parts else {})}
            candidates.append({"content": content, **self.finish_of(call, answer), "index": at})
        return json.dumps(self.envelope(call, candidates, call.told), ensure_ascii=False,
                          indent=2).encode()

    def events(self, call):
        """Every chunk tells the usage so far; nothing but the end of the stream ends it."""
        plan = call.plan
        call.told = self.told_usage(call)
        group = max(1, int(plan.tokens_per_event or 1))
        for at, answer in enumerate(call.answers):
            hidden = answer.hidden_thinking     # spent before the first word that is seen
            for text, n in grouped(answer.thinking, group):
                yield self.chunk(call, at, [{"text": text, "thought": True}], n, n)
            for text, n in grouped(answer.content or [], group):
                yield self.chunk(call, at, [{"text": text}], n * answer.piece_tokens + hidden, hidden)
                hidden = 0
            if answer.calls:
                tokens = sum(6 + len(pieces) for _, _, pieces in answer.calls)
                yield self.chunk(call, at, self.call_parts(call, answer), tokens + hidden, hidden)
                hidden = 0
            if plan.usage == "late":
                yield "wait", plan.get("late_ms", 1000), 0, 0
            ends = {"content": {"parts": [{"text": ""}], "role": "model"},
                    **self.finish_of(call, answer), "index": at}
            if plan.usage == "twice" and call.told:
                yield "", dump(self.envelope(call, [ends], self.thin(call.told))), hidden, hidden
                hidden = 0
            yield "", dump(self.envelope(call, [ends], call.told)), hidden, hidden

    def thin(self, told: dict) -> dict:
        return {k: v for k, v in told.items() if k in self.usage_names}

    def chunk(self, call, at: int, parts: list, tokens: int, thinking: int) -> tuple:
        usage = None
        if call.plan.usage is None:
            usage = self.usage(call, {**call.usage, "completion": call.sent_tokens + tokens,
                                      "thinking": call.sent_thinking + thinking})
        candidate = {"content": {"parts": parts, "role": "model"}, "index": at}
        return "", dump(self.envelope(call, [candidate], usage)), tokens, thinking

    def error(self, call, error_class: str, fill: dict):
        if error_class != "filtered":
            return super().error(call, error_class, fill)
        body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
                "modelVersion": self.model_of(call)}
        return 200, dump(body).encode(), self.headers(call)

    def shape_error(self, call, status: int, fields: dict) -> dict:
        details = list(fields.get("details") or ())
        if call.standing is not None and call.standing.exceeded:
            details = [{**RETRY, "retryDelay": "%ds" % max(1, round(call.standing.retry_s))}]
        return {"error": {"code": status, "message": fields["message"], "status": fields["status"],
                          **({"details": details} if details else {})}}


def refuse(text: str) -> None:
    raise Refusal("invalid", detail=text)


def camel(thing, deep: bool = True):
    """Names may be spelled with underscores too; what a tool's schema or arguments hold stays."""
    if isinstance(thing, list):
        return [camel(one, deep) for one in thing]
    if not isinstance(thing, dict):
        return thing
    out = {}
    for name, value in thing.items():
        new = re.sub(r"_([a-z])", lambda m: m.group(1).upper(), name) if deep else name
        inside = deep and new not in ("parameters", "parametersJsonSchema", "responseSchema",
                                      "responseJsonSchema", "args", "response", "labels")
        out[new] = camel(value, inside)
    return out


def lower_types(schema):
    """Types are upper case in Google's own schema: OBJECT, STRING."""
    if isinstance(schema, list):
        return [lower_types(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: v.lower() if k == "type" and isinstance(v, str) else lower_types(v)
            for k, v in schema.items()}


def unknown(names, where: str) -> None:
    for name in names:
        refuse("Invalid JSON payload received. Unknown name \"%s\"%s: Cannot find field." % (name, where))


def check_fields(body) -> None:
    if not isinstance(body, dict):
        refuse("Invalid JSON payload received. Expected an object.")
    unknown(sorted(set(body) - FIELDS), "")
    if "store" in body:
        refuse("store: not supported")
    config = body.get("generationConfig") or {}
    unknown(sorted(set(config) - CONFIG), " at 'generation_config'")
    temperature, most = config.get("temperature"), config.get("maxOutputTokens")
    if temperature is not None and not 0 <= temperature <= 2:
        refuse("Invalid value at 'generation_config.temperature': must be in the range [0, 2].")
    if most is not None and (not isinstance(most, int) or most < 1):
        refuse("max_output_tokens must be positive.")
    if len(config.get("stopSequences") or ()) > 5:
        refuse("stop_sequences: at most 5 are allowed.")
    for tool in body.get("tools") or ():
        for function in tool.get("functionDeclarations") or ():
            check_schema(function.get("parameters"))
    check_schema(config.get("responseSchema"))


def check_schema(schema) -> None:
    if isinstance(schema, dict):
        unknown(sorted(set(schema) & NOT_IN_SCHEMA), " at 'schema'")
        for name, value in schema.items():
            if name == "properties" and isinstance(value, dict):
                for one in value.values():
                    check_schema(one)
            elif name in ("items", "anyOf"):
                for one in value if isinstance(value, list) else [value]:
                    check_schema(one)


def calling(ask: Ask) -> dict:
    return (ask.native.get("toolConfig") or {}).get("functionCallingConfig") or {}


def read_contents(body: dict, model: str) -> list:
    """The conversation in OpenAI's form; the rules of Google's are checked on the way."""
    out, waiting = [], 0
    system = body.get("systemInstruction")
    if system is not None:
        parts = system.get("parts") if isinstance(system, dict) else None
        if not isinstance(parts, list):
            refuse("Invalid value at 'system_instruction'")
        out.append({"role": "system", "content": [read_part(p, "system") for p in parts]})
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        refuse("* GenerateContentRequest.contents: contents is not specified")
    for at, content in enumerate(contents):
        role = content.get("role", "user") if isinstance(content, dict) else None
        parts = content.get("parts") if isinstance(content, dict) else None
        if role not in ("user", "model", "function"):
            refuse("Please use a valid role: user, model.")
        if not isinstance(parts, list) or not parts:
            refuse("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty." % at)
        calls = sum("functionCall" in p for p in parts if isinstance(p, dict))
        results = sum("functionResponse" in p for p in parts if isinstance(p, dict))
        if results != waiting and (results or waiting):
            refuse("Please ensure that the number of function response parts is equal to the number of "
                   "function call parts of the function call turn.")
        if calls and (at == 0 or role != "model"):
            refuse("Please ensure that function call turn comes immediately after a user turn or after "
                   "a function response turn.")
        check_signature(parts, calls, model)
        waiting = calls
        read_content(role, parts, out)
    if waiting:
        refuse("Please ensure that function call turn is followed by a function response turn.")
    return out


def check_signature(parts: list, calls: int, model: str) -> None:
    if not calls or not model.startswith("gemini-3"):
        return
    first = next(p for p in parts if "functionCall" in p)
    if first.get("thoughtSignature") not in SIGNATURES:
        refuse("Function call is missing a thought_signature in functionCall parts. This is required "
               "for tools to work correctly.")


def read_content(role: str, parts: list, out: list) -> None:
    calls = [p["functionCall"] for p in parts if isinstance(p, dict) and "functionCall" in p]
    rest = []
    for part in parts:
        if isinstance(part, dict) and "functionResponse" in part:
            answer = part["functionResponse"]
            if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict) \
                    or not answer.get("name"):
                refuse("Invalid value at 'contents.parts.function_response.response'")
            out.append({"role": "tool", "content": dump(answer["response"])})
        elif not (isinstance(part, dict) and ("functionCall" in part or part.get("thought"))):
            rest.append(read_part(part, role))
    for call in calls:
        if not isinstance(call, dict) or not call.get("name") or not isinstance(call.get("args", {}), dict):
            refuse("Invalid value at 'contents.parts.function_call.args'")
    if rest or calls:
        message = {"role": "assistant" if role == "model" else "user", "content": rest}
        if calls:
            message["tool_calls"] = [{"function": {"name": c["name"], "arguments":
                                                   dump(c.get("args", {}))}} for c in calls]
        out.append(message)


def read_part(part, role: str) -> dict:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    data = part.get("inlineData") or part.get("fileData") if isinstance(part, dict) else None
    if isinstance(data, dict) and role != "system":
        if not data.get("mimeType"):
            refuse("Unable to determine the MIME type of the data.")
        return {"type": "image_url", "image_url": {}}
    refuse("* GenerateContentRequest.contents.parts: contents.parts must have one initialized field.")


VENDOR = Gemini()
