"""Limits kept by counting, told in each vendor's headers; service tiers asked for, used and billed."""
from __future__ import annotations

import re
import threading
import time
from decimal import Decimal

import pytest

from client import ask, is_refused
from market import wait_until
from test_native import claude, gemini


def test_requests_are_counted_per_model_and_key(sim):
    sim.order("deepseek", limit={"rpm": 2})
    assert [ask(sim, "deepseek").status for _ in range(3)] == [200, 200, 429]
    assert ask(sim, "deepseek", key="sim-2").status == 200


def test_tokens_are_counted(sim):
    sim.order("groq", limit={"tpm": 130})                   # 9 + 52 each
    assert [ask(sim, "groq").status for _ in range(3)] == [200, 200, 429]
    refused = ask(sim, "groq")
    assert refused.json()["error"]["type"] == "tokens"
    assert sim.bills()[-1]["error_class"] == "rate_limit_tpm"


def test_a_window_slides(sim):
    sim.order("groq", limit={"rpm": 1, "window_s": 0.3})
    assert [ask(sim, "groq").status for _ in range(2)] == [200, 429]
    time.sleep(0.35)
    assert ask(sim, "groq").status == 200


def test_so_many_at_once(sim):
    sim.order("deepseek", limit={"concurrency": 1}, latency_ms=300)
    got = []
    thread = threading.Thread(target=lambda: got.append(ask(sim, "deepseek").status))
    thread.start()
    wait_until(lambda: sim.state()["in_flight"] == 1)
    assert ask(sim, "deepseek").status == 429
    thread.join()
    assert got == [200] and ask(sim, "deepseek").status == 200


def test_groq_tells_its_limits_on_every_answer(sim):
    sim.order("groq", limit={"rpm": 2, "tpm": 1000})
    first = ask(sim, "groq").headers
    assert (first["x-ratelimit-limit-requests"], first["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert first["x-ratelimit-remaining-tokens"] == str(1000 - 61)
    assert re.match(r"^(\d+m)?[\d.]+m?s$", first["x-ratelimit-reset-requests"])
    ask(sim, "groq")
    refused = ask(sim, "groq")
    assert refused.status == 429 and 1 <= int(refused.headers["retry-after"]) <= 60
    sim.clear()
    assert ask(sim, "groq").headers["x-ratelimit-reset-requests"] == "2m59.56s"


@pytest.mark.parametrize("vendor,tells", [
    ("openai", ("x-ratelimit-remaining-requests",)),
    ("azure", ("retry-after-ms", "retry-after", "x-ratelimit-remaining-requests")),
    ("moonshot", ("x-ratelimit-remaining", "x-ratelimit-reset")),
    ("openrouter", ("retry-after", "x-ratelimit-remaining"))])
def test_each_vendor_tells_in_its_own_headers(sim, vendor, tells):
    sim.order(vendor, limit={"rpm": 1})
    ask(sim, vendor)
    refused = ask(sim, vendor)
    assert refused.status == 429 and all(name in refused.headers for name in tells)


@pytest.mark.parametrize("vendor", ["deepseek", "qwen", "ark", "zhipu", "qianfan", "tokenhub", "spark",
                                    "minimax", "stepfun", "siliconflow"])
def test_chinese_vendors_tell_nothing_in_headers(sim, vendor):
    sim.order(vendor, limit={"rpm": 1})
    ask(sim, vendor)
    refused = ask(sim, vendor)
    assert is_refused(refused)
    assert not [name for name in refused.headers if "retry" in name or "ratelimit" in name]


def test_claude_tells_its_limits_with_instants_and_rounded_tokens(sim):
    sim.order("anthropic", limit={"rpm": 1, "tpm": 50_000})
    told = claude(sim).headers
    assert told["anthropic-ratelimit-requests-remaining"] == "0"
    assert told["anthropic-ratelimit-tokens-remaining"] == "49000"
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", told["anthropic-ratelimit-requests-reset"])
    refused = claude(sim)
    assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1


def test_gemini_tells_the_delay_in_its_details(sim):
    sim.order("gemini", limit={"rpm": 1, "window_s": 30})
    gemini(sim)
    delay = gemini(sim).json()["error"]["details"][0]["retryDelay"]
    assert re.match(r"^(29|30)s$", delay)


def test_an_order_for_a_limit_is_checked(sim):
    for bad in ({"rps": 1}, {"rpm": "1"}):
        with pytest.raises(ValueError):
            sim.order("deepseek", limit=bad)


@pytest.mark.parametrize("tier,factor", [(None, "1"), ("auto", "1"), ("default", "1"), ("flex", "0.5"),
                                         ("priority", "2"), ("fast", "2")])
def test_the_tier_is_told_and_billed(sim, tier, factor):
    ask(sim, "openai")
    told = ask(sim, "openai", **({"service_tier": tier} if tier else {})).json()["service_tier"]
    plain, bill = sim.bills()
    assert told == bill["service_tier"] == (tier if tier in ("flex", "priority", "fast") else "default")
    assert Decimal(bill["amount"]) == Decimal(plain["amount"]) * Decimal(factor)


def test_the_tier_used_may_be_another_than_was_asked_for(sim):
    sim.order("openai", tier_used="default")
    assert ask(sim, "openai", service_tier="priority").json()["service_tier"] == "default"
    ask(sim, "openai")
    first, second = sim.bills()
    assert first["amount"] == second["amount"]
