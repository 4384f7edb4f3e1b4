#!/usr/bin/env python3
"""One cell: a trace and a price set, replayed by Bijia and billed by the market.

    python3 cell.py --trace FILE --prices SET.json [--json]

Yardsticks are kept under build/market, by what the trace, the set and the
market's code are, since they take longer than all the rest.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from statistics import median

from convert import write

ROOT = Path(__file__).resolve().parent.parent.parent
MARKET = Path(os.environ.get("MARKET_DIR", ROOT.parent / "shared" / "market")).resolve()
BIJIA = Path(os.environ.get("BIJIA_BIN", ROOT / "build" / "release" / "proxy" / "bijia"))
KEPT = ROOT / "build" / "market"


def need(path, what):
    if not path.exists():
        sys.exit(f"tests/market: {what} is not there: {path} (MARKET_DIR and BIJIA_BIN say where)")


def yardsticks(trace, prices):
    """The path of the yardsticks' JSON, made if it is not there."""
    digest = hashlib.sha256()
    for path in [Path(trace), Path(prices)] + sorted(MARKET.glob("*.py")):
        digest.update(path.read_bytes())
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{digest.hexdigest()[:24]}.json"
    if not kept.exists():
        told = subprocess.run(
            [sys.executable, str(MARKET / "yardsticks.py"), "--trace", trace, "--prices", prices,
             "--json"], check=True, stdout=subprocess.PIPE).stdout
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(told)
        fresh.rename(kept)
    return kept


def replay(trace, prices, directory):
    """Bijia's own account of what it did; its decisions are in decisions.jsonl."""
    write(prices, directory)
    market = f"{sys.executable} {MARKET / 'market.py'} --prices '{os.path.abspath(prices)}'"
    run = subprocess.run(
        [str(BIJIA), "replay", "--conf", directory, "--trace", trace, "--market", market,
         "--out", f"{directory}/decisions.jsonl", "--json"], stdout=subprocess.PIPE)
    if not run.stdout:
        sys.exit(f"tests/market: bijia replay failed with status {run.returncode}")
    return json.loads(run.stdout)


def by_vendor(decisions):
    """Estimate against the bill, by vendor, as Bijia tells both."""
    pairs = {}
    with open(decisions, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            bill = Decimal(line["cost"]["amount"]) if line["status"] == 200 else 0
            if bill > 0:
                pairs.setdefault(line["vendor"], []).append(
                    (Decimal(line["expected_cost"]["amount"]), bill))
    return {vendor: {
        "answers": len(both),
        "error_median": round(100 * float(median(abs(e - b) / b for e, b in both)), 2),
        "bias": round(100 * float(sum(e for e, _ in both) / sum(b for _, b in both) - 1), 2),
    } for vendor, both in pairs.items()}


def measure(trace, prices):
    trace, prices = os.path.abspath(trace), os.path.abspath(prices)
    frame = yardsticks(trace, prices)
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        own = replay(trace, prices, directory)
        seconds = time.monotonic() - began
        scored = subprocess.run(
            [sys.executable, str(MARKET / "score.py"), "--decisions",
             f"{directory}/decisions.jsonl", "--trace", trace, "--prices", prices,
             "--yardsticks", str(frame), "--json"], check=True, stdout=subprocess.PIPE).stdout
        found = json.loads(scored)
        vendors = by_vendor(f"{directory}/decisions.jsonl")
    with open(frame, encoding="utf-8") as file:
        known = json.load(file)
    single = min(Decimal(one["total"]) for one in known["singles"]
                 if one["unserved"] == min(other["unserved"] for other in known["singles"]))
    gap = found["gap_closed_percent"]
    error = found["estimate_error"] or {"median_percent": None, "bias_percent": None}
    return {
        "trace": Path(trace).stem, "set": Path(prices).stem,
        "total": found["total"], "currency": found["currency"],
        "vs_best_single_percent": found["vs_best_single_percent"],
        "gap_closed": None if gap is None else gap / 100,
        "hindsight_vs_best_single_percent":
            100 * (float(Decimal(known["hindsight"]["total"]) / single) - 1) if single else 0.0,
        "x_lower_bound": found["x_lower_bound"],
        "estimate_error_median": error["median_percent"],
        "estimate_bias": error["bias_percent"],
        "seconds": round(seconds, 2), "decide_us": own["decide_us"],
        "requests": own["requests"], "unserved": found["unserved"],
        "bills_differ": own["differ"], "vendors": vendors,
    }


def main():
    parser = argparse.ArgumentParser(description="Score Bijia on one trace and price set.")
    parser.add_argument("--trace", required=True)
    parser.add_argument("--prices", required=True)
    parser.add_argument("--json", action="store_true", help="one JSON object (always)")
    options = parser.parse_args()
    need(MARKET / "market.py", "the market")
    need(BIJIA, "bijia, built")
    print(json.dumps(measure(options.trace, options.prices)))


if __name__ == "__main__":
    main()
