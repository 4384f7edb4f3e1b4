"""marks.py - explicit prompt caches: only a prefix that ends at a `cache_control` is stored.

A prompt is a list of blocks (a tool, a part of a message) in order. A mark stores the prefix up to its
block for 5 minutes or an hour; a later prompt reads the longest stored prefix that ends at most
`look_back` blocks before one of its own marks. Reading renews the life it was stored with.
"""
from __future__ import annotations

import hashlib
import json
import time

from .tokens import PER_MESSAGE, count_tokens

MOST_MARKS = 4
LOOK_BACK = 20
LIVES = {"5m": 300.0, "1h": 3600.0}


class MarkedCache:
    def __init__(self):
        self.stored: dict[bytes, tuple[float, float]] = {}      # digest: (until, life)

    def take(self, scope: str, blocks: list, family: str, least: int) -> tuple[int, int, int]:
        """(cached, written, of these for an hour) tokens. blocks: (text, messages begun, mark)"""
        now, digest, text, begun = time.monotonic(), hashlib.blake2b(scope.encode()), [], 0
        digests, tokens = [], []
        for block, starts, _ in blocks:
            digest.update(block.encode("utf-8", "surrogatepass") + b"\0")
            text.append(block)
            begun += starts
            digests.append(digest.digest())
            tokens.append(count_tokens(family, "\n".join(text)) + PER_MESSAGE * begun)
        marks = [at for at, (_, _, mark) in enumerate(blocks) if mark and tokens[at] >= least]
        cached = self.read(digests, tokens, marks, now)
        written, hour, before = 0, 0, cached
        for at in marks:
            life = LIVES["1h" if blocks[at][2].get("ttl") == "1h" else "5m"]
            self.stored[digests[at]] = (now + life, life)
            fresh = max(0, tokens[at] - before)
            written += fresh
            hour += fresh if life == LIVES["1h"] else 0
            before = max(before, tokens[at])
        return cached, written, hour

    def read(self, digests: list, tokens: list, marks: list, now: float) -> int:
        for mark in reversed(marks):
            for at in range(mark, max(-1, mark - LOOK_BACK - 1), -1):
                until, life = self.stored.get(digests[at], (0.0, 0.0))
                if until > now:
                    self.stored[digests[at]] = (now + life, life)
                    return tokens[at]
        return 0

    def clear(self) -> None:
        self.stored.clear()


def blocks_of(ask) -> list:
    """(text, messages begun, mark or None) of each block of a request, tools first."""
    out = [(json.dumps(tool, ensure_ascii=False), 0, mark_of(tool)) for tool in ask.tools]
    for message in ask.messages:
        content, starts = message.get("content"), 1
        parts = content if isinstance(content, list) else [{"text": content or ""}]
        for part in parts:
            plain = {k: v for k, v in part.items() if k != "cache_control"} \
                if isinstance(part, dict) else part
            out.append(("%s %s" % (message["role"], plain["text"] if isinstance(plain, dict)
                                   and isinstance(plain.get("text"), str)
                                   else json.dumps(plain, ensure_ascii=False)),
                        starts, mark_of(part)))
            starts = 0
        if message.get("tool_calls"):
            out.append((json.dumps(message["tool_calls"], ensure_ascii=False), 0, None))
        if mark_of(message):
            out[-1] = (*out[-1][:2], mark_of(message))
    return out


def mark_of(thing) -> dict | None:
    mark = thing.get("cache_control") if isinstance(thing, dict) else None
    return mark if isinstance(mark, dict) and mark.get("type") == "ephemeral" else None
