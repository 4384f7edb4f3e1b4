"""orders.py - what the market is told to do wrong: one table of fields, and who is hit by which order.

All orders that match a request are merged, later ones over earlier ones. `times` counts requests.
"""
from __future__ import annotations

import random

from .limits import FIELDS as LIMITS

NUMBER, WORD, YES, ANY, TABLE = (int, float), str, bool, object, dict

# field: (type, what it does). The README is checked against this table by a test.
FIELDS = {
    # who is hit
    "vendor": (WORD, "name of a vendor or *"),
    "model": (WORD, "only requests for this model"),
    "key": (WORD, "only requests with this key"),
    "stream": (YES, "only streams, or only non-streams"),
    "times": (NUMBER, "how many requests; absent or null: until cleared"),
    "skip": (NUMBER, "let so many matching requests pass first"),
    "share": (NUMBER, "hit this share of matching requests, by the seed"),
    # pace
    "latency_ms": (NUMBER, "wait before the response head"),
    "first_chunk_ms": (NUMBER, "wait between head and first event or body"),
    "chunk_ms": (NUMBER, "wait between events"),
    "heartbeat_ms": (NUMBER, "comment lines while waiting after the head"),
    "trickle": (TABLE, "{bytes, ms}: write so many bytes, then wait"),
    "split": (NUMBER, "write so many bytes at a time, without waiting"),
    # the answer
    "tokens": (NUMBER, "length of the answer"),
    "tokens_per_event": (NUMBER, "content tokens in one event"),
    "thinking_tokens": (NUMBER, "length of the thinking, if the model thinks"),
    "text": (WORD, "answer exactly this"),
    "big": (NUMBER, "answer with so many bytes of text"),
    "event_bytes": (NUMBER, "with big: text bytes in one event"),
    "finish_reason": (WORD, "instead of stop"),
    "usage": (ANY, "missing | twice | late | zero | absurd | negative | strings, or an object"),
    "late_ms": (NUMBER, "with usage late: the wait before it"),
    "model_told": (WORD, "the model named in the answer"),
    "id_told": (ANY, "the id in the answer, null too"),
    # refusals
    "error_class": (WORD, "refuse as the vendor spells this class"),
    "status": (NUMBER, "status of the refusal; alone: the class is chosen by it"),
    "retry_after": (ANY, "Retry-After: seconds or any text"),
    "message": (WORD, "text of the refusal"),
    "body": (WORD, "raw body instead of the vendor's own"),
    "tool_deltas": (WORD, "whole | object | double | bare | empty_name: how calls are spelled"),
    "leak": (WORD, "kimi | dsml: a tool call comes as the template's own marks in the text"),
    "content_type": (WORD, "Content-Type of the response"),
    "headers": (TABLE, "further response headers"),
    "echo_key": (YES, "the key comes back in response headers and in the refusal's text"),
    "early": (YES, "answer when the request head is read, before its body"),
    "limit": (TABLE, "{rpm, tpm, rpd, concurrency, window_s}: kept by counting, see limits.py"),
    "tier_used": (WORD, "the service tier that is used, whatever was asked for"),
    # breakage
    "cut_at_byte": (NUMBER, "end after so many bytes of response, head included"),
    "cut_at_body_byte": (NUMBER, "the same, counted from the end of the head"),
    "cut_after_events": (NUMBER, "end after so many events"),
    "cut": (WORD, "fin | rst | notify: how the cut ends"),
    "silence_at_byte": (NUMBER, "go silent after so many bytes of response"),
    "silence_after_events": (NUMBER, "go silent after so many events"),
    "silent": (YES, "read the request, never answer"),
    "silent_headers": (YES, "half a response head, then silence"),
    "heartbeats_only": (NUMBER, "a comment line every so many ms, no event ever"),
    "close_after_request": (YES, "close without answering"),
    "close_after_answer": (WORD, "announced | silent: close the connection after the answer"),
    "error_in_stream": (NUMBER, "an error event, as the vendor spells it, after so many events"),
    "no_done": (YES, "no [DONE]"),
    "no_finish": (YES, "finish_reason stays null"),
    "done_without_finish": (YES, "[DONE] without any finish_reason"),
    "keep_open_after_done": (YES, "[DONE], but the response does not end"),
    # spelling and framing
    "line_end": (WORD, "lf | crlf | cr in the stream"),
    "crlf": (YES, "line_end: crlf"),
    "no_space": (YES, "data: without the space"),
    "events_per_write": (NUMBER, "join so many events into one write"),
    "framing": (WORD, "how the response is framed: see framing.py"),
    # money
    "bill": (WORD, "full | sent | prompt | none, instead of the vendor's own rule"),
}
WORDS = {
    "usage": {"missing", "twice", "late", "zero", "absurd", "negative", "strings"},
    "cut": {"fin", "rst", "notify"},
    "close_after_answer": {"announced", "silent"},
    "tool_deltas": {"whole", "object", "double", "bare", "empty_name"},
    "leak": {"kimi", "dsml"},
    "line_end": {"lf", "crlf", "cr"},
    "bill": {"full", "sent", "prompt", "none"},
}
SELECTORS = {"vendor", "model", "key", "stream", "times", "skip", "share"}


class OrderError(ValueError):
    pass


class Plan:
    """The merged orders of one request; what was not ordered reads as None."""

    __slots__ = ("what",)

    def __init__(self, what: dict):
        self.what = what

    def __getattr__(self, name: str):
        return self.what.get(name)

    def get(self, name: str, default):
        value = self.what.get(name)
        return default if value is None else value


NO_PLAN = Plan({})


def check_order(order: object, framings) -> dict:
    if not isinstance(order, dict):
        raise OrderError("an order is an object")
    for name, value in order.items():
        if name not in FIELDS:
            raise OrderError("unknown field %r" % name)
        kind = FIELDS[name][0]
        if value is None or kind is ANY:
            if name != "usage" or value is None or isinstance(value, dict):
                continue
        elif not isinstance(value, kind) or (kind is NUMBER and isinstance(value, bool)):
            raise OrderError("%s: %r is of the wrong kind" % (name, value))
        if name == "limit" and value and not (set(value) <= set(LIMITS) and all(
                isinstance(v, NUMBER) for v in value.values())):
            raise OrderError("limit: numbers for %s" % (LIMITS,))
        if name in WORDS and value not in WORDS[name]:
            raise OrderError("%s: one of %s" % (name, sorted(WORDS[name])))
        if name == "framing" and value not in framings:
            raise OrderError("framing: one of %s" % sorted(framings))
    if "vendor" not in order:
        raise OrderError("vendor is missing (a name or *)")
    return dict(order)


class OrderBook:
    def __init__(self, seed: int = 0):
        self.orders: list[dict] = []
        self.next = 1
        self.random = random.Random(seed)

    def add(self, order: dict) -> int:
        order["id"], order["hits"] = self.next, 0
        self.next += 1
        self.orders.append(order)
        return order["id"]

    def clear(self, vendor: str | None = None, number: int | None = None) -> None:
        self.orders = [o for o in self.orders
                       if not (vendor in (None, o["vendor"]) and number in (None, o["id"]))]

    def any_early(self, vendor: str) -> bool:
        return any(o.get("early") and o["vendor"] in ("*", vendor) for o in self.orders)

    def plan(self, vendor: str, model, key, stream: bool, early: bool = False) -> Plan:
        if not self.orders:
            return NO_PLAN
        what: dict = {}
        for order in self.orders:
            if self.hit(order, vendor, model, key, stream, early):
                order["hits"] += 1
                what.update((k, v) for k, v in order.items() if k not in SELECTORS)
                what["orders"] = what.get("orders", []) + [order["id"]]
        what.pop("hits", None)
        what.pop("id", None)
        self.orders = [o for o in self.orders
                       if o.get("times") is None or o["hits"] < o["times"]]
        return Plan(what) if what else NO_PLAN

    def hit(self, order: dict, vendor: str, model, key, stream: bool, early: bool) -> bool:
        if (order["vendor"] not in ("*", vendor)
                or bool(order.get("early")) != early
                or order.get("model") not in (None, model)
                or order.get("key") not in (None, key)
                or order.get("stream") not in (None, stream)):
            return False
        if order.get("skip"):
            order["skip"] -= 1
            return False
        return order.get("share") is None or self.random.random() < order["share"]
