"""framing.py - how a response is put on the wire, honestly or not.

A framing is a row of FRAMINGS: switches that Framer reads. `length` needs the whole body at once and
so delays a stream; everything else is written as it comes.
"""
from __future__ import annotations

import gzip
from http import HTTPStatus

SMUGGLED = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n"
            b'{"smuggled": true}')

FRAMINGS = {
    "chunked": {"mode": "chunked"},
    "length": {"mode": "length"},
    "close": {"mode": "close"},
    "http10": {"mode": "close", "version": "HTTP/1.0"},
    # ambiguous lengths
    "te_and_cl": {"mode": "chunked", "add": ["Content-Length: {n}"]},
    "te_and_cl_plain": {"mode": "length", "add": ["Transfer-Encoding: chunked"]},
    "two_cl": {"mode": "length", "add": ["Content-Length: 5"]},
    "two_cl_same": {"mode": "length", "add": ["Content-Length: {n}"]},
    "cl_list": {"mode": "length", "cl": "{n}, {n}"},
    "cl_plus": {"mode": "length", "cl": "+{n}"},
    "cl_hex": {"mode": "length", "cl": "0x{n:x}"},
    "cl_negative": {"mode": "length", "cl": "-{n}"},
    "cl_huge": {"mode": "length", "cl": "99999999999999999999999"},
    "cl_empty": {"mode": "length", "cl": ""},
    "cl_long": {"mode": "length", "off": 10, "close": True},
    "cl_short": {"mode": "length", "off": -10},
    "no_length": {"mode": "none"},
    # chunks
    "chunk_bad": {"mode": "chunked", "size": "zz"},
    "chunk_huge": {"mode": "chunked", "size": "ffffffffffffffffff"},
    "chunk_negative": {"mode": "chunked", "size": "-{n:x}"},
    "chunk_pad": {"mode": "chunked", "size": "000000{n:X}"},
    "chunk_ext": {"mode": "chunked", "size": "{n:x};a=b"},
    "chunk_lf": {"mode": "chunked", "eol": b"\n"},
    "chunk_no_crlf": {"mode": "chunked", "tail": b""},
    "chunk_no_end": {"mode": "chunked", "end": b"", "close": True},
    "trailers": {"mode": "chunked", "end": b"0\r\nX-Trailer: yes\r\n\r\n"},
    # codings
    "te_gzip": {"mode": "chunked", "te": "gzip, chunked"},
    "te_twice": {"mode": "chunked", "te": "chunked, chunked"},
    "te_upper": {"mode": "chunked", "te": "Chunked"},
    "te_unknown": {"mode": "chunked", "te": "xchunked"},
    "gzip": {"mode": "length", "gzip": True, "add": ["Content-Encoding: gzip"]},
    # heads
    "head_lf": {"head_eol": "\n"},
    "head_fold": {"add": ["X-Fold: a\r\n  b"]},
    "head_nul": {"add": ["X-Nul: a\0b"]},
    "head_space": {"add": ["X-Space : a"]},
    "head_no_name": {"add": [": a"]},
    "head_no_colon": {"add": ["nonsense"]},
    "head_big": {"add": ["X-Big: " + "x" * 65536]},
    "head_many": {"add": ["X-Many-%d: x" % i for i in range(500)]},
    "head_endless": {"endless": True},
    "status_bad": {"line": "HTTP/1.1 abc OK"},
    "status_999": {"line": "HTTP/1.1 999 What"},
    "status_long": {"line": "HTTP/1.1 2000 OK"},
    "status_no_reason": {"line": "HTTP/1.1 {status}"},
    "version_bad": {"line": "HTTP/2.0 {status} OK"},
    "garbage": {"before": b"\x16\x03\x01\x00 not http at all\r\n"},
    "blank_before": {"before": b"\r\n\r\n"},
    "interim": {"before": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"},
    "interim_flood": {"before": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000},
    "switching": {"line": "HTTP/1.1 101 Switching Protocols", "add": ["Upgrade: x"]},
    "no_content": {"line": "HTTP/1.1 204 No Content"},
    "extra_after": {"after": SMUGGLED},
}


def reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class Framer:
    """Turns status, headers and body parts into wire bytes; `whole` is the body if it is known."""

    def __init__(self, name: str | None, stream: bool):
        row = FRAMINGS[name] if name else {}
        self.row = row
        self.mode = row.get("mode") or ("chunked" if stream else "length")
        self.close = self.mode in ("close", "none") or bool(row.get("close"))

    def head(self, status: int, headers: list[tuple[str, str]], whole: bytes | None) -> bytes:
        row, size = self.row, 0 if whole is None else len(whole)
        line = row.get("line", "HTTP/1.1 {status} {reason}")
        if "version" in row:
            line = row["version"] + " {status} {reason}"
        lines = [line.format(status=status, reason=reason(status))]
        lines += ["%s: %s" % pair for pair in headers]
        if self.mode == "length":
            lines.append("Content-Length: " + row.get("cl", "{n}").format(n=size + row.get("off", 0)))
        elif self.mode == "chunked":
            lines.append("Transfer-Encoding: " + row.get("te", "chunked"))
        if self.close:
            lines.append("Connection: close")
        lines += [text.format(n=size) if "{n}" in text else text for text in row.get("add", ())]
        eol = row.get("head_eol", "\r\n")
        return row.get("before", b"") + (eol.join(lines) + eol + eol).encode("latin-1", "replace")

    def body(self, data: bytes) -> bytes:
        if self.row.get("gzip"):
            return gzip.compress(data, mtime=0)
        return data

    def part(self, data: bytes) -> bytes:
        if self.mode != "chunked":
            return data
        row = self.row
        eol = row.get("eol", b"\r\n")
        if "size" in row:
            return row["size"].format(n=len(data)).encode() + eol + data + row.get("tail", eol)
        return b"%x%s%s%s" % (len(data), eol, data, row.get("tail", eol))

    def end(self) -> bytes:
        last = b""
        if self.mode == "chunked":
            eol = self.row.get("eol", b"\r\n")
            last = self.row.get("end", b"0" + eol + eol)
        return last + self.row.get("after", b"")
