"""call.py - one execution at one vendor: from the request on the wire to the line in the record.

    read -> judge (orders, key, vendor's refusals, tokens, answer) -> wait -> head -> events -> bill

The answer and its price are settled before anything is sent; what is still open is how much of it
goes out. finish() writes the bill once, whoever calls first: the end of the answer, an order that
breaks it, or the client who leaves.
"""
from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from .ask import Ask, Refusal
from .bills import account_of, cost, spell
from .framing import Framer
from .marks import blocks_of
from .orders import NO_PLAN

ECHOES = ("X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Debug", "X-Request-Key", "X-Echo")
MEDDLING = ("cut_at_byte", "cut_at_body_byte", "silence_at_byte", "trickle", "split")
LAST_BYTES = 16384
STATUS_CLASS = {400: "invalid", 401: "bad_key", 402: "no_money", 403: "forbidden",
                404: "unknown_model", 413: "too_long", 422: "invalid", 429: "rate_limit",
                451: "filtered", 500: "server_error"}


class Ended(Exception):
    """An order ended the response; the connection is closed already."""


class Call:
    def __init__(self, market, conn, request, vendor, path: str):
        self.market, self.conn, self.request, self.vendor = market, conn, request, vendor
        self.path = path            # below the vendor's prefix
        self.t_start, self.wall = time.monotonic(), time.time()
        self.at = self.wall + market.settings["clock_shift_s"]
        self.attempt = request.headers.get("x-bijia-attempt")
        self.number = market.next_call()
        self.ask: Ask | None = None
        self.model = self.key = None
        self.plan = NO_PLAN
        self.refusal: Refusal | None = None
        self.answers: list = []
        self.entry: dict | None = None
        self.status: int | None = None
        self.thinks = False
        self.usage = {"prompt": 0, "cached": 0, "write": 0, "write_1h": 0, "completion": 0,
                      "thinking": 0}
        self.explicit_cache = False
        self.tier: str | None = None
        self.standing = None        # to the limits of an order, see limits.py
        self.limit_scope = None
        self.sent_tokens = self.sent_thinking = self.sent_events = self.sent_bytes = 0
        self.head_bytes = 0
        self.t_first_byte: float | None = None
        self.told: dict | None = None
        self.done = False
        self.framer: Framer | None = None
        self.straight = True        # no order meddles with the bytes

    # -- judging --------------------------------------------------------------------------------

    def judge(self) -> None:
        request, vendor, refusal = self.request, self.vendor, None
        self.key = vendor.read_key(request)
        try:
            self.ask = vendor.read_ask(self)
            self.model = self.ask.model
        except Refusal as error:
            refusal = error
        self.plan = self.market.orders.plan(vendor.name, self.model, self.key,
                                            bool(self.ask and self.ask.stream), request.early)
        self.straight = not any(self.plan.what.get(name) is not None for name in MEDDLING)
        try:
            self.refuse(refusal)
            self.prepare()
            self.take_limits()
        except Refusal as error:
            self.refusal = error

    def refuse(self, refusal: Refusal | None) -> None:
        plan, vendor = self.plan, self.vendor
        if plan.error_class is not None:
            raise Refusal(plan.error_class)
        if plan.status is not None and (plan.status != 200 or plan.body is not None):
            raise Refusal(STATUS_CLASS.get(plan.status, "overloaded"))
        error_class = vendor.judge_key(self.key)
        if error_class:
            raise Refusal(error_class)
        if refusal is not None:
            raise refusal
        vendor.refuse(self.ask)

    def prepare(self) -> None:
        ask, vendor, plan, usage = self.ask, self.vendor, self.plan, self.usage
        self.entry = self.market.prices.find(vendor.name, vendor.priced_as(self),
                                             account_of(self.key))
        if self.entry is None:
            raise Refusal("unknown_model")
        text, usage["prompt"] = ask.prompt(vendor.family, vendor.text_of)
        if usage["prompt"] > vendor.context_of(ask.model):
            raise Refusal("too_long", tokens=usage["prompt"], limit=vendor.context_of(ask.model))
        self.thinks = vendor.thinks(ask)
        self.tier = plan.tier_used or vendor.tier(ask)
        self.answers = vendor.answer(ask, plan, self.thinks)
        usage["completion"] = sum(a.tokens() for a in self.answers)
        usage["thinking"] = sum(a.thinking_tokens() for a in self.answers)
        self.remember(text)

    def remember(self, text: str) -> None:
        vendor, usage = self.vendor, self.usage
        least = vendor.least_cached(self.model)
        if usage["prompt"] < least:
            return
        scope = "%s\0%s\0%s" % (vendor.name, self.key, self.model)
        if vendor.cache_marks != "no":
            blocks = blocks_of(self.ask)
            self.explicit_cache = any(mark for _, _, mark in blocks)
            if self.explicit_cache:
                taken = self.market.marks.take(scope, blocks, vendor.family, least)
                usage["cached"] = min(taken[0], usage["prompt"])
                usage["write"] = min(taken[1], usage["prompt"] - usage["cached"])
                usage["write_1h"] = min(taken[2], usage["write"])
            if self.explicit_cache or vendor.cache_marks == "only":
                return
        reach = int(self.market.cache.reach(scope, text) * usage["prompt"])
        reach -= reach % vendor.cache_unit
        usage["cached"] = reach if reach >= least else 0
        if vendor.cache_writes and "cache_write" in self.entry["rows"][0]:
            whole = usage["prompt"] - usage["prompt"] % vendor.cache_unit
            usage["write"] = max(0, whole - usage["cached"])

    def take_limits(self) -> None:
        limit = self.plan.limit
        if limit is None:
            return
        self.limit_scope = (self.vendor.name, self.model, self.key)
        tokens = self.usage["prompt"] + self.usage["completion"]
        self.standing = self.market.limits.take(self.limit_scope, limit, tokens)
        if self.standing.exceeded:
            self.limit_scope = None
            raise Refusal("rate_limit_" + self.standing.exceeded)

    # -- playing --------------------------------------------------------------------------------

    async def play(self) -> bool:
        """True: the connection may be used again."""
        self.judge()
        plan = self.plan
        try:
            if plan.latency_ms:
                await asyncio.sleep(plan.latency_ms / 1000)
            if plan.close_after_request:
                self.finish("closed")
                self.conn.cut(plan.cut or "fin")
                return False
            if plan.silent:
                await forever()
            if self.refusal is not None:
                return await self.play_refusal()
            return await self.play_answer()
        except Ended:
            return False

    async def play_refusal(self) -> bool:
        plan, vendor = self.plan, self.vendor
        fill = dict(self.refusal.fill)
        if plan.message is not None:
            fill["message"] = plan.message
        status, body, headers = vendor.error(self, self.refusal.error_class, fill)
        self.status = status = int(plan.status or status)
        if plan.retry_after is not None:
            headers = headers + [("Retry-After", str(plan.retry_after))]
        elif self.standing is not None and vendor.tells_retry_after:
            headers = headers + vendor.retry_headers(self.standing.retry_s)
        if plan.echo_key and self.key:
            body = body.replace(b'"message":"', b'"message":"' + self.key.encode() + b" ", 1)
        kind = vendor.json_type
        if plan.body is not None:
            body = plan.body.encode()
        elif status == 200 and self.ask and self.ask.stream:
            body, kind = self.sse(None, body.decode()), vendor.stream_type
        return await self.respond(status, headers, plan.content_type or kind, [body], "refused")

    async def play_answer(self) -> bool:
        plan, vendor, ask = self.plan, self.vendor, self.ask
        self.status = 200
        headers = vendor.headers(self)
        if plan.retry_after is not None:
            headers = headers + [("Retry-After", str(plan.retry_after))]
        if ask.stream:
            return await self.play_stream(headers)
        self.told = vendor.told_usage(self)
        whole = vendor.full(self)
        parts = [b"\n" * vendor.blank_lines, whole] if vendor.blank_lines else [whole]
        return await self.respond(200, headers, plan.content_type or vendor.json_type, parts,
                                  "complete")

    async def respond(self, status, headers, content_type, parts: list[bytes], end: str) -> bool:
        """A response that is not a stream; in several parts it is chunked."""
        plan = self.plan
        self.framer = framer = Framer(plan.framing, len(parts) > 1)
        if framer.mode == "length":
            parts = [framer.body(b"".join(parts))]
        head = framer.head(status, self.all_headers(headers, content_type), b"".join(parts))
        if len(parts) == 1 and plan is NO_PLAN:
            self.generated()
            return await self.send_last(head + framer.part(parts[0]) + framer.end(), end)
        await self.send_head(head)
        await self.nap(plan.first_chunk_ms)
        for part in parts[:-1]:
            await self.send(framer.part(part))
        self.generated()
        return await self.send_last(framer.part(parts[-1]) + framer.end(), end)

    def generated(self) -> None:
        """From here on a whole answer is generated, and owed, even if nobody reads it."""
        self.sent_tokens, self.sent_thinking = self.usage["completion"], self.usage["thinking"]

    async def send_head(self, head: bytes) -> None:
        if self.plan.silent_headers:
            await self.send(head[:len(head) // 2])
            await forever()
        self.head_bytes = len(head)
        await self.send(head)
        if self.framer.row.get("endless"):
            while True:
                await self.send(b"X-Endless: " + b"y" * 1000 + b"\r\n")
                await asyncio.sleep(0.001)

    async def play_stream(self, headers) -> bool:
        plan, vendor = self.plan, self.vendor
        self.framer = framer = Framer(plan.framing, True)
        whole = None
        if framer.mode == "length":
            whole = b"".join(event[0] for event in self.wire_events() if isinstance(event[0], bytes))
            whole = framer.body(whole)
        content_type = plan.content_type or vendor.stream_type
        await self.send_head(framer.head(200, self.all_headers(headers, content_type), whole))
        await self.nap(plan.first_chunk_ms)
        if plan.heartbeats_only is not None:
            while True:
                await self.send(framer.part(vendor.heartbeat.encode() + b"\n\n"))
                await asyncio.sleep(plan.heartbeats_only / 1000)
        if whole is not None and framer.row.get("gzip"):
            self.generated()
            return await self.send_last(whole + framer.end(), "complete")
        return await self.play_events()

    async def play_events(self) -> bool:
        plan, framer = self.plan, self.framer
        group, joined = int(plan.events_per_write or 1), []
        error_at, cut_at, silence_at = (plan.error_in_stream, plan.cut_after_events,
                                        plan.silence_after_events)
        breaks = error_at is not None or cut_at is not None or silence_at is not None
        for data, tokens, thinking, event in self.wire_events():
            if not isinstance(data, bytes):
                await self.nap(data)
                continue
            if breaks and event:
                if joined:
                    await self.send(b"".join(joined))
                    joined = []
                if self.sent_events == silence_at:
                    await forever()
                if self.sent_events == cut_at:
                    self.cut_now()
                if self.sent_events == error_at:
                    return await self.play_error_event()
            if plan.chunk_ms and self.sent_events:
                await self.nap(plan.chunk_ms)
            self.sent_events += event
            self.sent_tokens += tokens
            self.sent_thinking += thinking
            joined.append(framer.part(data))
            if len(joined) >= group:
                await self.send(joined[0] if group == 1 else b"".join(joined))
                joined = []
        if plan.keep_open_after_done:
            await self.send(b"".join(joined))
            self.finish("complete")
            await forever()
        return await self.send_last(b"".join(joined) + framer.end(), "complete")

    async def play_error_event(self) -> bool:
        text = self.vendor.error_event(self)
        await self.send(self.framer.part(self.sse(self.vendor.error_event_name, text)))
        end = self.vendor.error_event_end
        if end is not None:
            await self.send(self.framer.part(self.sse(None, end)))
        return await self.send_last(self.framer.end(), "error_in_stream")

    def wire_events(self):
        """(bytes or a wait in ms, tokens, thinking tokens, 1 for an event, 0 for a comment)"""
        for kind, data, tokens, thinking in self.vendor.events(self):
            if kind == "wait":
                yield data, 0, 0, 0
            elif kind == "comment":
                yield self.sse_lines([data, ""]), 0, 0, 0
            else:
                yield self.sse(kind or None, data), tokens, thinking, 1

    def sse(self, event: str | None, data: str) -> bytes:
        plan = self.plan
        if plan is NO_PLAN and event is None and self.vendor.line_end == "lf":
            space = " " if self.vendor.data_space else ""
            return f"data:{space}{data}\n\n".encode()
        space = " " if self.vendor.data_space and not plan.no_space else ""
        lines = ["event:" + space + event] if event else []
        return self.sse_lines(lines + ["data:" + space + data, ""])

    def sse_lines(self, lines: list[str]) -> bytes:
        name = "crlf" if self.plan.crlf else self.plan.line_end or self.vendor.line_end
        eol = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}[name]
        return (eol.join(lines) + eol).encode()

    # -- sending --------------------------------------------------------------------------------

    def all_headers(self, headers, content_type) -> list[tuple[str, str]]:
        plan = self.plan
        out = [("Content-Type", content_type)] + headers
        if plan.headers:
            out += [(k, str(v)) for k, v in plan.headers.items()]
        if plan.echo_key and self.key:
            out += [(name, self.key) for name in ECHOES]
            out += [("Set-Cookie", "key=" + self.key), ("Authorization", "Bearer " + self.key)]
        if plan.close_after_answer == "announced" or self.request.early:
            out.append(("Connection", "close"))
        return out

    async def nap(self, ms) -> None:
        """Waits; with heartbeat_ms, comment lines keep the stream alive meanwhile."""
        if not ms:
            return
        beat = self.plan.heartbeat_ms
        if not beat:
            await asyncio.sleep(ms / 1000)
            return
        until = time.monotonic() + ms / 1000
        while self.ask is not None and self.ask.stream:
            left = until - time.monotonic()
            if left <= beat / 1000:
                break
            await asyncio.sleep(beat / 1000)
            await self.send(self.framer.part(self.sse_lines([self.vendor.heartbeat, ""])))
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def send(self, data: bytes) -> None:
        if self.straight:
            await self.write(data)
            return
        limit, end = self.limit()
        if limit is not None and self.sent_bytes + len(data) >= limit:
            await self.drip(data[:limit - self.sent_bytes])
            if end == "silence":
                await forever()
            self.cut_now()
        await self.drip(data)

    async def send_last(self, data: bytes, end: str) -> bool:
        """The end of the response. The bill is written before the last bytes go out, so that who has
        the whole answer finds it in the record. True: the connection may be used again."""
        if self.limit()[0] is None:
            keep = 1 if self.plan.trickle or self.plan.split else LAST_BYTES
            if len(data) > keep:
                await self.send(data[:-keep])
                data = data[-keep:]
            self.finish(end, len(data))
        await self.send(data)
        self.finish(end)
        if self.plan.close_after_answer == "silent":
            self.conn.cut("notify")
            return False
        return not (self.framer.close or self.plan.close_after_answer)

    def limit(self):
        plan = self.plan
        if plan.cut_at_byte is not None:
            return int(plan.cut_at_byte), "cut"
        if plan.cut_at_body_byte is not None and self.head_bytes:
            return int(plan.cut_at_body_byte) + self.head_bytes, "cut"
        if plan.silence_at_byte is not None:
            return int(plan.silence_at_byte), "silence"
        return None, None

    async def drip(self, data: bytes) -> None:
        plan = self.plan
        step, ms = plan.split, 0
        if plan.trickle:
            step, ms = plan.trickle.get("bytes", 1), plan.trickle.get("ms", 10)
        if not step:
            await self.write(data)
            return
        for at in range(0, len(data), int(step)):
            await self.write(data[at:at + int(step)])
            await asyncio.sleep(ms / 1000)

    async def write(self, data: bytes) -> None:
        if not data:
            return
        if self.t_first_byte is None:
            self.t_first_byte = time.monotonic()
        self.sent_bytes += len(data)
        await self.conn.write(data)

    def cut_now(self) -> None:
        self.finish("cut")
        self.conn.cut(self.plan.cut or "fin")
        raise Ended

    # -- the bill -------------------------------------------------------------------------------

    def client_left(self) -> None:
        if not self.done:
            self.market.count_cancel(self)
            self.finish("client_gone")

    def rule(self, end: str) -> str:
        plan, vendor = self.plan, self.vendor
        if self.refusal is not None:
            return "none"
        if plan.bill is not None:
            return plan.bill
        if end == "complete":
            return "none" if plan.usage == "zero" else "full"
        if end == "closed" or (end == "error_in_stream" and vendor.errors_are_free):
            return "none"
        if end == "client_gone" and not vendor.cancel_stops_billing:
            return "full"
        return "sent"

    def billed_usage(self, rule: str) -> dict:
        usage = dict(self.usage)
        if rule == "none":
            return dict.fromkeys(usage, 0)
        if rule == "prompt":
            usage["completion"] = usage["thinking"] = 0
        elif rule == "sent":
            usage["completion"] = min(self.sent_tokens, usage["completion"])
            usage["thinking"] = min(self.sent_thinking, usage["thinking"])
        return usage

    def price(self, usage: dict) -> tuple[Decimal, dict | None]:
        if self.entry is None or not any(usage.values()):
            return Decimal(0), None
        row = self.market.prices.row(self.entry, usage, self.at, self.thinks)
        row, factor = self.vendor.adjust(self, row)
        return cost(row, usage) * factor, row

    def finish(self, end: str, coming: int = 0) -> None:
        if self.done:
            return
        self.done = True
        rule = self.rule(end)
        usage = self.billed_usage(rule)
        amount, row = self.price(usage)
        conn, now = self.conn, time.monotonic()
        if self.limit_scope:
            self.market.limits.release(self.limit_scope)
        self.market.call_ended(self, {
            "attempt": self.attempt, "vendor": self.vendor.name, "model": self.model,
            "key": self.key, "account": account_of(self.key),
            "stream": bool(self.ask and self.ask.stream), "status": self.status,
            "end": end, "how": conn.gone_how if end == "client_gone" else None, "rule": rule,
            "error_class": self.refusal.error_class if self.refusal else None,
            "prompt_tokens": usage["prompt"], "cached_tokens": usage["cached"],
            "cache_write_tokens": usage["write"], "cache_write_1h_tokens": usage["write_1h"],
            "completion_tokens": usage["completion"], "thinking_tokens": usage["thinking"],
            "thinks": self.thinks, "service_tier": self.tier,
            "amount": spell(amount), "currency": self.entry["currency"] if self.entry else None,
            "price": row, "usage_told": self.told,
            "cancel_stops_billing": self.vendor.cancel_stops_billing,
            "conn": conn.serial, "conn_request": conn.requests, "tls": conn.tls(),
            "bytes": self.sent_bytes + coming, "events": self.sent_events,
            "at": round(self.at, 6), "wall_start": round(self.wall, 6),
            "t_start": self.t_start, "t_first_byte": self.t_first_byte or (now if coming else None),
            "t_end": conn.gone_at if end == "client_gone" else now,
            "orders": self.plan.orders or []})


async def forever() -> None:
    await asyncio.get_running_loop().create_future()
