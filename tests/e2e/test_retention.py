"""Old rows of the ledger go; what budgets have spent, and the proof of it, stay."""
import json
import os
import sqlite3
import time

import pytest

from market import wait_until
from test_budget import accounts, with_budgets
from test_clock import DAY_S, Clock, ask, fill
from test_ledger import verified


def told(proxy):
    return json.loads(proxy.run("admin", "ledger", "--json").stdout)


@pytest.mark.parametrize("how", ["by itself", "asked for", "without a proxy"])
def test_old_rows_go_and_budgets_and_proof_stay(start, sim, tmp_path, how):
    clock = Clock(tmp_path / "clock")
    clock.add(-70 * DAY_S)
    proxy = start(edit=with_budgets("{amount: 0.005, per: total}", "{amount: 5, per: day, each: user}"),
                  environment=clock.environment)
    for i in range(4):
        assert ask(proxy, user="u%d" % i).status == 200
    assert proxy.chat(model="no-such").status == 404
    wait_until(lambda: len(proxy.ledger("exchange")) == 5, "their rows")
    spent = accounts(proxy, scope="team")[0]["spent_nanos"]
    proxy.stop()
    assert len(accounts(proxy, scope="user")) == 4
    head = [line for line in verified(proxy).splitlines() if line.startswith("last seal")]
    clock.add(70 * DAY_S)
    before = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 33 * DAY_S))
    if how == "by itself":
        proxy.write("bijia.yaml", proxy.read("bijia.yaml") + "\nledger: {keep: 33d}\n")
    if how == "without a proxy":
        assert "removed 5 requests with 4 attempts" in proxy.run("ledger", "prune", "--before", before).stdout
    proxy.start()
    assert ask(proxy).status == 200
    if how == "asked for":
        assert "removed 5 requests with 4 attempts" in proxy.run("ledger", "prune", "--before", before).stdout
        assert told(proxy)["attempts"] == 4
        again = proxy.run("ledger", "prune", "--before", before).stdout
        assert again.startswith("removed 0 requests with 0 attempts")
    wait_until(lambda: len(proxy.ledger("exchange")) == 1, "old rows to go")
    text = verified(proxy)
    assert "4 attempts were removed; the chain begins at seal" in text and head[0] not in text
    report = json.loads(proxy.run("report", "--json").stdout)
    assert report["total"]["requests"] == 1 and report["removed_before"].endswith("Z")
    assert "removed from the ledger" in proxy.run("report").stdout
    after = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 31 * DAY_S))
    assert "removed" not in proxy.run("report", "--from", after).stdout
    wait_until(lambda: accounts(proxy, scope="team")[0]["spent_nanos"] > spent, "its charge")
    fill(proxy)                     # the total remembers what has no rows any more
    proxy.stop()
    total = [a for a in accounts(proxy, scope="team")]
    assert len(total) == 1 and 0 < total[0]["spent_nanos"] <= 5_000_000
    team = accounts(proxy, scope="all")[0]
    assert team["spent_nanos"] == total[0]["spent_nanos"] and team["retired_nanos"] == spent
    verified(proxy)


def test_a_clock_set_forward_removes_nothing(start, sim, tmp_path):
    clock = Clock(tmp_path / "clock")

    def edit(proxy):
        proxy.write("bijia.yaml", proxy.read("bijia.yaml") + "\nledger: {keep: 32d}\n")
    proxy = start(edit=edit, environment=clock.environment)
    assert ask(proxy).status == 200
    clock.add(400 * DAY_S)
    assert ask(proxy).status == 200
    wait_until(lambda: len(proxy.ledger("exchange")) == 2, "both rows")
    proxy.stop()
    assert len(proxy.ledger("exchange")) == 2


@pytest.mark.parametrize("words", [["--before", "2999-01-01"], ["--before", "soon"], []])
def test_what_is_young_stays(proxy, words):
    done = proxy.run("ledger", "prune", *words, check=False)
    assert done.returncode == 2 and "usage: bijia ledger" in done.stderr


OLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "ledger", "version-3.sql")


@pytest.mark.parametrize("version", [2, 3])
def test_a_ledger_of_an_older_bijia_is_read_and_taken_over(start, sim, version):
    proxy = start()
    proxy.stop()
    path = proxy.path("state", "ledger.db")
    for name in os.listdir(os.path.dirname(path)):
        if name.startswith("ledger.db"):
            os.unlink(proxy.path("state", name))
    db = sqlite3.connect(path)
    with open(OLDER, encoding="utf-8") as file:
        db.executescript(file.read())
    if version == 2:
        for table in ("warning", "limited", "checkpoint"):
            db.execute("DROP TABLE " + table)
        db.execute("PRAGMA user_version = 2")
    db.commit()
    db.close()
    verified(proxy)
    told = json.loads(proxy.run("report", "--json", "--from", "2026-01-01").stdout)["total"]
    assert told["requests"] == told["attempts"] == 4
    proxy.start()
    assert ask(proxy).status == 200
    proxy.stop()
    assert "5 attempts" in verified(proxy)
    lines = proxy.run("ledger", "export", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["fault"] for line in lines] == ["recovered"] * 3 + ["none"] * 2
