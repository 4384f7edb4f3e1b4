"""market.py - the harness: a simulated market and a proxy in front of it, for tests.

    with Sim() as sim, Proxy(sim) as proxy:
        sim.order(vendor="deepseek", status=429, retry_after=2, times=1)
        ...                                     # any client against proxy.base_url with proxy.key
        assert sim.bills()[-1]["account"] == "qwen"         # the vendor's name in vendors.yaml
        assert proxy.routing_log()[-1]["attempts"][0]["fault"] == "rate_limited"
"""
from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import conf_for_sim                                                         # noqa: E402

PATIENCE_S = float(os.environ.get("BIJIA_TEST_PATIENCE_S", "20"))


def wait_until(true, what: str = "condition", timeout_s: float = PATIENCE_S, step_s: float = 0.01):
    """The first true value of true(); AssertionError after the time-out."""
    end = time.monotonic() + timeout_s
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %.1f s for %s" % (timeout_s, what))
        time.sleep(step_s)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def make_certificate(directory: str, host: str = "localhost") -> tuple[str, str]:
    """A self-signed certificate for localhost and 127.0.0.1: (certificate, key) file names."""
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=" + host, "-addext",
                    "subjectAltName=DNS:%s,IP:127.0.0.1" % host, "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Sim:
    """A market of its own, on a free port. Time-of-day prices are off unless `windows`."""

    def __init__(self, windows: bool = False, record: str | None = None, tls: tuple | None = None,
                 prices: str | None = None, seed: int = 0, port: int = 0):
        self.arguments = [sys.executable, os.path.join(HERE, "sim.py"), "--port", str(port),
                          "--windows", "on" if windows else "off", "--seed", str(seed)]
        if record:
            self.arguments += ["--record", record]
        if prices:
            self.arguments += ["--prices", prices]
        if tls:
            self.arguments += ["--tls", *tls, "--tls-port", "0"]
        self.tls = tls
        self.process: subprocess.Popen | None = None
        self.url = self.tls_url = ""

    def __enter__(self) -> Sim:
        self.start()
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, text=True)
        for secure in ([False, True] if self.tls else [False]):
            line = self.process.stdout.readline()
            if not line.startswith("listening on "):
                raise AssertionError("the market did not start: %r" % line)
            port = int(line.split()[2].rsplit(":", 1)[1])
            if secure:
                self.tls_url = "https://localhost:%d" % port
            else:
                self.port, self.url = port, "http://127.0.0.1:%d" % port

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process = None

    # -- the doors ------------------------------------------------------------------------------

    def door(self, method: str, path: str, body=None) -> dict:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            conn.request(method, path, None if body is None else json.dumps(body))
            response = conn.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                raise ValueError("%s %s: %s" % (method, path, answer.get("error")))
            return answer
        finally:
            conn.close()

    def order(self, vendor: str = "*", **fields) -> int:
        """One order (see README.md for the fields); its number."""
        return self.door("POST", "/_sim/orders", {"vendor": vendor, **fields})["ids"][0]

    def orders(self, *orders: dict) -> list[int]:
        return self.door("POST", "/_sim/orders", list(orders))["ids"] if orders else []

    def clear(self, vendor: str | None = None, id: int | None = None) -> None:
        """Takes back all orders, those for a vendor, or one."""
        query = {k: v for k, v in (("vendor", vendor), ("id", id)) if v is not None}
        self.door("DELETE", "/_sim/orders?" + urllib.parse.urlencode(query))

    def bills(self, since: int = 0, **wanted) -> list[dict]:
        """The record, oldest first; wanted: vendor, account, attempt, model, key, end."""
        query = urllib.parse.urlencode({"since": since, **wanted})
        return self.door("GET", "/_sim/bills?" + query)["bills"]

    def wait_bills(self, count: int = 1, timeout_s: float = PATIENCE_S, **wanted) -> list[dict]:
        """At least so many bills, as soon as they are there."""
        def enough():
            bills = self.bills(**wanted)
            return bills if len(bills) >= count else None
        return wait_until(enough, "%d bills %r" % (count, wanted), timeout_s)

    def last(self, vendor: str | None = None, attempt: str | None = None) -> dict:
        """The newest request (of a vendor, or of an attempt): raw, head and body as bytes, headers
        as a list of pairs, json as parsed."""
        query = {k: v for k, v in (("vendor", vendor), ("attempt", attempt)) if v is not None}
        last = self.door("GET", "/_sim/last?" + urllib.parse.urlencode(query))
        for name in ("raw", "head", "body"):
            last[name] = base64.b64decode(last[name])
        last["header"] = {k.lower(): v for k, v in last["headers"]}
        try:
            last["json"] = json.loads(last["body"])
        except ValueError:
            last["json"] = None
        return last

    def state(self) -> dict:
        return self.door("GET", "/_sim/state")

    def price(self, vendor: str, model: str, **change) -> None:
        """input, cached_input, cache_write, output, currency, or rows."""
        self.door("POST", "/_sim/prices", {"vendor": vendor, "model": model, **change})

    def settings(self, **settings) -> None:
        """windows (bool), clock (an instant, or now), idle_close_ms."""
        self.door("POST", "/_sim/settings", settings)

    def reset(self) -> None:
        self.door("POST", "/_sim/reset")


class Proxy:
    """`bijia serve` on a directory made for the market. BIJIA_BIN names the program."""

    def __init__(self, sim: Sim, conf: str | None = None, settings: dict | None = None,
                 base_urls: dict | None = None, keys: int = 1, team: str = "demo", edit=None,
                 environment: dict | None = None, keep: bool = False, tls_vendors: bool = False,
                 self_hosted: tuple = ()):
        self.sim, self.team, self.keep_directory = sim, team, keep
        self.binary = os.environ.get("BIJIA_BIN", os.path.join(ROOT, "build/dev/proxy/bijia"))
        self.conf = conf or os.path.join(ROOT, "conf")
        self.settings, self.base_urls, self.n_keys = settings, base_urls, keys
        self.edit, self.environment, self.tls_vendors = edit, environment or {}, tls_vendors
        self.self_hosted = self_hosted
        self.process: subprocess.Popen | None = None
        self.directory = self.base_url = self.key = ""
        self.returncode: int | None = None

    def __enter__(self) -> Proxy:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error) -> None:
        self.stop()
        if self.directory and not self.keep_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- life -----------------------------------------------------------------------------------

    def prepare(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="bijia-test-")
        self.port = free_port()
        conf_for_sim.prepare(self.conf, self.directory,
                             self.sim.tls_url if self.tls_vendors else self.sim.url,
                             "127.0.0.1:%d" % self.port, "state", self.settings, self.base_urls,
                             self.n_keys, self.sim.tls[0] if self.tls_vendors else None,
                             self.self_hosted)
        if self.edit:
            self.edit(self)
        self.base_url = "http://127.0.0.1:%d/v1" % self.port
        self.key = self.new_key(self.team)

    def run(self, *arguments: str, input: str | None = None, check: bool = True,
            timeout_s: float = 60) -> subprocess.CompletedProcess:
        """A bijia command against this directory."""
        done = subprocess.run([self.binary, *arguments, "--conf", self.directory], input=input,
                              capture_output=True, text=True, timeout=timeout_s, env=self.env())
        if check and done.returncode != 0:
            raise AssertionError("bijia %s: %d\n%s%s" % (" ".join(arguments), done.returncode,
                                                         done.stdout, done.stderr))
        return done

    def new_key(self, team: str) -> str:
        return self.run("keys", "new", team).stdout.strip()

    def env(self) -> dict:
        plain = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
        return {**plain, **self.environment}

    def start(self) -> None:
        self.log_path = os.path.join(self.directory, "stderr.txt")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.binary, "serve", self.directory], stdout=log,
                                            stderr=log, env=self.env())
        wait_until(self.ready_or_dead, "readyz")
        if self.process.poll() is not None:
            raise AssertionError("bijia serve ended with %d\n%s" % (self.process.returncode,
                                                                    self.stderr()))

    def ready_or_dead(self) -> bool:
        return self.process.poll() is not None or self.get_status("/readyz") == 200

    def stop(self, timeout_s: float = 40) -> int | None:
        """SIGTERM, and waits; the exit status."""
        if self.process is None:
            return self.returncode
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.returncode, self.process = self.process.returncode, None
        return self.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.returncode, self.process = self.process.returncode, None

    def reload(self) -> None:
        """SIGHUP. It returns at once: wait for what you expect of it."""
        self.process.send_signal(signal.SIGHUP)

    # -- files ----------------------------------------------------------------------------------

    def path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)

    def read(self, name: str) -> str:
        return conf_for_sim.read(self.path(name))

    def write(self, name: str, text: str) -> None:
        """Replaces a file in one step, as an editor would."""
        conf_for_sim.write(self.path(name + ".new"), text)
        os.replace(self.path(name + ".new"), self.path(name))

    def replace(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        if old not in text:
            raise AssertionError("%s holds no %r" % (name, old))
        self.write(name, text.replace(old, new))

    def stderr(self) -> str:
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def routing_log(self) -> list[dict]:
        """The lines of state/routing.jsonl, oldest first."""
        try:
            with open(self.path("state", "routing.jsonl"), encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_log(self, count: int = 1, timeout_s: float = PATIENCE_S) -> list[dict]:
        """At least so many lines of the routing log."""
        def enough():
            lines = self.routing_log()
            return lines if len(lines) >= count else None
        return wait_until(enough, "%d routing lines" % count, timeout_s)

    def ledger(self, table: str | None = None):
        """Rows of a table of the ledger (exchange, attempt) as dicts; without: {table: rows}."""
        db = sqlite3.connect("file:%s?mode=ro" % urllib.parse.quote(self.path("state", "ledger.db")),
                             uri=True)
        db.row_factory = sqlite3.Row
        try:
            names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type IN "
                                              "('table', 'view') AND name NOT LIKE 'sqlite_%'")]
            rows = {name: [dict(r) for r in db.execute('SELECT * FROM "%s"' % name)]
                    for name in names if table in (None, name)}
        finally:
            db.close()
        return rows if table is None else rows[table]

    # -- requests -------------------------------------------------------------------------------

    def get_status(self, path: str) -> int | None:
        try:
            return self.request("GET", path, timeout_s=2).status
        except OSError:
            return None

    def chat(self, content="hello", model: str = "chat", headers: dict | None = None,
             timeout_s: float = PATIENCE_S, **fields) -> Response:
        """One request to /v1/chat/completions; `fields` go into the body."""
        body = {"model": model, "messages": [{"role": "user", "content": content}], **fields}
        return self.request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers,
                            timeout_s)

    def request(self, method: str, path: str, body: bytes | None = None,
                headers: dict | None = None, timeout_s: float = PATIENCE_S) -> Response:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        send = {"Authorization": "Bearer " + self.key} if self.key else {}
        if body is not None:
            send["Content-Type"] = "application/json"
        try:
            conn.request(method, path, body, {**send, **(headers or {})})
            response = conn.getresponse()
            cut, data = False, b""
            try:
                data = response.read()
            except http.client.IncompleteRead as error:
                cut, data = True, error.partial
            except ConnectionError:
                cut = True
            return Response(response.status, {k.lower(): v for k, v in response.getheaders()}, data,
                            cut)
        finally:
            conn.close()


class Response:
    """A whole answer: status, headers (lower case), body, and whether it ended before its end."""

    def __init__(self, status: int, headers: dict, body: bytes, cut: bool = False):
        self.status, self.headers, self.body, self.cut = status, headers, body, cut

    def json(self):
        return json.loads(self.body)

    def events(self) -> list:
        """The data of a stream's events: objects, and "[DONE]" as text."""
        return list(sse_data(self.body))

    def text(self) -> str:
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            return self.json()["choices"][0]["message"]["content"]
        return "".join(c["delta"].get("content") or "" for e in self.events()
                       if isinstance(e, dict) for c in e.get("choices", ()))


def sse_data(body: bytes):
    """The data of each complete event: parsed JSON, or text where it is none."""
    text = body.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n")[:-1]:
        data = [line[5:][line[5:6] == " ":] for line in block.split("\n") if line.startswith("data:")]
        if data:
            joined = "\n".join(data)
            try:
                yield json.loads(joined)
            except ValueError:
                yield joined
