"""limits.py - rate limits kept by counting, where an order `limit` sets them.

One count per vendor, model and key. A window slides: what is older than `window_s` (60, and a day for
`rpd`) no longer counts. A request that does not fit is not counted. Requests and tokens are told as
(limit, what remains, seconds until all of it is back), which the vendor spells in its own headers.
"""
from __future__ import annotations

import time
from collections import deque

WINDOW_S = 60.0
DAY_S = 86400.0
DIMENSIONS = {"rpm": "requests", "tpm": "tokens", "rpd": "requests_day"}
FIELDS = ("rpm", "tpm", "rpd", "concurrency", "window_s")


class Standing:
    """How a request stands to its limits: rows by kind, and what was exceeded if anything."""

    def __init__(self):
        self.rows: dict[str, tuple[int, int, float]] = {}
        self.exceeded: str | None = None
        self.retry_s = 0.0

    def row(self, kind: str, default: tuple) -> tuple[int, int, float]:
        return self.rows.get(kind, default)


class Limits:
    def __init__(self):
        self.windows: dict[tuple, deque] = {}
        self.running: dict[tuple, int] = {}

    def take(self, scope: tuple, limit: dict, tokens: int) -> Standing:
        now, standing = time.monotonic(), Standing()
        used, window_s = self.windows.setdefault(scope, deque()), limit.get("window_s", WINDOW_S)
        while used and now - used[0][0] > DAY_S:
            used.popleft()
        for name, kind in DIMENSIONS.items():
            if name not in limit:
                continue
            span = DAY_S if name == "rpd" else window_s
            recent = [row for row in used if now - row[0] < span]
            spent = sum(row[1] for row in recent) if kind == "tokens" else len(recent)
            wanted = tokens if kind == "tokens" else 1
            if spent + wanted > limit[name] and standing.exceeded is None:
                standing.exceeded = name
                standing.retry_s = recent[0][0] + span - now if recent else span
            left = max(0, int(limit[name]) - spent - (0 if standing.exceeded else wanted))
            standing.rows[kind] = (int(limit[name]), left,
                                   recent[-1][0] + span - now if recent else span)
        most = limit.get("concurrency")
        if most is not None and self.running.get(scope, 0) >= most and standing.exceeded is None:
            standing.exceeded, standing.retry_s = "concurrency", 1.0
        if standing.exceeded is None:
            used.append((now, tokens))
            self.running[scope] = self.running.get(scope, 0) + 1
        return standing

    def release(self, scope: tuple) -> None:
        self.running[scope] -= 1

    def clear(self) -> None:
        """Forgets what was used; what is running still ends."""
        self.windows.clear()


def go_duration(seconds: float) -> str:
    """As Groq and OpenAI spell it: 2m59.56s, 7.66s, 12ms."""
    if seconds < 1:
        return "%dms" % round(seconds * 1000)
    minutes, rest = divmod(seconds, 60)
    tail = ("%.2f" % rest).rstrip("0").rstrip(".") + "s"
    return "%dm%s" % (minutes, tail) if minutes else tail
