"""A client that leaves, at any byte: the vendor is told at once, the team is billed no less than what
the vendor bills, and nothing stays reserved."""
import concurrent.futures
import json
import os
import socket
import struct
import time
from decimal import Decimal

import pytest

from market import wait_until
from test_budget import nothing_reserved, with_budgets

ROUNDS = int(os.environ.get("BIJIA_TEST_LEAVERS", "500"))        # spread over the bytes of a stream
EARLY = int(os.environ.get("BIJIA_TEST_EARLY_LEAVERS", "24"))    # before the first byte
MODEL = "deepseek/deepseek-flash"


def ask(proxy, model, stream, words=1):
    body = json.dumps({"model": model, "stream": stream, "max_tokens": 100,
                       "messages": [{"role": "user", "content": "hello " * words}]}).encode()
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    sock.sendall(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                  "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (proxy.key, len(body))).encode()
                 + body)
    return sock


def reset(sock):
    """When the connection was reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    at = time.monotonic()
    sock.close()
    return at


def leave_after(sock, offset):
    """Resets the connection once `offset` bytes have come."""
    got = b""
    while len(got) < offset:
        more = sock.recv(offset - len(got))
        if not more:
            break
        got += more
    return reset(sock)


def in_turn(n, leave, at_once=4):
    """leave(i) for each i below n, some at a time; what they gave."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(leave, range(n)))


def lateness(bills, left):
    """Sorted: how long after each client had gone its vendor saw it. The i-th sent a prompt of i + 1
    words, which tells whose bill it is."""
    bills = sorted(bills, key=lambda b: b["prompt_tokens"])
    assert len(bills) == len(left) and len({b["prompt_tokens"] for b in bills}) == len(left)
    return sorted(b["t_end"] - at for b, at in zip(bills, left) if b["end"] == "client_gone")


def told(what, late):
    p50, p99 = (late[int(len(late) * part)] * 1000 for part in (0.5, 0.99))
    print("%s: %d cancels, seen by the vendor after p50 %.1f ms, p99 %.1f ms, at most %.1f ms"
          % (what, len(late), p50, p99, late[-1] * 1000))
    return p99


def charged(proxy, bills):
    """Each bill has its row, which charges no less, and no more unless it says that it is estimated."""
    rows = nothing_reserved(proxy)
    ours = {r["id"]: r for r in rows["attempt"]}
    for bill in bills:
        row, owed = ours[bill["attempt"]], Decimal(bill["amount"]) * 10**9
        assert row["cost_nanos"] >= owed - Decimal("0.5")
        if bill["end"] == "client_gone":
            assert row["fault"] == "client_gone"
        if not row["estimated"]:        # the vendor had told its usage
            assert abs(row["cost_nanos"] - owed) <= Decimal("0.5")
    assert len(rows["exchange"]) == len(bills)


def length_of_a_stream(proxy):
    sock, got = ask(proxy, MODEL, True), b""
    while b"[DONE]" not in got:
        got += sock.recv(65536)
    sock.close()
    return len(got)


@pytest.mark.threads
@pytest.mark.parametrize("model", [MODEL, "qwen/qwen3.5-flash"])
def test_leaving_at_each_byte_is_seen_by_the_vendor_and_billed(start, sim, model):
    proxy = start(edit=with_budgets("{amount: 100000, per: day}"))
    sim.order(tokens=4)
    length = length_of_a_stream(proxy)
    rounds = min(ROUNDS // 2, length - 1)
    sim.clear()
    sim.order(chunk_ms=15, tokens=90, first_chunk_ms=10)    # longer, so that none is complete
    left = in_turn(rounds, lambda i: leave_after(ask(proxy, model, True, i + 1), 1 + i * (length - 1) // rounds))
    bills = sim.wait_bills(rounds + 1)[1:]
    late = lateness(bills, left)
    assert len(late) == rounds
    assert told("%s, at %d of %d bytes" % (model, rounds, length), late) < 100
    charged(proxy, sim.bills())


def test_leaving_anywhere_up_to_the_end_is_billed_as_the_vendor_bills(start, sim):
    """Towards the end the vendor may have finished: then the row is exact, or no less."""
    proxy = start(edit=with_budgets("{amount: 100000, per: day}"))
    sim.order(tokens=4, chunk_ms=5)
    length = length_of_a_stream(proxy)
    rounds = min(ROUNDS // 10, length)
    left = in_turn(rounds, lambda i: leave_after(ask(proxy, MODEL, True, i + 1), length - i * length // rounds))
    bills = sim.wait_bills(rounds + 1)[1:]
    late = lateness(bills, left)
    assert told("up to the end, at %d of %d bytes" % (rounds, length), late) < 100
    charged(proxy, sim.bills())


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_before_the_first_byte_is_seen_and_billed(start, sim, stream):
    """While the vendor says nothing, not even headers."""
    sim.order(latency_ms=3000)
    proxy = start(edit=with_budgets("{amount: 100000, per: day}"))

    def leave(i):
        sock = ask(proxy, MODEL, stream, i + 1)
        wait_until(lambda: sim.state()["in_flight"] == 1, "the vendor's side", step_s=0.001 * (i % 7))
        at = reset(sock)
        wait_until(lambda: sim.state()["in_flight"] == 0, "its end", step_s=0.001)
        return at
    left = in_turn(EARLY // 2, leave, at_once=1)
    bills = sim.wait_bills(EARLY // 2)
    late = lateness(bills, left)
    assert len(late) == EARLY // 2
    assert told("before the first byte, %s" % ("streamed" if stream else "whole"), late) < 100
    charged(proxy, bills)


def test_leaving_as_soon_as_it_has_asked_costs_what_the_vendor_bills(start, sim):
    """The vendor may have got the request or not: rows and bills agree, and nothing stays reserved."""
    sim.order(latency_ms=500)
    proxy = start(edit=with_budgets("{amount: 100000, per: day}"))
    in_turn(EARLY, lambda i: reset(ask(proxy, MODEL, i % 2 == 0, i + 1)))
    wait_until(lambda: sim.state()["in_flight"] == 0, "the market at rest")
    rows = nothing_reserved(proxy)
    ours = {r["id"]: r for r in rows["attempt"]}
    for bill in sim.bills():
        assert ours[bill["attempt"]]["cost_nanos"] >= Decimal(bill["amount"]) * 10**9


@pytest.mark.parametrize("model", ["yi/yi-lightning", "mistral/codestral-latest", "qwen/qwen-plus"])
def test_a_vendor_that_goes_on_billing_is_charged_for_all_it_may_say(start, sim, model):
    sim.order(tokens=4000, chunk_ms=20)
    proxy = start()
    body = json.dumps({"model": model, "stream": True, "max_tokens": 4000, "enable_thinking": False,
                       "messages": [{"role": "user", "content": "hello"}]}).encode()
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    sock.sendall(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                  "Content-Length: %d\r\n\r\n" % (proxy.key, len(body))).encode() + body)
    leave_after(sock, 1500)
    [bill] = sim.wait_bills(1)
    assert bill["end"] == "client_gone" and bill["rule"] == "full" and bill["completion_tokens"] == 4000
    charged(proxy, [bill])


@pytest.mark.parametrize("model", ["openai/gpt-6-luna", "doubao/doubao-seed-2-0-mini-260428"])
@pytest.mark.parametrize("how", ["cut", "left"])
def test_what_was_thought_unseen_is_charged(start, sim, model, how):
    sim.order(tokens=400, thinking_tokens=5000, tokens_per_event=20, chunk_ms=20,
              **({"cut_after_events": 8} if how == "cut" else {}))
    proxy = start()
    body = json.dumps({"model": model, "stream": True, "reasoning_effort": "high",
                       "messages": [{"role": "user", "content": "hello"}]}).encode()
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    sock.sendall(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                  "Content-Length: %d\r\n\r\n" % (proxy.key, len(body))).encode() + body)
    leave_after(sock, 1200 if how == "left" else 1 << 20)
    [bill] = sim.wait_bills(1)
    rows = nothing_reserved(proxy)
    assert rows["attempt"][0]["estimated"]
    assert rows["attempt"][0]["cost_nanos"] >= Decimal(bill["amount"]) * 10**9 - Decimal("0.5")
