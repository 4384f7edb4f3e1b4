"""Limits: of teams and keys, told as OpenAI tells them; of vendors, kept before they refuse."""
import http.client
import json
import os
import socket
import statistics
import struct
import threading
import time
from decimal import Decimal

import pytest

pytestmark = pytest.mark.threads

MODEL = "deepseek/deepseek-flash"
DEMO = "  demo:\n"


def limited(words, key_words=None):
    """policy.yaml with limits of the team demo."""
    def edit(proxy):
        text = "  demo:\n    limits: {%s}\n" % words if words else "  demo:\n"
        if key_words:
            text += "    key_limits: {%s}\n" % key_words
        proxy.replace("policy.yaml", DEMO, text)
    return edit


def many(n, one):
    """n calls of one() at the same moment; their results."""
    results, barrier = [None] * n, threading.Barrier(n)

    def run(i):
        barrier.wait()
        results[i] = one()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def eventually(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# what a client is told


def test_requests_a_minute_are_counted_and_told(start, sim):
    proxy = start(edit=limited("rpm: 3"))
    for left in (2, 1, 0):
        answer = proxy.chat(model=MODEL)
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "3"
        assert answer.headers["x-ratelimit-remaining-requests"] == str(left)
        assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
        assert "x-ratelimit-limit-tokens" not in answer.headers
    refused = proxy.chat(model=MODEL)
    assert refused.status == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["type"] == "requests"
    assert "team demo" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(sim.bills()) == 3


def test_a_stream_is_told_too(start):
    answer = start(edit=limited("rpm: 3, tpm: 100000")).chat(model=MODEL, stream=True)
    assert answer.status == 200 and answer.text()
    assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
    assert 0 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 100000


def test_a_refused_request_is_told_too(start):
    proxy = start(edit=limited("rpm: 3"))
    for body in (b"{", b'{"model": "no-such", "messages": []}'):
        answer = proxy.request("POST", "/v1/chat/completions", body)
        assert answer.status in (400, 404) and answer.headers["x-ratelimit-limit-requests"] == "3"


def test_retry_after_is_kept_to(start):
    proxy = start(edit=limited("rpm: 60"))
    while True:
        answer = proxy.chat(model=MODEL)
        if answer.status == 429:
            break
    assert answer.headers["retry-after"] == "1"
    time.sleep(1)
    assert proxy.chat(model=MODEL).status == 200


def test_tokens_a_minute_are_taken_by_estimate_and_put_right(start, sim):
    sim.order("deepseek", tokens=5)
    proxy = start(edit=limited("tpm: 2000"))
    first = proxy.chat(model=MODEL, max_tokens=1500)
    assert first.status == 200
    second = proxy.chat(model=MODEL, max_tokens=1500)
    assert second.status == 200         # what the first did not use came back
    left = int(second.headers["x-ratelimit-remaining-tokens"])
    assert left > 1000
    sim.order("deepseek", tokens=4000)
    assert proxy.chat(model=MODEL).status == 200
    refused = proxy.chat(model=MODEL)
    assert refused.status == 429 and refused.json()["error"]["type"] == "tokens"
    assert int(refused.headers["retry-after"]) > 60      # in debt
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"


def test_what_never_fits_is_told_so(start, sim):
    proxy = start(edit=limited("tpm: 100"))
    refused = proxy.chat("word " * 500, model=MODEL)
    assert refused.status == 429 and "too large" in refused.json()["error"]["message"]
    assert "retry-after" not in refused.headers
    assert sim.bills() == []


def test_so_many_at_a_time(start, sim):
    sim.order("deepseek", latency_ms=500)
    proxy = start(edit=limited("concurrency: 3"))
    answers = many(10, lambda: proxy.chat(model=MODEL))
    assert sorted(a.status for a in answers) == [200] * 3 + [429] * 7
    assert all("concurrent" in a.json()["error"]["message"] for a in answers if a.status == 429)
    assert proxy.chat(model=MODEL).status == 200


def test_no_more_pass_than_the_limit_however_many_come_at_once(start, sim):
    proxy = start(edit=limited("rpm: 10"), settings={"workers": "2"})
    answers = many(60, lambda: proxy.chat(model=MODEL))
    assert sum(a.status == 200 for a in answers) in (10, 11)    # one more may be due meanwhile
    assert {a.status for a in answers} == {200, 429}
    assert len(sim.bills()) in (10, 11)


def test_each_key_has_limits_of_its_own_below_those_of_the_team(start):
    proxy = start(edit=limited("rpm: 5", "rpm: 3"))
    other = {"Authorization": "Bearer " + proxy.new_key("demo")}
    eventually(lambda: proxy.request("GET", "/v1/models", headers=other).status == 200)
    assert [proxy.chat(model=MODEL).status for _ in range(4)] == [200] * 3 + [429]
    answers = [proxy.chat(model=MODEL, headers=other) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert "team demo" in answers[2].json()["error"]["message"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "5"    # leaves less than the key's


def test_a_reload_changes_limits_and_forgets_nothing(start):
    proxy = start(edit=limited("rpm: 3"))
    assert [proxy.chat(model=MODEL).status for _ in range(3)] == [200] * 3
    proxy.replace("policy.yaml", "rpm: 3", "rpm: 2")
    proxy.reload()
    eventually(lambda: proxy.chat(model=MODEL).headers["x-ratelimit-limit-requests"] == "2")
    assert proxy.chat(model=MODEL).status == 429


# places come back


def leave_early(proxy, stream, read):
    body = json.dumps({"model": MODEL, "stream": stream,
                       "messages": [{"role": "user", "content": "hi"}]}).encode()
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                 % (proxy.key.encode(), len(body)) + body)
    if read:
        sock.recv(1)
    else:
        time.sleep(0.05)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


ENDS = {
    "complete": ({}, 200),
    "a stream": ({"stream": True}, 200),
    "no such model": ({"model": "no-such"}, 404),
    "too many tokens for it": ({"max_tokens": 99999999}, 400),
    "bad JSON": (b"{", 400),
}
ORDERS = {
    "refused by the vendor": {"status": 500},
    "limited by the vendor": {"error_class": "rate_limit", "retry_after": 0},
    "not understood by the vendor": {"status": 400},
    "hung up on": {"close_after_request": True},
    "garbled": {"body": "{", "status": 200},
    "cut short": {"cut_at_body_byte": 30},
    "never answered": {"silent": True},
    "silent in the middle": {"silence_after_events": 2},
}


def place_is_free(proxy, sim):
    """With one place, a request passes: within the time that the loop takes to see an end."""
    sim.clear()
    eventually(lambda: proxy.chat(model="qwen/qwen3.5-flash").status == 200)


def one_place(start):
    return start(edit=limited("concurrency: 1"), settings={
        "timeouts.first_byte": "300ms", "timeouts.silence": "300ms", "timeouts.answer": "500ms",
        "breaker.failures": "1000", "timeouts.total": "2s"})


def test_a_place_comes_back_whatever_the_end_is(start, sim):
    proxy = one_place(start)
    for name, (fields, status) in ENDS.items():
        if isinstance(fields, bytes):
            answer = proxy.request("POST", "/v1/chat/completions", fields)
        else:
            answer = proxy.chat(**{"model": MODEL, **fields})
        assert answer.status == status, name
        place_is_free(proxy, sim)
    for name, order in ORDERS.items():
        for stream in (False, True):
            sim.order("deepseek", **order)
            proxy.chat(model=MODEL, stream=stream)
            place_is_free(proxy, sim)
    for stream in (False, True):
        for read in (False, True):
            sim.order("deepseek", latency_ms=0 if read else 3000, chunk_ms=200)
            leave_early(proxy, stream, read)
            place_is_free(proxy, sim)


# of vendors


PAIR = [MODEL, "kimi/kimi-k3"]      # a cheap one and a dear one


def vendor_limits(words=None):
    """The alias "pair", and limits of the vendor of the cheap one."""
    def edit(proxy):
        proxy.replace("policy.yaml", DEMO, DEMO + "    aliases: {pair: [%s]}\n" % ", ".join(PAIR))
        if words:
            proxy.replace("vendors.yaml", "\n  deepseek:\n",
                          "\n  deepseek:\n    limits: {%s}\n" % words)
    return edit


def line_of(proxy, answer):
    number = answer.headers["x-bijia-request-id"]
    eventually(lambda: any(line["id"] == number for line in proxy.routing_log()))
    return [line for line in proxy.routing_log() if line["id"] == number][0]


def test_an_offer_at_the_vendors_limit_is_passed_over_before_it_fails(start, sim):
    proxy = start(edit=vendor_limits("concurrency: 2"))
    proxy.chat(model=MODEL)
    sim.reset()
    sim.order("*", latency_ms=600)
    answers = many(6, lambda: proxy.chat(model="pair"))
    assert [a.status for a in answers] == [200] * 6
    bills = sim.bills()
    assert sum(b["vendor"] == "deepseek" for b in bills) == 2 and len(bills) == 6
    lines = [line_of(proxy, a) for a in answers]
    assert all(len(line["attempts"]) == 1 for line in lines)
    whys = {o["why"] for line in lines for o in line["others"] if o["vendor"] == "deepseek"}
    assert "headroom" in whys       # those who came later saw it when they decided


def test_a_free_model_is_used_up_to_its_limit_and_then_what_costs(start, sim):
    """It would be the cheapest for ever, and starve whoever waits for it."""
    def edit(proxy):
        proxy.replace("policy.yaml", DEMO, DEMO + "    aliases: {pair: [glm/glm-4.7-flash, glm/glm-5.1]}\n")
        proxy.replace("prices.yaml", "    glm-4.7-flash:\n      - {input: 0,",
                      "    glm-4.7-flash:\n      limits: {rpm: 2}\n      rows:\n      - {input: 0,")
    proxy = start(edit=edit)
    answers = [proxy.chat(model="pair") for _ in range(4)]
    assert [a.headers["x-bijia-model"] for a in answers] == ["glm-4.7-flash"] * 2 + ["glm-5.1"] * 2
    assert [Decimal(a.headers["x-bijia-cost"].split()[1]) > 0 for a in answers] == [False, False, True, True]


def test_requests_a_minute_of_a_vendor_are_kept(start, sim):
    proxy = start(edit=vendor_limits("rpm: 2"))
    assert [proxy.chat(model="pair").status for _ in range(5)] == [200] * 5
    assert sum(b["vendor"] == "deepseek" for b in sim.bills()) == 2
    refused = proxy.chat(model=MODEL)
    assert refused.status == 503 and 1 <= int(refused.headers["retry-after"]) <= 30
    assert len(sim.bills()) == 5


def test_how_many_at_a_time_is_learnt_from_the_vendors_429(start, sim):
    """A vendor that takes 3 at a time and says nothing of it beforehand."""
    proxy = start(edit=vendor_limits())
    sim.order("deepseek", latency_ms=300)
    sim.order("deepseek", skip=3, times=3, error_class="rate_limit", retry_after=0.2)
    assert {a.status for a in many(6, lambda: proxy.chat(model="pair"))} == {200}
    refused = sum(b["end"] == "refused" for b in sim.bills(vendor="deepseek"))
    assert refused >= 1
    time.sleep(0.6)
    before = len(sim.bills(vendor="deepseek"))
    answers = many(6, lambda: proxy.chat(model="pair"))
    assert {a.status for a in answers} == {200}
    new = sim.bills(vendor="deepseek")[before:]
    assert 1 <= len(new) < 6 and all(b["end"] == "complete" for b in new)


def test_a_bucket_that_the_vendor_calls_empty_rests_its_key(start, sim):
    sim.order("deepseek", headers={"x-ratelimit-remaining-requests": "0",
                                   "x-ratelimit-reset-requests": "800ms"})
    proxy = start(edit=vendor_limits())
    first, second = proxy.chat(model="pair"), proxy.chat(model="pair")
    assert first.headers["x-bijia-vendor"] == "deepseek"
    assert second.headers["x-bijia-vendor"] != "deepseek"
    time.sleep(0.9)
    assert proxy.chat(model="pair").headers["x-bijia-vendor"] == "deepseek"


# one team against another


def latencies(proxy, key, n):
    """ms of n requests, one after the other on one connection; all must pass."""
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]})
    head = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    conn = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    taken = []
    for _ in range(n):
        began = time.monotonic()
        conn.request("POST", "/v1/chat/completions", body, head)
        answer = conn.getresponse()
        text = answer.read()
        taken.append((time.monotonic() - began) * 1000)
        assert answer.status == 200, text
    conn.close()
    return taken


def test_a_team_at_a_hundred_times_its_limit_does_not_slow_another(start, sim, record_property):
    """The greedy team may send 2 a second and sends 200; medians with and without it."""
    def two_teams(proxy):
        proxy.replace("policy.yaml", DEMO, "  demo:\n  greedy:\n    limits: {rpm: 120}\n")
    proxy = start(edit=two_teams)
    greedy = proxy.new_key("greedy")
    eventually(lambda: proxy.request(
        "GET", "/v1/models", headers={"Authorization": "Bearer " + greedy}).status == 200)
    sim.order("deepseek", latency_ms=60)
    latencies(proxy, proxy.key, 5)
    alone = latencies(proxy, proxy.key, 40)
    stop, sent = threading.Event(), {200: 0, 429: 0}

    def flood():
        body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]})
        head = {"Authorization": "Bearer " + greedy, "Content-Type": "application/json"}
        conn = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
        due = time.monotonic()
        while not stop.is_set():
            conn.request("POST", "/v1/chat/completions", body, head)
            answer = conn.getresponse()
            answer.read()
            sent[answer.status] += 1
            due += 0.01
            stop.wait(max(0.0, due - time.monotonic()))
    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: sent[429] > 20)
    began, before = time.monotonic(), sum(sent.values())
    beside = latencies(proxy, proxy.key, 40)
    rate = (sum(sent.values()) - before) / (time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join()
    ratio = statistics.median(beside) / statistics.median(alone)
    print("alone p50 %.1f ms, beside %.0f requests/s of a team that may 2: p50 %.1f ms, ratio %.3f"
          % (statistics.median(alone), rate, statistics.median(beside), ratio))
    record_property("ratio", round(ratio, 3))
    assert rate > 50 and sent[429] > sent[200]
    # 1.2 is promised (proofs.sh); a busy machine measures its own noise as well
    assert ratio < float(os.environ.get("BIJIA_TEST_UNFAIR", "1.5"))


def test_what_limits_refuse_is_counted_in_few_lines(start, sim):
    proxy = start(edit=limited("rpm: 5"))
    began = time.monotonic()
    statuses = [proxy.chat(model=MODEL).status for _ in range(400)]
    spent = time.monotonic() - began
    refused = statuses.count(429)
    assert refused >= 390
    eventually(lambda: any("limited" in line for line in proxy.routing_log()))
    proxy.stop()
    lines = [line for line in proxy.routing_log() if "limited" in line]
    assert len(lines) <= 3 + spent / 60
    assert sum(line["limited"]["count"] for line in lines) == refused
    for line in lines:
        assert line["team"] == "demo" and line["key"] == proxy.key.split("_")[1] and line["status"] == 429
        assert line["limited"]["requests"] == line["limited"]["count"] and line["fault"] == "rate_limited"
    assert sum(row["n"] for row in proxy.ledger("limited")) == refused
    assert len(proxy.ledger("exchange")) == 400 - refused
    for view, name in (("team", "demo"), ("key", proxy.key.split("_")[1])):
        told = json.loads(proxy.run("report", "--by", view, "--json").stdout)
        row = [r for r in told["rows"] if r["name"] == name][0]
        assert row["limited"] == told["total"]["limited"] == refused and row["requests"] == 400 - refused
    assert "LIMITED" in proxy.run("report").stdout.splitlines()[0]
    shown = proxy.run("tail", "--no-follow", "--status", "429").stdout
    assert "rate_limited, %d requests since" % lines[-1]["limited"]["count"] in shown
    assert proxy.run("replay", "--log", proxy.path("state", "routing.jsonl")).returncode == 0


def test_a_budget_that_is_asked_all_the_time_fills_no_disk(start, sim):
    def edit(proxy):
        proxy.replace("policy.yaml", DEMO, "  demo:\n    budgets: [{amount: 0, per: day}]\n")
    proxy = start(edit=edit)
    began = time.monotonic()
    answers = [proxy.chat(model=MODEL) for _ in range(300)]
    most = 60 + (time.monotonic() - began) + 1
    assert {a.json()["error"]["code"] for a in answers} == {"insufficient_quota"}
    proxy.stop()
    rows, counted = len(proxy.ledger("exchange")), sum(r["n"] for r in proxy.ledger("limited"))
    assert 60 <= rows <= most and rows + counted == 300
    lines = proxy.routing_log()
    assert len(lines) <= rows + 3 and {line["fault"] for line in lines} == {"over_budget"}
    assert sum(line.get("limited", {}).get("budget", 0) for line in lines) == counted
    told = json.loads(proxy.run("report", "--json").stdout)["total"]
    assert (told["requests"], told["answered"], told["limited"]) == (rows, 0, counted)
