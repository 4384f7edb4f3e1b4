"""answer.py - what the simulated models say: fixed text in the language asked, tool calls, JSON.

Everything follows from the request alone, so that two runs, and two vendors, can be compared.
One piece of text is one token; a stream sends pieces as they stand here.
"""
from __future__ import annotations

import re
from itertools import cycle, islice

from .tokens import HAN

ENGLISH = ("Here is a short answer from the simulated model : it counts every token , sends them "
           "one by one , and keeps its own bill . Nothing here is true , but all of it is the same "
           "each time you ask . ").split(" ")[:-1]
ENGLISH_PIECES = [ENGLISH[0]] + [w if w in ".,:" else " " + w for w in ENGLISH[1:]]
CHINESE_PIECES = ("这是|一个|模拟|模型|的|回答|：|它|数着|每|一个|词元|，|逐个|发送|，|并|自己|记账|。|内容|"
                  "并不|真实|，|但是|每次|提问|都|完全|相同|。").split("|")
ENGLISH_THOUGHT = ["The", " user", " asks", " something", ",", " so", " I", " answer", " briefly", "."]
CHINESE_THOUGHT = ["用户", "提出", "了", "一个", "问题", "，", "我", "简短", "回答", "。"]
DIRECTIVE = re.compile(r"sim:tokens=(\d{1,6})")
CALL_OVERHEAD = 6   # tokens of a call beside its arguments
PIECE_CHARS = 4


class Answer:
    """What one choice says: lists of pieces, each one token."""

    __slots__ = ("thinking", "content", "calls", "finish", "piece_tokens", "hidden_thinking")

    def __init__(self):
        self.thinking: list[str] = []
        self.content: list[str] | None = None
        self.calls: list[tuple[str, str, list[str]]] = []    # id, name, pieces of arguments
        self.finish = "stop"
        self.piece_tokens = 1
        self.hidden_thinking = 0

    def thinking_tokens(self) -> int:
        return len(self.thinking) + self.hidden_thinking

    def tokens(self) -> int:
        return (self.thinking_tokens() + len(self.content or ()) * self.piece_tokens
                + sum(CALL_OVERHEAD + len(pieces) for _, _, pieces in self.calls))


def pieces_of(text: str) -> list[str]:
    return [text[i:i + PIECE_CHARS] for i in range(0, len(text), PIECE_CHARS)]


def is_chinese(text: str) -> bool:
    return not text.isascii() and HAN.search(text) is not None


def text_pieces(chinese: bool, tokens: int) -> list[str]:
    return list(islice(cycle(CHINESE_PIECES if chinese else ENGLISH_PIECES), tokens))


def thought_pieces(chinese: bool, tokens: int) -> list[str]:
    return list(islice(cycle(CHINESE_THOUGHT if chinese else ENGLISH_THOUGHT), tokens))


def fit(schema: object, name: str = "", variant: int = 0, chinese: bool = False, root=None, depth: int = 0):
    """A value that satisfies a plain JSON schema. `variant` makes the second call of two differ."""
    if not isinstance(schema, dict) or depth > 12:
        return None
    root = schema if root is None else root
    again = lambda s, n=name: fit(s, n, variant, chinese, root, depth + 1)
    if "$ref" in schema:
        target = root
        for part in str(schema["$ref"]).lstrip("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, dict) and part else target
        return again(target)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][variant % len(schema["enum"])]
    for word in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(word), list) and schema[word]:
            return again(schema[word][0])
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties")
        return {k: again(v, k) for k, v in properties.items()} if isinstance(properties, dict) else {}
    if kind == "array":
        items = max(1, int(schema.get("minItems", 1)))
        return [again(schema.get("items", {"type": "string"})) for _ in range(min(items, 16))]
    if kind == "integer":
        return int(schema.get("minimum", 7)) + variant
    if kind == "number":
        return float(schema.get("minimum", 1.5)) + variant
    if kind == "boolean":
        return variant == 0
    if kind == "null":
        return None
    return text_value(name, variant, chinese)


def text_value(name: str, variant: int, chinese: bool) -> str:
    if any(word in name.lower() for word in ("city", "location", "place", "城市", "地点")):
        return (("北京", "上海") if chinese else ("Beijing", "Shanghai"))[variant % 2]
    return ("示例" if chinese else "example") + ("" if variant == 0 else str(variant + 1))
