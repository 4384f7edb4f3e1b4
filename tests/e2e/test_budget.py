"""A cap is never passed; what does not fit is refused, never shrunk."""
import concurrent.futures
import http.client
import json
import os
import socket
import threading
import time
from decimal import Decimal

import pytest

from market import wait_until

MODEL = "deepseek/deepseek-flash"
VOLLEYS = int(os.environ.get("BIJIA_TEST_VOLLEYS", "2"))
DEMO = "teams:\n  # No rules: everything above may be used.\n  demo:\n"


def with_budgets(*budgets, teams=""):
    """edit() of a Proxy: these budgets for the team demo; further teams."""
    lines = "".join("      - %s\n" % b for b in budgets)

    def edit(proxy):
        proxy.replace("policy.yaml", DEMO, "teams:\n%s  demo:\n    budgets:\n%s" % (teams, lines))
    return edit


def billed(sim):
    return sum(Decimal(b["amount"]) for b in sim.bills())


def accounts(proxy, **wanted):
    return [a for a in proxy.ledger("account") if all(a[k] == v for k, v in wanted.items())]


def error_of(answer):
    return json.loads(answer.body)["error"]


def nothing_reserved(proxy):
    """At rest what is spent in each account is the sum of its attempts: the lease covers no more."""
    assert proxy.stop() == 0
    rows = proxy.ledger()
    assert all(a["covered_nanos"] == a["spent_nanos"] for a in rows["account"]), rows["account"]
    for account in rows["account"]:
        if account["scope"] == "all":
            total = sum(x["cost_nanos"] for x in rows["exchange"] if x["team"] == account["team"])
            assert total == account["spent_nanos"]
    assert len({a["id"] for a in rows["attempt"]}) == len(rows["attempt"])
    return rows


def worst_case(start, sim, **fields):
    """What a request may cost at most, as a refusal tells it."""
    proxy = start(edit=with_budgets("{amount: 0, currency: CNY, per: total}"))
    answer = proxy.chat(model=MODEL, **fields)
    assert answer.status == 429, answer.body
    words = error_of(answer)["message"].split("may cost ")[1]
    return Decimal(words.split(" ")[0].rstrip("."))


def connect(proxy, n):
    return [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(n)]


def request_bytes(key, **fields):
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hello"}], **fields}).encode()
    return ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (key, len(body))).encode() + body


def let_go(conns, rest):
    """Sends the rest on each, at once; the statuses of the answers."""
    for sock in conns:
        sock.sendall(rest)
    statuses = []
    for sock in conns:
        response = http.client.HTTPResponse(sock)
        response.begin()
        response.read()
        statuses.append(response.status)
        sock.close()
    return statuses


def volley(proxy, n, **fields):
    """n requests on a connection each, that all get their last byte at once; their statuses."""
    conns, whole = connect(proxy, n), request_bytes(proxy.key, **fields)
    for sock in conns:
        sock.sendall(whole[:-1])
    return let_go(conns, whole[-1:])


@pytest.mark.threads
@pytest.mark.parametrize("each", ["team", "key", "user"])
def test_of_500_at_once_exactly_those_that_fit_are_admitted(start, sim, each):
    worst = worst_case(start, sim, max_tokens=100, user="u")
    sim.order(latency_ms=1500, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
    proxy = start(edit=with_budgets("{amount: %s, currency: CNY, per: day, each: %s}" % (worst * 10, each)))
    statuses = volley(proxy, 500, max_tokens=100, user="u")
    assert statuses.count(200) == 10
    assert statuses.count(429) == 490
    sim.wait_bills(10)
    assert billed(sim) <= worst * 10
    nothing_reserved(proxy)


@pytest.mark.threads
def test_of_500_at_once_those_that_fit_are_admitted_by_budgets_made_a_moment_before(start, sim):
    """Each time a new team with three budgets, each the tightest in turn: as soon as its key is good
    all 500 are sent, on connections that stand ready."""
    worst = worst_case(start, sim, max_tokens=100, user="u")
    sim.order(latency_ms=1000, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
    proxy = start()
    for i in range(VOLLEYS):
        team, since = "burst-%03d" % i, len(sim.bills())
        amounts = [worst * (10 if i % 3 == k else 13) for k in range(3)]
        proxy.replace("policy.yaml", DEMO, "teams:\n  %s: {budgets: [{amount: %s, per: day}, {amount: %s, per: "
                      "total, each: key}, {amount: %s, per: month, each: user}]}\n" % (team, *amounts)
                      + DEMO.split("\n", 1)[1])
        key = proxy.new_key(team)
        conns, whole = connect(proxy, 500), request_bytes(key, max_tokens=100, user="u")
        proxy.reload()
        head = {"Authorization": "Bearer " + key}
        wait_until(lambda: all(proxy.request("GET", "/v1/models", headers=head).status == 200
                               for _ in range(10)), "its key, in each worker", step_s=0)
        statuses = let_go(conns, whole)
        assert (statuses.count(200), statuses.count(429)) == (10, 490), (i, statuses)
        bills = sim.wait_bills(since + 10)[since:]
        assert len(bills) == 10 and sum(Decimal(b["amount"]) for b in bills) <= worst * 10
        proxy.write("policy.yaml", proxy.read("policy.yaml").replace(
            next(line for line in proxy.read("policy.yaml").splitlines(True) if team in line), ""))
    print("%d volleys of 500: each time 10 admitted, 490 refused, bills within the cap" % VOLLEYS)
    nothing_reserved(proxy)


@pytest.mark.threads
def test_a_budget_just_created_and_three_at_once_hold_every_time(start, sim):
    worst = worst_case(start, sim, max_tokens=50, user="user-00")
    sim.order(latency_ms=300)
    proxy = start(edit=with_budgets("{amount: %s, currency: CNY, per: day, each: user}" % (worst * 10),
                                    "{amount: 1000, currency: USD, per: total}",
                                    "{amount: 900, per: month, each: key}"))
    for i in range(20):     # each a user that was never seen before
        since = len(sim.bills())
        statuses = volley(proxy, 60, max_tokens=50, user="user-%02d" % i)
        assert statuses.count(200) == 10, (i, statuses)
        bills = sim.wait_bills(since + 10)[since:]
        assert sum(Decimal(b["amount"]) for b in bills) <= worst * 10
    nothing_reserved(proxy)


def test_the_market_never_bills_more_than_the_cap_however_long_it_is_asked(start, sim):
    worst = worst_case(start, sim, max_tokens=60)
    cap = worst * 3
    proxy = start(edit=with_budgets("{amount: %s, currency: CNY, per: total}" % cap))
    refused = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        while refused < 40:
            answers = list(pool.map(lambda _: proxy.chat(model=MODEL, max_tokens=60).status, range(16)))
            refused += answers.count(429)
            assert set(answers) <= {200, 429}
    while proxy.chat(model=MODEL, max_tokens=60).status == 200:
        pass                                # one by one nothing else is reserved
    assert billed(sim) <= cap
    assert billed(sim) > cap - worst        # and what fits is not refused
    nothing_reserved(proxy)


def test_a_refusal_speaks_as_openai_does(start, sim):
    proxy = start(edit=with_budgets("{amount: 0.000001, per: day}"))
    answer = proxy.chat(model=MODEL)
    error = error_of(answer)
    assert answer.status == 429
    assert error["type"] == error["code"] == "insufficient_quota"
    assert answer.headers["x-should-retry"] == "false"
    assert sim.bills() == []
    assert proxy.wait_log()[-1]["fault"] == "over_budget"


def test_free_only_serves_what_costs_nothing(start, sim):
    strict = start(edit=with_budgets("{amount: 0, per: day}"))
    assert strict.chat(model="glm/glm-4.7-flash").status == 429
    proxy = start(edit=with_budgets("{amount: 0, per: day, at_cap: free_only}"))
    assert proxy.chat(model="glm/glm-4.7-flash").status == 200
    assert proxy.chat(model=MODEL).status == 429


def test_downgrade_answers_by_another_alias(start, sim):
    proxy = start(edit=with_budgets("{amount: 0.001, per: day, at_cap: downgrade, downgrade: free}"))
    answer = proxy.chat(model=MODEL)
    assert answer.status == 200
    assert answer.headers["x-bijia-vendor"] == "glm"


def test_an_unset_bound_is_set_to_what_is_left_only_if_the_policy_says_so(start, sim):
    proxy = start(edit=with_budgets("{amount: 0.1, per: day, bound_output: yes}"))
    answer = proxy.chat(model=MODEL)
    assert answer.status == 200
    said = sim.last()["json"]
    assert 0 < said["max_tokens"] < 30000
    assert proxy.chat(model=MODEL, max_tokens=30000).status == 429
    nothing_reserved(proxy)


def test_budgets_are_told_by_key_and_by_user(start, sim):
    worst = worst_case(start, sim, max_tokens=20, user="aaa")
    proxy = start(edit=with_budgets("{amount: %s, per: day, each: user}" % worst))
    for user in ("aaa", "bbb", "x" * 200):
        assert proxy.chat(model=MODEL, max_tokens=20, user=user).status == (200 if len(user) == 3 else 429)
        assert proxy.chat(model=MODEL, max_tokens=20, user=user).status == 429
    assert {a["who"] for a in accounts(proxy, scope="user")} >= {"aaa", "bbb"}


def test_budgets_whose_days_begin_together_are_charged_once_each(start, sim):
    """Shanghai's midnight is Singapore's and that of +08:00."""
    proxy = start(edit=with_budgets("{amount: 1, per: day}", "{amount: 2, per: day, zone: '+08:00'}",
                                    "{amount: 3, per: day, zone: Asia/Singapore}", "{amount: 4, per: day, zone: UTC}"))
    for _ in range(2):
        assert proxy.chat(model=MODEL, max_tokens=60).status == 200
    spent = billed(sim)

    def accounts():
        rows = [Decimal(a["spent_nanos"]) / 10**9 for a in proxy.ledger("account") if a["scope"] == "team"]
        return rows == [spent] * 4
    wait_until(accounts, "four accounts of what was billed")
    metrics = proxy.run("admin", "metrics").stdout
    told = {line.split('zone="')[1].split('"')[0]: Decimal(line.rsplit(" ", 1)[1])
            for line in metrics.splitlines() if line.startswith("bijia_budget_amount{")}
    assert told == {"Asia/Shanghai": 1, "+08:00": 2, "Asia/Singapore": 3, "UTC": 4}


def test_a_warning_is_logged_once_when_its_fraction_is_reached(start, sim):
    proxy = start(edit=with_budgets("{amount: 0.002, per: day, warn: [0.1, 1]}"))
    while proxy.chat(model=MODEL, max_tokens=20).status == 200:
        pass
    lines = wait_until(lambda: [x for x in proxy.stderr().splitlines() if "event=budget" in x], "the line")
    assert len(lines) == 1 and "reached=0.0002" in lines[0]


def test_a_failed_attempt_gives_its_reservation_back(start, sim):
    worst = worst_case(start, sim, max_tokens=20)
    sim.order(vendor="deepseek", status=500, times=1)
    proxy = start(edit=with_budgets("{amount: %s, per: day}" % worst))
    first = proxy.chat(model=MODEL, max_tokens=20)
    assert first.status >= 500
    wait_until(lambda: proxy.chat(model=MODEL, max_tokens=20).status == 200, "a second try")
    nothing_reserved(proxy)
