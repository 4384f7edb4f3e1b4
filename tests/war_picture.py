#!/usr/bin/env python3
"""Draws the price war as an SVG:

    bijia prices war --json | python3 tests/war_picture.py > conf/examples/price-war-2024/war.svg

One panel for each kind of request; a step for each vendor's cheapest model; the scale is logarithmic, and what is
free stands on a floor of its own. Reads nothing but that output.
"""
import json
import math
import sys
from xml.sax.saxutils import escape

PANEL_W, PANEL_H, LEFT, TOP, GAP = 300, 300, 52, 64, 58
FLOOR = 26                                   # height of the strip of what is free
COLOURS = {"deepseek": "#3b5bdb", "zhipu": "#0c8599", "bytedance": "#e8590c", "alibaba": "#9c36b5",
           "baidu": "#2f9e44", "iflytek": "#c2255c", "tencent": "#f08c00"}
QUIET = "#adb5bd"                            # those who stayed away, and those abroad
TEXT, DIM = "#212529", "#868e96"


class Panel:
    def __init__(self, war, kind, x):
        self.days, self.x = war["days"], x
        self.costs = [day["costs"][kind["name"]] for day in self.days]
        paid = [float(c["amount"]) for costs in self.costs for c in costs["vendors"].values() if c]
        paid = [p for p in paid if p > 0]
        self.low, self.high = math.floor(math.log10(min(paid))), math.ceil(math.log10(max(paid)))

    def at(self, day):
        return self.x + day * PANEL_W / len(self.days)

    def height(self, amount):
        if amount == 0:
            return TOP + PANEL_H - FLOOR / 2
        share = (math.log10(amount) - self.low) / (self.high - self.low)
        return TOP + (PANEL_H - FLOOR) * (1 - share)

    def steps(self, amounts):
        path, pen_down = [], False
        for day, amount in enumerate(amounts):
            if amount is None:
                pen_down = False
                continue
            y = self.height(amount)
            path.append(f"{'L' if pen_down else 'M'}{self.at(day):.1f} {y:.1f}L{self.at(day + 1):.1f} {y:.1f}")
            pen_down = True
        return "".join(path)

    def line(self, amounts, colour, width, extra=""):
        return f'<path d="{self.steps(amounts)}" fill="none" stroke="{colour}" stroke-width="{width}" {extra}/>'


def text(x, y, words, size=11, colour=TEXT, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def amounts_of(costs, vendor):
    return [float(c["vendors"][vendor]["amount"]) if c["vendors"][vendor] else None for c in costs]


def frame(panel, kind, requests, currency):
    yield text(panel.x, TOP - 26, f"{requests:,} × {kind['title']}", 14, weight="bold")
    yield text(panel.x, TOP - 10, f"{kind['input']:,} tokens in, {kind['output']:,} out; {currency}", 11, DIM)
    bottom = TOP + PANEL_H
    yield f'<rect x="{panel.x}" y="{bottom - FLOOR}" width="{PANEL_W}" height="{FLOOR}" fill="#ebfbee"/>'
    yield text(panel.x - 6, bottom - FLOOR / 2 + 4, "free", 11, "#2f9e44", "end")
    for power in range(panel.low, panel.high + 1):
        y = panel.height(10 ** power)
        yield f'<path d="M{panel.x} {y:.1f}h{PANEL_W}" stroke="#e9ecef"/>'
        yield text(panel.x - 6, y + 4, f"{10 ** power:,g}", 11, DIM, "end")
    for i, day in enumerate(panel.days):
        number = int(day["day"][-2:])
        if day["changes"]:
            yield (f'<path d="M{panel.at(i):.1f} {TOP}v{PANEL_H}" stroke="#ced4da" stroke-dasharray="2 3"/>')
            yield text(panel.at(i), bottom + 15, str(number), 10, TEXT, "middle")
    yield text(panel.x + PANEL_W, bottom + 15, "May", 11, DIM, "end")


def curves(panel, vendors):
    for loud in (False, True):
        for vendor in vendors:
            if (vendor in COLOURS) == loud:
                yield panel.line(amounts_of(panel.costs, vendor), COLOURS.get(vendor, QUIET), 2.2 if loud else 1)
    cheapest = [float(c["cheapest"]["amount"]) for c in panel.costs]
    yield panel.line(cheapest, "#000", 5, 'stroke-opacity="0.16" stroke-linejoin="round"')


def legend(vendors, y, width):
    named = [v for v in vendors if v in COLOURS] + ["others", "the cheapest"]
    step = (width - LEFT) / len(named)
    for i, name in enumerate(named):
        x = LEFT + i * step
        colour = COLOURS.get(name, QUIET)
        thick = 'stroke="#000" stroke-opacity="0.16" stroke-width="5"' if name == "the cheapest" else \
            f'stroke="{colour}" stroke-width="{2.2 if name in COLOURS else 1}"'
        yield f'<path d="M{x:.1f} {y - 4}h18" {thick}/>'
        yield text(x + 23, y, name)


def headline(day):
    """The day's largest cut or its first change, in few words."""
    words = []
    for change in day["changes"]:
        model, before, after = change["offer"].split("/", 1)[1], change["before"], change["after"]
        if change["what"] in ("made free", "first known, free"):
            words.append(f"{model} free")
        elif before and after:
            was, now = float(before["input"]), float(after["input"])
            words.append(f"{model} {was:g} → {now:g}")
        elif after:
            words.append(f"{model} at {'$' if after['currency'] == 'USD' else ''}{float(after['input']):g}")
    more = f" and {len(words) - 5} more" if len(words) > 5 else ""
    return f"{int(day['day'][-2:])} May: " + ", ".join(words[:5]) + more


def draw(war):
    vendors = list(war["days"][0]["costs"][war["kinds"][0]["name"]]["vendors"])
    width = LEFT + len(war["kinds"]) * (PANEL_W + GAP)
    events = [headline(day) for day in war["days"] if day["changes"]]
    height = TOP + PANEL_H + 78 + 17 * len(events)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
           f'height="{height}" font-family="Helvetica, Arial, sans-serif">')
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    for i, kind in enumerate(war["kinds"]):
        panel = Panel(war, kind, LEFT + i * (PANEL_W + GAP))
        yield from frame(panel, kind, war["requests"], war["currency"])
        yield from curves(panel, vendors)
    yield from legend(vendors, TOP + PANEL_H + 40, width)
    yield text(LEFT, TOP + PANEL_H + 66, "What changed: prices of 1,000,000 tokens of input, in the vendor's currency",
               11, TEXT)
    for i, event in enumerate(events):
        yield text(LEFT, TOP + PANEL_H + 83 + 17 * i, event, 11, DIM)
    yield "</svg>"


if __name__ == "__main__":
    print("\n".join(draw(json.load(sys.stdin))))
