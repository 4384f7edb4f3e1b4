"""raw.py - requests as bytes on a socket, for what no HTTP library would send."""
import json
import socket
import struct


class Raw:
    """One connection to the proxy."""

    def __init__(self, proxy, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", proxy.port))
        self.proxy = proxy

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def send_chat(self, body=None, **fields):
        if body is None:
            body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hello"}],
                               **fields}).encode()
        head = ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (self.proxy.key, len(body)))
        self.socket.sendall(head.encode() + body)

    def read_until(self, mark, most=1 << 24):
        data = b""
        while mark not in data and len(data) < most:
            more = self.socket.recv(65536)
            if not more:
                break
            data += more
        return data

    def read_all(self):
        data = b""
        try:
            while more := self.socket.recv(65536):
                data += more
        except ConnectionError:
            pass
        return data

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
