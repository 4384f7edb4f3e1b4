"""Streams: as they come, with backpressure, cancelled with their client, cut with their vendor."""
import os
import time

import pytest

from raw import Raw

pytestmark = pytest.mark.threads


def rss_kib(proxy):
    with open("/proc/%d/statm" % proxy.process.pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_an_event_is_passed_on_before_the_next_one_is_there(proxy, sim):
    sim.order(tokens=5, chunk_ms=300)
    with Raw(proxy) as raw:
        raw.send_chat(stream=True)
        began, times = time.monotonic(), []
        while b"[DONE]" not in (data := raw.socket.recv(65536)):
            if b"data:" in data:
                times.append(time.monotonic() - began)
    assert len(times) >= 4
    assert times[-1] - times[0] > 0.6


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_before_the_first_byte_cancels_its_vendor(proxy, sim, stream, how):
    sim.order(silent=True)
    delays = []
    for i in range(10):
        raw = Raw(proxy)
        raw.send_chat(stream=stream)
        while sim.state()["in_flight"] == 0:
            time.sleep(0.002)
        left = time.monotonic()
        raw.reset() if how == "reset" else raw.socket.close()
        bill = sim.wait_bills(i + 1)[-1]
        assert bill["end"] == "client_gone"
        delays.append(bill["t_end"] - left)
    assert sorted(delays)[len(delays) // 2] < 0.1, delays


def test_a_client_that_leaves_in_mid_stream_cancels_its_vendor_and_is_billed(proxy, sim):
    sim.order(tokens=3000, chunk_ms=5)
    seen = len(proxy.routing_log())
    for i in range(10):
        raw = Raw(proxy)
        raw.send_chat(stream=True)
        raw.read_until(b"data:")
        left = time.monotonic()
        raw.reset()
        bill = sim.wait_bills(i + 1)[-1]
        assert bill["end"] == "client_gone" and bill["t_end"] - left < 0.5
    for line in proxy.wait_log(seen + 10)[-10:]:
        assert line["fault"] == "client_gone" and line["tokens"]["estimated"]
        assert line["cost"]["amount"] != "0.00"


def test_a_stream_cut_anywhere_never_ends_well(start, sim):
    proxy = start()
    sim.order(tokens=12)
    whole = proxy.chat(stream=True)
    assert whole.events()[-1] == "[DONE]"
    size = sim.wait_bills(1)[0].get("sent_bytes") or len(whole.body)
    sim.reset()
    for at in range(1, min(size, 2600), 37):
        for how in ("fin", "rst"):
            sim.order(tokens=12, cut_at_body_byte=at, cut=how)
            answer = proxy.chat(stream=True)
            if answer.status != 200:
                sim.clear()
                continue
            events = answer.events()
            if "[DONE]" in events:
                # only what came after the end may have been cut
                assert not answer.cut
            else:
                assert answer.cut
                assert "error" in events[-1], (at, how, events[-2:])
            sim.clear()


def test_a_slow_reader_pauses_its_vendor_and_costs_little(start, sim):
    proxy = start(edit=lambda p: p.replace("bijia.yaml", "workers: 2", "workers: 1"))
    sim.order(big=60_000_000, event_bytes=60_000, usage="missing")
    assert proxy.chat().status in (200, 502, 503, 504)
    with Raw(proxy, receive_buffer=4096) as warm:
        warm.send_chat(stream=True)
        warm.read_until(b"data:")
    before = rss_kib(proxy)
    slow = [Raw(proxy, receive_buffer=4096) for _ in range(20)]
    for raw in slow:
        raw.send_chat(stream=True)
    time.sleep(2.0)
    grown = rss_kib(proxy) - before
    sanitized = "san" in proxy.binary  # its quarantine keeps what was freed
    assert grown < 20 * (5000 if sanitized else 600), grown
    began = time.monotonic()
    assert proxy.request("GET", "/healthz").status == 200
    assert time.monotonic() - began < 1
    for raw in slow:
        raw.socket.close()


def test_usage_is_asked_for_and_its_chunk_hidden_from_who_did_not(proxy, sim):
    for vendor_model in ("openai/gpt-6-luna", "deepseek/deepseek-flash", "qwen/qwen3.5-flash", "kimi/kimi-k3"):
        plain = proxy.chat(model=vendor_model, stream=True)
        assert plain.status == 200, plain.body
        assert all(not e.get("usage") or e["choices"] for e in plain.events() if isinstance(e, dict))
        assert all(e["choices"] or "usage" not in e for e in plain.events() if isinstance(e, dict))
    asked = proxy.chat(model="openai/gpt-6-luna", stream=True, stream_options={"include_usage": True})
    assert [e for e in asked.events() if isinstance(e, dict)][-1]["usage"]["total_tokens"] > 0
    assert sim.last("openai")["json"]["stream_options"]["include_usage"] is True


@pytest.mark.parametrize("order", [
    {"split": 1}, {"crlf": True}, {"line_end": "cr"}, {"no_space": True}, {"events_per_write": 7},
    {"heartbeat_ms": 20, "first_chunk_ms": 100}, {"usage": "twice"}, {"keep_open_after_done": True},
    {"no_done": True},
])
def test_a_stream_spelled_otherwise_says_the_same_and_costs_the_same(proxy, sim, order):
    want = proxy.chat(model="deepseek/deepseek-flash", stream=True)
    sim.order(**order)
    got = proxy.chat(model="deepseek/deepseek-flash", stream=True)
    assert got.status == 200 and got.text() == want.text()
    assert got.events()[-1] == "[DONE]" and not got.cut
    bills = sim.wait_bills(2)
    lines = {a["id"]: a for n in wait_attempts(proxy, [b["attempt"] for b in bills]) for a in n["attempts"]}
    for bill in bills:
        assert lines[bill["attempt"]]["cost"]["amount"].rstrip("0") == bill["amount"].rstrip("0")


def wait_attempts(proxy, attempts):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        lines = [n for n in proxy.routing_log() if any(a["id"] in attempts for a in n["attempts"])]
        if len(lines) == len(attempts):
            return lines
        time.sleep(0.02)
    raise AssertionError("receipts are missing")


def test_an_error_inside_a_stream_reaches_the_client_as_one(proxy, sim):
    sim.order(error_in_stream=5)
    answer = proxy.chat(model="openrouter/openai/gpt-oss-120b", stream=True)
    assert answer.status == 200 and answer.cut
    assert "error" in answer.events()[-1] and "[DONE]" not in answer.events()


def test_silence_in_mid_stream_is_cut(start, sim):
    proxy = start(edit=lambda p: (p.replace("bijia.yaml", "silence: 120s", "silence: 300ms"),
                                  p.write("vendors.yaml", p.read("vendors.yaml")
                                          .replace("silence: 5m", "silence: 300ms")
                                          .replace("silence: 10m", "silence: 300ms"))))
    sim.order(tokens=20, silence_after_events=4)
    answer = proxy.chat(stream=True)
    assert answer.status == 200 and answer.cut
    assert answer.events()[-1]["error"]["code"] == "vendor_timeout"
