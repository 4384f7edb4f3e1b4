"""What the HTTP server does for clients that mean well."""
import os
import signal
import socket
import time

import pytest

from echo import Client, Cut, Echo, SANITIZED, chunked, request


@pytest.fixture(scope="module")
def server():
    with Echo() as echo:
        yield echo


def test_a_connection_serves_many_requests(server):
    with server.connect() as c:
        for i in range(100):
            body = b"x" * i
            r = c.ask(request("POST", "/echo", body))
            assert r.status == 200
            assert r.body == b"POST /echo %d 2\n%s" % (i, body)
            assert "connection" not in r.headers
            assert r.headers["x-test"] == "yes"
            assert "x-bad" not in r.headers


def test_a_request_may_come_byte_by_byte(server):
    with server.connect() as c:
        for data in (request("POST", "/echo", b"hello"),
                     chunked("/echo", b"hel", b"lo")):
            for i in range(len(data)):
                c.send(data[i:i + 1])
            assert c.reply().body.endswith(b"\nhello")


def test_a_request_may_be_cut_anywhere(server):
    data = request("POST", "/echo", b"0123456789")
    with server.connect() as c:
        for i in range(1, len(data)):
            c.send(data[:i])
            time.sleep(0.001)
            assert c.ask(data[i:]).body.endswith(b"\n0123456789")


@pytest.mark.parametrize("size", [0, 1, 40000, 49152, 65536, 262144,
                                  (1 << 20) - 1, (1 << 20) + 1, 5 << 20,
                                  8 << 20])
def test_bodies_of_all_sizes_arrive_whole(server, size):
    body = os.urandom(1024) * (size // 1024) + b"z" * (size % 1024)
    with server.connect() as c:
        assert c.ask(request("POST", "/echo", body)).body.split(
            b"\n", 1)[1] == body
        parts = [body[i:i + 70000] for i in range(0, size, 70000)]
        assert c.ask(chunked("/echo", *parts)).body.split(b"\n", 1)[1] == body


def test_bodies_of_all_sizes_follow_each_other(server):
    sizes = [100, 8191, 8192, 30000, 48 << 10, 100000, 30000, 300000, 9000, 1]
    bodies = [bytes([65 + i]) * size for i, size in enumerate(sizes)]
    with server.connect() as c, server.connect() as other:
        for body in bodies + bodies[::-1]:
            c.send(request("POST", "/slow?ms=20", body))
            assert other.ask(request("POST", "/echo", body)).body.split(
                b"\n", 1)[1] == body
            assert c.reply().status == 200
        c.send(b"".join(request("POST", "/echo", b) for b in bodies))
        for body in bodies:
            assert c.reply().body.split(b"\n", 1)[1] == body


def test_chunk_extensions_and_trailers_are_passed_over(server):
    with server.connect() as c:
        head = request("POST", "/echo", None, "Transfer-Encoding: chunked")
        r = c.ask(head + b"3;a=b\r\nabc\r\n0;c\r\nX-Trailer: y\r\n\r\n")
        assert r.body.endswith(b"\nabc")
        assert c.ask(request("GET", "/echo")).status == 200


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as c:
        c.send(request("GET", "/slow?ms=100")
               + request("POST", "/echo", b"one")
               + request("GET", "/stream?n=2&each=4")
               + chunked("/echo", b"two") + request("GET", "/nowhere"))
        bodies = [c.reply().body for _ in range(5)]
        assert bodies[0] == b"late"
        assert bodies[1].endswith(b"\none")
        assert bodies[2] == b"xxx\nxxx\n"
        assert bodies[3].endswith(b"\ntwo")
        assert b"unknown_url" in bodies[4]


def test_a_hundred_pipelined_requests_are_answered(server):
    with server.connect() as c:
        c.send(b"".join(request("POST", "/echo", b"%d" % i)
                        for i in range(100)))
        for i in range(100):
            assert c.reply().body.endswith(b"\n%d" % i)


def test_early_bytes_beyond_the_limit_wait_in_the_clients_socket(server):
    one = request("POST", "/length", b"y" * 9000)
    with server.connect() as c:
        c.send(request("GET", "/slow?ms=300") + one * 40)
        assert c.reply().body == b"late"
        for _ in range(40):
            assert c.reply().body == b"9000"


def test_continue_is_sent_only_when_the_body_is_wanted(server):
    expect = "Expect: 100-continue"
    with server.connect() as c:
        c.send(request("POST", "/echo", None, expect, "Content-Length: 4"))
        assert c.head()[0] == 100
        assert c.ask(b"body").body.endswith(b"\nbody")
        # the body is there already: no need to ask for it
        assert c.ask(request("POST", "/echo", b"body", expect)).interim == 0
        assert c.ask(request("POST", "/echo", b"", expect)).interim == 0
        c.send(request("POST", "/closed", None, expect, "Content-Length: 4"))
        r = c.reply()
        assert (r.status, r.interim) == (401, 0)
        assert c.ended()
    with server.connect() as c:
        r = c.ask(request("POST", "/length", None, expect,
                          "Content-Length: 9000000000"))
        assert (r.status, r.interim) == (413, 0)


def test_refusals_are_json_that_sdks_read(server):
    with server.connect() as c:
        r = c.ask(request("GET", "/v1/nowhere?key=secret"))
        assert r.status == 404
        assert r.error["message"] == "Unknown request URL: GET /v1/nowhere."
        assert r.error["type"] == "invalid_request_error"
        r = c.ask(request("DELETE", "/echo"))
        assert (r.status, r.headers["allow"]) == (405, "POST, GET")
        assert r.error["code"] == "method_not_allowed"
        r = c.ask(request("GET", "/" + "a" * 3000))
        assert r.status == 404 and len(r.error["message"]) < 300
        r = c.ask(request("GET", "/echo"))
        assert r.status == 200
    with server.connect() as c:
        r = c.ask(request("POST", "/closed", b"x"))
        assert r.status == 401 and r.error["message"] == 'no "key"\n'


def test_head_gets_no_body(server):
    with server.connect() as c:
        c.send(request("HEAD", "/echo") + request("GET", "/echo"))
        r = c.reply(head=True)
        assert r.status == 405 and int(r.headers["content-length"]) > 0
        assert c.reply().status == 200


def test_http_1_0_ends_with_the_connection(server):
    for path, body in (("/echo", b"GET /echo 0 0\n"),
                       ("/stream?n=3&each=4&every=20", b"xxx\n" * 3)):
        with server.connect() as c:
            c.send(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
            status, headers = c.head()
            assert headers["connection"] == "close"
            assert "transfer-encoding" not in headers
            assert c.rest() == body


def test_a_cut_http_1_0_stream_is_not_taken_for_whole(server):
    with server.connect() as c:
        c.send(b"GET /stream?n=3&each=4&every=20&cut=1 HTTP/1.0\r\n\r\n")
        c.head()
        with pytest.raises(Cut, match="broken"):
            c.rest()
        assert c.have == b"xxx\n" * 3


def test_the_connection_closes_when_the_client_asks(server):
    with server.connect() as c:
        r = c.ask(request("GET", "/echo", None, "Connection: close"))
        assert r.headers["connection"] == "close"
        assert c.ended()


def test_chunks_come_one_by_one(server):
    with server.connect() as c:
        c.send(request("GET", "/stream?n=5&each=8&every=60"))
        c.head()
        at = [time.monotonic() for _ in c.chunks()]
        assert len(at) == 5
        assert all(b - a > 0.03 for a, b in zip(at, at[1:]))
        assert c.ask(request("GET", "/echo")).status == 200


def test_an_aborted_stream_has_all_its_bytes_but_no_end(server):
    for n, each in ((3, 8), (1, 200000)):
        with server.connect() as c:
            c.send(request("GET", f"/stream?n={n}&each={each}&cut=1"))
            c.head()
            got = b""
            with pytest.raises(Cut, match="ended, 0 unread"):
                for chunk in c.chunks():
                    got += chunk
            assert len(got) == n * each


def test_an_abort_before_the_reply_resets(server):
    with server.connect() as c:
        c.send(request("GET", "/abort"))
        with pytest.raises(Cut, match="broken"):
            c.reply()


def test_a_large_reply_arrives_whole(server):
    with server.connect(rcvbuf=4096) as c:
        r = c.ask(request("GET", "/big?size=10000000"))
        assert r.body == b"b" * 10000000
        assert c.ask(request("GET", "/echo")).status == 200


@pytest.mark.parametrize("leave", ["fin", "half", "rst"])
@pytest.mark.parametrize("early", [0, 100, 200000])
@pytest.mark.parametrize("path", ["/slow?ms=5000",
                                  "/stream?n=100&each=10&every=50"])
def test_the_client_leaving_is_noticed_at_once(path, early, leave):
    with Echo() as echo, echo.connect() as c:
        c.sock.settimeout(0.3)
        c.send(request("GET", path))
        try:
            c.send(b"x" * early)
        except TimeoutError:
            pass  # as it should: the server has stopped reading
        time.sleep(0.1)
        before, cpu = time.monotonic(), echo.cpu_s()
        if leave == "fin" and early < 200000:
            c.sock.close()  # else the FIN waits behind the bytes
        elif leave == "half" and early < 200000:
            c.sock.shutdown(socket.SHUT_WR)
        else:
            c.reset()
        at = echo.said("gone /", 1.0)
        assert at and at - before < (0.5 if SANITIZED else 0.1)
        assert sum("gone" in line for _, line in echo.stderr) == 1
        assert echo.rss()[1] == 1
        assert echo.cpu_s() - cpu < (0.5 if SANITIZED else 0.05)


def test_waiting_early_bytes_do_not_make_the_loop_spin(server):
    with server.connect() as c:
        c.send(request("GET", "/slow?ms=600") + b"x" * 60000)
        time.sleep(0.1)
        before = server.cpu_s()
        time.sleep(0.4)
        assert server.cpu_s() - before < 0.02
        assert c.reply().body == b"late"


def test_a_client_that_leaves_during_its_body_is_noticed():
    with Echo() as echo:
        with echo.connect() as c:
            c.send(request("POST", "/watched", None, "Content-Length: 10"))
            c.send(b"12345")
            time.sleep(0.05)
        assert echo.said("gone /watched")


def test_a_stream_pauses_for_a_slow_reader(server):
    before = server.rss()[0]
    with server.connect(rcvbuf=4096) as c:
        c.send(request("GET", "/stream?n=2000&each=60000"))
        c.head()
        time.sleep(0.5)
        grown = server.rss()[0] - before
        assert grown < (4 << 20 if SANITIZED else 600 << 10)
        assert sum(map(len, c.chunks())) == 2000 * 60000
        assert c.ask(request("GET", "/echo")).status == 200


def test_a_handler_that_heeds_no_backpressure_is_cut():
    with Echo() as echo, echo.connect(rcvbuf=4096) as c:
        c.send(request("GET", "/flood"))
        assert echo.said("gone /flood")
        with pytest.raises(Cut):
            c.reply()


def test_a_connection_serves_so_many_requests_and_no_more():
    with Echo("requests=3") as echo, echo.connect() as c:
        assert [c.ask(request("GET", "/echo")).headers.get("connection")
                for _ in range(3)] == [None, None, "close"]
        assert c.ended()


def test_draining_ends_idle_connections_and_finishes_replies():
    with Echo() as echo:
        idle, fresh, busy, stream = (echo.connect() for _ in range(4))
        assert idle.ask(request("GET", "/echo")).status == 200
        busy.send(request("GET", "/slow?ms=300"))
        stream.send(request("GET", "/stream?n=10&each=10&every=40"))
        assert stream.head()[0] == 200
        echo.process.send_signal(signal.SIGTERM)
        assert idle.ended() and fresh.ended()
        with pytest.raises(OSError):
            Client(echo.port)
        r = busy.reply()
        assert r.body == b"late" and r.headers["connection"] == "close"
        assert len(b"".join(stream.chunks())) == 100
        assert stream.ended() and busy.ended()
        assert echo.process.wait(5) == 0


def test_leaving_while_it_drains_ends_the_server():
    with Echo() as echo:
        with echo.connect() as c:
            c.send(request("GET", "/slow?ms=20000"))
            time.sleep(0.1)
            echo.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert echo.process.wait(2) == 0


def test_an_interrupt_amid_requests_frees_everything():
    with Echo() as echo:
        some = [echo.connect() for _ in range(8)]
        for i, c in enumerate(some):
            c.send((request("GET", "/slow?ms=9000"), b"GET / HT",
                    request("GET", "/stream?n=100&each=10&every=50"),
                    request("POST", "/watched", None,
                            "Content-Length: 10") + b"123")[i % 4])
        time.sleep(0.2)
        echo.process.send_signal(signal.SIGINT)
        assert echo.process.wait(5) == 0
        echo.reader.join(2)
        assert sum("gone" in line for _, line in echo.stderr) == 6


@pytest.mark.parametrize("address,host", [(":0", "127.0.0.1"), (":0", "::1"),
                                          ("[::1]:0", "::1"),
                                          ("localhost:0", "127.0.0.1")])
def test_addresses_of_both_families_are_served(address, host):
    with Echo(address=address) as echo:
        try:
            c = Client(echo.port, host=host)
        except ConnectionRefusedError:
            assert address == "localhost:0"  # it may mean ::1 alone
            c = Client(echo.port, host="::1")
        with c:
            assert c.ask(request("GET", "/echo")).status == 200
