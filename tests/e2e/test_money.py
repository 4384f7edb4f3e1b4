"""What is billed is what the market bills, to the last nano, whatever the vendor's spelling."""
import datetime
import time
from decimal import Decimal

import pytest

from market import wait_until

MODELS = ["deepseek/deepseek-flash", "qwen/qwen3.5-flash", "doubao/doubao-seed-2-1-pro-260628",
          "ernie/ernie-4.5-turbo-128k", "hunyuan/hy3", "glm/glm-5.3-flash", "kimi/kimi-k3",
          "openai/gpt-6-luna", "openrouter/openai/gpt-oss-120b"]


def attempts(proxy, sim):
    """{attempt id: (market's bill, our attempt)} of all that the market has billed."""
    bills = {b["attempt"]: b for b in sim.bills()}

    def all_there():
        ours = {a["id"]: a for line in proxy.routing_log() for a in line["attempts"]}
        return {i: (b, ours[i]) for i, b in bills.items()} if set(bills) <= set(ours) else None
    return wait_until(all_there, "receipts of all attempts")


@pytest.mark.parametrize("model", MODELS)
def test_every_vendor_streamed_or_not_is_billed_exactly(proxy, sim, model):
    for content in ("hello there", "你好，请介绍一下你自己。", "word " * 3000, "word " * 3000):
        for stream in (False, True):
            answer = proxy.chat(content, model=model, stream=stream)
            assert answer.status == 200, answer.body
    pairs = attempts(proxy, sim)
    assert len(pairs) == 8
    for bill, ours in pairs.values():
        assert Decimal(ours["cost"]["amount"]) == Decimal(bill["amount"])
        assert ours["cost"]["currency"] == bill["currency"]


def billed_alike(proxy, sim):
    """The market's bills, each of which was ours too."""
    bills = []
    for bill, ours in attempts(proxy, sim).values():
        assert Decimal(ours["cost"]["amount"]) == Decimal(bill["amount"]), bill
        assert ours["cost"]["currency"] == bill["currency"]
        bills.append(bill)
    return sorted(bills, key=lambda bill: bill["seq"])


@pytest.mark.parametrize("model, edge", [
    ("qwen/qwen3.5-flash", 128_000), ("qwen/qwen3-vl-flash", 32_000),
    ("doubao/doubao-seed-2-0-mini-260428", 32_000), ("ernie/ernie-5.1", 32_000),
    ("glm/glm-5.1", 32_000), ("openai/gpt-6-luna", 272_000)])
def test_a_tier_by_the_length_of_the_prompt_bills_the_whole_request(start, sim, model, edge):
    proxy = start(settings={"limits.body": "16MiB"})
    rows = set()
    for words in (10, edge // 2, edge + edge // 8):
        assert proxy.chat("word " * words, model=model).status == 200
    for bill in billed_alike(proxy, sim):
        rows.add(repr(bill["price"]))
        assert (bill["prompt_tokens"] > edge) == (len(rows) > 1)
    assert len(rows) == 2


def test_a_tier_by_the_length_of_the_answer_changes_the_price_of_the_prompt_too(proxy, sim):
    for tokens in (20, 180, 188, 189, 200, 201, 900):
        for stream in (False, True):
            sim.clear()
            sim.order("zhipu", tokens=tokens)
            assert proxy.chat(model="glm/glm-4.7", stream=stream).status == 200
    bills = billed_alike(proxy, sim)
    assert {bill["price"]["input"] for bill in bills} == {"2", "3"}
    assert {bill["completion_tokens"] <= 200 for bill in bills if bill["price"]["input"] == "2"} == {True}


def test_thinking_makes_the_whole_answer_dearer_where_the_vendor_says_so(proxy, sim):
    for effort in ("none", "high"):
        assert proxy.chat(model="qwen/qwen-plus", reasoning_effort=effort, stream=True).status == 200
    assert [bill["price"]["output"] for bill in billed_alike(proxy, sim)] == ["2", "8"]


PEAK = "    days: Mon-Fri\n    hours: [09:00-12:00, 14:00-18:00]\n    except_calendar: cn-holidays\n"


@pytest.mark.parametrize("clock, open_now, price", [
    ("2026-11-23T02:00:00Z", True, "2"), ("2026-11-22T02:00:00Z", False, "1"),
    ("2026-10-05T02:00:00Z", False, "1"), ("2026-11-23T04:00:00Z", False, "1"),
    ("2026-11-23T09:59:59Z", True, "2")])
def test_a_window_bills_what_the_market_bills_at_that_time(start, sim, clock, open_now, price):
    """The market's clock is moved to where the window is (not) open; ours is the window that moves."""
    hour = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).hour
    hours = (hour + 23, hour + 25) if open_now else (hour + 6, hour + 7)
    moved = "    hours: [%02d:00-%02d:00]\n" % tuple(h % 24 for h in hours)
    proxy = start(edit=lambda p: p.replace("prices.yaml", PEAK, moved))
    sim.settings(clock=clock)
    for stream in (False, True):
        assert proxy.chat(model="deepseek/deepseek-flash", stream=stream).status == 200
    assert [bill["price"]["input"] for bill in billed_alike(proxy, sim)] == [price, price]


@pytest.mark.parametrize("price_at, expected", [(None, 1), ("first_byte", 7), ("end", 7)])
def test_a_price_that_changes_on_the_way_goes_by_the_instant_the_vendor_goes_by(start, sim, price_at, expected):
    proxy = start()
    if price_at:
        proxy.replace("vendors.yaml", "    cancel_stops_billing: yes\n",
                      "    cancel_stops_billing: yes\n    price_at: %s\n" % price_at)
    sim.order("deepseek", latency_ms=3500)
    change = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    row = "        - {when: deepseek-peak, input: 2, cached_input: 0.04, output: 8, currency: CNY}\n"
    proxy.replace("prices.yaml", row,
                  "        - {from: %s, input: 7, output: 7, currency: CNY}\n"
                  "        - {input: 1, output: 1, currency: CNY}\n" % change.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    proxy.reload()
    wait_until(lambda: "result=ok" in proxy.stderr(), "the reload")
    assert proxy.chat(model="deepseek/deepseek-flash").status == 200
    assert datetime.datetime.now(datetime.timezone.utc) > change
    line = proxy.wait_log(1)[0]
    tokens = line["tokens"]["input"] + line["tokens"]["output"]
    assert Decimal(line["cost"]["amount"]) == Decimal(tokens * expected) / 10**6


def test_a_free_quota_is_used_up_before_anything_is_paid_even_over_a_restart(start, sim):
    row = '      - {input: 1, output: 4, source: "szp2005/llm-prices-cn@0707620", as_of: 2026-09-28}\n'

    def edit(proxy):
        proxy.replace("prices.yaml", "prices:\n", "quotas:\n  trial: {tokens: 250, per: once}\nprices:\n")
        proxy.replace("prices.yaml", row, "      quota: trial\n      rows:\n  " + row)
    proxy = start(edit=edit)
    free = 250
    for number in range(6):
        if number == 3:
            proxy.stop()
            proxy.start()
        assert proxy.chat(model="ernie/ernie-x1-turbo-32k").status == 200
        line = proxy.wait_log(number + 1)[-1]
        prompt, answer = line["tokens"]["input"], line["tokens"]["output"]
        paid_prompt = max(0, prompt - free)
        paid_answer = max(0, answer - max(0, free - prompt))
        assert Decimal(line["cost"]["amount"]) == Decimal(paid_prompt + 4 * paid_answer) / 10**6
        free = max(0, free - prompt - answer)
    assert free == 0 and number * (prompt + answer) > 250 > 3 * (prompt + answer)


def test_what_no_row_foresees_is_billed_by_the_nearest_and_told(start, sim):
    def edit(proxy):
        proxy.replace("prices.yaml", "output_at_most: 200", "output_at_most: 400")
        proxy.replace("prices.yaml", "        - {input_at_most: 32000, input: 3, cached_input: 0.6, output: 14}\n", "")
        proxy.replace("prices.yaml", "        - {input: 4, cached_input: 0.8, output: 16}\n", "")
    proxy = start(edit=edit)
    sim.order("zhipu", tokens=900)
    assert proxy.chat(model="glm/glm-4.7").status == 200
    line = proxy.wait_log(1)[0]
    assert Decimal(line["cost"]["amount"]) == \
        Decimal(line["tokens"]["input"] * 2 + line["tokens"]["output"] * 8) / 10**6
    assert "event=price" in proxy.stderr() and "no row" in proxy.stderr()


def test_a_model_without_a_price_is_used_last_if_the_policy_says_so(start, sim):
    row = '      - {input: 1, output: 4, source: "szp2005/llm-prices-cn@0707620", as_of: 2026-09-28}\n'

    def edit(proxy):
        proxy.replace("prices.yaml", "    ernie-x1-turbo-32k:\n" + row, "")
        proxy.replace("policy.yaml", "currency: CNY\n", "currency: CNY\nunpriced: %s\n" % word)
    word = "deny"
    assert start(edit=edit).chat(model="ernie/ernie-x1-turbo-32k").status == 503
    word = "last"
    proxy = start(edit=edit)
    answer = proxy.chat(model="ernie/ernie-x1-turbo-32k")
    assert answer.status == 200 and "x-bijia-expected-cost" not in answer.headers
    attempt = proxy.wait_log(1)[0]["attempts"][0]
    assert attempt["unpriced"] is True and "cost" not in attempt


def test_the_ledger_says_what_the_log_says(proxy, sim):
    for stream in (False, True):
        assert proxy.chat(stream=stream).status == 200
    pairs = attempts(proxy, sim)
    rows = {r["id"]: r for r in proxy.ledger("attempt")}
    for number, (bill, ours) in pairs.items():
        assert Decimal(rows[number]["cost_nanos"]) / 10**9 == Decimal(bill["amount"])
    exchanges = {r["id"]: r for r in proxy.ledger("exchange")}
    for line in proxy.routing_log():
        assert line["id"] in exchanges
        assert exchanges[line["id"]]["team"] == line["team"]


def test_a_vendor_that_tells_no_usage_is_charged_by_estimate(proxy, sim):
    sim.order(usage="missing")
    for stream in (False, True):
        answer = proxy.chat(stream=stream)
        assert answer.status == 200
    for bill, ours in attempts(proxy, sim).values():
        assert ours["estimated"]
        assert Decimal(ours["cost"]["amount"]) >= Decimal(bill["amount"]) > 0


@pytest.mark.parametrize("events", [0, 1, 4])
@pytest.mark.parametrize("model", MODELS + ["anthropic/claude-haiku-5-5", "gemini/gemini-3.8-flash", "xai/grok-4.3",
                                            "mistral/mistral-small-4", "minimax/MiniMax-M3", "spark/spark-x2.5"])
def test_an_error_inside_a_stream_is_charged_for_what_came_before_it(start, sim, model, events):
    if model.startswith(("minimax", "spark")) and not events:
        events = 2      # theirs at the beginning are refusals: test_vendors.py
    sim.order(error_in_stream=events)
    proxy = start()
    answer = proxy.chat("tell me", model=model, stream=True, max_tokens=1000)
    assert answer.cut or answer.status == 503
    [(bill, ours)] = attempts(proxy, sim).values()
    assert bill["end"] == "error_in_stream"
    assert ours["estimated"] and ours["maybe_billed"]
    assert Decimal(ours["cost"]["amount"]) >= Decimal(bill["amount"])
    assert 0 < Decimal(ours["cost"]["amount"]) < Decimal("0.05") or events     # not a whole answer


@pytest.mark.parametrize("usage", ["absurd", "negative", "strings"])
def test_a_usage_that_cannot_be_is_not_believed(proxy, sim, usage):
    sim.order(usage=usage)
    answer = proxy.chat(model="openai/gpt-6-luna")
    assert answer.status == 200
    ours = next(iter(attempts(proxy, sim).values()))[1]
    assert 0 < Decimal(ours["cost"]["amount"]) < 1


@pytest.mark.parametrize("model", ["qwen/qwen3.5-flash", "qwen/qwen3.8-max", "qwen-us/qwen3.8-flash",
                                   "qwen-intl/qwen3.8-flash", "qwen-intl/qwen3.7-plus", "qwen-intl/qwen3.8-max",
                                   "qwen-intl/qwen3.5-27b", "anthropic/claude-haiku-5-5"])
def test_what_a_request_marks_for_the_cache_is_billed_as_written_and_as_read(proxy, sim, model):
    text = "word %s " % model + "word " * 6000
    answer = proxy.chat([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}], model=model)
    assert answer.status == 200, answer.body
    [(bill, ours)] = attempts(proxy, sim).values()
    assert bill["cache_write_tokens"] > 4000
    assert 0 <= Decimal(ours["cost"]["amount"]) - Decimal(bill["amount"]) < Decimal("1e-9")
    answer = proxy.chat([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}], model=model)
    assert answer.status == 200
    again, ours = max(attempts(proxy, sim).values(), key=lambda pair: pair[0]["seq"])
    assert again["cached_tokens"] > 4000
    assert abs(Decimal(ours["cost"]["amount"]) - Decimal(again["amount"])) < Decimal("1e-9")
    assert "bill_over_bound" not in proxy.stderr()


def test_a_usage_of_zero_is_believed(proxy, sim):
    sim.order(usage="zero")
    assert proxy.chat(model="openai/gpt-6-luna").status == 200
    ours = next(iter(attempts(proxy, sim).values()))[1]
    assert Decimal(ours["cost"]["amount"]) == 0


def test_a_refused_attempt_costs_nothing(start, sim):
    proxy = start()
    sim.order(error_class="rate_limit", times=1)
    assert proxy.chat().status == 200
    costs = [Decimal((ours.get("cost") or {"amount": "0"})["amount"])
             for _, ours in attempts(proxy, sim).values()]
    assert sorted(costs)[0] == 0 and sorted(costs)[1] > 0


def test_the_estimate_of_input_is_corrected_by_what_vendors_count(start, sim):
    proxy = start()
    text = "大模型的价格每个月都在变化，" * 40
    for _ in range(40):
        assert proxy.chat(text, model="hunyuan/hy3").status == 200
    lines = proxy.wait_log(40)
    first, last = lines[0]["tokens"], lines[-1]["tokens"]
    assert abs(last["estimated_input"] - last["input"]) / last["input"] < 0.05
    assert abs(last["estimated_input"] - last["input"]) <= abs(first["estimated_input"] - first["input"])


def test_no_prompt_and_no_key_is_ever_written(start, sim):
    canary = "canary-7f3a-prompt-text"
    proxy = start()
    sim.order("deepseek", status=500, message="you said " + canary, times=1)
    assert proxy.chat(canary).status == 200
    proxy.chat(canary, stream=True)
    proxy.chat(canary, model=canary)
    proxy.wait_log(3)
    time.sleep(0.2)
    proxy.stop()
    import os
    for folder, _, files in os.walk(proxy.directory):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            assert proxy.key.encode() not in data, name
            assert proxy.key.split("_", 2)[2].encode() not in data, name
            if name not in ("routing.jsonl", "ledger.db", "ledger.db-wal"):
                assert canary.encode() not in data, name
            else:  # the asked model's name is theirs to choose; the prompt is not
                assert data.count(canary.encode()) <= 2, name
            if "secret" not in folder and not name.startswith("sim-"):
                assert b"sim-deepseek-1" not in data, name
