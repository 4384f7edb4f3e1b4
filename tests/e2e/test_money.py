"""What is billed is what the market bills, to the last nano, whatever the vendor's spelling."""
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
        assert ours["estimated"] if "estimated" in ours else True
        assert Decimal(ours["cost"]["amount"]) > 0


@pytest.mark.parametrize("usage", ["absurd", "negative", "strings"])
def test_a_usage_that_cannot_be_is_not_believed(proxy, sim, usage):
    sim.order(usage=usage)
    answer = proxy.chat(model="openai/gpt-6-luna")
    assert answer.status == 200
    ours = next(iter(attempts(proxy, sim).values()))[1]
    assert 0 < Decimal(ours["cost"]["amount"]) < 1


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
