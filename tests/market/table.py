#!/usr/bin/env python3
"""All cells as a table; exit status 1 if a cell is more than 2 % above the
best single vendor."""
import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import synth

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MARKET = Path(os.environ.get("MARKET_DIR", ROOT.parent / "shared" / "market"))
TRACES = MARKET.parent / "traces"
MADE = ROOT / "build" / "market" / "traces"
WITH_MADE = ("cn-offpeak", "v4flash", "nocache-cheapest", "units", "tiers", "verbose", "ttl-60s")
WITH_MORE = ("cn-offpeak", "cn-real", "v4flash", "nocache-cheapest", "silent-misses", "units",
             "verbose", "ttl-60s", "wide-discounts", "narrow-discounts", "dollars", "three-ways")
CONVERSATION = TRACES / "conversation-first-half.jsonl"


def halves():
    """The conversation trace's halves, as traces of their own."""
    lines = CONVERSATION.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, part in (("conv-1st", lines[:len(lines) // 2]), ("conv-2nd", lines[len(lines) // 2:])):
        path = MADE / f"{name}.jsonl"
        if not path.exists():
            path.write_text("".join(part), encoding="utf-8")


def cells():
    shared = sorted((MARKET / "sets").glob("*.json"))
    own = sorted((HERE / "sets").glob("*.json"))
    yield from ((CONVERSATION, one) for one in shared + own)
    for name in ("agents", "faq", "mixed"):
        yield from ((MADE / f"{name}.jsonl", one) for one in shared + own
                    if one.stem in WITH_MADE)
    for name in ("chats", "tasks", "documents", "conv-1st", "conv-2nd"):
        yield from ((MADE / f"{name}.jsonl", one) for one in shared + own
                    if one.stem in WITH_MORE)
    yield from ((TRACES / f"azure-{kind}.jsonl", one) for kind in ("conv", "code")
                for one in shared)


def cell(pair):
    run = subprocess.run([sys.executable, str(HERE / "cell.py"), "--trace", str(pair[0]),
                          "--prices", str(pair[1])], stdout=subprocess.PIPE)
    return json.loads(run.stdout) if run.returncode == 0 else None


def number(value, form):
    return "-" if value is None else format(value, form)


def line(found):
    gap = found["gap_closed"]
    small = found["hindsight_vs_best_single_percent"] > -0.05
    return (f"{found['trace'][:12]:12} {found['set']:17} "
            f"{float(found['total']):11.4f} {found['currency']} "
            f"{found['vs_best_single_percent']:+8.2f} {found['hindsight_vs_best_single_percent']:+8.2f} "
            f"{'-' if small else number(None if gap is None else 100 * gap, '.0f'):>6} "
            f"{number(found['x_lower_bound'], '.3f'):>7} "
            f"{number(found['estimate_error_median'], '.1f'):>6} {number(found['estimate_bias'], '+.1f'):>6} "
            f"{found['seconds']:6.1f} {found['decide_us']:5.1f} {found['bills_differ']:5} {found['unserved']:4}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cells whose name holds this")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    synth.write(MADE)
    halves()
    chosen = [pair for pair in cells() if options.only in f"{pair[0].stem}/{pair[1].stem}"]
    print(f"{'trace':12} {'prices':17} {'total':>15} {'% single':>8} {'% hinds.':>8} "
          f"{'gap %':>6} {'x bound':>7} {'error':>6} {'bias':>6} {'sec':>6} {'us':>5} {'bills':>5} {'left':>4}")
    gaps, worst, broken = [], -100.0, 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for pair, found in zip(chosen, pool.map(cell, chosen)):
            if found is None:
                print(f"{pair[0].stem[:12]:12} {pair[1].stem:17} FAILED")
                broken += 1
                continue
            print(line(found), flush=True)
            worst = max(worst, found["vs_best_single_percent"])
            if found["gap_closed"] is not None and found["hindsight_vs_best_single_percent"] <= -0.05:
                gaps.append(found["gap_closed"])
    if gaps:
        clipped = [max(-1.0, gap) for gap in gaps]
        print(f"{len(chosen)} cells: gap closed {100 * sum(clipped) / len(clipped):.1f} % on average "
              f"(each at least -100 %), worst cell {worst:+.2f} % against the best single vendor")
    return 1 if broken or worst > 2 else 0


if __name__ == "__main__":
    sys.exit(main())
