#!/usr/bin/env python3
"""Turns a price set of the market into a configuration of Bijia.

    python3 convert.py SET.json DIR

What a vendor publishes is told: prices, windows, cache rules, free quotas.
What it does not is left to be learnt: how it counts tokens, how much it
talks, how often its cache misses, when it is down.
"""
import json
import os
import sys
from decimal import Decimal

FOREVER = "87600h"


def price(value):
    """A decimal as text without an exponent."""
    return format(Decimal(str(value)), "f")


def row_of(row, offer):
    out = {}
    for name in ("from", "until", "when", "input_at_most", "input_below",
                 "output_at_most", "output_below"):
        if name in row:
            out[name] = row[name]
    if "thinking" in row:
        out["thinking"] = "yes" if row["thinking"] else "no"
    free = False
    for name, word in (("input", "input"), ("cached", "cached_input"),
                       ("cache_write", "cache_write"), ("output", "output")):
        if name in row:
            out[word] = price(row[name])
            free = free or Decimal(str(row[name])) == 0
    if free:
        out["free"] = "yes"
    cache = offer.get("cache")
    writes = any("cache_write" in other for other in offer["prices"])
    if writes and cache:
        out["writes_unasked"] = "yes"
        if cache.get("min_prefix_tokens"):
            out["cache_least"] = cache["min_prefix_tokens"]
    out["source"] = "price set"
    return out


def cache_of(cache):
    if not cache:
        return {"none": "yes"}
    out = {"ttl": FOREVER if cache.get("ttl_s") is None else f"{round(cache['ttl_s'] * 1000)}ms"}
    if cache.get("usable_after_s"):
        out["usable_after"] = f"{round(cache['usable_after_s'] * 1000)}ms"
    if cache.get("min_prefix_tokens"):
        out["least"] = cache["min_prefix_tokens"]
    if cache.get("whole_units_only"):
        out["whole_units"] = "yes"
    return out


def convert(prices):
    currency = prices["currency"]
    entries = [{**prices.get("defaults", {}), **entry} for entry in prices["vendors"]]
    vendors, book, windows, calendars, quotas = {}, {}, {}, {}, {}
    for name, calendar in prices.get("calendars", {}).items():
        calendars[name] = {"days": [f"{first}..{last}" for first, last in calendar["ranges"]]}
    for number, offer in enumerate(entries):
        vendor, model = offer["vendor"], offer["model"]
        names = {}
        for name, window in offer.get("windows", {}).items():
            known = names[name] = f"w{number}-{len(names)}"
            out = windows[known] = {
                "zone": window["timezone"],
                "hours": ["-".join(span) for span in window["hours"]]}
            if "days" in window:
                out["days"] = window["days"]
            if window.get("except_calendar"):
                out["except_calendar"] = window["except_calendar"]
        rows = []
        for row in offer["prices"]:
            if "when" in row:
                row = {**row, "when": names[row["when"]]}
            rows.append(row_of(row, offer))
        priced = {"rows": rows}
        if offer.get("free_quota"):
            quota = offer["free_quota"]
            priced["quota"] = f"q{number}"
            quotas[f"q{number}"] = {"tokens": quota["tokens"], "per": quota["per"],
                                    "zone": quota.get("timezone", "UTC")}
        limits = {name: count for name, count in (offer.get("limits") or {}).items()
                  if name in ("rpm", "tpm", "concurrency") and count is not None}
        if limits:
            priced["limits"] = limits
        account = vendors.setdefault(vendor, {
            "base_url": f"https://vendor{len(vendors)}.example/v1", "currency": currency,
            "auth": "none", "tokenizer": "generic", "cache": cache_of(offer.get("cache")),
            "models": {}})
        account["models"][model] = {"thinking": "yes", "tools": "yes", "vision": "yes",
                                    "json_schema": "yes", "json_object": "yes"}
        book.setdefault(vendor, {})[model] = priced
    targets = [f"{offer['vendor']}/{offer['model']}" for offer in entries]
    price_file = {"prices": book}
    for name, part in (("calendars", calendars), ("windows", windows), ("quotas", quotas)):
        if part:
            price_file[name] = part
    return {
        "bijia.yaml": {"state_dir": "state"},
        "vendors.yaml": {"vendors": vendors},
        "prices.yaml": price_file,
        "policy.yaml": {"currency": currency, "aliases": {"chat": targets},
                        "teams": {"t": {}}},
    }


def write(path, directory):
    with open(path, encoding="utf-8") as file:
        prices = json.load(file, parse_float=Decimal)
    for name, content in convert(prices).items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, default=str)
            file.write("\n")


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
