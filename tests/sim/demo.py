"""demo.py - a handful of requests through a running proxy, and why each went where it went.

Standard library only: a client as anyone could write it. Ends with 1 if anything failed.
"""
from __future__ import annotations

import argparse
import json
import os
import time
import urllib.error
import urllib.request

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}

QUESTIONS = [
    ("a short question", {"messages": [{"role": "user", "content": "Why is the sky blue? One sentence."}]}),
    ("中文，流式", {"stream": True, "messages": [{"role": "user", "content": "用一句话介绍一下杭州。"}]}),
    ("with a tool", {"tools": [WEATHER], "messages": [{"role": "user", "content": "杭州今天天气怎么样？"}]}),
    ("with a tool, streamed", {"stream": True, "tools": [WEATHER], "messages": [
        {"role": "user", "content": "What is the weather in Paris and in Rome? Ask for both."}]}),
    ("a long document", {"max_tokens": 60, "messages": [
        {"role": "system", "content": "Summarise in one sentence."},
        {"role": "user", "content": "The cheapest vendor changes by the month and by the hour. " * 400}]}),
    ("one vendor by name", {"model": "deepseek/deepseek-flash", "messages": [
        {"role": "user", "content": "Say hello."}]}),
]


def ask(base_url: str, key: str, body: dict):
    """(request id, text, number of events) of one answer."""
    request = urllib.request.Request(base_url + "/chat/completions", json.dumps(body).encode(), {
        "Authorization": "Bearer " + key, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        number = answer.headers["x-bijia-request-id"]
        if not body.get("stream"):
            return number, words(json.loads(answer.read())["choices"][0]["message"]), 1
        text, events, done = "", 0, False
        for line in answer:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                done = True
                continue
            events += 1
            event = json.loads(data)
            if "error" in event:
                raise ValueError(event["error"]["message"])
            text += "".join(words(choice["delta"]) for choice in event["choices"])
        if not done:
            raise ValueError("the stream ended without [DONE]")
        return number, text, events


def words(message: dict) -> str:
    calls = "".join("%s%s" % (c["function"].get("name") or "", c["function"].get("arguments") or "")
                    for c in message.get("tool_calls") or [])
    return (message.get("content") or "") + calls


def receipt(log: str, number: str) -> dict:
    """The routing log's line of a request; it comes a moment after the answer."""
    for _ in range(500):
        try:
            with open(log, encoding="utf-8") as lines:
                for line in lines:
                    if number in line and line.endswith("\n"):
                        return json.loads(line)
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    raise ValueError("no line in the routing log for " + number)


def money(cost: dict | None) -> str:
    return "%s %s" % (cost["currency"], cost["amount"]) if cost else "-"


def explain(r: dict) -> str:
    tokens = r["tokens"]
    lines = ["   -> %s/%s for %s (expected %s)   %d in, %d cached, %d out   %s ms" % (
        r["vendor"], r["model"], money(r["cost"]), money(r["expected_cost"]), tokens["input"],
        tokens["cached"], tokens["output"], r["total_ms"])]
    for attempt in r["attempts"]:
        if attempt["fault"] != "none":
            lines.append("      tried first: %s/%s %s" % (attempt["vendor"], attempt["model"], attempt["fault"]))
    if r.get("runner_up"):
        lines.append("      next best: %s/%s would have cost %s" % (
            r["runner_up"]["vendor"], r["runner_up"]["model"], money(r["runner_up"]["cost"])))
    why: dict[str, list[str]] = {}
    for other in r["others"]:
        why.setdefault(other["why"], []).append("%s/%s" % (other["vendor"], other["model"]))
    for reason, names in sorted(why.items()):
        shown = ", ".join(names[:3]) + (" and %d more" % (len(names) - 3) if len(names) > 3 else "")
        lines.append("      %s: %s" % (reason, shown))
    return "\n".join(lines)


def wait_ready(base_url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(base_url[:-len("/v1")] + "/readyz", timeout=2).read()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the proxy did not become ready")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--bills", help="the simulated market's own record, to compare with")
    options = parser.parse_args()
    wait_ready(options.base_url)
    failed, total = 0, {}
    for title, body in QUESTIONS:
        body = {"model": "chat", **body}
        print("\n%s  (model %s)" % (title, body["model"]))
        try:
            number, text, events = ask(options.base_url, os.environ["BIJIA_KEY"], body)
            r = receipt(options.log, number)
            print("   “%s”%s" % (text[:60] + ("…" if len(text) > 60 else ""),
                                 "  in %d events" % events if body.get("stream") else ""))
            print(explain(r))
            if not text or r["status"] != 200:
                raise ValueError("an empty answer")
            total[r["id"]] = r
        except urllib.error.HTTPError as error:
            failed += 1
            print("   FAILED: %d %s" % (error.code, error.read().decode(errors="replace")))
        except (OSError, ValueError, KeyError) as error:
            failed += 1
            print("   FAILED: %s" % error)
    if options.bills and not failed:
        failed += compare(options.bills, list(total.values()))
    return 1 if failed else 0


def compare(path: str, receipts: list[dict]) -> int:
    """The market's bills against our receipts, attempt by attempt."""
    with open(path, encoding="utf-8") as lines:
        bills = {b["attempt"]: b for b in map(json.loads, lines)}
    wrong = 0
    for r in receipts:
        for attempt in r["attempts"]:
            bill, cost = bills.get(attempt["id"]), attempt.get("cost")
            if not bill or not cost or float(bill["amount"]) != float(cost["amount"]):
                wrong += 1
                print("   the market billed %s, we %s" % (bill and bill["amount"], money(cost)))
    print("\nThe market's own bills and our receipts agree on %d of %d requests." % (
        len(receipts) - wrong, len(receipts)))
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
