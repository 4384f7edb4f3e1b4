"""The market does wrong what it is told to do wrong, and sees who leaves and when."""
from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.request
from decimal import Decimal

import pytest

from client import PLAYED, Wire, ask, ask_body, chunks_of, wire_request
from engine.framing import FRAMINGS
from engine.orders import FIELDS
from market import Sim, make_certificate, wait_until


def head_and_body(raw: bytes) -> tuple[bytes, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", body


# -- who is hit -------------------------------------------------------------------------------------

def test_an_order_hits_so_many_times_and_then_no_more(sim):
    sim.order("deepseek", status=429, times=2)
    assert [ask(sim, "deepseek").status for _ in range(3)] == [429, 429, 200]


def test_orders_choose_by_vendor_model_key_and_stream(sim):
    sim.orders({"vendor": "doubao", "status": 500}, {"vendor": "*", "model": "hy3", "status": 501},
               {"vendor": "*", "key": "sim-7", "status": 502},
               {"vendor": "qwen", "stream": True, "status": 503})
    assert ask(sim, "ark").status == 500
    assert ask(sim, "tokenhub").status == 501
    assert ask(sim, "deepseek", key="sim-7").status == 502
    assert (ask(sim, "qwen").status, ask(sim, "qwen", stream=True).status) == (200, 503)
    assert ask(sim, "deepseek").status == 200
    sim.clear("ark")
    assert ask(sim, "ark").status == 200
    sim.clear()
    assert ask(sim, "tokenhub").status == 200


def test_orders_merge_and_the_later_wins(sim):
    sim.orders({"vendor": "*", "tokens": 5, "message": "a"}, {"vendor": "deepseek", "tokens": 9})
    assert ask(sim, "qianfan").json()["usage"]["completion_tokens"] == 5
    assert ask(sim, "deepseek").json()["usage"]["completion_tokens"] == 9 + 12
    assert sim.bills()[-1]["orders"] == [1, 2]


def test_skip_and_share(sim):
    sim.order("deepseek", status=500, skip=1, times=1)
    assert [ask(sim, "deepseek").status for _ in range(3)] == [200, 500, 200]
    sim.order("qwen", status=500, share=0.5)
    hits = sum(ask(sim, "qwen").status == 500 for _ in range(60))
    assert 10 < hits < 50


def test_an_order_with_an_unknown_field_is_refused(sim):
    for bad in ({"latancy_ms": 5}, {"status": "500"}, {"framing": "nope"}, {"usage": "nope"}):
        with pytest.raises(ValueError):
            sim.order("deepseek", **bad)
    with pytest.raises(ValueError):
        sim.order("no-such-vendor", status=500)


def test_every_field_and_framing_is_in_the_readme():
    with open(__file__.replace("test_orders.py", "README.md"), encoding="utf-8") as file:
        text = file.read()
    missing = [name for name in list(FIELDS) + list(FRAMINGS) if "`%s`" % name not in text]
    assert missing == []


# -- pace -------------------------------------------------------------------------------------------

def test_latency_first_chunk_and_chunk_times(sim):
    sim.order("deepseek", latency_ms=80, first_chunk_ms=60, chunk_ms=10, tokens=5,
              thinking_tokens=0)
    with Wire(sim) as wire:
        start = time.monotonic()
        wire.sock.sendall(wire_request("deepseek", stream=True))
        wire.read_until(b"\r\n\r\n")
        head = time.monotonic() - start
        wire.read_until(b"data:")
        first = time.monotonic() - start
        wire.read_until(b"[DONE]")
        assert 0.075 < head < 0.3 and 0.135 < first < 0.4
        assert 0.19 < time.monotonic() - start < 0.6


def test_heartbeats_while_waiting(sim):
    sim.order("openrouter", first_chunk_ms=100, heartbeat_ms=20, stream=True)
    body = ask(sim, "openrouter", stream=True).body
    assert body.startswith(b": OPENROUTER PROCESSING\n\n" * 3)


def test_split_and_trickle_write_in_small_pieces(sim):
    sim.order("deepseek", split=1, tokens=3)
    assert ask(sim, "deepseek").json()["usage"]["completion_tokens"] == 15
    sim.clear()
    sim.order("deepseek", trickle={"bytes": 400, "ms": 20}, tokens=3, thinking_tokens=0)
    start = time.monotonic()
    ask(sim, "deepseek")
    assert time.monotonic() - start > 0.02


# -- answers ----------------------------------------------------------------------------------------

def test_the_length_and_text_of_the_answer(sim):
    sim.order("qianfan", big=100_000, event_bytes=1000)
    stream = ask(sim, "qianfan", stream=True)
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks_of(stream))
    assert len(text) == 100_000 and len(chunks_of(stream)) == 102
    assert sim.bills()[-1]["completion_tokens"] == 25_000
    sim.clear()
    sim.order("qianfan", text="exactly this", finish_reason="sensitive", model_told="other",
              id_told=None)
    whole = ask(sim, "qianfan").json()
    assert whole["choices"][0]["message"]["content"] == "exactly this"
    assert (whole["choices"][0]["finish_reason"], whole["model"], whole["id"]) == (
        "sensitive", "other", None)
    sim.clear()
    assert ask(sim, "qianfan", "sim:tokens=123").json()["usage"]["completion_tokens"] == 123


def test_tokens_per_event_and_events_per_write(sim):
    sim.order("qianfan", tokens=20, tokens_per_event=5)
    assert len(chunks_of(ask(sim, "qianfan", stream=True))) == 6
    assert sim.bills()[-1]["completion_tokens"] == 20


@pytest.mark.parametrize("vendor", ["deepseek", "openai"])
def test_usage_goes_missing_or_comes_twice_late_zero_or_absurd(sim, vendor):
    def usages(order, **more):
        sim.clear()
        sim.order(vendor, usage=order, **more)
        got = ask(sim, vendor, stream=True, stream_options={"include_usage": True})
        return [c["usage"] for c in chunks_of(got) if c.get("usage")]
    assert usages("missing") == []
    assert Decimal(sim.bills()[-1]["amount"]) > 0
    twice = usages("twice")
    assert len(twice) == 2 and len(twice[0]) < len(twice[1])
    start = time.monotonic()
    assert len(usages("late", late_ms=80)) == 1 and time.monotonic() - start > 0.08
    assert usages("zero")[0]["prompt_tokens"] == 0 and sim.bills()[-1]["amount"] == "0"
    assert usages("absurd")[0]["completion_tokens"] == 10 ** 18
    assert usages("negative")[0]["prompt_tokens"] == -5
    assert usages("strings")[0]["prompt_tokens"] == "9"
    assert usages({"odd": 1}) == [{"odd": 1}]
    assert sim.bills()[-1]["completion_tokens"] == 52
    sim.clear()
    sim.order(vendor, usage="missing")
    assert "usage" not in ask(sim, vendor).json()


# -- refusals ---------------------------------------------------------------------------------------

def test_a_refusal_as_ordered(sim):
    sim.order("zhipu", error_class="rate_limit", retry_after=7)
    refused = ask(sim, "zhipu")
    assert (refused.status, refused.headers["retry-after"]) == (429, "7")
    assert refused.json()["error"]["code"] == "1302"
    sim.order("zhipu", status=503, body="<html>busy</html>", content_type="text/html",
              headers={"X-A": "b"})
    refused = ask(sim, "zhipu")
    assert (refused.status, refused.body) == (503, b"<html>busy</html>")
    assert (refused.headers["content-type"], refused.headers["x-a"]) == ("text/html", "b")


def test_a_wrong_content_type_and_a_body_that_is_not_json_with_200(sim):
    sim.order("deepseek", content_type="text/html")
    assert ask(sim, "deepseek").headers["content-type"] == "text/html"
    sim.order("deepseek", status=200, body="not json")
    got = ask(sim, "deepseek")
    assert (got.status, got.body) == (200, b"not json")


def test_the_key_comes_back_where_it_should_not(sim):
    sim.order("openai", echo_key=True)
    assert ask(sim, "openai", key="sim-canary").headers["x-api-key"] == "sim-canary"
    sim.order("openai", status=400)
    assert b"sim-canary" in ask(sim, "openai", key="sim-canary").body


def test_an_early_answer_comes_before_the_body(sim):
    sim.order("deepseek", early=True, status=413)
    head, _ = head_and_body(wire_request("deepseek"))
    with Wire(sim, head) as wire:
        got, how = wire.read_to_end()
        assert got.startswith(b"HTTP/1.1 413") and b"Connection: close" in got and how == "fin"


# -- breakage ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("at", [1, 100, 400, 1000])
def test_a_response_is_cut_at_a_byte(sim, how, at):
    sim.order("deepseek", cut_at_byte=at, cut=how)
    with Wire(sim, wire_request("deepseek", stream=True)) as wire:
        got, end = wire.read_to_end()
    assert (len(got), end) == (at, how)
    bill = sim.bills()[-1]
    assert (bill["end"], bill["bytes"]) == ("cut", at)
    assert bill["completion_tokens"] < 52


def test_a_cut_may_be_counted_from_the_body_or_in_events(sim):
    sim.order("qianfan", cut_at_body_byte=10)
    with Wire(sim, wire_request("qianfan")) as wire:
        assert len(head_and_body(wire.read_to_end()[0])[1]) == 10
    sim.clear()
    sim.order("qianfan", cut_after_events=4)
    with Wire(sim, wire_request("qianfan", stream=True)) as wire:
        assert wire.read_to_end()[0].count(b"data: ") == 4
    assert sim.bills()[-1]["completion_tokens"] == 3            # the first event is the role


@pytest.mark.parametrize("order,seen", [
    ({"silent": True}, 0), ({"silent_headers": True}, None), ({"silence_at_byte": 50}, 50),
    ({"silence_after_events": 0}, None), ({"silence_after_events": 3}, None)])
def test_silence_lasts_until_the_client_leaves(sim, order, seen):
    sim.order("deepseek", **order)
    with Wire(sim, wire_request("deepseek", stream=True), timeout_s=0.2) as wire:
        got, how = wire.read_to_end()
        assert how == "silence" and seen in (None, len(got))
        assert sim.state()["in_flight"] == 1
        assert got.count(b"data:") == order.get("silence_after_events", 0)
    assert sim.wait_bills(1)[0]["end"] == "client_gone"


def test_heartbeats_only(sim):
    sim.order("deepseek", heartbeats_only=20)
    with Wire(sim, wire_request("deepseek", stream=True), timeout_s=0.15) as wire:
        for _ in range(4):
            wire.got += wire.sock.recv(65536)
        assert b"data:" not in wire.got and wire.got.count(b": keep-alive") >= 3


def test_a_connection_closed_after_the_request_without_an_answer(sim):
    sim.order("deepseek", close_after_request=True, times=1)
    with Wire(sim, wire_request("deepseek")) as wire:
        assert wire.read_to_end() == (b"", "fin")
    bill = sim.bills()[-1]
    assert (bill["end"], bill["amount"]) == ("closed", "0")
    sim.order("deepseek", close_after_request=True, cut="rst", bill="full", times=1)
    with Wire(sim, wire_request("deepseek")) as wire:
        assert wire.read_to_end() == (b"", "rst")
    assert Decimal(sim.bills()[-1]["amount"]) > 0


def test_errors_inside_a_stream(sim):
    sim.order("*", error_in_stream=3)
    got = chunks_of(ask(sim, "openrouter", stream=True))
    assert got[-1]["error"]["message"] and got[-1]["choices"][0]["finish_reason"] == "error"
    assert sim.bills()[-1]["amount"] == "0"                     # errors are free there
    got = ask(sim, "zhipu", stream=True)
    assert chunks_of(got)[-1]["error"]["code"] == "1305" and b"[DONE]" not in got.body
    assert Decimal(sim.bills()[-1]["amount"]) > 0


def test_streams_that_lack_their_end(sim):
    def stream(**order):
        sim.clear()
        sim.order("qianfan", **order)
        got = ask(sim, "qianfan", stream=True)
        finished = any(c["choices"] and c["choices"][0]["finish_reason"] for c in chunks_of(got))
        return finished, got.events()[-1] == "[DONE]"
    assert stream(no_done=True) == (True, False)
    assert stream(done_without_finish=True) == (False, True)
    assert stream(no_finish=True, no_done=True) == (False, False)


def test_a_response_that_stays_open_after_done(sim):
    sim.order("deepseek", keep_open_after_done=True)
    with Wire(sim, wire_request("deepseek", stream=True), timeout_s=0.2) as wire:
        got, how = wire.read_to_end()
        assert got.endswith(b"[DONE]\n\n\r\n") and how == "silence"
        assert sim.bills()[-1]["end"] == "complete"


def test_line_ends_and_spaces(sim):
    sim.order("deepseek", crlf=True, no_space=True)
    body = ask(sim, "deepseek", stream=True).body
    assert b"\r\n\r\n" in body and b"data:{" in body and b"\n\n" not in body
    sim.order("deepseek", line_end="cr", crlf=False)
    assert b"\r\r" in ask(sim, "deepseek", stream=True).body


@pytest.mark.parametrize("framing", sorted(set(FRAMINGS) - {"head_endless"}))
@pytest.mark.parametrize("stream", [False, True])
def test_every_framing_sends_something(sim, framing, stream):
    sim.order("openai", framing=framing, close_after_answer="silent")
    with Wire(sim, wire_request("openai", stream=stream)) as wire:
        got, how = wire.read_to_end()
    assert how == "fin" and len(got) > 100
    assert sim.bills()[-1]["end"] == "complete"


def test_some_framings_in_detail(sim):
    def raw(framing):
        sim.clear()
        sim.order("openai", framing=framing, close_after_answer="silent")
        with Wire(sim, wire_request("openai")) as wire:
            return wire.read_to_end()[0]
    both = raw("te_and_cl")
    assert b"Transfer-Encoding: chunked" in both and b"Content-Length: " in both
    assert raw("two_cl").count(b"Content-Length") == 2
    assert raw("extra_after").endswith(b'{"smuggled": true}')
    assert raw("garbage").startswith(b"\x16\x03")
    assert raw("interim").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103")
    head, body = head_and_body(raw("cl_long"))
    length = int(head.split(b"Content-Length: ")[1].split(b"\r")[0])
    assert length == len(body) + 10


# -- connections ------------------------------------------------------------------------------------

def test_connections_are_kept_and_pipelined_requests_answered_in_turn(sim):
    opened = sim.state()["opened"]
    with Wire(sim) as wire:
        for _ in range(3):
            wire.got = b""
            wire.sock.sendall(wire_request("openai"))
            wire.read_until(b'"rejected_prediction_tokens":0}}}')
        wire.got = b""
        wire.sock.sendall(wire_request("openai") + wire_request("qwen"))
        wire.read_until(b'qwen3.5-flash')
        assert wire.got.index(b"gpt-6-luna") < wire.got.index(b"qwen3.5-flash")
        assert sim.state()["opened"] - opened == 2              # this one and the second state


def test_chunked_requests_and_expect_continue(sim):
    body = json.dumps(ask_body("openai")).encode()
    head = ("POST /openai/v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sim-1\r\n"
            "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7])
                      for i in range(0, len(body), 7)) + b"0\r\n\r\n"
    with Wire(sim, head) as wire:
        assert wire.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        for i in range(0, len(chunks), 50):
            wire.sock.sendall(chunks[i:i + 50])
        wire.read_until(b"}}}")
        assert b"HTTP/1.1 200" in wire.got
    last = sim.last()
    assert last["body"] == body and last["raw"] == head + chunks


def test_idle_connections_are_closed_and_answered_ones_on_order(sim):
    sim.settings(idle_close_ms=50)
    with Wire(sim) as wire:
        assert wire.read_to_end() == (b"", "fin")
    sim.settings(idle_close_ms=0)
    sim.order("openai", close_after_answer="announced")
    with Wire(sim, wire_request("openai")) as wire:
        assert b"Connection: close" in wire.read_to_end()[0]
    sim.clear()
    sim.order("openai", close_after_answer="silent")
    with Wire(sim, wire_request("openai")) as wire:
        got, how = wire.read_to_end()
        assert b"Connection: close" not in got and how == "fin"


@pytest.mark.parametrize("rst", [False, True])
@pytest.mark.parametrize("order", [{"latency_ms": 60_000}, {"chunk_ms": 60_000}, {"silent": True}])
def test_a_client_that_leaves_is_noticed_at_once(sim, order, rst):
    sim.order("deepseek", **order)
    wire = Wire(sim, wire_request("deepseek", stream=True, attempt="gone"))
    wait_until(lambda: sim.state()["in_flight"] == 1)
    if "chunk_ms" in order:
        wire.read_until(b"data:")
    time.sleep(0.05)
    left = time.monotonic()
    wire.close(rst)
    bill = sim.wait_bills(1, attempt="gone")[0]
    assert bill["end"] == "client_gone" and bill["how"] == ("rst" if rst else "fin")
    assert -0.001 < bill["t_end"] - left < 0.1
    cancel = sim.state()["cancels"][-1]
    assert (cancel["attempt"], cancel["before_headers"]) == ("gone", "chunk_ms" not in order)
    assert cancel["since_last_byte_ms"] > 40
    assert sim.state()["in_flight"] == 0


@pytest.mark.parametrize("vendor,rule", [("openai", "sent"), ("qwen", "full")])
def test_a_cancelled_stream_is_billed_by_the_vendors_rule(sim, vendor, rule):
    sim.order(vendor, chunk_ms=10, tokens=500, thinking_tokens=0)
    wire = Wire(sim, wire_request(vendor, stream=True))
    while wire.got.count(b'"content"') < 6:
        wire.got += wire.sock.recv(65536)
    wire.close()
    bill = sim.wait_bills(1)[0]
    assert (bill["rule"], bill["cancel_stops_billing"]) == (rule, rule == "sent")
    sent = bill["completion_tokens"]
    assert sent == 500 if rule == "full" else 5 <= sent < 100
    assert bill["events"] < 100 and bill["bytes"] > 0


def test_a_client_that_reads_nothing_holds_the_stream_up(sim):
    sim.order("qianfan", big=50_000_000, event_bytes=65536)
    wire = Wire(sim, wire_request("qianfan", stream=True))
    time.sleep(0.3)
    wire.close(rst=True)
    bill = sim.wait_bills(1)[0]
    assert bill["end"] == "client_gone" and bill["bytes"] < 20_000_000


def test_tls(tmp_path):
    cert, key = make_certificate(str(tmp_path))
    with Sim(tls=(cert, key)) as sim:
        context = ssl.create_default_context(cafile=cert)
        path, model, _ = PLAYED["openai"]
        request = urllib.request.Request(
            sim.tls_url + "/openai" + path, json.dumps(ask_body("openai")).encode(),
            {"Authorization": "Bearer sim-1", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=context) as response:
            assert json.loads(response.read())["model"] == model
        request.data = json.dumps(ask_body("openai", stream=True)).encode()
        with urllib.request.urlopen(request, context=context) as response:
            assert response.read().endswith(b"data: [DONE]\n\n")
        bill = sim.bills()[-1]
        assert (bill["vendor"], bill["tls"], bill["conn_request"]) == ("openai", "new", 1)


def test_cuts_over_tls_end_with_and_without_a_close_notify(tmp_path):
    cert, key = make_certificate(str(tmp_path))
    context = ssl.create_default_context(cafile=cert)
    with Sim(tls=(cert, key)) as sim:
        port = int(sim.tls_url.rsplit(":", 1)[1])

        def cut(how):
            sim.clear()
            sim.order("openai", cut_after_events=3, cut=how)
            with socket.create_connection(("localhost", port), 10) as sock:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
                got, asked = b"", False
                while True:
                    try:
                        if not asked:
                            tls.do_handshake()
                            asked = tls.write(wire_request("openai", stream=True)) > 0
                        data = tls.read(65536)
                        if not data:
                            return got.count(b"data: "), "notify"
                        got += data
                        continue
                    except ssl.SSLWantReadError:
                        if outgoing.pending:
                            sock.sendall(outgoing.read())
                    try:
                        data = sock.recv(65536)
                    except ConnectionResetError:
                        return got.count(b"data: "), "rst"
                    if not data:
                        return got.count(b"data: "), "fin"
                    incoming.write(data)
        assert cut("fin") == (3, "fin")
        assert cut("notify") == (3, "notify")
        assert cut("rst") == (3, "rst")
