"""The ledger in trouble, and what may be done with it while it is written."""
import csv
import io
import json
import os
import resource
import sqlite3
import threading
import time

import pytest

from market import wait_until
from test_budget import nothing_reserved, with_budgets

MODEL = "deepseek/deepseek-flash"


def ask(proxy):
    return proxy.chat(model=MODEL, max_tokens=20)


def test_a_ledger_that_is_locked_by_others_refuses_work_and_recovers(start, sim):
    proxy = start(edit=with_budgets("{amount: 10, per: day}"))
    assert ask(proxy).status == 200
    other = sqlite3.connect(proxy.path("state", "ledger.db"), isolation_level=None)
    wait_until(lambda: len(proxy.ledger("attempt")) == 1, "its row")
    other.execute("BEGIN IMMEDIATE")
    served = 1 + (ask(proxy).status == 200)         # its row cannot be written
    refused = wait_until(lambda: (lambda a: a if a.status == 503 else None)(ask(proxy)), "a refusal")
    assert refused.json()["error"]["code"] == "ledger_unavailable"
    assert refused.headers["retry-after"]
    assert proxy.get_status("/readyz") == 503 and proxy.get_status("/healthz") == 200
    other.execute("ROLLBACK")
    wait_until(lambda: proxy.get_status("/readyz") == 200, "its recovery")
    assert ask(proxy).status == 200
    rows = nothing_reserved(proxy)
    assert len(rows["attempt"]) == len(sim.bills()) >= served + 1


def test_a_disk_without_room_refuses_work_loses_nothing_and_recovers(start, sim):
    proxy = start(edit=with_budgets("{amount: 10, per: day}"))
    assert ask(proxy).status == 200
    wait_until(lambda: len(proxy.ledger("attempt")) == 1, "its row")
    pid = proxy.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    wait_until(lambda: ask(proxy).status == 503, "a refusal")
    billed = len(sim.bills())
    for _ in range(5):
        assert ask(proxy).status == 503
    assert len(sim.bills()) == billed
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    wait_until(lambda: ask(proxy).status == 200, "its recovery")
    rows = nothing_reserved(proxy)
    assert {b["attempt"] for b in sim.bills()} == {r["id"] for r in rows["attempt"]}
    verified(proxy)


def test_a_lease_that_cannot_be_had_is_not_waited_for_long(start, sim):
    proxy = start(edit=with_budgets("{amount: 10, per: day, each: user}"))
    other = sqlite3.connect(proxy.path("state", "ledger.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answer = ask(proxy)
    assert answer.status == 503 and time.monotonic() - began < 5
    assert sim.bills() == []
    other.execute("ROLLBACK")
    wait_until(lambda: ask(proxy).status == 200, "its recovery")
    nothing_reserved(proxy)


def verified(proxy, *more):
    done = proxy.run("ledger", "verify", *more, check=False)
    assert done.returncode == 0 and ": whole" in done.stdout, done.stdout + done.stderr
    return done.stdout


def test_it_is_copied_checked_and_told_while_it_is_written(start, sim):
    proxy = start(edit=with_budgets("{amount: 100, per: day}"))
    over = threading.Event()

    def load():
        while not over.is_set():
            assert ask(proxy).status == 200
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for i in range(5):
            copy = proxy.path("copy-%d.db" % i)
            proxy.run("ledger", "backup", copy)
            assert os.stat(copy).st_mode & 0o777 == 0o600
            verified(proxy)
            verified(proxy, "--file", copy)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert proxy.run("ledger", "backup", copy, check=False).returncode == 1     # it is there already
    rows = nothing_reserved(proxy)
    table = list(csv.DictReader(io.StringIO(proxy.run("ledger", "export", "--csv").stdout)))
    lines = [json.loads(line) for line in proxy.run("ledger", "export", "--jsonl").stdout.splitlines()]
    assert len(table) == len(lines) == len(rows["attempt"]) == len(sim.bills())
    bills = {b["attempt"]: b for b in sim.bills()}
    for line, row in zip(lines, table):
        assert line["attempt"] == row["attempt"] and line["cost"] == row["cost"]
        assert float(line["cost"]) == pytest.approx(float(bills[line["attempt"]]["amount"]))
        assert line["team"] == "demo" and line["estimated"] is False
    assert proxy.run("ledger", "export", "--from", "2100-01-01", "--jsonl").stdout == ""


@pytest.mark.parametrize("change", [
    "UPDATE receipt SET body = json_set(body, '$[20][0][13]', (body->>'$[20][0][13]') - 1)"
    " WHERE id = (SELECT max(id) FROM receipt)",
    "DELETE FROM receipt WHERE id = (SELECT min(id) FROM receipt)",
    "UPDATE receipt SET body = json_set(body, '$[20][0][2]', 'another') WHERE id = (SELECT min(id) FROM receipt)",
    "UPDATE receipt SET id = replace(id, '0', '1') WHERE id = (SELECT max(id) FROM receipt)",
    "UPDATE receipt SET seal = seal - 1 WHERE id = (SELECT max(id) FROM receipt)",
    "UPDATE receipt SET body = body || ' ' WHERE id = (SELECT max(id) FROM receipt)",
    "DELETE FROM seal WHERE n = (SELECT min(n) FROM seal)",
    "UPDATE receipt SET body = json_set(body, '$[13]', (body->>'$[13]') + 1)"
    " WHERE id = (SELECT max(id) FROM receipt)",
    "UPDATE account SET spent_nanos = 0, covered_nanos = 0",
])
def test_a_changed_row_is_found(start, sim, change):
    proxy = start()
    for _ in range(3):
        assert ask(proxy).status == 200
        time.sleep(0.06)
    proxy.stop()
    verified(proxy)
    db = sqlite3.connect(proxy.path("state", "ledger.db"))
    db.execute(change)
    db.commit()
    db.close()
    done = proxy.run("ledger", "verify", check=False)
    assert done.returncode == 1 and "NOT whole" in done.stdout


def test_what_a_crash_left_is_sealed_too(start, sim):
    proxy = start()
    for _ in range(3):
        assert ask(proxy).status == 200
    proxy.kill()
    proxy.start()
    assert ask(proxy).status == 200
    proxy.stop()
    assert "4 attempts" in verified(proxy)
