"""client.py - how the tests of the market talk to it: whole answers, and raw bytes."""
from __future__ import annotations

import http.client
import json
import socket
import struct

from market import Response

# who speaks OpenAI's language: (its chat path, a model with one plain price row, does that model think by itself)
PLAYED = {
    "deepseek": ("/chat/completions", "deepseek-flash", True),
    "qwen": ("/compatible-mode/v1/chat/completions", "qwen3.5-flash", True),
    "ark": ("/api/v3/chat/completions", "doubao-seed-2-1-pro-260915", True),
    "qianfan": ("/v2/chat/completions", "ernie-4.5-turbo-128k", False),
    "tokenhub": ("/v1/chat/completions", "hy3", False),
    "zhipu": ("/api/paas/v4/chat/completions", "glm-5.3-flash", True),
    "moonshot": ("/v1/chat/completions", "kimi-k3", True),
    "openai": ("/v1/chat/completions", "gpt-6-luna", True),
    "openrouter": ("/api/v1/chat/completions", "openai/gpt-oss-120b", False),
    "mistral": ("/v1/chat/completions", "mistral-small-4", False),
    "xai": ("/v1/chat/completions", "grok-4.7", True),
    "groq": ("/openai/v1/chat/completions", "openai/gpt-oss-120b", True),
    "azure": ("/openai/v1/chat/completions", "gpt-6-luna", True),
    "spark": ("/x2/chat/completions", "spark-x", True),
    "minimax": ("/v1/chat/completions", "MiniMax-M3", True),
    "stepfun": ("/v1/chat/completions", "step-3.7-flash", True),
    "siliconflow": ("/v1/chat/completions", "deepseek-ai/DeepSeek-V4-Flash", True),
    "yi": ("/v1/chat/completions", "yi-lightning", False),
    "baichuan": ("/v1/chat/completions", "Baichuan-M3-Plus", False),
    "qwen-intl": ("/compatible-mode/v1/chat/completions", "qwen3.5-flash", True),
    "qwen-us": ("/compatible-mode/v1/chat/completions", "qwen3.5-flash", True),
    "zai": ("/api/paas/v4/chat/completions", "glm-5.3-flash", True),
    "moonshot-intl": ("/v1/chat/completions", "kimi-k3", True),
    "minimax-intl": ("/v1/chat/completions", "MiniMax-M3", True),
    "stepfun-intl": ("/v1/chat/completions", "step-3.7-flash", True),
    "sglang": ("/v1/chat/completions", "llama-3-8b", False),
    "vllm": ("/v1/chat/completions", "llama-3-8b", False),
    "ollama": ("/v1/chat/completions", "llama-3-8b", False),
    "llamacpp": ("/v1/chat/completions", "llama-3-8b", False),
}


def ask_body(vendor: str, content="hello", **fields) -> dict:
    return {"model": PLAYED[vendor][1], "messages": [{"role": "user", "content": content}], **fields}


def ask(sim, vendor: str, content="hello", key: str | None = "sim-1", headers=None, raw=None,
        **fields) -> Response:
    send = {"Authorization": "Bearer " + key} if key else {}
    body = json.dumps(ask_body(vendor, content, **fields)) if raw is None else raw
    return post(sim, "/" + vendor + PLAYED[vendor][0], body, {**send, **(headers or {})})


def post(sim, path: str, body, headers: dict) -> Response:
    conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
    try:
        conn.request("POST", path, body if isinstance(body, str) else json.dumps(body), headers)
        got = conn.getresponse()
        return Response(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
    finally:
        conn.close()


def usage_fields(vendor: str) -> dict:
    """What asks for usage in a stream; Mistral knows no such field and tells it anyway."""
    return {} if vendor == "mistral" else {"stream_options": {"include_usage": True}}


def arguments_of(call: dict) -> dict:
    told = call["function"]["arguments"]
    return told if isinstance(told, dict) else json.loads(told)


def is_refused(response: Response) -> bool:
    """By its status, or by the code inside HTTP 200 where that is the vendor's way."""
    if response.status >= 400:
        return True
    told = response.json()
    return bool(told.get("code") or told.get("base_resp", {}).get("status_code"))


def error_words(response: Response) -> str:
    """What a refusal says, in whichever of the vendors' shapes."""
    told = response.json()
    while isinstance(told, dict):
        told = next((told[name] for name in ("error", "base_resp", "message", "status_msg", "detail")
                     if told.get(name)), "")
    return told if isinstance(told, str) else json.dumps(told)


def chunks_of(response: Response) -> list:
    return [e for e in response.events() if isinstance(e, dict)]


def join(response: Response, field: str = "content") -> str:
    return "".join(c["delta"].get(field) or "" for e in chunks_of(response) for c in e["choices"])


def wire_request(vendor: str, content="hello", attempt: str | None = None, **fields) -> bytes:
    body = json.dumps(ask_body(vendor, content, **fields)).encode()
    extra = "x-bijia-attempt: %s\r\n" % attempt if attempt else ""
    return ("POST /%s%s HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer sim-1\r\n%sContent-Length: %d"
            "\r\n\r\n" % (vendor, PLAYED[vendor][0], extra, len(body))).encode() + body


class Wire:
    """A plain socket: sends what it is told, reads to the end, says how the end came."""

    def __init__(self, sim, data: bytes = b"", timeout_s: float = 20):
        self.sock = socket.create_connection(("127.0.0.1", sim.port), timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""
        if data:
            self.sock.sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.sock.close()

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.got:
            data = self.sock.recv(65536)
            if not data:
                break
            self.got += data
        return self.got

    def read_to_end(self) -> tuple[bytes, str]:
        while True:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return self.got, "rst"
            except socket.timeout:
                return self.got, "silence"
            if not data:
                return self.got, "fin"
            self.got += data

    def close(self, rst: bool = False) -> None:
        if rst:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
