#!/usr/bin/env python3
"""sim.py - the simulated market: one server that plays every vendor under its own path prefix.

    python3 tests/sim/sim.py --port 18080 --record bills.jsonl
    curl -H 'Authorization: Bearer sim-1' -d '{"model": "deepseek-flash", "messages":
      [{"role": "user", "content": "hello"}]}' http://127.0.0.1:18080/deepseek/chat/completions

Prints one line, `listening on ADDRESS:PORT`, when it is ready. See README.md.
"""
from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import ssl
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import vendors                                                              # noqa: E402
from engine.bills import PriceBook, Record                                  # noqa: E402
from engine.server import Market                                            # noqa: E402
from engine.wire import Connection                                          # noqa: E402


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The simulated market of LLM vendors.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS on --port")
    parser.add_argument("--tls-port", type=int, help="TLS on this port, plain on --port")
    parser.add_argument("--record", help="append one JSON line a call to this file")
    parser.add_argument("--prices", default=os.path.join(HERE, "prices.json"))
    parser.add_argument("--windows", choices=("on", "off"), default="on",
                        help="time-of-day prices (DeepSeek's peak hours)")
    parser.add_argument("--seed", type=int, default=0, help="for orders with a share")
    return parser.parse_args()


def tls_context(files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["http/1.1"])
    return context


def raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def run(arguments: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    prices = PriceBook(arguments.prices, arguments.windows == "on")
    market = Market(vendors.load(), prices, Record(arguments.record), arguments.seed)
    context = tls_context(arguments.tls) if arguments.tls else None
    plans = [(arguments.port, context)]
    if context is not None and arguments.tls_port is not None:
        plans = [(arguments.port, None), (arguments.tls_port, context)]
    servers = []
    for port, tls in plans:
        server = await loop.create_server(lambda: Connection(market), arguments.host, port,
                                          ssl=tls, backlog=4096)
        servers.append(server)
        print("listening on %s:%d%s" % (arguments.host, server.sockets[0].getsockname()[1],
                                        " tls" if tls else ""), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers:
        server.close()
    for conn in list(market.connections):
        conn.transport.abort()
    await asyncio.sleep(0)


if __name__ == "__main__":
    raise_file_limit()
    asyncio.run(run(read_arguments()))
