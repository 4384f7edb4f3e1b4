"""The HTTP server behind TLS."""
import signal
import socket
import ssl
import subprocess
import time

import pytest

from echo import Client, Cut, Echo, SANITIZED, chunked, request


def make_certificate(directory, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout",
         directory / f"{name}.key", "-out", directory / f"{name}.pem"],
        check=True, stderr=subprocess.DEVNULL)
    return directory / f"{name}.pem", directory / f"{name}.key"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "first")


@pytest.fixture(scope="module")
def server(certificate):
    with Echo("head_ms=1000", "tls", *certificate) as echo:
        yield echo


@pytest.fixture(scope="module")
def trust(certificate):
    context = ssl.create_default_context(cafile=certificate[0])
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_requests_are_served(server, certificate, version):
    trust = ssl.create_default_context(cafile=certificate[0])
    trust.set_alpn_protocols(["h2", "http/1.1"])
    trust.minimum_version = trust.maximum_version = version
    with server.connect(tls=trust) as c:
        assert c.sock.selected_alpn_protocol() == "http/1.1"
        for size in (0, 1, 16384, 100000, 3 << 20, 8 << 20):
            body = b"abcdefgh" * (size // 8) + b"x" * (size % 8)
            r = c.ask(request("POST", "/echo", body))
            assert r.body.split(b"\n", 1)[1] == body
        parts = [body[i:i + 70000] for i in range(0, 1 << 20, 70000)]
        assert c.ask(chunked("/length", *parts)).body == \
            b"%d" % sum(map(len, parts))
        assert c.ask(request("GET", "/stream?n=3&each=4")).body == \
            b"xxx\n" * 3
        assert len(c.ask(request("GET", "/big?size=5000000")).body) == 5000000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(server):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.raises((ssl.SSLError, OSError)):
        server.connect(tls=old)


def test_a_client_that_only_speaks_another_protocol_is_told(server,
                                                            certificate):
    other = ssl.create_default_context(cafile=certificate[0])
    other.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        server.connect(tls=other)


def test_pipelined_and_early_bytes_are_served_after_the_reply(server, trust):
    with server.connect(tls=trust) as c:
        one = request("POST", "/length", b"y" * 9000)
        c.send(request("GET", "/slow?ms=200") + one * 40)
        assert c.reply().body == b"late"
        for _ in range(40):
            assert c.reply().body == b"9000"


def test_records_of_one_byte_are_read(server, trust):
    with server.connect(tls=trust) as c:
        data = request("POST", "/echo", b"hello") + chunked("/echo", b"lo")
        for i in range(len(data)):
            c.send(data[i:i + 1])
        assert c.reply().body.endswith(b"\nhello")
        assert c.reply().body.endswith(b"\nlo")


def test_a_stream_pauses_for_a_slow_reader(server, trust):
    before = server_rss(server, trust)
    with server.connect(tls=trust, rcvbuf=4096) as c:
        c.send(request("GET", "/stream?n=500&each=60000"))
        c.head()
        time.sleep(0.3)
        grown = server_rss(server, trust) - before
        assert grown < (8 << 20 if SANITIZED else 700 << 10)
        assert sum(map(len, c.chunks())) == 500 * 60000


def server_rss(server, trust):
    with server.connect(tls=trust) as c:
        return int(c.ask(request("GET", "/rss")).body.split()[0])


@pytest.mark.parametrize("leave", ["goodbye", "fin", "rst"])
@pytest.mark.parametrize("early", [0, 30000])
def test_the_client_leaving_is_noticed_at_once(certificate, trust, early,
                                               leave):
    with Echo("tls", *certificate) as echo:
        with echo.connect(tls=trust) as c:
            c.send(request("GET", "/slow?ms=9000") + b"x" * early)
            time.sleep(0.2)
            before = time.monotonic()
            if leave == "goodbye" and not early:
                c.sock.settimeout(0.05)
                with pytest.raises((TimeoutError, ssl.SSLError, OSError)):
                    c.sock.unwrap()  # the answer to it never comes
            elif leave == "rst":
                c.reset()
            else:
                c.sock.close()
            at = echo.said("gone /slow", 1)
            assert at and at - before < (0.5 if SANITIZED else 0.1)


def test_an_aborted_stream_ends_without_a_goodbye(server, trust):
    trust.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    with server.connect(tls=trust) as c:
        c.send(request("GET", "/stream?n=3&each=8&cut=1"))
        c.head()
        got = []
        with pytest.raises(Cut, match="0 unread"):
            got.extend(c.chunks())


def test_a_closed_connection_ends_with_a_goodbye(server, trust):
    with server.connect(tls=trust) as c:
        c.sock.suppress_ragged_eofs = False
        c.send(request("GET", "/echo", None, "Connection: close"))
        assert c.reply().status == 200
        assert c.rest() == b""
    with server.connect(tls=trust) as c:
        c.sock.suppress_ragged_eofs = False
        c.send(request("POST", "/length", None, "Content-Length: 99999999")
               + b"x" * 100000)
        assert c.reply().status == 413
        assert c.rest() == b""


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n"])
def test_a_handshake_has_its_time(server, start):
    with server.connect() as c:
        began = time.monotonic()
        c.send(start)
        with pytest.raises(Cut):
            while True:
                c._more()
        took = time.monotonic() - began
        assert took < 0.5 if start.startswith(b"GET") else 0.9 < took < 1.4


def test_handshakes_cut_at_any_byte_leave_nothing_behind(server, trust):
    bio, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trust.wrap_bio(bio, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = out.read()
    for i in range(0, len(hello), 7):
        c = server.connect().send(hello[:i])
        c.reset() if i % 2 else c.sock.close()
    time.sleep(0.3)
    with server.connect(tls=trust) as c:
        assert c.ask(request("GET", "/rss")).body.split()[1] == b"1"


def test_sessions_are_resumed(server, trust):
    with server.connect(tls=trust) as c:
        c.ask(request("GET", "/echo"))
        session = c.sock.session
    raw = socket.create_connection(("127.0.0.1", server.port))
    with trust.wrap_socket(raw, server_hostname="localhost",
                           session=session) as again:
        assert again.session_reused


def issuer(c):
    return dict(x[0] for x in c.sock.getpeercert()["subject"])["commonName"]


def test_a_new_certificate_is_for_new_connections(tmp_path):
    first = make_certificate(tmp_path, "first")
    second = make_certificate(tmp_path, "second")
    trust = ssl.create_default_context()
    for pem, _ in (first, second):
        trust.load_verify_locations(pem)
    with Echo("tls", *first) as echo:
        old = echo.connect(tls=trust)
        old.send(request("GET", "/slow?ms=500"))
        for here, there in zip(second, first):
            there.write_bytes(here.read_bytes())
        echo.process.send_signal(signal.SIGHUP)
        assert echo.said("reloaded")
        with echo.connect(tls=trust) as new:
            assert issuer(new) == "second"
            assert new.ask(request("GET", "/echo")).status == 200
        assert old.reply().body == b"late"
        assert old.ask(request("GET", "/echo")).status == 200
        # a bad file leaves what was
        first[1].write_text("nonsense")
        echo.stderr.clear()
        echo.process.send_signal(signal.SIGHUP)
        assert echo.said("reloaded") and echo.said("cannot use")
        with echo.connect(tls=trust) as new:
            assert new.ask(request("GET", "/echo")).status == 200


def test_draining_says_goodbye(certificate, trust):
    with Echo("tls", *certificate) as echo:
        c = echo.connect(tls=trust)
        c.sock.suppress_ragged_eofs = False
        assert c.ask(request("GET", "/echo")).status == 200
        echo.process.send_signal(signal.SIGTERM)
        assert c.rest() == b""
        assert echo.process.wait(3) == 0


def test_connections_over_the_limit_are_closed(certificate, trust):
    with Echo("connections=1", "tls", *certificate) as echo:
        with echo.connect(tls=trust) as c:
            with pytest.raises((ssl.SSLError, OSError)):
                Client(echo.port, tls=trust)
            assert c.ask(request("GET", "/echo")).status == 200
