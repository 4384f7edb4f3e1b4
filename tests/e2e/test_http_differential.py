"""What our server takes, an independent strict parser (h11) takes, and reads
the same way: so nothing behind or before us can be made to see another
request."""
import random
import re

import h11
import pytest

from echo import Cut, Echo

SEED = 20261122
LINES = [b"POST /echo HTTP/1.1", b"GET /echo HTTP/1.1", b"GET /echo HTTP/1.0",
         b"POST /echo?x=%41 HTTP/1.1"]
HEADERS = [b"Host: a", b"Content-Length: 3", b"Content-Length: 0",
           b"Transfer-Encoding: chunked", b"Connection: close",
           b"Expect: 100-continue", b"X: y", b"X:", b"Accept: */*",
           b"content-length:\t3 ", b"Transfer-Encoding: Chunked"]
BODIES = [b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\n\r\n",
          b"0\r\nA: b\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n00\r\n\r\n"]
BITS = [b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b"\x0b",
        b"\x7f", b"\x80", b"+", b"0", b"x", b";", b"\"", b"#", b"/"]


def make(r):
    head = [r.choice(LINES)] + [b"Host: a"] * (r.random() < 0.9)
    head += r.choices(HEADERS, k=r.randrange(4))
    data = b"\r\n".join(head) + b"\r\n\r\n" + r.choice(BODIES)
    for _ in range(r.choice([0, 1, 1, 2])):
        at = r.randrange(len(data) + 1)
        cut = r.randrange(2)
        data = data[:at] + r.choice(BITS + [b""]) + data[at + cut:]
    return data


def theirs(data):
    """(method, body) as h11 reads one request, None: refused, or not whole."""
    c = h11.Connection(h11.SERVER)
    body, method = b"", None
    try:
        c.receive_data(data)
        while True:
            event = c.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return None
            if isinstance(event, h11.Request):
                method = event.method
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return method, body
            else:
                return None
    except h11.RemoteProtocolError:
        return None


def ours(echo, data):
    with echo.connect(timeout=2) as c:
        try:
            r = c.ask(data)
        except Cut:
            return None
        if r.status != 200:
            return None
        line, body = r.body.split(b"\n", 1)
        return line.split()[0], body


def test_what_is_taken_is_taken_alike():
    r = random.Random(SEED)
    taken = 0
    with Echo("head_ms=30", "body_ms=30", "idle_ms=1000") as echo:
        for i in range(4000):
            data = make(r)
            mine = ours(echo, data)
            if mine is None:
                continue
            taken += 1
            assert mine == theirs(data), (i, data)
    assert taken > 500


@pytest.mark.parametrize("text,method", [
    (b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", b"GET"),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"3\r\nabc\r\n0\r\n\r\n", b"POST")])
def test_ordinary_requests_are_taken_by_both(text, method):
    with Echo() as echo:
        assert ours(echo, text)[0] == method == theirs(text)[0]
        assert re.fullmatch(rb"(abc)?", ours(echo, text)[1])
