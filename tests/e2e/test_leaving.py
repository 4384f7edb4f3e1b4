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

ROUNDS = int(os.environ.get("BIJIA_TEST_LEAVERS", "1000"))


def ask(proxy, model, stream):
    body = json.dumps({"model": model, "stream": stream, "max_tokens": 100,
                       "messages": [{"role": "user", "content": "hello"}]}).encode()
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    sock.sendall(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                  "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (proxy.key, len(body))).encode()
                 + body)
    return sock


def leave_after(proxy, sock, offset):
    """Resets the connection once `offset` bytes have come; when that was, and the request's id."""
    got = b""
    while len(got) < offset:
        more = sock.recv(offset - len(got))
        if not more:
            break
        got += more
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    at = time.monotonic()
    sock.close()
    return at


@pytest.mark.threads
@pytest.mark.parametrize("model", ["deepseek/deepseek-flash", "qwen/qwen3.5-flash"])
def test_leaving_at_each_byte_is_seen_by_the_vendor_and_billed(start, sim, model):
    sim.order(chunk_ms=15, tokens=90, first_chunk_ms=10)
    proxy = start(edit=with_budgets("{amount: 100000, per: day}"))

    def leave(offset):
        return leave_after(proxy, ask(proxy, model, True), offset)
    offsets = [1 + n * 1500 // ROUNDS for n in range(ROUNDS // 2)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        left = sorted(pool.map(leave, offsets))
    bills = sim.wait_bills(len(offsets))
    assert len(bills) == len(offsets)
    gone = sorted(b["t_end"] for b in bills if b["end"] == "client_gone")
    assert len(gone) == len(bills)
    late = sorted(seen - at for seen, at in zip(gone, left))
    assert late[int(len(late) * 0.99)] < 0.1, late[-10:]
    rows = nothing_reserved(proxy)
    ours = {r["id"]: r for r in rows["attempt"]}
    for bill in bills:
        row = ours[bill["attempt"]]
        assert row["fault"] == "client_gone" and row["estimated"]
        assert row["cost_nanos"] >= Decimal(bill["amount"]) * 10**9


def test_leaving_before_the_first_byte_is_seen_and_billed(start, sim):
    sim.order(latency_ms=3000)
    proxy = start(edit=with_budgets("{amount: 100000, per: day}"))
    for stream in (True, False):
        since = len(sim.bills())
        sock = ask(proxy, "deepseek/deepseek-flash", stream)
        wait_until(lambda: sim.state()["in_flight"] == 1, "the vendor's side")
        at = leave_after(proxy, sock, 0)
        bill = sim.wait_bills(since + 1)[-1]
        assert bill["end"] == "client_gone" and bill["t_end"] - at < 0.5
    rows = nothing_reserved(proxy)
    assert [r["fault"] for r in rows["attempt"]] == ["client_gone"] * 2
