"""kill -9 at any point loses nothing and bills nothing twice.

After each crash the ledger is judged by the market's own record: every attempt that was billed has one
row that charges no less; what is charged more is marked as estimated; nothing stays reserved."""
import collections
import http.client
import json
import os
import random
import subprocess
import threading
import time
from decimal import Decimal

import pytest

from market import Proxy, wait_until

KILLS = int(os.environ.get("BIJIA_TEST_KILLS", "25"))
POINT_KILLS = int(os.environ.get("BIJIA_TEST_POINT_KILLS", "3"))     # at each fail point
TEAMS = ["t%d" % i for i in range(5)]
POINTS = ["reserve_before", "reserved", "intended", "dispatched", "settle_before", "settled", "row_before",
          "account_before", "begin_before", "commit_before", "commit_after", "grant_before",
          "fold_before", "fold_after"]
MODELS = ["deepseek/deepseek-flash", "qwen/qwen3.5-flash", "openai/gpt-6-luna"]
NANOS = 10**9


def edit(proxy):
    """Teams with tight budgets, ample ones, and none."""
    rules = ["[{amount: 0.05, per: day}]", "[{amount: 0.1, currency: USD, per: total}, {amount: 90, per: month}]",
             "[{amount: 50, per: day, each: user}, {amount: 70, per: day, each: key}]", None, None]
    lines = "".join("  %s:\n%s" % (t, "    budgets: %s\n" % r if r else "") for t, r in zip(TEAMS, rules))
    text = proxy.read("policy.yaml")
    proxy.write("policy.yaml", text.replace("\nteams:\n", "\nteams:\n" + lines, 1))


class Load:
    """Clients that ask on and on, streamed or not, some leaving early; a dead proxy is no error."""

    def __init__(self, proxy, keys, n=6):
        self.proxy, self.keys, self.over, self.asked = proxy, keys, False, 0
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.over = True
        for thread in self.threads:
            thread.join()

    def run(self, seed):
        rng = random.Random(seed)
        while not self.over:
            try:
                self.ask(rng)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    def ask(self, rng):
        conn = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=10)
        body = {"model": rng.choice(MODELS), "max_tokens": 60, "stream": rng.random() < .5, "user": "u",
                "messages": [{"role": "user", "content": "hello sim:tokens=%d" % rng.choice([5, 30, 50])}]}
        try:
            conn.request("POST", "/v1/chat/completions", json.dumps(body),
                         {"Authorization": "Bearer " + rng.choice(self.keys)})
            self.asked += 1
            response = conn.getresponse()
            response.read(40 if rng.random() < .1 else None)
        finally:
            conn.close()


def judge(proxy, sim):
    """Against the record: the rows."""
    wait_until(lambda: sim.state()["in_flight"] == 0, "the market at rest")
    assert proxy.stop() == 0, proxy.stderr()
    ledger = proxy.ledger()
    rows = {r["id"]: r for r in ledger["attempt"]}
    team_of = {x["id"]: x["team"] for x in ledger["exchange"]}
    assert len(rows) == len(ledger["attempt"])
    for bill in sim.bills():
        row = rows[bill["attempt"]]                     # one row, by its primary key
        owed = Decimal(bill["amount"]) * NANOS
        assert row["currency"] == bill["currency"]
        assert row["cost_nanos"] >= owed - Decimal("0.5"), (row, bill)
        if not row["estimated"]:
            assert abs(row["cost_nanos"] - owed) <= Decimal("0.5"), (row, bill)
    billed = {b["attempt"] for b in sim.bills()}
    for row in rows.values():                           # what is charged without a bill is estimated
        if row["cost_nanos"] and row["id"] not in billed:
            assert row["estimated"], row
    for account in ledger["account"]:
        assert account["covered_nanos"] == account["spent_nanos"], account
        if account["scope"] == "all":
            total = sum(x["cost_nanos"] for x in ledger["exchange"] if x["team"] == account["team"])
            assert total == account["spent_nanos"], account
    assert set(team_of.values()) <= set(TEAMS + ["demo"])
    judge_teams(sim.bills(), rows, team_of)
    spent = {a["no"]: a for a in ledger["account"] if a["scope"] == "team"}
    caps = {("t0", "day"): 0.05, ("t1", "total"): 0.1, ("t1", "month"): 90}
    for account in spent.values():
        cap = caps[account["team"], account["period"]]
        assert account["spent_nanos"] <= cap * NANOS + 1, account
    return rows


def judge_teams(bills, rows, team_of):
    """Team by team, in each currency: no less than the bills, and the excess is that of estimated rows."""
    owed = {b["attempt"]: Decimal(b["amount"]) * NANOS for b in bills}
    found = collections.Counter()
    for team in set(team_of.values()):
        for currency in ("CNY", "USD"):
            ours = [r for r in rows.values() if (team_of[r["exchange_id"]], r["currency"]) == (team, currency)]
            charged = sum(r["cost_nanos"] for r in ours)
            billed = sum(owed.get(r["id"], 0) for r in ours)
            excess = sum(r["cost_nanos"] - owed.get(r["id"], 0) for r in ours if r["estimated"])
            rounding = Decimal("0.5") * len(ours)
            assert charged >= billed - rounding, team
            assert abs(charged - billed - excess) <= rounding, team
            found.update(charged=charged, excess=excess)
    print("%d attempts, %d bills; %d rows estimated; charged %.6f, of it in excess %.6f" % (
        len(rows), len(bills), sum(r["estimated"] for r in rows.values()),
        found["charged"] / NANOS, found["excess"] / NANOS))


def test_killed_at_random_it_bills_what_the_market_bills(sim):
    rng = random.Random(4)
    sim.order(chunk_ms=1)
    with Proxy(sim, edit=edit) as proxy:
        keys = [proxy.new_key(t) for t in TEAMS]
        proxy.stop()
        proxy.start()
        with Load(proxy, keys) as load:
            for _ in range(KILLS):
                time.sleep(rng.uniform(0.02, 0.25))
                proxy.kill()
                proxy.start()
            time.sleep(0.2)
        rows = judge(proxy, sim)
        kinds = [r["fault"] for r in rows.values()]
        assert load.asked > KILLS and kinds.count("none") > 0
        assert kinds.count("crashed") <= KILLS * len(load.threads)


@pytest.mark.parametrize("point", POINTS)
def test_killed_between_two_steps_of_the_ledger_it_loses_nothing(sim, point):
    sim.order(chunk_ms=1)
    with Proxy(sim, edit=edit) as proxy:
        keys = [proxy.new_key(t) for t in TEAMS]
        proxy.stop()
        for count in [1, 7, 23, 2, 3, 5, 11, 13, 17, 29][:POINT_KILLS]:
            proxy.environment = {"BIJIA_FAILPOINT": "%s:%d" % (point, count)}
            proxy.start()
            with Load(proxy, keys):
                wait_until(lambda: proxy.process.poll() is not None, "the fail point " + point)
            assert proxy.process.returncode == -9
        proxy.environment = {}
        proxy.start()
        with Load(proxy, keys):
            time.sleep(0.1)
        judge(proxy, sim)


def test_killed_while_it_recovers_it_recovers_once(sim):
    sim.order(chunk_ms=1)
    with Proxy(sim, edit=edit) as proxy:
        keys = [proxy.new_key(t) for t in TEAMS]
        proxy.stop()
        proxy.start()
        with Load(proxy, keys):
            time.sleep(0.3)
            proxy.kill()
        proxy.environment = {"BIJIA_FAILPOINT": "resumed"}
        for _ in range(3):
            process_ends(proxy)
        before = proxy.ledger()
        process_ends(proxy)
        assert proxy.ledger() == before         # a second recovery changes nothing
        proxy.environment = {}
        proxy.start()
        judge(proxy, sim)


def process_ends(proxy):
    done = subprocess.run([proxy.binary, "serve", proxy.directory], env=proxy.env(), capture_output=True, timeout=20)
    assert done.returncode == -9


@pytest.mark.parametrize("gone", ["intents", "boot"])
def test_after_a_power_cut_each_lease_is_charged_in_full(sim, gone):
    """Intents outlive the process, not the machine: without them the leases tell."""
    sim.order(chunk_ms=1)
    with Proxy(sim, edit=edit) as proxy:
        keys = [proxy.new_key(t) for t in TEAMS]
        proxy.stop()
        proxy.start()
        with Load(proxy, keys):
            time.sleep(0.4)
            proxy.kill()
        path = proxy.path("state", "intents")
        if gone == "intents":
            os.remove(path)
        else:
            with open(path, "r+b") as file:
                file.seek(8)
                file.write(b"another boot of this machine")
        proxy.start()
        wait_until(lambda: sim.state()["in_flight"] == 0, "the market at rest")
        assert proxy.stop() == 0
        ledger = proxy.ledger()
        team_of = {x["id"]: x["team"] for x in ledger["exchange"]}
        spent = {a["team"]: a["spent_nanos"] for a in ledger["account"] if a["scope"] == "all"}
        rate = Decimal("6.7195")
        known = {r["id"] for r in ledger["attempt"]}
        lost = [b for b in sim.bills() if b["attempt"] not in known]
        leases = [r for r in ledger["attempt"] if r["fault"] == "crashed"]
        assert leases and all(r["estimated"] for r in leases)
        owed = sum(Decimal(b["amount"]) * (rate if b["currency"] == "USD" else 1) for b in lost) * NANOS
        assert sum(r["cost_nanos"] for r in leases) >= owed
        for team, nanos in spent.items():
            assert nanos == sum(x["cost_nanos"] for x in ledger["exchange"] if x["team"] == team)
        for account in ledger["account"]:
            assert account["covered_nanos"] == account["spent_nanos"]
        assert team_of
