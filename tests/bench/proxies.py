"""The programs that are compared, each as a child process on its own core.

A Proxy has a port to send to, the CPU time its threads have used (in
nanoseconds, from schedstat) and the memory that is resident. Each starts
fresh in a directory of its own and forwards to one mock upstream.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import teamkeys

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = CORES[0]
LOAD_CORE = CORES[1 % len(CORES)]  # the mock and the load generator share it
START_SECONDS = 60


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, what):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"bench: {what} ended with {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise SystemExit(f"bench: {what} does not listen on port {port}")


def children_of(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()]


class Mock:
    """The upstream; one for the whole run."""

    def __init__(self, program, work):
        self.ca = work / "ca.pem"
        certificate, key = work / "mock.pem", work / "mock.key"
        make_certificate(self.ca, certificate, key)
        self.process = subprocess.Popen(
            [program, "--certificate", certificate, "--key", key],
            stdout=subprocess.PIPE, text=True, preexec_fn=pinned(LOAD_CORE))
        self.port = int(self.process.stdout.readline().split()[1])
        self.tls_port = int(self.process.stdout.readline().split()[1])

    def stop(self):
        self.process.kill()
        self.process.wait()


def make_certificate(ca, certificate, key):
    """A certificate for localhost, signed by a CA that only we trust."""
    work, run = ca.parent, lambda *words: subprocess.run(
        words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("openssl", "req", "-x509", *ec, "-keyout", work / "ca.key", "-out", ca,
        "-days", "3", "-subj", "/CN=bench CA",
        "-addext", "basicConstraints=critical,CA:TRUE")
    run("openssl", "req", *ec, "-keyout", key, "-out", work / "mock.csr",
        "-subj", "/CN=localhost")
    names = work / "names.cnf"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("openssl", "x509", "-req", "-in", work / "mock.csr", "-CA", ca,
        "-CAkey", work / "ca.key", "-CAcreateserial", "-days", "3",
        "-extfile", names, "-out", certificate)


class Proxy:
    """Base: start, stop, and what /proc tells. A subclass has `name`,
    `command(tls, streams, single)`, and may tell threads apart."""

    key = ""
    keys_file = None  # of many, which requests take in turn
    stop_signal = signal.SIGTERM

    def __init__(self, work, mock):
        self.dir = work / self.name
        self.mock = mock
        self.process = None

    def start(self, tls=False, streams=False, prefix=(), single=False):
        """`single` asks for one process only, `prefix` goes before it (a
        tracer)."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.port = free_port()
        words = self.command(tls, streams, single)
        self.log = open(self.dir / "output", "wb")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*prefix, *words], stdout=self.log, stderr=self.log,
            stdin=subprocess.DEVNULL, preexec_fn=pinned(PROXY_CORE))
        wait_for_port(self.port, self.process, f"{self.name} ({self.dir})")
        self.start_seconds = time.monotonic() - began
        self.pid = self.worker_pid(single)
        return self

    def worker_pid(self, single):
        return self.process.pid

    def stop(self):
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            print(f"bench: {self.name} did not end by itself")
        self.log.close()

    def part_of(self, thread_name):
        return "worker"

    def threads(self):
        """{tid: name}"""
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        return {int(task.name): (task / "comm").read_text().strip()
                for task in tasks.iterdir()}

    def worker_threads(self):
        return [tid for tid, name in self.threads().items()
                if self.part_of(name) == "worker"]

    def cpu_ns(self):
        used = {"worker": 0, "ledger": 0, "other": 0}
        for tid, name in self.threads().items():
            stat = pathlib.Path(f"/proc/{self.pid}/task/{tid}/schedstat")
            used[self.part_of(name)] += int(stat.read_text().split()[0])
        return used

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


class Direct(Proxy):
    """No proxy at all: what the others add is measured against this."""

    name = "direct"

    def start(self, **_):
        self.port, self.pid = self.mock.port, self.mock.process.pid
        return self

    def stop(self):
        pass


class Nginx(Proxy):
    """One worker, upstream connections kept, no access log, and bodies in
    memory: 7 system calls a request at 512 KiB as at 1 KiB. With the default
    client_body_buffer_size (16 KiB) each larger body would go through a file,
    which only flatters whoever is compared."""

    name = "nginx"

    def command(self, tls, streams, single):
        upstream = self.mock.tls_port if tls else self.mock.port
        scheme = "https" if tls else "http"
        conf = self.dir / "nginx.conf"
        conf.write_text(f"""
daemon off; master_process {"off" if single else "on"}; worker_processes 1;
pid {self.dir}/pid; error_log {self.dir}/error.log; user root;
worker_rlimit_nofile 20000;
# above what the files allow: when few are free nginx closes waiting clients
events {{ worker_connections 40000; }}
http {{
  access_log off;
  client_body_temp_path {self.dir}/body; proxy_temp_path {self.dir}/proxy;
  fastcgi_temp_path {self.dir}/f; uwsgi_temp_path {self.dir}/u;
  scgi_temp_path {self.dir}/s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  keepalive_timeout 600s; keepalive_requests 1000000000; tcp_nodelay on;
  upstream mock {{
    server 127.0.0.1:{upstream};
    keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
  }}
  server {{
    listen 127.0.0.1:{self.port} backlog=8192;
    location / {{
      proxy_pass {scheme}://mock;
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_read_timeout 900s; proxy_send_timeout 900s;
      proxy_buffering {"off" if streams else "on"};
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.mock.ca};
      proxy_ssl_name localhost; proxy_ssl_session_reuse on;
    }}
  }}
}}
""")
        return ["nginx", "-c", conf, "-p", self.dir, "-e", self.dir / "error.log"]

    def worker_pid(self, single):
        if single:
            return self.process.pid
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            found = children_of(self.process.pid)
            if found:
                return found[0]
            time.sleep(0.02)
        raise SystemExit("bench: nginx has no worker")


class Haproxy(Proxy):
    name = "haproxy"
    stop_signal = signal.SIGUSR1

    def command(self, tls, streams, single):
        upstream = self.mock.tls_port if tls else self.mock.port
        ssl = (f"ssl verify required ca-file {self.mock.ca} "
               "sni str(localhost) verifyhost localhost") if tls else ""
        conf = self.dir / "haproxy.cfg"
        conf.write_text(f"""
global
  nbthread 1
  maxconn 9900
  hard-stop-after 1s
  # else it closes idle upstream connections when many files are open
  tune.pool-low-fd-ratio 99
  tune.pool-high-fd-ratio 100
defaults
  mode http
  option http-no-delay
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 900s
  timeout server 900s
  timeout http-keep-alive 600s
frontend in
  bind 127.0.0.1:{self.port} backlog 8192
  default_backend mock
backend mock
  server mock 127.0.0.1:{upstream} {ssl} pool-max-conn 512
""")
        return ["haproxy", "-db", "-f", conf]


class Bijia(Proxy):
    name = "bijia"
    program = None  # set by bench.py
    teams = ["bench"]
    rules = "{}"

    def part_of(self, thread_name):
        if thread_name.startswith("bijia-w"):
            return "worker"
        return "ledger" if thread_name.startswith("bijia-rec") else "other"

    def command(self, tls, streams, single):
        write = lambda name, text: (self.dir / name).write_text(text)
        if tls:
            base = (f"https://localhost:{self.mock.tls_port}\n"
                    f"    ca_file: {self.mock.ca}")
        else:
            base = f"http://127.0.0.1:{self.mock.port}"
        write("bijia.yaml", f"""\
listen: 127.0.0.1:{self.port}
workers: 1
state_dir: state
limits: {{connections: 10000, requests: 1000000000}}
timeouts: {{idle: 600s, first_byte: 600s, silence: 900s}}
""")
        write("vendors.yaml", f"""\
vendors:
  mock:
    base_url: {base}
    adapter: openai
    currency: CNY
    auth: none
    models:
      bench-model: {{context: 4000000, max_output: 100000}}
""")
        write("prices.yaml", """\
prices:
  mock:
    bench-model:
      - {from: 2025-01-01, input: 1, cached_input: 0.1, output: 4}
""")
        write("policy.yaml", """\
currency: CNY
aliases:
  chat: [mock/bench-model]
teams:
""" + "".join(f"  {team}: {self.rules}\n" for team in self.teams))
        self.make_keys()
        return [self.program, "serve", self.dir]

    def make_keys(self):
        self.key = subprocess.run(
            [self.program, "keys", "new", self.teams[0], "--conf", self.dir],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True).stdout.strip()

    def receipts(self):
        """Lines in the routing log."""
        with open(self.dir / "state" / "routing.jsonl", "rb") as lines:
            return sum(1 for _ in lines)


class NoLedger(Bijia):
    """The same program, linked with a ledger that keeps nothing."""

    name = "no-ledger"
    program = None


class OneTeam(Bijia):
    """One team with a budget and limits, one key."""

    name = "one-team"
    rules = ("{budgets: [{amount: 1000000000, per: day}], "
             "limits: {rpm: 100000000}}")


class ManyTeams(OneTeam):
    """The same rules for each of 5,000 teams; 20,000 keys, which requests
    take in turn; and 100,000 exchanges in the ledger. The last two are made
    once, by real requests, and copied for each start."""

    name = "5000-teams"
    teams = [f"team-{i:04}" for i in range(5000)]
    n_keys = 20000
    n_rows = 100000
    load = None  # set by bench.py: the load generator

    def __init__(self, work, mock):
        super().__init__(work, mock)
        self.made = work / "many-teams-made"
        self.keys_file = self.made / "keys"

    def start(self, **how):
        if not self.made.exists():
            self.make()
        return super().start(**how)

    def make(self):
        self.made.mkdir()
        super().start()
        words = [self.load, "--port", str(self.port), "--keys", self.keys_file,
                 "--warmup-ms", "0", "--requests", str(self.n_rows)]
        subprocess.run([*words], check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=pinned(LOAD_CORE))
        self.stop()
        shutil.copytree(self.dir / "state", self.made / "state")
        # its 30,000 waiting conversations would be gone through while we
        # measure: it is not of teams
        (self.made / "state" / "learnt").unlink(missing_ok=True)
        shutil.copy(self.dir / "keys.yaml", self.made)

    def make_keys(self):
        if (self.made / "state").exists():
            shutil.copytree(self.made / "state", self.dir / "state")
            shutil.copy(self.made / "keys.yaml", self.dir)
            return
        super().make_keys()  # and so the pepper
        pepper = (self.dir / "state" / "pepper").read_text().split()[0]
        keys, entries = teamkeys.make(pepper, self.teams, self.n_keys)
        with open(self.dir / "keys.yaml", "a") as file:
            file.write(entries)
        self.keys_file.write_text("".join(key + "\n" for key in keys))


ALL = {proxy.name: proxy for proxy in (Bijia, Nginx, Haproxy, Direct, NoLedger,
                                    OneTeam, ManyTeams)}
