"""Each limit and time of bijia.yaml is kept by the program that reads it."""
import json
import os
import socket
import time

import pytest

from market import wait_until

MODEL = "openai/gpt-6-luna"


def head(proxy, *more, length=0):
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: x", "Authorization: Bearer " + proxy.key,
             "Content-Length: %d" % length, *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def body(**fields):
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hello"}], **fields}).encode()


def told(proxy, sent, seconds=10):
    """All that comes back until the connection ends, and when that was."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds) as sock:
        sock.sendall(sent)
        got, begun = b"", time.monotonic()
        while True:
            more = sock.recv(65536)
            if not more:
                return got.decode("latin-1"), time.monotonic() - begun
            got += more


@pytest.mark.parametrize("limit, more", [("head", ["x-pad: " + "x" * 2000]),
                                         ("headers", ["x-%d: y" % i for i in range(12)])])
def test_a_head_is_as_long_as_the_configuration_says(start, limit, more):
    proxy = start(settings={"limits." + limit: {"head": "1KiB", "headers": "8"}[limit]})
    assert proxy.chat(model=MODEL).status == 200
    answer, _ = told(proxy, head(proxy, *more))
    assert answer.startswith("HTTP/1.1 431 ") and '"error"' in answer


@pytest.mark.parametrize("word, sent", [("head", lambda p: head(p)[:-2]),
                                        ("body", lambda p: head(p, length=50) + b"{")])
def test_a_client_has_the_time_that_the_configuration_says(start, word, sent):
    proxy = start(settings={"timeouts." + word: "400ms"})
    answer, seconds = told(proxy, sent(proxy))
    assert answer.startswith("HTTP/1.1 408 ") and 0.3 < seconds < 5


def test_an_idle_connection_is_kept_as_long_as_the_configuration_says(start):
    proxy = start(settings={"timeouts.idle": "400ms"})
    answer, seconds = told(proxy, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200 ") and answer.count("HTTP/1.1") == 1 and 0.3 < seconds < 5


def test_a_connection_has_as_many_requests_as_the_configuration_says(start):
    proxy = start(settings={"limits.requests": "3"})
    answer, _ = told(proxy, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    assert answer.count("HTTP/1.1 200 ") == 3


def test_there_are_as_many_connections_as_the_configuration_says(start):
    proxy = start(settings={"limits.connections": "3", "workers": "1"})
    held = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(3)]
    for sock in held:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    answer, _ = told(proxy, b"")
    assert answer.startswith("HTTP/1.1 503 ")
    for sock in held:
        sock.close()
    wait_until(lambda: proxy.get_status("/healthz") == 200, "room again")


def test_a_client_that_takes_nothing_is_given_as_long_as_the_configuration_says(start, sim):
    sim.order(big=64 << 20, event_bytes=4096)
    proxy = start(settings={"timeouts.write": "500ms"})
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sent = body(stream=True)
        sock.sendall(head(proxy, length=len(sent)) + sent)
        [bill] = sim.wait_bills(1, timeout_s=10)
    assert bill["end"] == "client_gone"
    assert proxy.wait_log(1)[0]["fault"] == "client_gone"


@pytest.mark.parametrize("setting, order, stream, fault", [
    ({"timeouts.answer": "400ms"}, {"latency_ms": 8000}, False, "silent"),
    ({"timeouts.first_byte": "400ms"}, {"first_chunk_ms": 8000}, True, "silent"),
    ({"timeouts.total": "900ms", "timeouts.first_byte": "800ms"}, {"chunk_ms": 200, "tokens": 100}, True, "silent"),
    ({"limits.event": "4KiB"}, {"big": 40000, "event_bytes": 20000}, True, "garbled"),
    ({"limits.answer": "64KiB"}, {"big": 200000}, False, "garbled")],
    ids=["answer", "first_byte", "total", "event", "answer_bytes"])
def test_a_vendor_has_the_time_and_room_that_the_configuration_says(start, sim, setting, order, stream, fault):
    sim.order(**order)
    proxy = start(settings=setting)
    begun = time.monotonic()
    answer = proxy.chat(model=MODEL, stream=stream)
    assert time.monotonic() - begun < 6
    assert answer.cut if stream and answer.status == 200 else answer.status >= 500
    assert proxy.wait_log(1)[0]["attempts"][0]["fault"] == fault


def test_no_further_vendor_is_tried_after_the_time_that_the_configuration_says(start, sim):
    sim.order(silent=True)
    proxy = start(settings={"timeouts.first_byte": "500ms", "timeouts.total": "20s", "attempts.budget": "300ms"})
    assert proxy.chat(stream=True).status == 504
    assert len(proxy.wait_log(1)[0]["attempts"]) == 1


def test_answers_under_way_have_the_time_that_the_configuration_says(start, sim):
    sim.order(chunk_ms=500, tokens=100)
    proxy = start(settings={"timeouts.drain": "600ms"})
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as sock:
        sent = body(stream=True)
        sock.sendall(head(proxy, length=len(sent)) + sent)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        begun = time.monotonic()
        assert proxy.stop(15) == 0
        assert 0.4 < time.monotonic() - begun < 8


def watched(proxy):
    """Of each loop: which sockets it waits for, as {inode: is it a listening one}."""
    pid = proxy.process.pid
    with open("/proc/%d/net/tcp" % pid, encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    ours = {row[9]: row[3] == "0A" for row in rows if int(row[1].split(":")[1], 16) == proxy.port}
    loops = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        if os.readlink("/proc/%d/fd/%s" % (pid, fd)) != "anon_inode:[eventpoll]":
            continue
        with open("/proc/%d/fdinfo/%s" % (pid, fd), encoding="ascii") as file:
            fds = [line.split()[1] for line in file if line.startswith("tfd:")]
        links = [os.readlink("/proc/%d/fd/%s" % (pid, each)) for each in fds]
        inodes = [link[len("socket:["):-1] for link in links if link.startswith("socket:[")]
        loops.append({inode: ours[inode] for inode in inodes if inode in ours})
    return [loop for loop in loops if loop]


def test_each_worker_has_a_listening_socket_and_connections_of_its_own(start):
    proxy = start(settings={"workers": "3"})
    loops = watched(proxy)
    assert [list(loop.values()) for loop in loops] == [[True]] * 3
    assert len({inode for loop in loops for inode in loop}) == 3
    socks = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(48)]    # one gets none: 1 in 10^8
    try:
        wait_until(lambda: sum(len(loop) for loop in watched(proxy)) == 3 + 48, "48 connections taken in")
        for loop in watched(proxy):
            assert list(loop.values()).count(True) == 1 and list(loop.values()).count(False) > 0
    finally:
        for sock in socks:
            sock.close()
