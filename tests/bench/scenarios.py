"""What is measured. Every function takes a Bench and returns plain data.

A repetition runs each program once, freshly started, in random order; a
ratio compares a program with the nginx of the same repetition, so that
slow moments of the machine do not count against either.
"""
import json
import os
import random
import signal
import statistics
import subprocess
import time

from proxies import LOAD_CORE, pinned

SIZES = {"1k": (1024, 64, False), "32k": (32768, 64, False),
         "512k": (524288, 16, False), "1k_tls": (1024, 64, True)}
CHUNKS_PER_SECOND = 20000
SETTLE_SECONDS = 0.25  # the ledger writes its last batch
BESIDE_STREAMS = 9000
PAIRS = 5  # of runs, between the start and the end of what is compared


class Load:
    """A running load generator; `line()` waits for its next result."""

    def __init__(self, program, proxy, **options):
        words = [program, "--port", str(proxy.port), "--key", proxy.key]
        if proxy.keys_file:
            words += ["--keys", str(proxy.keys_file)]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=pinned(LOAD_CORE))
        self.name = proxy.name

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise SystemExit(f"bench: the load on {self.name} ended early")
        found = json.loads(text)
        if found["errors"] or found["refused"] or found.get("bad"):
            print(f"bench: errors with {self.name}: {text.strip()}")
        return found

    def ask(self, word="go"):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def cpu_between(before, after, n):
    """Microseconds of each part's CPU time per one of n."""
    return {part: (after[part] - before[part]) / 1000 / max(n, 1)
            for part in before}


class Foreign:
    """How much of the machine others used: all CPU time less that of the
    children we have waited for, of ourselves and of the mock."""

    def __init__(self, mock):
        self.mock = mock
        self.begin = time.monotonic(), self.seconds()

    def seconds(self):
        words = open("/proc/stat").readline().split()
        user, nice, system, _, _, irq, softirq = map(int, words[1:8])
        all_ticks = user + nice + system + irq + softirq
        ours = sum(os.times()[:4])
        return all_ticks / os.sysconf("SC_CLK_TCK") - ours - (
            self.mock.cpu_ns()["worker"] / 1e9)

    def cores(self):
        began, used = self.begin
        return (self.seconds() - used) / (time.monotonic() - began)


def repeated(repetitions, measure, names, proxies):
    """Runs measure(proxy) for each program in each repetition; returns
    {name: [result of each repetition]}."""
    found = {name: [] for name in names}
    for _ in range(repetitions):
        order = list(found)
        random.shuffle(order)
        for name in order:
            foreign = Foreign(proxies["direct"].start())
            found[name].append(measure(proxies[name]))
            found[name][-1]["foreign_cores"] = foreign.cores()
    return found


def ratios(found, field):
    """{name: its value / nginx's of the same repetition, lowest first}"""
    if "nginx" not in found:
        return {}
    base = [run[field] for run in found["nginx"]]
    return {name: sorted(run[field] / b for run, b in zip(runs, base) if b)
            for name, runs in found.items() if name != "nginx"}


def requests(bench, size):
    """CPU per request in a closed loop, one size of body."""
    body, connections, tls = SIZES[size]

    def measure(proxy):
        proxy.start(tls=tls)
        load = Load(bench.load, proxy, connections=connections, body=body,
                    warmup_ms=bench.warmup_ms, run_ms=bench.run_ms, gate=1)
        load.line()
        time.sleep(SETTLE_SECONDS)
        before = proxy.cpu_ns()
        result = load.ask()
        time.sleep(SETTLE_SECONDS)
        after = proxy.cpu_ns()
        rss = proxy.rss_bytes()
        load.close()
        proxy.stop()
        used = cpu_between(before, after, result["completed"])
        return {"us": used["worker"], "ledger": used["ledger"],
                "other": used["other"], "rps": result["rps"], "rss": rss,
                "all": sum(used.values()), "errors": result["errors"]}

    return repeated(bench.repetitions, measure, bench.names, bench.proxies)


def streams(bench, n, tls=False):
    """CPU per chunk, memory per stream, and the first byte of one more
    stream, while n streams run."""
    interval_us = n * 1000000 // CHUNKS_PER_SECOND

    def measure(proxy):
        proxy.start(tls=tls, streams=True)
        warm = Load(bench.load, proxy, as_stream=1, connections=2,
                    requests=50, warmup_ms=0, user="chunks=2,interval_us=0")
        warm.line()
        warm.close()
        rss = proxy.rss_bytes()
        load = Load(bench.load, proxy, streams=n,
                    user=f"chunks=1000000,interval_us={interval_us}")
        opened = load.line()
        time.sleep(0.5)
        begin, before = load.ask("mark"), proxy.cpu_ns()
        time.sleep(bench.window_seconds)
        end, after = load.ask("mark"), proxy.cpu_ns()
        rss = proxy.rss_bytes() - rss
        probe = Load(bench.load, proxy, as_stream=1, connections=1,
                     warmup_ms=0, requests=bench.probes,
                     user="chunks=1,interval_us=0")
        first = probe.line()["first_byte_us"]
        probe.close()
        load.ask("end")
        load.close()
        proxy.stop()
        used = cpu_between(before, after, end["chunks"] - begin["chunks"])
        return {"us": used["worker"], "other": used["ledger"] + used["other"],
                "rss": rss / n, "first_ms": first["p50"] / 1000,
                "opening_ms": opened["first_byte_us"]["p50"] / 1000,
                "delay_ms": end["delay_us"]["p50"] / 1000,
                "open": end["running"], "errors": end["errors"]}

    names = bench.names if tls else [*bench.names, "direct"]
    return repeated(bench.long_repetitions, measure, names, bench.proxies)


def latency(bench, connections):
    """Latency at low load, with the direct way to the mock beside it."""

    def measure(proxy):
        proxy.start()
        load = Load(bench.load, proxy, connections=connections,
                    warmup_ms=bench.warmup_ms, run_ms=bench.run_ms)
        load.line()
        found = load.line()["latency_us"]
        load.close()
        proxy.stop()
        return {"p50": found["p50"] / 1000, "p99": found["p99"] / 1000}

    names = [*bench.names, "direct"]
    return repeated(bench.long_repetitions, measure, names, bench.proxies)


def beside(bench, n=BESIDE_STREAMS):
    """CPU per 1 KiB request of one process, first alone, then while n
    streams are open and all but idle."""

    def measure(proxy):
        proxy.start(streams=True)
        load = Load(bench.load, proxy, connections=16,
                    warmup_ms=bench.warmup_ms, run_ms=bench.run_ms, gate=1)
        load.line()

        def phase():
            time.sleep(SETTLE_SECONDS)
            before = proxy.cpu_ns()
            n_done = load.ask()["completed"]
            return cpu_between(before, proxy.cpu_ns(), n_done)["worker"]

        without = phase()
        idle = Load(bench.load, proxy, streams=n,
                    user="chunks=3,interval_us=600000000")
        opened = idle.line()
        beside_them = phase()
        still = idle.ask("mark")["running"]
        idle.ask("end")
        idle.close()
        load.close()
        proxy.stop()
        return {"without": without, "with": beside_them,
                "ratio": beside_them / without,
                "open": min(opened["open"], still)}

    return repeated(bench.long_repetitions, measure, bench.names,
                    bench.proxies)


def compared(bench, names, **kind):
    """CPU of all threads per request (of 1 KiB, or a `kind` of its own), of
    two ways to run bijia. Both stand ready and take turns, PAIRS times from
    start to end: a pair's two runs are a second apart, so what the machine
    does meanwhile meets both."""
    found = {name: [] for name in names}
    for _ in range(bench.repetitions):
        foreign = Foreign(bench.proxies["direct"].start())
        proxies = [bench.proxies[name] for name in names]
        loads = {p.name: ready(bench, p, kind) for p in proxies}
        runs = []
        for _ in range(PAIRS):
            random.shuffle(proxies)
            runs += [(p.name, one_run(p, loads[p.name])) for p in proxies]
        for proxy in proxies:
            loads[proxy.name].close()
            proxy.stop()
        cores = foreign.cores()
        for name, run in runs:
            found[name].append({**run, "foreign_cores": cores})
    return found


def ready(bench, proxy, kind):
    """Started and warm; its load waits for `go`."""
    proxy.start(streams="as_stream" in kind)
    if proxy.keys_file:  # the first request of each opens its accounts
        first = Load(bench.load, proxy, connections=64, warmup_ms=0,
                     requests=proxy.n_keys)
        first.line()
        first.close()
    load = Load(bench.load, proxy, connections=64, gate=1,
                warmup_ms=bench.warmup_ms, run_ms=bench.run_ms, **kind)
    load.line()
    time.sleep(SETTLE_SECONDS)
    return load


def one_run(proxy, load):
    before = proxy.cpu_ns()
    result = load.ask()
    time.sleep(SETTLE_SECONDS)
    used = cpu_between(before, proxy.cpu_ns(), result["completed"])
    return {**used, "all": sum(used.values()), "rps": result["rps"],
            "start_ms": proxy.start_seconds * 1000,
            "errors": result["errors"]}


def syscalls(bench, proxy, n):
    """System calls of the worker's thread per 1 KiB request, by name."""
    proxy.start()
    load = Load(bench.load, proxy, connections=16, warmup_ms=300,
                requests=n, gate=1)
    load.line()
    out = bench.work / f"strace.{proxy.name}"
    words = ["strace", "-c", "-o", out]
    for tid in proxy.worker_threads():
        words += ["-p", str(tid)]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True,
                              preexec_fn=pinned(LOAD_CORE))
    for _ in proxy.worker_threads():
        tracer.stderr.readline()  # "Process N attached"
    done = load.ask()["completed"]
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    load.close()
    proxy.stop()
    counts = {}
    for line in out.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            counts[words[-1]] = round(int(words[3]) / done, 2)
    return {"total": round(sum(counts.values()), 2), "by_name": counts}


def instructions(bench, proxy, few, many):
    """User instructions per 1 KiB request, by callgrind: the difference
    of two runs, so that starting and ending do not count."""
    low, high = (callgrind(bench, proxy, n) for n in (few, many))
    return {part: round((high[part] - low[part]) / (many - few))
            for part in high}


def callgrind(bench, proxy, n):
    """Instructions of a run with n requests, the ledger's thread (the one
    that runs SQLite) apart."""
    for old in bench.work.glob("callgrind.*"):
        old.unlink()
    proxy.start(single=True, prefix=[
        "valgrind", "--tool=callgrind", "--separate-threads=yes",
        f"--callgrind-out-file={bench.work}/callgrind.%p"])
    load = Load(bench.load, proxy, connections=8, warmup_ms=0, requests=n)
    load.line()
    load.close()
    time.sleep(1)
    proxy.stop()
    total = {"worker": 0, "ledger": 0}
    for path in bench.work.glob("callgrind.*"):
        text = path.read_text(errors="replace")
        part = "ledger" if "sqlite3_step" in text else "worker"
        for line in text.splitlines():
            if line.startswith("totals:"):
                total[part] += int(line.split()[1])
    return total
