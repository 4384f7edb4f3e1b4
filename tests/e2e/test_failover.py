"""A vendor fails: the next one answers, within a budget, and nothing is sent twice in silence."""
import time

import pytest

pytestmark = pytest.mark.threads

CHEAPEST, NEXT = "deepseek", None


@pytest.fixture
def start(start):
    """One vendor is the cheapest for certain: two that cost the same would take turns by latency."""
    def begin(edit=None, **how):
        def dearer(proxy):
            proxy.replace("prices.yaml", "{input_at_most: 128000, input: 0.2, cached_input: 0.04, cached_marked: 0.02, cache_write: 0.25, output: 2}",
                          "{input_at_most: 128000, input: 0.4, cached_input: 0.08, cached_marked: 0.04, cache_write: 0.5, output: 4}")
            if edit:
                edit(proxy)
        return start(edit=dearer, **how)
    return begin


def line_of(proxy, answer):
    number = answer.headers["x-bijia-request-id"]
    for _ in range(500):
        for line in proxy.routing_log():
            if line["id"] == number:
                return line
        time.sleep(0.01)
    raise AssertionError("no line for " + number)


def faults(line):
    return [a["fault"] for a in line["attempts"]]


def first_choice(proxy, sim):
    """The market's name of the vendor that a plain request goes to."""
    assert proxy.chat().status == 200
    name = sim.wait_bills(1)[0]["vendor"]
    sim.reset()
    return name


@pytest.mark.parametrize("order, fault", [
    ({"error_class": "rate_limit", "retry_after": 30}, "rate_limited"),
    ({"status": 500}, "overloaded"),
    ({"status": 503}, "overloaded"),
    ({"error_class": "overloaded"}, "overloaded"),
    ({"error_class": "no_money"}, "vendor_money"),
    ({"error_class": "bad_key"}, "vendor_key"),
    ({"close_after_request": True}, "hung_up"),
    ({"content_type": "text/html", "body": "<html>oops</html>"}, "garbled"),
    ({"cut_at_body_byte": 40}, "cut_short"),
])
@pytest.mark.parametrize("stream", [False, True])
def test_the_next_vendor_answers(start, sim, order, fault, stream):
    proxy = start()
    vendor = first_choice(proxy, sim)
    if stream and fault == "cut_short":
        order = {"cut_at_body_byte": 3}
    sim.order(vendor, **order)
    answer = proxy.chat(stream=stream)
    assert answer.status == 200 and answer.text()
    line = line_of(proxy, answer)
    assert faults(line) == [fault, "none"]
    assert line["attempts"][0]["vendor"] != line["vendor"]
    assert line["cost"]["amount"] != "0.00"


def test_a_vendor_that_cannot_be_reached_is_passed_over(start, sim):
    proxy = start()
    vendor = first_choice(proxy, sim)
    named = line_of(proxy, proxy.chat())["vendor"]
    assert vendor
    dead = start(base_urls={named: "http://127.0.0.1:9/v1"})
    answer = dead.chat()
    assert answer.status == 200
    assert faults(line_of(dead, answer)) == ["unreachable", "none"]


def test_silence_before_the_first_byte_is_a_fault(start, sim):
    proxy = start(edit=lambda p: (p.replace("bijia.yaml", "first_byte: 60s", "first_byte: 200ms"),
                                  p.replace("bijia.yaml", "answer: 10m", "answer: 300ms")))
    vendor = first_choice(proxy, sim)
    for stream in (True, False):
        sim.order(vendor, silent=True, times=1)
        began = time.monotonic()
        answer = proxy.chat(stream=stream)
        assert answer.status == 200
        assert faults(line_of(proxy, answer)) == ["silent", "none"]
        assert time.monotonic() - began < 5


def test_heartbeats_do_not_count_as_an_answer(start, sim):
    proxy = start(edit=lambda p: p.replace("bijia.yaml", "first_byte: 60s", "first_byte: 300ms"))
    vendor = first_choice(proxy, sim)
    sim.order(vendor, heartbeats_only=50)
    answer = proxy.chat(stream=True)
    assert answer.status == 200 and answer.events()[-1] == "[DONE]"
    assert faults(line_of(proxy, answer)) == ["silent", "none"]


def test_attempts_have_a_limit(start, sim):
    proxy = start()
    sim.order(status=500)
    answer = proxy.chat()
    assert answer.status == 503
    assert answer.json()["error"]["type"] == "server_error"
    line = line_of(proxy, answer)
    assert faults(line) == ["overloaded"] * 3
    assert line["cost"]["amount"] == "0.00"
    assert len(sim.bills()) == 3


def test_retry_after_is_respected(start, sim):
    proxy = start()
    vendor = first_choice(proxy, sim)
    sim.order(vendor, error_class="rate_limit", retry_after=2, times=1)
    began = time.monotonic()
    assert faults(line_of(proxy, proxy.chat())) == ["rate_limited", "none"]
    line = line_of(proxy, proxy.chat())
    assert faults(line) == ["none"]
    assert any(o["why"] == "keys_cooling" for o in line["others"])
    while time.monotonic() < began + 2.3:
        time.sleep(0.05)
    line = line_of(proxy, proxy.chat())
    assert all(o["why"] != "keys_cooling" for o in line["others"])


def test_each_key_cools_down_by_itself(start, sim):
    proxy = start(keys=2)
    vendor = first_choice(proxy, sim)
    sim.order(vendor, error_class="rate_limit", retry_after=30, times=1)
    answer = proxy.chat()
    line = line_of(proxy, answer)
    assert faults(line) == ["rate_limited", "none"]
    assert line["attempts"][0]["vendor"] == line["attempts"][1]["vendor"]
    keys = {b["key"] for b in sim.wait_bills(2)}
    assert len(keys) == 2


def test_keys_take_turns(start, sim):
    proxy = start(keys=2, edit=lambda p: p.replace("bijia.yaml", "workers: 2", "workers: 1"))
    for _ in range(6):
        assert proxy.chat().status == 200
    used = [b["key"] for b in sim.wait_bills(6)]
    assert len(set(used)) == 2 and 2 <= used.count(used[0]) <= 4


def test_the_breaker_opens_and_one_request_tries_again(start, sim):
    def quick(p):
        p.replace("bijia.yaml", "failures: 5", "failures: 3")
        p.replace("bijia.yaml", "open: 30s", "open: 1s")
    proxy = start(edit=quick)
    vendor = first_choice(proxy, sim)
    sim.order(vendor, status=500)
    for _ in range(3):
        assert faults(line_of(proxy, proxy.chat())) == ["overloaded", "none"]
    line = line_of(proxy, proxy.chat())
    assert faults(line) == ["none"]
    assert any(o["why"] == "breaker" for o in line["others"])
    time.sleep(1.2)
    assert faults(line_of(proxy, proxy.chat())) == ["overloaded", "none"]  # the probe failed
    assert faults(line_of(proxy, proxy.chat())) == ["none"]
    sim.clear()
    time.sleep(1.2)
    assert faults(line_of(proxy, proxy.chat())) == ["none"]  # the probe did well
    line = line_of(proxy, proxy.chat())
    assert all(o["why"] != "breaker" for o in line["others"])


def test_a_dead_kept_connection_is_a_fault_and_no_second_sending(start, sim):
    proxy = start(edit=lambda p: p.replace("bijia.yaml", "workers: 2", "workers: 1"))
    vendor = first_choice(proxy, sim)
    sim.order(vendor, close_after_request=True)
    for _ in range(20):
        answer = proxy.chat()
        assert answer.status == 200
    lines = proxy.wait_log(21)[1:]
    sent = sum(1 for line in lines for a in line["attempts"])
    assert len(sim.bills()) == sent


def test_the_clients_own_error_comes_back_at_once(start, sim):
    proxy = start()
    sim.order(error_class="malformed", message="temperature must be a number")
    answer = proxy.chat()
    assert answer.status == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "temperature must be a number" in error["message"]
    assert len(sim.bills()) == 1
