"""The harness starts, asks, reloads and stops a program that behaves like bijia."""
from __future__ import annotations

import os
import sys

import pytest

from market import Proxy, wait_until

STUB = '''#!{python}
import http.server, json, os, re, signal, sqlite3, sys
args, conf = sys.argv[1:], None
if "--conf" in args:
    conf = args[args.index("--conf") + 1]
if args[0] == "keys":
    print("bj_" + args[2])
elif args[0] == "check":
    sys.exit("no good: " + conf)
elif args[0] == "serve":
    conf = args[1]
    port = int(re.search(r"^listen: 127.0.0.1:(\\d+)", open(conf + "/bijia.yaml").read(), re.M).group(1))
    os.makedirs(conf + "/state")
    db = sqlite3.connect(conf + "/state/ledger.db")
    db.execute("CREATE TABLE attempts (id, nanos)")
    db.commit()
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args): pass
        def answer(self, status, body, kind="application/json"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def do_GET(self):
            self.answer(200 if self.path == "/readyz" else 404, b"")
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with open(conf + "/state/routing.jsonl", "a") as log:
                log.write(json.dumps({{"asked": body["model"],
                                      "key": self.headers["Authorization"]}}) + "\\n")
            db.execute("INSERT INTO attempts VALUES (?, 7)", (body["model"],))
            db.commit()
            if body.get("stream"):
                self.answer(200, b'data: {{"choices":[{{"delta":{{"content":"hi"}}}}]}}\\n\\ndata: [DONE]\\n\\n',
                            "text/event-stream")
            else:
                self.answer(200, b'{{"choices":[{{"message":{{"content":"hi"}}}}]}}')
    signal.signal(signal.SIGHUP, lambda *a: print("reloaded", file=sys.stderr, flush=True))
    signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''


@pytest.fixture
def stub(tmp_path, monkeypatch):
    path = tmp_path / "bijia"
    path.write_text(STUB.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv("BIJIA_BIN", str(path))
    monkeypatch.setenv("DEEPSEEK_API_KEY", "real")


def test_a_proxy_is_started_asked_reloaded_and_stopped(sim, stub):
    with Proxy(sim, settings={"timeouts.silence": "2s"}, self_hosted=("vllm",)) as proxy:
        assert proxy.key == "bj_demo" and "DEEPSEEK_API_KEY" not in proxy.env()
        assert proxy.chat("hello").text() == "hi"
        stream = proxy.chat("hello", model="glm", stream=True)
        assert stream.text() == "hi" and stream.events()[-1] == "[DONE]"
        assert [line["asked"] for line in proxy.wait_log(2)] == ["chat", "glm"]
        assert proxy.routing_log()[0]["key"] == "Bearer bj_demo"
        assert proxy.ledger("attempts") == [{"id": "chat", "nanos": 7}, {"id": "glm", "nanos": 7}]
        assert list(proxy.ledger()) == ["attempts"]
        assert "silence: 2s" in proxy.read("bijia.yaml")
        assert sim.url + "/vllm/v1" in proxy.read("vendors.yaml")
        proxy.replace("prices.yaml", "input: 1,", "input: 9,")
        proxy.reload()
        wait_until(lambda: "reloaded" in proxy.stderr())
        with pytest.raises(AssertionError):
            proxy.replace("prices.yaml", "no such text", "")
        with pytest.raises(AssertionError, match="no good"):
            proxy.run("check")
        directory = proxy.directory
        assert proxy.stop() == 0
    assert not os.path.exists(directory)


def test_a_proxy_that_dies_at_the_start_is_told_with_its_words(sim, tmp_path, monkeypatch):
    path = tmp_path / "bijia"
    path.write_text("#!/bin/sh\n[ $1 = keys ] && echo k && exit 0\necho bad luck >&2\nexit 3\n")
    path.chmod(0o755)
    monkeypatch.setenv("BIJIA_BIN", str(path))
    with pytest.raises(AssertionError, match="ended with 3\nbad luck"):
        with Proxy(sim):
            pass
