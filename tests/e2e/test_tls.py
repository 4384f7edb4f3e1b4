"""TLS on both sides: what clients reach, and vendors that must prove who they are."""
import http.client
import json
import os
import ssl

import openai
import pytest

from market import Proxy, Sim, make_certificate, wait_until


@pytest.fixture(scope="module")
def secure_market(tmp_path_factory):
    tls = make_certificate(str(tmp_path_factory.mktemp("vendor")))
    with Sim(tls=tls) as sim:
        yield sim


@pytest.fixture
def secure(secure_market):
    secure_market.reset()
    return secure_market


def lines(proxy, count):
    return proxy.wait_log(count)


def test_vendors_are_called_over_tls_and_sessions_are_resumed(secure):
    with Proxy(secure, tls_vendors=True) as proxy:
        for stream in (False, True, False):
            answer = proxy.chat(stream=stream)
            assert answer.status == 200 and answer.text(), proxy.stderr()
        secure.order(close_after_answer="announced")
        for _ in range(6):
            assert proxy.chat().status == 200
        bills = secure.wait_bills(9)
        assert all(bill["tls"] for bill in bills)
        assert proxy.stop() == 0


def test_a_vendor_nobody_vouches_for_never_sees_the_key(secure, tmp_path):
    def forget(proxy):
        text = proxy.read("vendors.yaml")
        proxy.write("vendors.yaml", "\n".join(line for line in text.splitlines() if "ca_file" not in line) + "\n")
    with Proxy(secure, tls_vendors=True, edit=forget) as proxy:
        answer = proxy.chat()
        assert answer.status == 502
        assert {a["fault"] for a in lines(proxy, 1)[-1]["attempts"]} == {"unreachable"}
        assert secure.bills() == []
        assert "certificate" in proxy.stderr()


def test_a_certificate_of_another_name_is_refused(secure, tmp_path):
    def rename(proxy):
        proxy.write("vendors.yaml", proxy.read("vendors.yaml").replace("https://localhost:", "https://127.0.0.2:"))
    with Proxy(secure, tls_vendors=True, edit=rename) as proxy:
        assert proxy.chat().status == 502
        assert secure.bills() == []


def serve_tls(proxy):
    make_certificate(proxy.directory)
    proxy.write("bijia.yaml", proxy.read("bijia.yaml") + "\ntls: {certificate: cert.pem, key: key.pem}\n")


class TlsProxy(Proxy):
    """A proxy whose own door speaks TLS: ready is when its log says so."""

    def ready_or_dead(self):
        return self.process.poll() is not None or "event=serving" in self.stderr()


def serial(proxy):
    context = ssl.create_default_context(cafile=proxy.path("cert.pem"))
    conn = http.client.HTTPSConnection("localhost", proxy.port, context=context, timeout=20)
    conn.request("GET", "/readyz")
    assert conn.getresponse().status == 200
    found = conn.sock.getpeercert()["serialNumber"]
    conn.close()
    return found


def test_clients_are_served_over_tls_and_a_new_certificate_needs_no_restart(sim):
    with TlsProxy(sim, edit=serve_tls) as proxy:
        context = ssl.create_default_context(cafile=proxy.path("cert.pem"))
        conn = http.client.HTTPSConnection("localhost", proxy.port, context=context, timeout=20)
        body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hello"}]})
        for _ in range(3):
            conn.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer " + proxy.key})
            answer = conn.getresponse()
            assert answer.status == 200 and json.loads(answer.read())["choices"]
        before = serial(proxy)
        make_certificate(proxy.directory)
        proxy.reload()
        wait_until(lambda: "result=ok" in proxy.stderr(), "the reload")
        assert serial(proxy) != before
        conn.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer " + proxy.key})
        assert conn.getresponse().status == 200  # the old connection goes on
        conn.close()
        proxy.write("cert.pem", "not a certificate")
        proxy.reload()
        wait_until(lambda: "result=refused" in proxy.stderr(), "the refusal")
        assert proxy.stop() == 0


def test_a_certificate_that_cannot_be_used_is_told_before_it_is_served(sim):
    with TlsProxy(sim, edit=serve_tls) as proxy:
        assert proxy.run("check").returncode == 0
        for name, text, told in [("cert.pem", None, "cert.pem: No such file or directory"),
                                 ("cert.pem", "no certificate", "cert.pem: no start line"),
                                 ("key.pem", "no key", "key.pem: unsupported")]:
            good = proxy.read(name)
            proxy.write(name, text) if text else os.remove(proxy.path(name))
            done = proxy.run("check", check=False)
            assert done.returncode == 1 and told in done.stderr, done.stderr
            assert "bijia.yaml:" in done.stderr and "tls: {certificate" in done.stderr
            before = proxy.stderr().count("event=tls ")
            proxy.reload()
            wait_until(lambda: proxy.stderr().count("event=tls ") > before, "a word on it")
            assert told in proxy.stderr()
            proxy.write(name, good)
        serial(proxy)                   # served by the old one all the time


def test_the_sdk_streams_over_tls(sim, monkeypatch):
    with TlsProxy(sim, edit=serve_tls) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", proxy.path("cert.pem"))
        with openai.OpenAI(base_url="https://localhost:%d/v1" % proxy.port, api_key=proxy.key,
                           max_retries=0) as client:
            pieces = [c.choices[0].delta.content or "" for c in client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "hi"}], stream=True) if c.choices]
        assert len(pieces) > 3
