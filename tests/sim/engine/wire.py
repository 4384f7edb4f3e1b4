"""wire.py - HTTP/1.1 as the market speaks it: requests in, bytes out, and who left when.

One Connection per socket. It reads one request, hands it to the market, and reads the next when that
is answered. A peer that closes or half-closes while its request is in flight is told to the call at
once: that instant is what the tests of cancelling measure.
"""
from __future__ import annotations

import asyncio
import socket
import struct
import time

MOST_HEAD = 256 * 1024
MOST_BODY = 80 * 1024 * 1024
MOST_EARLY = 1024 * 1024
RST = struct.pack("ii", 1, 0)


class BadRequest(Exception):
    pass


class Request:
    __slots__ = ("method", "target", "path", "query", "headers", "raw_head", "raw_body", "body",
                 "t_head", "t_body", "keep_alive", "early", "pairs")

    def __init__(self, raw_head: bytes):
        self.raw_head = raw_head
        self.raw_body = self.body = b""
        self.early = False
        self.t_head = self.t_body = time.monotonic()
        lines = raw_head[:-4].decode("latin-1").split("\r\n")
        try:
            self.method, self.target, version = lines[0].split(" ")
        except ValueError:
            raise BadRequest("request line") from None
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadRequest("version")
        self.path, _, self.query = self.target.partition("?")
        self.pairs = []
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest("header line")
            self.pairs.append((name, value.strip()))
            self.headers[name.lower()] = value.strip()
        wish = self.headers.get("connection", "").lower()
        self.keep_alive = "close" not in wish if version == "HTTP/1.1" else "keep-alive" in wish


class Unchunker:
    """Takes a chunked body apart as it comes; `done` is the length of its wire form."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.at, self.need, self.done = 0, -1, None

    def feed(self, buf: bytearray) -> bool:
        while True:
            if self.need < 0:
                end = buf.find(b"\r\n", self.at)
                if end < 0:
                    return False
                try:
                    self.need = int(bytes(buf[self.at:end]).split(b";")[0], 16)
                except ValueError:
                    raise BadRequest("chunk size") from None
                self.at = end + 2
            if self.need == 0:
                return self.trailers(buf)
            if len(buf) < self.at + self.need + 2:
                return False
            self.parts.append(bytes(buf[self.at:self.at + self.need]))
            self.at += self.need + 2
            self.need = -1

    def trailers(self, buf: bytearray) -> bool:
        while True:
            end = buf.find(b"\r\n", self.at)
            if end < 0:
                return False
            empty, self.at = end == self.at, end + 2
            if empty:
                self.done = self.at
                return True


class Connection(asyncio.Protocol):
    def __init__(self, market):
        self.market = market
        self.buf = bytearray()
        self.request: Request | None = None
        self.unchunk: Unchunker | None = None
        self.length = 0
        self.busy = False           # a request is being answered
        self.call = None            # the call in flight, told when the peer leaves
        self.task: asyncio.Task | None = None
        self.waiter: asyncio.Future | None = None
        self.paused = False
        self.gone_at: float | None = None
        self.gone_how: str | None = None
        self.idle_timer = None
        self.sent = 0
        self.t_last_byte: float | None = None
        self.requests = 0
        self.closing = False
        self.read_paused = False
        self.discard = False
        self.serial = 0

    # -- the socket -----------------------------------------------------------------------------

    def connection_made(self, transport) -> None:
        self.transport = transport
        sock = transport.get_extra_info("socket")
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=1)   # 0 would pause asyncio's TLS for ever
        self.market.connection_opened(self)
        self.wait_idle()

    def eof_received(self) -> bool:
        self.left("fin")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.left("rst" if isinstance(error, ConnectionError) else "fin")
        self.market.connection_closed(self)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
        if self.task is not None:
            self.task.cancel()
        if self.idle_timer is not None:
            self.idle_timer.cancel()

    def left(self, how: str) -> None:
        if self.gone_at is None:
            self.gone_at, self.gone_how = time.monotonic(), how
            if self.call is not None and not self.closing:
                self.call.client_left()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def write(self, data: bytes) -> None:
        """Writes and waits until the kernel has taken everything."""
        self.transport.write(data)
        self.sent += len(data)
        self.t_last_byte = time.monotonic()
        while self.paused and self.gone_at is None:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter

    def cut(self, how: str) -> None:
        """Ends the connection: fin (over TLS without a close_notify), rst, or notify (orderly)."""
        self.closing = True
        if how == "notify":
            self.transport.close()
            return
        sock = self.transport.get_extra_info("socket")
        if how == "rst":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        elif self.transport.get_extra_info("ssl_object") is None:
            self.transport.close()
            return
        self.transport.abort()

    def tls(self) -> str | None:
        """None, or whether this connection took a TLS session up again: "new", "resumed"."""
        session = self.transport.get_extra_info("ssl_object")
        if session is None:
            return None
        return "resumed" if session.session_reused else "new"

    # -- requests -------------------------------------------------------------------------------

    def wait_idle(self) -> None:
        ms = self.market.settings["idle_close_ms"]
        if ms:
            self.idle_timer = asyncio.get_running_loop().call_later(ms / 1000, self.close_idle)

    def close_idle(self) -> None:
        if not self.busy and not self.buf and self.request is None:
            self.closing = True
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.discard:
            return
        self.buf += data
        if not self.busy:
            self.read_on()
        elif len(self.buf) > MOST_EARLY and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        try:
            if self.request is None and not self.read_head():
                return
            if self.request.early:
                return
            if self.read_body():
                self.start(self.request)
        except BadRequest as error:
            self.busy = self.closing = True
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                                 b"Content-Length: 0\r\nX-Why: %s\r\n\r\n" % str(error).encode())
            self.transport.close()

    def read_head(self) -> bool:
        end = self.buf.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buf) > MOST_HEAD:
                raise BadRequest("head too large")
            return False
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None
        self.request = request = Request(bytes(self.buf[:end + 4]))
        del self.buf[:end + 4]
        self.unchunk, self.length = None, 0
        coding, length = (request.headers.get("transfer-encoding"),
                          request.headers.get("content-length"))
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise BadRequest("framing")
            self.unchunk = Unchunker()
        elif length is not None:
            if not length.isdigit() or int(length) > MOST_BODY:
                raise BadRequest("length")
            self.length = int(length)
        if request.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.market.wants_early(request):
            request.early = True
            request.keep_alive = False
            self.start(request)
        return True

    def read_body(self) -> bool:
        request = self.request
        if self.unchunk is not None:
            if not self.unchunk.feed(self.buf):
                return False
            request.raw_body = bytes(self.buf[:self.unchunk.done])
            request.body = b"".join(self.unchunk.parts)
            del self.buf[:self.unchunk.done]
        else:
            if len(self.buf) < self.length:
                return False
            request.raw_body = request.body = bytes(self.buf[:self.length])
            del self.buf[:self.length]
        request.t_body = time.monotonic()
        return True

    def start(self, request: Request) -> None:
        self.busy = True
        self.requests += 1
        self.sent = 0
        self.task = asyncio.get_running_loop().create_task(self.serve(request))

    async def serve(self, request: Request) -> None:
        keep = await self.market.serve(self, request)
        self.call = self.task = None
        if self.transport.is_closing():
            return
        if not keep or not request.keep_alive:
            self.close_after(request)
            return
        self.request, self.busy = None, False
        self.wait_idle()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.buf:
            self.read_on()

    def close_after(self, request: Request) -> None:
        self.closing = True
        if request.early and self.transport.can_write_eof():
            # what is still coming is read and dropped, else the kernel would answer it with a RST
            self.discard = True
            self.buf.clear()
            self.transport.write_eof()
            asyncio.get_running_loop().call_later(2, self.transport.close)
        else:
            self.transport.close()
