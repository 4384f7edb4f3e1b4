"""bills.py - what a call costs, and the record of every call: the truth of the tests about money.

Amounts are exact decimals, never rounded: tokens x price per million / 1,000,000. The first price
row whose conditions all hold bills the whole request.
"""
from __future__ import annotations

import copy
import datetime
import json
import os
import time
from collections import deque
from decimal import Decimal
from zoneinfo import ZoneInfo

MILLION = Decimal(1_000_000)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PARTS = ("input", "cached_input", "cache_write", "cache_write_1h", "output")
CONDITIONS = ("when", "thinking", "input_at_most", "input_below", "output_at_most", "from", "until")


def instant(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class PriceBook:
    """prices.json, with what orders changed since. `windows` off: rows with `when` never hold."""

    def __init__(self, path: str, windows: bool = True):
        with open(path, encoding="utf-8") as file:
            self.shipped = json.load(file)
        self.windows = windows
        self.reset()

    def reset(self) -> None:
        book = copy.deepcopy(self.shipped)
        self.named_windows = book.get("windows", {})
        self.vendors = book["vendors"]
        self.index: dict[str, dict[str, dict]] = {}
        for vendor, models in self.vendors.items():
            rows = self.index.setdefault(vendor, {})
            for model, entry in models.items():
                for name in [model] + entry.get("aliases", []):
                    rows[name] = entry

    def find(self, vendor: str, model: str, account: str | None = None) -> dict | None:
        """An account whose name ends in -usd pays by the vendor's dollar list, if there is one."""
        models = self.index.get(vendor, {})
        if (account or "").endswith("-usd"):
            models = self.index.get(vendor + "-usd", models)
        return models.get(model) or models.get("*")

    def set(self, vendor: str, model: str, change: dict) -> None:
        """Replaces rows (`rows`), or the given parts in every row; `currency` too."""
        models = self.index.setdefault(vendor, {})
        old = models.get(model) or models.get("*") or {"currency": "CNY", "rows": [{}]}
        entry = copy.deepcopy(old)
        if "currency" in change:
            entry["currency"] = change["currency"]
        if "rows" in change:
            entry["rows"] = change["rows"]
        for part in PARTS:
            if part in change:
                for row in entry["rows"]:
                    row[part] = str(change[part])
        for row in entry["rows"]:
            unknown = set(row) - set(PARTS) - set(CONDITIONS)
            if unknown or "input" not in row or "output" not in row:
                raise ValueError("bad price row %r" % (row,))
        models[model] = entry

    def row(self, entry: dict, usage: dict, at: float, thinking: bool) -> dict:
        for row in entry["rows"]:
            if self.holds(row, usage, at, thinking):
                return row
        raise LookupError("no price row holds")

    def holds(self, row: dict, usage: dict, at: float, thinking: bool) -> bool:
        prompt = usage["prompt"]
        return not (
            ("input_at_most" in row and prompt > row["input_at_most"])
            or ("input_below" in row and prompt >= row["input_below"])
            or ("output_at_most" in row and usage["completion"] > row["output_at_most"])
            or ("thinking" in row and row["thinking"] != thinking)
            or ("from" in row and at < instant(row["from"]))
            or ("until" in row and at >= instant(row["until"]))
            or ("when" in row and not (self.windows and self.open(row["when"], at))))

    def open(self, name: str, at: float) -> bool:
        window = self.named_windows[name]
        local = datetime.datetime.fromtimestamp(at, ZoneInfo(window["timezone"]))
        day, clock = local.date().isoformat(), local.strftime("%H:%M")
        return (DAYS[local.weekday()] in window.get("days", DAYS)
                and not any(a <= day <= b for a, b in window.get("except", []))
                and any(a <= clock < b for a, b in window["hours"]))


def cost(row: dict, usage: dict) -> Decimal:
    """The bill: `usage` has prompt (all of it), cached, write (write_1h of it) and completion tokens."""
    price = Decimal(row["input"])
    write = row.get("cache_write", row["input"])
    plain = usage["prompt"] - usage["cached"] - usage["write"]
    total = (plain * price
             + usage["cached"] * Decimal(row.get("cached_input", row["input"]))
             + (usage["write"] - usage["write_1h"]) * Decimal(write)
             + usage["write_1h"] * Decimal(row.get("cache_write_1h", write))
             + usage["completion"] * Decimal(row["output"]))
    return total / MILLION


def spell(amount: Decimal) -> str:
    return format(amount.normalize(), "f") if amount else "0"


def account_of(key: str | None) -> str | None:
    """conf_for_sim.py gives the account NAME the keys sim-NAME-1, sim-NAME-2 ..."""
    parts = (key or "").split("-", 1)[-1].rpartition("-")
    return parts[0] or None


class Record:
    """Every execution, in memory and (if asked) one JSON line each in a file."""

    def __init__(self, path: str | None = None, most: int = 300_000):
        self.rows: deque[dict] = deque(maxlen=most)
        self.next = 1
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if path else -1

    def add(self, row: dict) -> None:
        row = {"seq": self.next, "recorded_wall": round(time.time(), 6), **row}
        self.next += 1
        self.rows.append(row)
        if self.fd >= 0:
            os.write(self.fd, json.dumps(row, ensure_ascii=False).encode() + b"\n")
