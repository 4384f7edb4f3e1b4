"""server.py - the market: which vendor a path belongs to, what is in flight, and the doors of /_sim/."""
from __future__ import annotations

import base64
import json
import time
from collections import OrderedDict, deque
from urllib.parse import parse_qs

from .bills import PriceBook, Record
from .call import Call
from .framing import FRAMINGS, Framer
from .limits import Limits
from .marks import MarkedCache
from .orders import FIELDS, OrderBook, OrderError, check_order
from .tokens import PrefixCache
from .wire import Connection

FILTERS = ("vendor", "account", "attempt", "model", "key", "end")
MOST_KEPT = 4096
MOST_KEPT_BYTES = 192 * 1024 * 1024


class Market:
    def __init__(self, vendors: dict, prices: PriceBook, record: Record, seed: int = 0):
        self.vendors, self.prices, self.record, self.seed = vendors, prices, record, seed
        self.names = {alias: v.name for v in vendors.values() for alias in (v.name, *v.aliases)}
        self.orders = OrderBook(seed)
        self.cache, self.marks, self.limits = PrefixCache(), MarkedCache(), Limits()
        self.settings = {"idle_close_ms": 0, "clock_shift_s": 0.0}
        self.connections: set[Connection] = set()
        self.in_flight: dict[str, int] = dict.fromkeys(vendors, 0)
        self.opened = self.closed = self.calls = self.number = 0
        self.cancels: deque[dict] = deque(maxlen=10_000)
        self.kept: OrderedDict[int, tuple] = OrderedDict()
        self.kept_bytes = 0

    # -- connections and calls ------------------------------------------------------------------

    def connection_opened(self, conn: Connection) -> None:
        self.opened += 1
        conn.serial = self.opened
        self.connections.add(conn)

    def connection_closed(self, conn: Connection) -> None:
        self.closed += 1
        self.connections.discard(conn)

    def next_call(self) -> int:
        self.number += 1
        return self.number

    def vendor_at(self, path: str):
        """(vendor, path below its prefix) or (None, path)"""
        _, name, rest = (path + "/").split("/", 2)
        vendor = self.vendors.get(self.names.get(name, ""))
        return vendor, "/" + rest[:-1] if rest else "/"

    def wants_early(self, request) -> bool:
        if not self.orders.orders or request.path.startswith("/_sim/"):
            return False
        vendor, _ = self.vendor_at(request.path)
        return vendor is not None and self.orders.any_early(vendor.name)

    async def serve(self, conn: Connection, request) -> bool:
        if request.path.startswith("/_sim/"):
            await self.control(conn, request)
            return True
        vendor, path = self.vendor_at(request.path)
        kind = vendor.route(request.method, path) if vendor else None
        if kind == "chat":
            call = Call(self, conn, request, vendor, path)
            self.calls += 1
            self.in_flight[vendor.name] += 1
            self.keep(call)
            conn.call = call
            return await call.play()
        if kind == "models":
            names = sorted(n for n in self.prices.index.get(vendor.name, {}) if n != "*")
            await reply(conn, 200, {"object": "list", "data": [
                {"id": n, "object": "model", "created": 0, "owned_by": vendor.name} for n in names]})
            return True
        status = 405 if kind == "method" else 404
        await reply(conn, status, {"error": {"message": "no such path: " + request.path,
                                             "type": "invalid_request_error", "code": None}})
        return True

    def call_ended(self, call: Call, row: dict) -> None:
        self.in_flight[call.vendor.name] -= 1
        self.record.add(row)

    def count_cancel(self, call: Call) -> None:
        conn = call.conn
        last = conn.t_last_byte if call.sent_bytes else call.request.t_body
        self.cancels.append({
            "vendor": call.vendor.name, "attempt": call.attempt, "how": conn.gone_how,
            "t": conn.gone_at, "since_last_byte_ms": round((conn.gone_at - (last or 0)) * 1000, 3),
            "bytes": call.sent_bytes, "events": call.sent_events,
            "before_headers": call.sent_bytes == 0})

    def keep(self, call: Call) -> None:
        request = call.request
        self.kept[call.number] = (call.vendor.name, call.attempt, request)
        self.kept_bytes += len(request.raw_head) + len(request.raw_body)
        while len(self.kept) > MOST_KEPT or (self.kept_bytes > MOST_KEPT_BYTES and len(self.kept) > 1):
            _, (_, _, old) = self.kept.popitem(last=False)
            self.kept_bytes -= len(old.raw_head) + len(old.raw_body)

    # -- the doors of /_sim/ --------------------------------------------------------------------

    async def control(self, conn: Connection, request) -> None:
        query = {k: v[-1] for k, v in parse_qs(request.query).items()}
        door = getattr(self, "%s_%s" % (request.method.lower(), request.path[6:].strip("/")), None)
        if door is None or request.path.count("/") > 2:
            await reply(conn, 404, {"error": "no such door: %s %s" % (request.method, request.path)})
            return
        try:
            body = json.loads(request.body) if request.body else None
            status, answer = 200, door(query, body)
        except (OrderError, ValueError, KeyError, TypeError, AttributeError) as error:
            status, answer = 400, {"error": "%s: %s" % (type(error).__name__, error)}
        if answer is None:
            status, answer = 404, {"error": "nothing found"}
        await reply(conn, status, answer)

    def get_health(self, query, body):
        return {"ok": True, "vendors": list(self.vendors)}

    def get_orders(self, query, body):
        return {"orders": self.orders.orders,
                "fields": {name: text for name, (_, text) in FIELDS.items()},
                "framings": list(FRAMINGS)}

    def post_orders(self, query, body):
        orders = [check_order(o, FRAMINGS) for o in (body if isinstance(body, list) else [body])]
        for order in orders:
            if order["vendor"] != "*":
                if order["vendor"] not in self.names:
                    raise OrderError("no such vendor: %s" % order["vendor"])
                order["vendor"] = self.names[order["vendor"]]
        return {"ids": [self.orders.add(order) for order in orders]}

    def delete_orders(self, query, body):
        number = int(query["id"]) if "id" in query else None
        self.orders.clear(self.names.get(query.get("vendor")), number)
        return {"ok": True}

    def get_bills(self, query, body):
        since = int(query.get("since", 0))
        wanted = {k: v for k, v in query.items() if k in FILTERS}
        if "vendor" in wanted:
            wanted["vendor"] = self.names[wanted["vendor"]]
        return {"bills": [r for r in self.record.rows
                          if r["seq"] > since and all(r[k] == v for k, v in wanted.items())]}

    def delete_bills(self, query, body):
        self.record.rows.clear()
        return {"ok": True}

    def get_last(self, query, body):
        vendor = self.names.get(query.get("vendor"), query.get("vendor"))
        for number in reversed(self.kept):
            name, attempt, request = self.kept[number]
            if vendor in (None, name) and query.get("attempt") in (None, attempt):
                return {"vendor": name, "attempt": attempt, "number": number,
                        "method": request.method, "target": request.target,
                        "headers": request.pairs, "t_head": request.t_head, "t_body": request.t_body,
                        "head": base64.b64encode(request.raw_head).decode(),
                        "body": base64.b64encode(request.body).decode(),
                        "raw": base64.b64encode(request.raw_head + request.raw_body).decode()}
        return None

    def get_state(self, query, body):
        return {"open": len(self.connections), "opened": self.opened, "closed": self.closed,
                "calls": self.calls, "in_flight": sum(self.in_flight.values()),
                "in_flight_by_vendor": self.in_flight, "cancels": list(self.cancels),
                "now": time.monotonic(), "settings": self.settings,
                "windows": self.prices.windows, "kept_bytes": self.kept_bytes}

    def post_settings(self, query, body):
        for name, value in body.items():
            if name == "windows":
                self.prices.windows = bool(value)
            elif name == "clock":
                import datetime
                at = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
                self.settings["clock_shift_s"] = at.timestamp() - time.time()
            elif name in self.settings:
                self.settings[name] = float(value)
            else:
                raise OrderError("unknown setting %r" % name)
        return {"settings": self.settings, "windows": self.prices.windows}

    def get_prices(self, query, body):
        vendor = self.names[query["vendor"]] if "vendor" in query else None
        return {"vendors": {v: m for v, m in self.prices.index.items() if vendor in (None, v)},
                "windows": self.prices.windows}

    def post_prices(self, query, body):
        for change in body if isinstance(body, list) else [body]:
            change = dict(change)
            vendor, model = self.names[change.pop("vendor")], change.pop("model")
            self.prices.set(vendor, model, change)
        return {"ok": True}

    def delete_prices(self, query, body):
        self.prices.reset()
        return {"ok": True}

    def post_reset(self, query, body):
        """Orders, bills in memory, prices, caches, settings, kept requests: as at the start."""
        self.orders = OrderBook(self.seed)
        self.record.rows.clear()
        self.prices.reset()
        for kept in (self.cache, self.marks, self.limits):
            kept.clear()
        self.settings.update(idle_close_ms=0, clock_shift_s=0.0)
        self.cancels.clear()
        self.kept.clear()
        self.kept_bytes = 0
        return {"ok": True}


async def reply(conn: Connection, status: int, answer) -> None:
    body = json.dumps(answer, ensure_ascii=False).encode()
    framer = Framer(None, False)
    await conn.write(framer.head(status, [("Content-Type", "application/json")], body) + body)
