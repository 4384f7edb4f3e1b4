"""The http_echo binary and a client that sees every byte of it."""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BIJIA_BUILD", ROOT / "build" / "dev"))
SANITIZED = b"__asan_init" in (BUILD / "tests/http_echo").read_bytes() or \
    b"__tsan_init" in (BUILD / "tests/http_echo").read_bytes()


class Echo:
    """A server of its own; `stderr` holds what its handlers lived through."""

    def __init__(self, *args, address="127.0.0.1:0", **popen):
        self.process = subprocess.Popen(
            [BUILD / "tests/http_echo", address, *map(str, args)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
        line = self.process.stdout.readline()
        assert line.startswith("ready "), self.process.stderr.read()
        self.port = int(line.split()[1])
        self.stderr = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.stderr.append((time.monotonic(), line.rstrip()))

    def said(self, text, within=2.0):
        """When a line containing `text` came, or None."""
        end = time.monotonic() + within
        while True:
            for at, line in self.stderr:
                if text in line:
                    return at
            if time.monotonic() > end:
                return None
            time.sleep(0.002)

    def connect(self, **kw):
        return Client(self.port, **kw)

    def get(self, path):
        with self.connect() as c:
            return c.ask(request("GET", path))

    def rss(self):
        """Resident bytes, and open connections (that one included)."""
        resident, connections = self.get("/rss").body.split()
        return int(resident), int(connections)

    def cpu_s(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e9

    def stop(self):
        """SIGTERM; the exit status, after which nothing may be leaked."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join(2)
        said = "\n".join(line for _, line in self.stderr)
        assert "Sanitizer" not in said and "runtime error" not in said, said
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        status = self.stop()
        if exc[0] is None:
            assert status == 0, self.stderr


class Cut(Exception):
    """The connection ended inside a reply."""


class Reply:
    def __init__(self, status, headers, body, interim):
        self.status, self.headers, self.body = status, headers, body
        self.interim = interim

    @property
    def error(self):
        import json
        e = json.loads(self.body)["error"]
        assert set(e) == {"message", "type", "param", "code"}
        assert self.headers["content-type"] == "application/json"
        return e


class Client:
    def __init__(self, port, host="127.0.0.1", tls=None, rcvbuf=None,
                 timeout=10):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host
                                  else socket.AF_INET)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.have = b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def _more(self):
        try:
            data = self.sock.recv(1 << 18)
        except (ConnectionResetError, ssl.SSLError) as e:
            raise Cut(f"broken: {e!r}, {len(self.have)} unread") from None
        if not data:
            raise Cut(f"ended, {len(self.have)} unread")
        self.have += data

    def _until(self, mark):
        while mark not in self.have:
            self._more()
        got, self.have = self.have.split(mark, 1)
        return got

    def _exactly(self, n):
        while len(self.have) < n:
            self._more()
        got, self.have = self.have[:n], self.have[n:]
        return got

    def head(self):
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 \d\d\d [ -~]+", lines[0]), lines[0]
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, line
            headers[name.lower()] = value
        return int(lines[0].split()[1]), headers

    def chunks(self):
        while True:
            size = int(self._until(b"\r\n"), 16)
            data = self._exactly(size + 2)
            assert data.endswith(b"\r\n")
            if not size:
                return
            yield data[:-2]

    def reply(self, head=False):
        interim = 0
        status, headers = self.head()
        while status // 100 == 1:
            interim += 1
            status, headers = self.head()
        if head:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(self.chunks())
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            body = self.rest()
        return Reply(status, headers, body, interim)

    def ask(self, data):
        return self.send(data).reply()

    def rest(self):
        """All bytes until the clean end of the connection."""
        try:
            while True:
                self._more()
        except Cut as e:
            if not str(e).startswith("ended"):
                raise
        got, self.have = self.have, b""
        return got

    def ended(self, within=2.0):
        """Has the server ended the connection, with nothing more to read?"""
        self.sock.settimeout(within)
        try:
            return not self.have and self.sock.recv(1) == b""
        except (TimeoutError, socket.timeout):
            return False
        except ConnectionResetError:
            return True

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()


def request(method, path, body=None, *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: a.example", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def chunked(path, *parts, tail=b"0\r\n\r\n"):
    head = request("POST", path, None, "Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + tail
