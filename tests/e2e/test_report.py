"""bijia report and top: the ledger added up, against the market's own bills."""
import csv
import io
import json

import signal
import sqlite3
import subprocess
import time
from decimal import Decimal

import pytest

CHEAP, DEAR = "deepseek/deepseek-flash", "kimi/kimi-k3"


def report(proxy, *words):
    return json.loads(proxy.run("report", "--json", *words).stdout)


def by_name(told):
    return {row["name"]: row for row in told["rows"]}


def cost(row, currency="CNY", word="cost"):
    return Decimal(row[word].get(currency, "0"))


def settled(proxy, n):
    proxy.wait_log(n)
    end = time.monotonic() + 10
    while len(proxy.ledger("exchange")) < n:
        assert time.monotonic() < end
        time.sleep(0.02)


def two_teams(proxy):
    proxy.replace("policy.yaml", "  demo:\n", "  demo:\n    aliases: {pair: [%s, %s]}\n  研发组:\n"
                  % (CHEAP, DEAR))


@pytest.fixture
def busy(start, sim):
    """Two teams, a vendor that fails at cost, another currency, a refusal: 7 requests."""
    proxy = start(edit=two_teams)
    other = proxy.new_key("研发组")
    end = time.monotonic() + 5
    head = {"Authorization": "Bearer " + other}
    while proxy.request("GET", "/v1/models", headers=head).status != 200:
        assert time.monotonic() < end
        time.sleep(0.02)
    for n in (10, 200):
        sim.order("deepseek", tokens=n, times=1)
        assert proxy.chat("x" * 500, model=CHEAP).status == 200
    assert proxy.chat(model=DEAR, headers=head).status == 200
    assert proxy.chat(model="openai/gpt-6-luna", headers=head).status == 200
    sim.order("deepseek", cut_after_events=3, times=1)
    proxy.chat(model=CHEAP, stream=True)
    sim.order("deepseek", status=500, times=1)
    assert proxy.chat(model="pair").status == 200
    assert proxy.chat(model=CHEAP, max_tokens=99999999).status == 400
    settled(proxy, 7)
    return proxy


def rounded(amount):
    return amount.quantize(Decimal("0.000000001"))


def test_what_was_spent_is_what_the_market_billed(busy, sim):
    bills = [b for b in sim.bills() if b["end"] == "complete"]
    told = report(busy)
    ledger = busy.ledger("attempt")
    for currency in ("CNY", "USD"):
        rows = [a for a in ledger if a["currency"] == currency]
        assert cost(told["total"], currency) == Decimal(sum(a["cost_nanos"] for a in rows)) / 10**9
    by_vendor = by_name(report(busy, "--by", "vendor"))
    for vendor in ("kimi", "openai"):
        mine = [b for b in bills if b["account"] == vendor]
        assert mine
        total = sum(rounded(Decimal(b["amount"])) for b in mine)
        assert abs(cost(by_vendor[vendor], mine[0]["currency"]) - total) <= Decimal("2e-9") * len(mine)
        assert by_vendor[vendor]["input_tokens"] == sum(b["prompt_tokens"] for b in mine)
        assert by_vendor[vendor]["output_tokens"] == sum(b["completion_tokens"] for b in mine)


def test_each_view_adds_up_to_the_same_total(busy):
    total = report(busy)["total"]
    assert total["requests"] == 7 and total["answered"] == 6
    assert total["failed_attempts"] == 2 and total["estimated"] >= 1
    assert cost(total, word="failed_cost") > 0
    for view in ("team", "key", "model", "vendor", "day"):
        told = report(busy, "--by", view)
        assert told["total"] == total and told["by"] == view
        for word in ("attempts", "failed_attempts", "input_tokens", "output_tokens", "cached_tokens"):
            assert sum(r[word] for r in told["rows"]) == total[word], (view, word)
        for currency in ("CNY", "USD"):
            for word in ("cost", "failed_cost"):
                assert sum(cost(r, currency, word) for r in told["rows"]) == cost(total, currency, word)
        if view in ("team", "key", "day"):
            assert sum(r["requests"] for r in told["rows"]) == 7
            assert sum(r["answered"] for r in told["rows"]) == 6


def test_teams_and_models_are_told_apart(busy):
    teams = by_name(report(busy, "--by", "team"))
    assert set(teams) == {"demo", "研发组"}
    assert teams["demo"]["requests"] == 5 and teams["研发组"]["requests"] == 2
    assert set(teams["研发组"]["cost"]) == {"CNY", "USD"}
    models = by_name(report(busy, "--by", "model"))
    assert models[CHEAP]["attempts"] == 4 and models[CHEAP]["answered"] == 2
    assert models[DEAR]["requests"] == 2 and models[DEAR]["answered"] == 2


def test_a_span_of_time_is_half_open(busy):
    rows = sorted(busy.ledger("exchange"), key=lambda r: r["at_unix_ms"])
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(rows[3]["at_unix_ms"] / 1000))
    instant += ".%03dZ" % (rows[3]["at_unix_ms"] % 1000)
    before = report(busy, "--to", instant)["total"]["requests"]
    after = report(busy, "--from", instant)["total"]["requests"]
    assert (before, after) == (3, 4)
    assert report(busy, "--from", "2099-01-01")["total"]["requests"] == 0
    assert report(busy, "--to", "2020-01-01")["rows"] == []


def test_days_are_those_of_the_zone(start, sim):
    proxy = start()
    proxy.chat(model=CHEAP)
    settled(proxy, 1)
    at = proxy.ledger("exchange")[0]["at_unix_ms"] / 1000
    for zone, hours in (("UTC", 0), ("Asia/Shanghai", 8), ("-11:00", -11), ("+14:00", 14)):
        day = time.strftime("%Y-%m-%d", time.gmtime(at + hours * 3600))
        told = report(proxy, "--by", "day", "--zone", zone)
        assert [r["name"] for r in told["rows"]] == [day]
        assert report(proxy, "--from", day, "--zone", zone)["total"]["requests"] == 1


# the baseline


def test_a_fixed_model_is_priced_on_the_same_usage(start, sim):
    """Against itself nothing is saved; a dearer one saves, a cheaper one loses: to the nano."""
    proxy = start()
    for n in (7, 70):
        sim.order("deepseek", tokens=n, times=1)
        assert proxy.chat(model=CHEAP).status == 200
    settled(proxy, 2)
    same = report(proxy, "--baseline", CHEAP)["total"]
    assert same["baseline"]["requests"] == 2 and same["baseline"]["saved"] == "0.00"
    dear = report(proxy, "--baseline", DEAR)["total"]["baseline"]
    assert Decimal(dear["saved"]) > 0
    assert Decimal(dear["saved"]) == Decimal(dear["would_have_cost"]) - Decimal(dear["did_cost"])
    priced = Decimal(0)
    for a in proxy.ledger("attempt"):
        usage = {"prompt_tokens": a["input_tokens"], "completion_tokens": a["output_tokens"]}
        done = proxy.run("prices", "cost", "--offer", DEAR, "--json", input=json.dumps(usage))
        priced += Decimal(json.loads(done.stdout)["amount"])
    assert Decimal(dear["would_have_cost"]) == priced
    assert proxy.chat(model=DEAR).status == 200
    settled(proxy, 3)
    loss = by_name(report(proxy, "--by", "vendor", "--baseline", CHEAP))["kimi"]["baseline"]
    assert Decimal(loss["saved"]) < 0


def test_what_the_request_marked_for_the_cache_is_priced_as_it_was_billed(start, sim, tmp_path):
    """Read back, it costs half of what is cached unasked: told again, neither more nor less."""
    model = "qwen/qwen3.5-flash"
    proxy = start(edit=lambda p: p.replace("policy.yaml", "  demo:\n", "  demo:\n    aliases: {one: [%s]}\n" % model))
    prompt = [{"type": "text", "text": "a long story " * 600, "cache_control": {"type": "ephemeral"}}]
    for _ in range(2):
        assert proxy.chat(prompt, model="one", enable_thinking=False).status == 200
    settled(proxy, 2)
    written, read = proxy.ledger("attempt")
    assert written["cache_write_tokens"] > 1000 and read["cached_tokens"] > 1000
    assert written["cache_marked"] == read["cache_marked"] == 1
    told = report(proxy, "--baseline", model)["total"]["baseline"]
    assert told["requests"] == 2 and told["saved"] == "0.00"
    line = proxy.routing_log()[1]
    assert line["tokens"]["cache_marked"] is True and line["tokens"]["cached"] == read["cached_tokens"]
    log = tmp_path / "second.jsonl"
    log.write_text(json.dumps(line) + "\n", encoding="utf-8")
    again = json.loads(proxy.run("replay", "--log", str(log), "--json").stdout)["teams"][0]
    assert again["requests"] == 1 and again["before"] == again["after"] == line["cost"]["amount"]


def test_failed_attempts_count_against_us_and_the_baseline_is_priced_once(busy):
    told = report(busy, "--baseline", DEAR)["total"]
    assert told["baseline"]["requests"] == 6        # the refused one used nothing
    pair = [x for x in busy.ledger("exchange") if x["asked"] == "pair"]
    assert len(pair) == 1
    spent = Decimal(sum(x["cost_nanos"] for x in busy.ledger("exchange"))) / 10**9
    assert Decimal(told["baseline"]["did_cost"]) == spent


def test_the_runner_up_is_what_was_noted_then(start):
    proxy = start(edit=two_teams)
    for _ in range(3):
        assert proxy.chat(model="pair").status == 200
    settled(proxy, 3)
    told = report(proxy, "--baseline", "runner-up")["total"]["baseline"]
    noted = [x["runner_up_nanos"] for x in proxy.ledger("exchange")]
    assert all(noted) and Decimal(told["would_have_cost"]) == Decimal(sum(noted)) / 10**9
    assert told["requests"] == 3 and Decimal(told["saved"]) > 0


# what it looks like


def columns(line):
    """The terminal columns at which words begin."""
    import unicodedata
    at, starts, blank = 0, [], True
    for c in line:
        if c != " " and blank:
            starts.append(at)
        blank = c == " "
        at += 2 if unicodedata.east_asian_width(c) in "WF" else 1
    return starts, at


def test_the_table_stands_in_line_whatever_the_names_are(busy):
    lines = busy.run("report", "--by", "team", "--baseline", DEAR).stdout.splitlines()
    assert lines[-2].startswith("baseline: " + DEAR)
    del lines[-2:]
    assert lines[0].startswith("TEAM") and lines[0].rstrip().endswith("SAVED")
    assert {line.split()[0] for line in lines[1:]} == {"demo", "研发组", "total"}
    ends = {columns(line.split("  ")[0])[1] <= columns(lines[0])[1] for line in lines}
    assert ends == {True}
    requests = lines[0].index("REQUESTS") + len("REQUESTS")
    for line in lines[1:]:
        at, text = 0, ""
        for c in line:
            if at == requests:
                break
            text += c
            import unicodedata
            at += 2 if unicodedata.east_asian_width(c) in "WF" else 1
        assert text.split()[-1].isdigit(), line


def saved(told):
    return Decimal(told["total"]["baseline"]["saved"])


def test_yesterdays_policy_is_a_baseline_too(busy, tmp_path):
    """pair was served by the cheap one after it failed; yesterday it was the dear one alone, or only the free one."""
    today = busy.read("policy.yaml")
    same = busy.path("same.yaml")
    busy.write("same.yaml", today)
    dear = busy.path("dear.yaml")
    busy.write("dear.yaml", today.replace("aliases: {pair: [%s, %s]}" % (CHEAP, DEAR), "aliases: {pair: [%s]}" % DEAR))
    told = report(busy, "--baseline", "policy:" + dear)
    assert told["baseline"] == "policy:" + dear
    base = told["total"]["baseline"]
    assert base["currency"] == "CNY" and base["requests"] == 6
    # all but `pair` were asked for by vendor/model: they are as they were
    plain = report(busy, "--baseline", "policy:" + same)
    assert saved(told) >= saved(plain)
    assert Decimal(base["would_have_cost"]) - Decimal(base["did_cost"]) == saved(told)
    cheap = busy.path("cheap.yaml")
    busy.write("cheap.yaml", today.replace("aliases: {pair: [%s, %s]}" % (CHEAP, DEAR),
                                           "aliases: {pair: [%s]}" % "glm/glm-4.7-flash"))
    assert saved(report(busy, "--baseline", "policy:" + cheap)) < saved(told)
    table = busy.run("report", "--baseline", "policy:" + cheap).stdout
    assert "baseline: each request decided again by the other policy" in table
    assert "6 of 7 requests are compared" in table
    done = busy.run("report", "--baseline", "policy:/no/such", check=False)
    assert done.returncode == 2 and "No such file" in done.stderr


def test_csv_is_read_back_by_any_reader(busy):
    text = busy.run("report", "--by", "team", "--csv", "--baseline", CHEAP).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    told = by_name(report(busy, "--by", "team", "--baseline", CHEAP))
    assert {r["name"] for r in rows} == set(told)
    for row in rows:
        mine = told[row["name"]]
        assert int(row["requests"]) == mine["requests"]
        assert Decimal(row["cost_CNY"]) == cost(mine)
        assert Decimal(row["saved_CNY"]) == Decimal(mine["baseline"]["saved"])


def test_a_report_without_a_ledger_is_empty(tmp_path, start):
    proxy = start()
    proxy.stop()
    import shutil
    shutil.rmtree(proxy.path("state"))
    # the pepper went with it: a fresh directory has neither
    import os
    os.remove(proxy.path("keys.yaml"))
    assert report(proxy)["total"]["requests"] == 0


@pytest.mark.parametrize("words", [["--by", "mood"], ["--from", "soon"], ["--zone", "Mars/Olympus"],
                                   ["--baseline", "no-such"], ["--baseline", "chat"], ["--csv", "--json"],
                                   ["--from", "2026-12-02", "--to", "2026-12-01"]])
def test_what_makes_no_sense_is_told_so(proxy, words):
    done = proxy.run("report", *words, check=False)
    assert done.returncode == 2 and done.stdout == "" and "usage: bijia report" in done.stderr


def test_it_reads_while_the_ledger_is_written(start, sim):
    proxy = start()
    for i in range(20):
        proxy.chat(model=CHEAP)
        assert report(proxy)["total"]["requests"] <= i + 1
    settled(proxy, 20)
    assert report(proxy)["total"]["requests"] == 20


def test_many_rows_are_added_up_in_time(start, sim):
    proxy = start()
    assert proxy.chat(model=CHEAP).status == 200
    settled(proxy, 1)
    proxy.stop()
    rows, now, n = proxy.ledger(), int(time.time() * 1000), 20000
    db = sqlite3.connect(proxy.path("state", "ledger.db"))
    for i in range(n):
        at, x = now - 60 * i, {**rows["exchange"][0], "team": "t%d" % (i % 2000)}
        x["id"], x["at_unix_ms"] = "%012x%020d" % (at, 2 * i), at
        a = {**rows["attempt"][0], "id": "%012x%020d" % (at, 2 * i + 1), "exchange_id": x["id"]}
        cells, (_, _, _, *attempt, _) = list(x.values()), a.values()
        db.execute("INSERT INTO receipt VALUES(?,?,?)",
                   [x["id"], a["seal"], json.dumps([*cells[1:], [[a["id"], *attempt]]])])
    db.execute("INSERT INTO account(team, scope, who, period, currency, window_ms, spent_nanos, covered_nanos)"
               " SELECT team, 'all', '', 'total', currency, 0, sum(cost_nanos), sum(cost_nanos) FROM exchange"
               " WHERE team <> 'demo' GROUP BY team, currency")
    db.commit()
    db.close()
    began = time.monotonic()
    assert report(proxy, "--by", "team")["total"]["attempts"] == n + 1
    assert "total" in proxy.run("top", "--once").stdout
    proxy.run("ledger", "verify", check=False)
    assert len(proxy.run("ledger", "export").stdout.splitlines()) == n + 2
    assert time.monotonic() - began < 20


# top


def test_top_shows_who_spends_now(busy):
    told = busy.run("top", "--once").stdout.splitlines()
    assert "the last 5m" in told[0] and told[1].startswith("TEAM")
    assert {line.split()[0] for line in told[2:]} == {"demo", "研发组", "total"}
    assert CHEAP in busy.run("top", "--once", "--by", "model", "--window", "1h").stdout
    assert busy.run("top", "--window", "0s", check=False).returncode == 2


def test_top_goes_on_until_it_is_told_to_stop(busy):
    process = subprocess.Popen([busy.binary, "top", "--every", "100ms", "--conf", busy.directory],
                               stdout=subprocess.PIPE, text=True)
    seen = [process.stdout.readline() for _ in range(12)]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert sum("the last 5m" in line for line in seen) >= 2
