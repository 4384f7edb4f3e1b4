"""Measures bijia, nginx and haproxy side by side; see run.sh --help."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import proxies
import report
import scenarios

SCENARIOS = ["1k", "32k", "512k", "1k_tls", "streams_1000", "streams_9500",
             "streams_2000_tls", "latency", "beside", "syscalls",
             "instructions", "teams", "ledger", "ledger_streams"]
# Two ways to run bijia, the second against the first; the kind of request;
# and behind how many requests instructions are counted: the first of each
# team opens its accounts, the first with each key is checked by its HMAC.
# Streams: 20 chunks, as a short answer has.
COMPARED = {
    "teams": (["one-team", "5000-teams"], {}, 20500),
    "ledger": (["no-ledger", "bijia"], {}, 200),
    "ledger_streams": (["no-ledger", "bijia"],
                       {"as_stream": 1, "user": "chunks=20,interval_us=1000"},
                       0),
}


class Bench:
    """What every scenario needs to know."""

    def __init__(self, args, work):
        self.work = work
        self.load = args.tools / "bench_load"
        self.mock = proxies.Mock(args.tools / "bench_mock", work)
        self.names = [n for n in args.proxies.split(",")
                      if n != "bijia" or args.bijia]
        self.proxies = {name: make(work, self.mock)
                        for name, make in proxies.ALL.items()}
        self.repetitions = args.repetitions or (2 if args.quick else 5)
        # of what takes long: streams have to be opened first
        self.long_repetitions = args.repetitions or (1 if args.quick else 3)
        self.warmup_ms = 200 if args.quick else 1000
        self.run_ms = 500 if args.quick else 2000
        self.window_seconds = 1.5 if args.quick else 4
        self.probes = 100 if args.quick else 300


def check(bench):
    """Before anything is measured: every program does what is asked."""
    for name in bench.names:
        proxy = bench.proxies[name].start(streams=True)
        options = [dict(body=size, requests=40, warmup_ms=0)
                   for size in (1024, 32768, 524288)]
        options.append(dict(as_stream=1, requests=40, warmup_ms=0,
                            user="chunks=20,interval_us=2000"))
        for option in options:
            load = scenarios.Load(bench.load, proxy, connections=4, **option)
            found = load.line()
            load.close()
            if found["completed"] != 40 or found.get("chunks", 800) != 800:
                raise SystemExit(f"bench: {name} fails at {option}: {found}")
        time.sleep(0.3)
        proxy.stop()
        if name == "bijia" and proxy.receipts() != 160:
            raise SystemExit(f"bench: {proxy.receipts()} receipts in the "
                             "routing log after 160 requests")


def measure(bench, name, figures, quick):
    if name in scenarios.SIZES:
        found = scenarios.requests(bench, name)
        report.add_foreign(figures, name, found)
        report.add_requests(figures, name, found)
    elif name.startswith("streams_"):
        label = name.removeprefix("streams_")
        n, tls = int(label.split("_")[0]), label.endswith("_tls")
        found = scenarios.streams(bench, n, tls)
        report.add_foreign(figures, name, found)
        report.add_streams(figures, label, found)
    elif name == "latency":
        for label, connections in (("c1", 1), ("c8", 8)):
            found = scenarios.latency(bench, connections)
            report.add_foreign(figures, f"{name}_{label}", found)
            report.add_latency(figures, label, found)
    elif name == "beside":
        found = scenarios.beside(bench)
        report.add_foreign(figures, name, found)
        report.add_beside(figures, found)
    elif name == "syscalls":
        for proxy in bench.names:
            found = scenarios.syscalls(bench, bench.proxies[proxy],
                                       1000 if quick else 5000)
            report.put(figures, ("syscalls_per_request", proxy), found["total"])
            report.put(figures, ("syscalls_by_name", proxy), found["by_name"])
    elif name == "instructions":
        for proxy in bench.names:
            found = scenarios.instructions(bench, bench.proxies[proxy],
                                           200, 700 if quick else 2200)
            report.put(figures, ("instructions_per_request", proxy),
                       found["worker"])
            if proxy == "bijia":
                report.put(figures, ("ledger_instructions_per_request",),
                           found["ledger"])
    elif name in COMPARED and "bijia" in bench.names:
        names, kind, few = COMPARED[name]
        found = scenarios.compared(bench, names, **kind)
        report.add_foreign(figures, name, found)
        counted = {n: scenarios.instructions(bench, bench.proxies[n], few,
                                             few + (500 if quick else 2000))
                   for n in names if few}
        report.add_compared(figures, name, found, counted)


def machine(bench):
    first_line = lambda *words: subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True).stdout.splitlines()[0]
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")]
    return {"cpu": model[0] if model else "?", "cores": os.cpu_count(),
            "kernel": os.uname().release, "nginx": first_line("nginx", "-v"),
            "haproxy": first_line("haproxy", "-v"),
            "repetitions": bench.repetitions,
            "load_average_at_start": os.getloadavg()[0]}


def arguments():
    parser = argparse.ArgumentParser(
        prog="run.sh", description="Measures bijia, nginx and haproxy side by "
        "side on one mock upstream, in alternating runs.")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                        help="write the figures there")
    parser.add_argument("--quick", action="store_true",
                        help="short runs, under two minutes; for a first look")
    parser.add_argument("--plain", action="store_true",
                        help="the program as `cmake --preset release` builds "
                        "it, without conf/build.sh's training")
    parser.add_argument("--only", metavar="NAME[,NAME]",
                        help="of: " + " ".join(SCENARIOS))
    parser.add_argument("--proxies", default="bijia,nginx,haproxy",
                        metavar="NAME[,NAME]", help="(bijia,nginx,haproxy)")
    parser.add_argument("--repetitions", type=int, metavar="N")
    parser.add_argument("--tools", type=pathlib.Path, required=True,
                        help=argparse.SUPPRESS)
    parser.add_argument("--bijia", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.names = args.only.split(",") if args.only else SCENARIOS
    for name in args.names:
        if name not in SCENARIOS:
            parser.error(f"no scenario {name}; there are " + " ".join(SCENARIOS))
    return args


def run(args, work):
    bench = Bench(args, work)
    figures = {"machine": machine(bench), "quick": args.quick}
    try:
        check(bench)
        for name in args.names:
            began = time.monotonic()
            measure(bench, name, figures, args.quick)
            print(f"  {name}: {time.monotonic() - began:.0f} s", flush=True)
    finally:
        bench.mock.stop()
    report.add_targets(figures)
    report.show(figures)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def main():
    args = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if args.bijia and not args.bijia.exists():
        if "bijia" in args.proxies.split(","):
            print(f"bench: no {args.bijia}: measuring without it",
                  file=sys.stderr)
        args.bijia = None
    proxies.Bijia.program = args.bijia
    proxies.NoLedger.program = args.tools / "bijia_no_ledger"
    proxies.ManyTeams.load = args.tools / "bench_load"
    # on the disk that the build is on: the ledger's fsync is to count
    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=args.tools))
    try:
        run(args, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
