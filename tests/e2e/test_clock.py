"""The clock of the machine, set forward and back: windows are keys, and no window gives its amount twice."""
import concurrent.futures
import datetime
import mmap
import os
import struct
import time

import pytest

from market import wait_until
from test_budget import MODEL, accounts, error_of, nothing_reserved, with_budgets, worst_case
from test_keys import id_of, new, status

DAY_S = 24 * 3600


class Clock:
    """The program's clock, by BIJIA_CLOCK: a debug build adds what stands in that file."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(bytes(8))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 8)
        self.environment = {"BIJIA_CLOCK": str(path)}

    def add(self, seconds):
        self.set(struct.unpack("q", self.map[:8])[0] / 1000 + seconds)

    def set(self, seconds):
        self.map[:8] = struct.pack("q", round(seconds * 1000))

    def to(self, text):
        self.set(datetime.datetime.fromisoformat(text).timestamp() - time.time())

    def now(self):
        return time.time() + struct.unpack("q", self.map[:8])[0] / 1000


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


def ask(proxy, **fields):
    return proxy.chat(model=MODEL, max_tokens=20, **fields)


def fill(proxy):
    """Asks until the budget is full: how many were answered."""
    n = 0
    while ask(proxy).status == 200:
        n += 1
        assert n < 500
    return n


def windows(proxy, answered):
    """What is spent in each of the team's windows, by their beginning, once all answers are in the ledger."""
    wait_until(lambda: len(proxy.ledger("attempt")) == answered, "its rows")
    return {a["window_ms"]: a["spent_nanos"] for a in accounts(proxy, scope="team")}


def test_a_request_is_charged_to_the_window_it_came_in(start, sim, clock):
    clock.to("2026-11-23T23:59:59.000+08:00")
    sim.order(latency_ms=1500, times=3)
    proxy = start(edit=with_budgets("{amount: 10, per: day}", "{amount: 10, per: month, each: key}"),
                  environment=clock.environment)
    clock.to("2026-11-30T23:59:59.000+08:00")       # a month ends, too
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        old = [pool.submit(ask, proxy) for _ in range(3)]
        wait_until(lambda: sim.state()["in_flight"] == 3, "three under way")
        wait_until(lambda: clock.now() % DAY_S % 60 < 30, "midnight")
        assert ask(proxy).status == 200
        assert [f.result().status for f in old] == [200] * 3
    rows = proxy.wait_log(4)
    days = windows(proxy, 4)
    assert len(days) == 2 and len(accounts(proxy, scope="key")) == 2
    cost = {}
    for line in rows:
        at = datetime.datetime.fromisoformat(line["at"].replace("Z", "+00:00"))
        day = (at + datetime.timedelta(hours=8)).date()
        cost[day] = cost.get(day, 0) + round(float(line["cost"]["amount"]) * 10**9)
    assert len(cost) == 2
    assert [days[k] for k in sorted(days)] == [cost[k] for k in sorted(cost)]
    nothing_reserved(proxy)


@pytest.mark.parametrize("away", [DAY_S, 45 * DAY_S])
def test_a_clock_set_forward_and_back_gives_no_window_its_amount_again(start, sim, clock, away):
    worst = worst_case(start, sim, max_tokens=20)
    clock.to("2026-11-23T12:00:00+08:00")
    proxy = start(edit=with_budgets("{amount: %s, per: day}" % (worst * 2)), environment=clock.environment)
    cap = int(worst * 2 * 10**9)
    answered = fill(proxy)
    assert answered > 0
    clock.add(away)
    answered += fill(proxy)
    spent = windows(proxy, answered)
    assert len(spent) == 2 and all(n <= cap for n in spent.values())
    for i in range(20):
        clock.add(-away if i % 2 == 0 else away)
        if i == 10:
            proxy.stop()
            proxy.start()
        answer = ask(proxy)
        assert answer.status == 429 and error_of(answer)["code"] == "insufficient_quota"
    clock.add(-away)
    assert ask(proxy).status == 429
    assert windows(proxy, answered) == spent
    assert ("event=clock" in proxy.stderr()) == (away > 2 * DAY_S)
    nothing_reserved(proxy)


def test_an_expired_key_stays_so_when_the_clock_is_set_back(start, clock):
    proxy = start(environment=clock.environment)
    at = datetime.datetime.fromtimestamp(time.time() + 3600, datetime.timezone.utc)
    key = new(proxy, "--expires", at.isoformat(timespec="seconds").replace("+00:00", "Z"))
    wait_until(lambda: status(proxy, key) == 200, "the key")
    clock.add(2 * 3600)
    assert status(proxy, key) == 401
    clock.add(-2 * 3600)
    assert status(proxy, key) == 401
    proxy.stop()
    proxy.start()
    assert status(proxy, key) == 401 and status(proxy, proxy.key) == 200
    assert id_of(key) in proxy.read("keys.yaml")
    clock.add(-3 * DAY_S)                   # so far back that what it was before cannot have been right
    assert status(proxy, key) == 200
